"""Preprocessing layers: scaling, resizing, cropping, augmentation at inference, categories, hashes, vocabularies, text."""
import numpy as np

from cases_core import ints

ENVIRONMENTS = ["tf215", "keras3"]
ONCE = ("resizing_up", "resizing_down", "center_crop_", "hashing_mask", "hashing_one", "hashing_multi", "hashing_count",
        "hashed_crossing", "text_lower", "text_punctuation", "text_ngrams", "text_multi", "text_tf", "text_pad", "integer_lookup_",
        "string_lookup_oov", "string_lookup_one", "random_flip", "random_rotation", "random_zoom", "random_translation",
        "random_contrast")

TEXTS = ["the cat sat", "The CAT, sat!", "", "a dog ran-away", "  two  spaces ", "\u00c0\u00c9 caf\u00e9", "cat cat dog",
         "don't stop-now", "unknown words here"]
WORDS = ["cat", "dog", "", "bird", "Cat", "a longer word of more than thirty-two bytes", "fish", "x" * 80]


def images(rng, shape, dtype):
    x = rng.uniform(0, 255, shape)
    return x.astype(dtype)


def define(k, case):
    scaling(k, case)
    resizing(k, case)
    augmentation(k, case)
    categories(k, case)
    hashing(k, case)
    lookups(k, case)
    texts(k, case)


def scaling(k, case):
    L = k.layers
    case("rescaling", lambda: k.one([3, 4, 2], L.Rescaling(1 / 255.0)), data=images)
    case("rescaling_offset", lambda: k.one([3, 4, 2], L.Rescaling(1 / 127.5, offset=-1)), data=images)
    case("rescaling_list", lambda: k.one([3, 4, 2], L.Rescaling([0.5, 2.0], offset=[1.0, -1.0])))
    case("rescaling_uint8", lambda: k.one(([3, 4, 2], "uint8"), L.Rescaling(1 / 255.0)), data=ints(256))
    case("rescaling_unknown", lambda: k.one([None, None, 2], L.Rescaling(0.1)), sizes=[(2, 3), (4, 1)])


def resizing(k, case):
    L = k.layers
    methods = ["bilinear", "nearest", "bicubic", "lanczos3", "lanczos5", "area"] + (
        [] if k.is_k3() else ["gaussian", "mitchellcubic"])
    if k.is_k3():
        methods.remove("area")
    for method in methods:
        tolerance = 3e-5 if method.startswith("lanczos") else 1e-5
        case("resizing_up_" + method, lambda m=method: k.one([4, 5, 2], L.Resizing(7, 9, interpolation=m)), tolerance=tolerance)
        case("resizing_down_" + method, lambda m=method: k.one([7, 8, 2], L.Resizing(3, 5, interpolation=m)), tolerance=tolerance)
    case("resizing_same", lambda: k.one([4, 5, 2], L.Resizing(4, 5)))
    case("resizing_unknown", lambda: k.one([None, None, 2], L.Resizing(4, 3)), sizes=[(5, 7), (3, 2)])
    for name, shape, size in (("wide", [4, 9, 2], (3, 3)), ("tall", [9, 4, 2], (5, 3)), ("odd", [7, 8, 1], (3, 2))):
        case("resizing_crop_" + name, lambda s=shape, o=size: k.one(s, L.Resizing(o[0], o[1], crop_to_aspect_ratio=True)))
        if k.is_k3():
            case("resizing_pad_" + name, lambda s=shape, o=size: k.one(s, L.Resizing(
                o[0], o[1], pad_to_aspect_ratio=True, fill_value=1.5)))
    if k.is_k3():
        for method in ("bilinear", "bicubic", "lanczos3", "nearest"):
            case("resizing_antialias_" + method, lambda m=method: k.one([9, 8, 2], L.Resizing(4, 3, interpolation=m, antialias=True)),
                 tolerance=3e-5)
        case("resizing_channels_first", lambda: k.one([2, 4, 5], L.Resizing(3, 6, data_format="channels_first")))
    for name, shape, size in (("even", [6, 8, 2], (4, 2)), ("odd", [5, 7, 2], (2, 4)), ("larger", [3, 4, 2], (5, 6)),
                              ("one_larger", [3, 8, 2], (4, 4))):
        case("center_crop_" + name, lambda s=shape, o=size: k.one(s, L.CenterCrop(*o)))
    case("center_crop_unknown", lambda: k.one([None, None, 1], L.CenterCrop(3, 2)), sizes=[(5, 4), (6, 7)])


