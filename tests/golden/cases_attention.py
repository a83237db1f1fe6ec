"""Attention layers: options, masks, causal, fully masked rows."""
from cases_core import ints
from cases_rnn import padded, some, unpadded

ENVIRONMENTS = ["tf215", "keras3"]
ONCE = ("attention_key", "attention_no", "attention_self", "attention_dropout", "additive_attention_key",
        "additive_attention_scale", "additive_attention_self", "additive_attention_dropout", "transformer_conv", "mha_dropout")


def define(k, case):
    luong(k, case)
    multi_head(k, case)
    masked(k, case)
    if k.has("GroupQueryAttention"):
        grouped(k, case)
    blocks(k, case)


def luong(k, case):
    L = k.layers
    qv, qvk = [[3, 4], [5, 4]], [[3, 4], [5, 4], [5, 4]]
    for cls, name in ((L.Attention, "attention"), (L.AdditiveAttention, "additive_attention")):
        case(name, lambda c=cls: k.net(qv, lambda *x: c()(list(x))))
        case(name + "_key", lambda c=cls: k.net([[3, 4], [5, 6], [5, 4]], lambda *x: c()(list(x)))
             if c is L.Attention else k.net(qvk, lambda *x: c()(list(x))))
        case(name + "_scale", lambda c=cls: k.net(qv, lambda *x: c(use_scale=True)(list(x))))
        case(name + "_no_scale", lambda c=cls: k.net(qv, lambda *x: c(use_scale=False)(list(x))))
        case(name + "_self", lambda c=cls: k.net([4, 3], lambda x: c()([x, x])))
        case(name + "_causal", lambda c=cls: k.net([4, 3], lambda x: c()([x, x], use_causal_mask=True)))
        case(name + "_scores", lambda c=cls: k.net(qv, lambda *x: c()(list(x), return_attention_scores=True)))
        case(name + "_dropout", lambda c=cls: k.net(qv, lambda *x: c(dropout=0.3)(list(x))))
        case(name + "_unknown", lambda c=cls: k.net([[None, 4], [None, 4]], lambda *x: c()(list(x))), sizes=[(2, 3), (6, 1)])
        case(name + "_masked", lambda c=cls: k.net(
            [[3, 4], [5, 4], ([3], "bool"), ([5], "bool")], lambda q, v, a, b: c()([q, v], mask=[a, b])),
            data=[unpadded, unpadded, some, some], batches=(1, 3, 7))
    case("attention_concat", lambda: k.net(qv, lambda *x: L.Attention(score_mode="concat")(list(x))))
    case("attention_concat_scale", lambda: k.net(qv, lambda *x: L.Attention(score_mode="concat", use_scale=True)(list(x))))


def multi_head(k, case):
    L = k.layers

    def mha(**options):
        return L.MultiHeadAttention(**options)
    for name, options in (
            ("plain", dict(num_heads=2, key_dim=3)), ("one_head", dict(num_heads=1, key_dim=4)),
            ("value_dim", dict(num_heads=2, key_dim=3, value_dim=5)), ("no_bias", dict(num_heads=2, key_dim=3, use_bias=False)),
            ("output_shape", dict(num_heads=2, key_dim=3, output_shape=7)), ("dropout", dict(num_heads=2, key_dim=3, dropout=0.2))):
        case("mha_" + name, lambda o=options: k.net([4, 6], lambda x: mha(**o)(x, x)))
    cross = [[3, 6], [5, 4]]
    case("mha_cross", lambda: k.net(cross, lambda q, v: mha(num_heads=2, key_dim=3)(q, v)))
    case("mha_cross_key", lambda: k.net([[3, 6], [5, 4], [5, 2]], lambda q, v, key: mha(num_heads=2, key_dim=3)(q, v, key)))
    case("mha_keywords", lambda: k.net(cross, lambda q, v: mha(num_heads=2, key_dim=3)(query=q, value=v, key=v)))
    case("mha_scores", lambda: k.net(cross, lambda q, v: mha(num_heads=2, key_dim=3)(q, v, return_attention_scores=True)))
    case("mha_causal", lambda: k.net([4, 6], lambda x: mha(num_heads=2, key_dim=3)(x, x, use_causal_mask=True)))
    case("mha_unknown", lambda: k.net([None, 6], lambda x: mha(num_heads=2, key_dim=3)(x, x)), sizes=[(3,), (7,)])
    case("mha_attention_mask", lambda: k.net(
        [[3, 6], [5, 4], ([3, 5], "bool")], lambda q, v, m: mha(num_heads=2, key_dim=3)(q, v, attention_mask=m)),
        data=[unpadded, unpadded, some])
    case("mha_attention_mask_scores", lambda: k.net(
        [[3, 6], [5, 4], ([3, 5], "bool")],
        lambda q, v, m: mha(num_heads=2, key_dim=3)(q, v, attention_mask=m, return_attention_scores=True)),
        data=[unpadded, unpadded, some])
    case("mha_attention_mask_heads", lambda: k.net(
        [[3, 6], [5, 4], ([2, 3, 5], "bool")], lambda q, v, m: mha(num_heads=2, key_dim=3)(q, v, attention_mask=m)),
        data=[unpadded, unpadded, some])
    for name, axes in (("axis1", (1,)), ("axis2", (2,)), ("axes12", (1, 2))):
        case("mha_" + name, lambda a=axes: k.net([3, 2, 6], lambda x: mha(num_heads=2, key_dim=3, attention_axes=a)(x, x)))
    if k.is_k3():
        case("mha_gate", lambda: k.net([4, 6], lambda x: mha(num_heads=2, key_dim=3, use_gate=True)(x, x)))
        case("mha_window", lambda: k.net([6, 4], lambda x: mha(num_heads=2, key_dim=3, sliding_window=2)(x, x)))