def augmentation(k, case):
    L = k.layers
    table = [("flip", lambda: L.RandomFlip("horizontal")), ("rotation", lambda: L.RandomRotation(0.2)),
             ("zoom", lambda: L.RandomZoom(0.2)), ("translation", lambda: L.RandomTranslation(0.1, 0.1)),
             ("contrast", lambda: L.RandomContrast(0.2))]
    if k.is_k3():
        table += [("shear", lambda: L.RandomShear(0.1, 0.1)), ("perspective", lambda: L.RandomPerspective()),
                  ("elastic", lambda: L.RandomElasticTransform()), ("erasing", lambda: L.RandomErasing()),
                  ("gaussian_blur", lambda: L.RandomGaussianBlur()), ("grayscale", lambda: L.RandomGrayscale(0.5)),
                  ("hue", lambda: L.RandomHue(0.2)), ("invert", lambda: L.RandomInvert(0.5)),
                  ("color_jitter", lambda: L.RandomColorJitter()), ("mix_up", lambda: L.MixUp()),
                  ("cut_mix", lambda: L.CutMix()), ("aug_mix", lambda: L.AugMix()), ("rand_augment", lambda: L.RandAugment())]
        case("auto_contrast", lambda: k.one([4, 5, 3], L.AutoContrast()), data=images)
        case("auto_contrast_range", lambda: k.one([4, 5, 3], L.AutoContrast(value_range=(0.0, 1.0))))
        pipelines(k, case)
        equalizations(k, case)
    else:
        table += [("brightness", lambda: L.RandomBrightness(0.2)), ("height", lambda: L.RandomHeight(0.2)),
                  ("width", lambda: L.RandomWidth(0.2))]
    for name, make in table:
        case("random_" + name, lambda m=make: k.one([6, 7, 3], m()), data=images)
    case("random_crop", lambda: k.one([7, 8, 3], L.RandomCrop(4, 3)), data=images)
    if not k.is_k3():
        case("random_crop_larger", lambda: k.one([5, 4, 2], L.RandomCrop(6, 6)))
    case("augmented_network", lambda: k.seq([8, 8, 3], L.RandomFlip(), L.RandomRotation(0.1), L.Rescaling(1 / 255.0),
                                            L.Conv2D(2, 3), L.Flatten(), L.Dense(2)), data=images)


def pipelines(k, case):
    L = k.layers
    if hasattr(L, "Pipeline"):
        case("pipeline", lambda: k.one([4, 5, 3], L.Pipeline([L.Rescaling(0.1, 1), L.RandomFlip(), L.CenterCrop(3, 4)])),
             data=images)
        case("pipeline_weights", lambda: k.one([4, 5, 3], L.Pipeline([
            L.Conv2D(4, 2, activation="relu"), L.BatchNormalization(), L.Dropout(0.5), L.Dense(3)])))


def equalizations(k, case):
    clahe = getattr(k.layers, "ContrastLimitedAdaptiveHistogramEqualization", None)
    if not clahe:
        return
    case("clahe", lambda: k.one([16, 24, 3], clahe()), data=images)
    case("clahe_uneven", lambda: k.one([13, 18, 2], clahe(clip_limit=1.3, tile_grid_size=(3, 4))), data=images)
    case("clahe_unclipped", lambda: k.one([10, 9, 1], clahe(clip_limit=0, tile_grid_size=(2, 1))), data=images)
    case("clahe_range", lambda: k.one([8, 9, 3], clahe(value_range=(-1.0, 1.0), tile_grid_size=(2, 2))))
    case("clahe_channels_first", lambda: k.one([3, 8, 9], clahe(data_format="channels_first", tile_grid_size=(2, 3))), data=images)


def categories(k, case):
    L = k.layers
    case("category_one_hot", lambda: k.one(([1], "int32"), L.CategoryEncoding(5, "one_hot")), data=ints(5))
    case("category_multi_hot", lambda: k.one(([3], "int32"), L.CategoryEncoding(5, "multi_hot")), data=ints(5))
    case("category_count", lambda: k.one(([4], "int32"), L.CategoryEncoding(5, "count")), data=ints(5))
    case("category_count_weights", lambda: k.net(
        [([4], "int32"), [4]], lambda x, w: L.CategoryEncoding(5, "count")(x, count_weights=w)), data=[ints(5), ints(3)])
    if k.is_k3():
        case("category_one_hot_many", lambda: k.one(([3], "int32"), L.CategoryEncoding(5, "one_hot")), data=ints(5))
    bounds = [-0.5, 0.0, 0.75]
    for mode in ("int", "one_hot", "multi_hot", "count"):
        shape = [1] if mode == "one_hot" else [3]
        case("discretization_" + mode, lambda m=mode, s=shape: k.one(s, L.Discretization(bin_boundaries=bounds, output_mode=m)))
    case("discretization_edges", lambda: k.one([4], L.Discretization(bin_boundaries=[0.0, 1.0, 2.0])),
         fixed=[[np.array([[-1, 0, 0.5, 1], [1.5, 2, 5, -0.0]], "float32")]])
    case("discretization_adapted", lambda: discretized(k), randomise=False)


def discretized(k):
    layer = k.layers.Discretization(num_bins=4, epsilon=0.05)
    layer.adapt(np.random.RandomState(3).standard_normal((50, 1)).astype("float32"))
    return k.one([3], layer)