def masked(k, case):
    L = k.layers
    ids = ([5], "int32")

    def embedded(build, count=1):
        def net(*xs):
            return build(*[L.Embedding(9, 4, mask_zero=True)(x) for x in xs])
        return lambda: k.net([ids] * count, net)
    mha = lambda: L.MultiHeadAttention(num_heads=2, key_dim=3)
    case("mha_masked_self", embedded(lambda x: mha()(x, x)), data=padded)
    case("mha_masked_flatten", embedded(lambda x: L.Dense(2)(L.Flatten()(mha()(x, x)))), data=padded)
    case("mha_masked_pooling", embedded(lambda x: L.GlobalAveragePooling1D()(mha()(x, x))), data=padded)
    case("mha_masked_causal", embedded(lambda x: mha()(x, x, use_causal_mask=True)), data=padded)
    case("mha_masked_cross", embedded(lambda q, v: mha()(q, v), 2), data=padded)
    case("mha_masked_scores", embedded(lambda x: mha()(x, x, return_attention_scores=True)), data=padded)
    case("attention_masked_self", embedded(lambda x: L.Attention()([x, x])), data=padded)
    case("attention_masked_lstm", embedded(lambda x: L.LSTM(3)(L.Attention()([x, x]))), data=padded)
    case("additive_attention_masked_cross", embedded(lambda q, v: L.AdditiveAttention()([q, v]), 2), data=padded)


def grouped(k, case):
    L = k.layers
    for name, options in (
            ("plain", dict(head_dim=3, num_query_heads=4, num_key_value_heads=2)),
            ("one_group", dict(head_dim=3, num_query_heads=2, num_key_value_heads=1)),
            ("no_bias", dict(head_dim=3, num_query_heads=4, num_key_value_heads=4, use_bias=False)),
            ("gate", dict(head_dim=3, num_query_heads=4, num_key_value_heads=2, use_gate=True))):
        case("gqa_" + name, lambda o=options: k.net([4, 6], lambda x: L.GroupQueryAttention(**o)(x, x)))
    case("gqa_cross", lambda: k.net([[3, 6], [5, 6]], lambda q, v: L.GroupQueryAttention(3, 4, 2)(q, v)))
    case("gqa_causal", lambda: k.net([4, 6], lambda x: L.GroupQueryAttention(3, 4, 2)(x, x, use_causal_mask=True)))


def blocks(k, case):
    L = k.layers

    def encoder(x):
        y = L.LayerNormalization(epsilon=1e-6)(x)
        y = L.MultiHeadAttention(num_heads=2, key_dim=4, dropout=0.1)(y, y)
        x = L.Add()([x, L.Dropout(0.1)(y)])
        y = L.LayerNormalization(epsilon=1e-6)(x)
        y = L.Dense(x.shape[-1])(L.Dropout(0.1)(L.Dense(8, activation="gelu")(y)))
        return L.Add()([x, y])
    case("transformer_encoder", lambda: k.net([None, 6], lambda x: L.Dense(3, activation="softmax")(
        L.GlobalAveragePooling1D()(encoder(encoder(x))))), sizes=[(4,), (7,)])
    case("transformer_conv_feed", lambda: k.net([8, 2], lambda x: L.Dense(2)(L.GlobalAveragePooling1D(
        data_format="channels_first")(L.Conv1D(2, 1)(L.Conv1D(4, 1, activation="relu")(encoder(x)))))))
    case("text_transformer", lambda: k.net(([5], "int32"), lambda x: L.Dense(2, activation="softmax")(
        L.GlobalAveragePooling1D()(encoder(L.Embedding(12, 6)(x))))), data=ints(12))