def words(*texts):
    """Batches of strings, one of each size."""
    def arrays(columns):
        table = np.array(texts, dtype=object)
        return [[table[:columns].reshape(1, columns)],
                [table[: len(table) // columns * columns].reshape(-1, columns)]]
    return arrays


def hashing(k, case):
    L = k.layers
    strings = words(*WORDS)(2)
    case("hashing_strings", lambda: k.one(([2], "string"), L.Hashing(1000)), fixed=strings)
    case("hashing_salt", lambda: k.one(([2], "string"), L.Hashing(1000, salt=133)), fixed=strings)
    case("hashing_salts", lambda: k.one(([2], "string"), L.Hashing(1000, salt=[137, 5])), fixed=strings)
    case("hashing_mask", lambda: k.one(([2], "string"), L.Hashing(10, mask_value="cat")), fixed=strings)
    case("hashing_ints", lambda: k.one(([3], "int64"), L.Hashing(1000)), data=ints(1000, -1000))
    case("hashing_one_hot", lambda: k.one(([1], "int64"), L.Hashing(7, output_mode="one_hot")), data=ints(100))
    case("hashing_multi_hot", lambda: k.one(([2], "string"), L.Hashing(7, output_mode="multi_hot")), fixed=strings)
    case("hashing_count", lambda: k.one(([3], "int64"), L.Hashing(7, output_mode="count")), data=ints(100))

    def crossing(spec, **options):
        return lambda: k.net([spec, spec], lambda a, b: L.HashedCrossing(1000 if not options else 9, **options)([a, b]))
    pair = words(*WORDS)(1)
    both = [[p[0], p[0][::-1].copy()] for p in pair]
    case("hashed_crossing_strings", crossing(([1], "string")), fixed=both)
    case("hashed_crossing_ints", crossing(([1], "int64")), data=ints(100, -100))
    case("hashed_crossing_one_hot", crossing(([1], "int64"), output_mode="one_hot"), data=ints(100))


def lookups(k, case):
    L = k.layers
    vocabulary = ["bird", "cat", "dog"]
    strings = words(*WORDS)(2)

    def string(**options):
        return lambda: k.one(([2], "string"), L.StringLookup(vocabulary=vocabulary, **options))

    def integer(**options):
        return lambda: k.one(([3], "int64"), L.IntegerLookup(vocabulary=[3, 5, 9, 12], **options))
    case("string_lookup", string(), fixed=strings)
    case("string_lookup_mask", string(mask_token=""), fixed=strings)
    case("string_lookup_oov3", string(num_oov_indices=3), fixed=strings)
    case("string_lookup_multi_hot", string(output_mode="multi_hot"), fixed=strings)
    case("string_lookup_count", string(output_mode="count"), fixed=strings)
    case("string_lookup_tf_idf", string(output_mode="tf_idf", idf_weights=[0.5, 1.5, 2.5]), fixed=strings)
    case("string_lookup_pad", string(output_mode="multi_hot", pad_to_max_tokens=True, max_tokens=7), fixed=strings)
    case("string_lookup_one_hot", lambda: k.one(([1], "string"), L.StringLookup(
        vocabulary=vocabulary, output_mode="one_hot")), fixed=words(*WORDS)(1))
    case("string_lookup_invert", lambda: k.one(([3], "int64"), L.StringLookup(vocabulary=vocabulary, invert=True)), data=ints(6))
    case("string_lookup_embedding", lambda: k.seq(([2], "string"), L.StringLookup(vocabulary=vocabulary), L.Embedding(4, 3),
                                                  L.Flatten(), L.Dense(2)), fixed=strings)
    case("integer_lookup", integer(), data=ints(14))
    case("integer_lookup_mask", integer(mask_token=0), data=ints(14))
    case("integer_lookup_oov2", integer(num_oov_indices=2), data=ints(14))
    case("integer_lookup_multi_hot", integer(output_mode="multi_hot"), data=ints(14))
    case("integer_lookup_count", integer(output_mode="count"), data=ints(14))
    case("integer_lookup_invert", integer(invert=True), data=ints(6))
    case("integer_lookup_one_hot", lambda: k.one(([1], "int64"), L.IntegerLookup(
        vocabulary=[3, 5, 9], output_mode="one_hot")), data=ints(10))


def texts(k, case):
    L = k.layers
    vocabulary = ["cat", "dog", "the", "sat", "ran", "the cat", "cat sat", "caf\u00e9"]
    column = [np.array(TEXTS, dtype=object).reshape(-1, 1)]

    def vectorize(**options):
        return lambda: k.one(([1], "string"), L.TextVectorization(vocabulary=vocabulary, **options))
    for name, options in (
            ("int", {}), ("length", {"output_sequence_length": 3}), ("long", {"output_sequence_length": 8}),
            ("lower", {"standardize": "lower"}), ("punctuation", {"standardize": "strip_punctuation"}),
            ("raw", {"standardize": None}), ("ngrams", {"ngrams": 2, "output_sequence_length": 6}),
            ("ngrams_only", {"ngrams": (2,), "output_sequence_length": 4}),
            ("multi_hot", {"output_mode": "multi_hot"}), ("count", {"output_mode": "count"}),
            ("multi_hot_ngrams", {"output_mode": "multi_hot", "ngrams": 2}),
            ("tf_idf", {"output_mode": "tf_idf", "idf_weights": [0.5 * i + 1 for i in range(8)]}),
            ("pad", {"output_mode": "count", "pad_to_max_tokens": True, "max_tokens": 12})):
        case("text_" + name, vectorize(**options), fixed=[column, [column[0][:2]]] if name in ("length", "count") else [column],
             mixes_rows=name in ("int", "lower", "punctuation", "raw"))
    case("text_characters", lambda: k.one(([1], "string"), L.TextVectorization(
        vocabulary=list("acdeost"), split="character", output_sequence_length=8)), fixed=[column])
    case("text_network", lambda: k.seq(([1], "string"), L.TextVectorization(vocabulary=vocabulary, output_sequence_length=4),
                                       L.Embedding(10, 3), L.GlobalAveragePooling1D(), L.Dense(2)), fixed=[column])
