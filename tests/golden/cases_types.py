"""Types of results, TensorFlow 1's grids of pictures, and functions that place rows by numbers or mix colours."""
import numpy as np

from cases_found import packed
from cases_functions import small_ints
from cases_ops import unit
from make import normal

ENVIRONMENTS = ["keras3", "tf215", "tf23"]


def define(k, case):
    if k.family == "TF" and k.tf_version < (2, 4):  # nodes of the graph: one op of TensorFlow each
        packed(k, case, tensorflow_nodes())
        return
    types_and_grids(k, case)
    packed(k, case, keras3_functions() if k.is_k3() else tensorflow_functions())


def types_and_grids(k, case):
    """Results that are integers, constants with a type of their own, TensorFlow 1's grids, axes that come and go."""
    L = k.layers
    if k.is_k3():
        from keras import ops as o
        case("integers_normalised", lambda: k.net(([4, 4], "int32"), lambda x: [
            L.LayerNormalization()(x), L.GroupNormalization(2)(x), L.RMSNormalization()(x)]), data=small_ints)
        case("constants_with_types", lambda: k.net([([4], "int32"), [4]], lambda i, x: [
            i + np.array([1, 2, 3, 4], "int64"), o.maximum(i, np.array([3, 2, 1, 0], "int16")), i * np.array([0.5, 1, 2, 3], "float32"),
            x + np.array([1.0, 2, 3, 4]), x * np.array([1, 2, 3, 4], "int64")]), data=[small_ints, normal])
        case("max_pool_integers", lambda: k.net(([5, 4, 2], "int32"), lambda x: o.max_pool(x - 3, 2, padding="same")), data=small_ints)
        return
    import tensorflow as tf
    v = tf.compat.v1.image
    case("old_grids", lambda: k.net([6, 5, 2], lambda x: [f(x, s, align_corners=a) for f in (v.resize_bicubic, v.resize_area)
                                                          for s in ((9, 4), (3, 8)) for a in (False, True)]))
    case("max_pool_integers", lambda: k.net(([4, 4, 2], "int32"), lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME")), data=small_ints)
    case("squeeze_all", lambda: k.net([1, 4], tf.squeeze), batches=(2,), mixes_rows=True, warns=["squeeze without an axis"])
    case("one_hot_of_scalars", lambda: k.net(([], "int32"), lambda x: [
        L.Hashing(4, output_mode="one_hot")(x), L.CategoryEncoding(6, output_mode="one_hot")(x)]), data=small_ints, batches=(3,),
        mixes_rows=True, warns=["one_hot of inputs without axes"])


def tensorflow_functions():
    import tensorflow as tf
    m, s, image, lin = tf.math, [3, 4], tf.image, tf.linalg
    return [
        ("tensorflow_pictures", [5, 4, 3], unit, [
            image.rgb_to_hsv, image.hsv_to_rgb, lambda x: image.adjust_hue(x, 0.3), lambda x: image.adjust_saturation(x, 1.7),
            lambda x: image.adjust_hue(x - 0.5, -0.2), lambda x: image.adjust_gamma(x, 0.5, 2.0), image.rgb_to_yuv, image.yuv_to_rgb,
            image.rgb_to_yiq, image.yiq_to_rgb, image.rot90, lambda x: image.rot90(x, 3), image.transpose, image.image_gradients,
            image.total_variation, image.sobel_edges]),
        ("tensorflow_places", [s, [4, 4], ([], "int32")], [normal, normal, small_ints], [
            lambda x, y, i: lin.diag(x), lambda x, y, i: lin.set_diag(y, x[:, 0]), lambda x, y, i: lin.set_diag(x, x[:, :, 1]),
            lambda x, y, i: tf.reverse_sequence(y, i % 4, seq_axis=1), lambda x, y, i: tf.reverse_sequence(x, i % 4 + 1, seq_axis=2, batch_axis=0),
            lambda x, y, i: m.unsorted_segment_sum(x, i, 6), lambda x, y, i: m.unsorted_segment_mean(x, i, 6),
            lambda x, y, i: m.unsorted_segment_max(x[:, 0], i, 6), lambda x, y, i: m.unsorted_segment_min(x, i, 7),
            lambda x, y, i: m.unsorted_segment_prod(x, i, 6), lambda x, y, i: tf.nn.softmax_cross_entropy_with_logits(x, x * 2.0),
            lambda x, y, i: tf.nn.softmax_cross_entropy_with_logits(x, x * 2.0, axis=1)])]


def tensorflow_nodes():
    import tensorflow as tf
    raw = tf.raw_ops
    return [
        ("nodes_pictures", [5, 4, 3], unit, [
            lambda x: raw.RGBToHSV(images=x), lambda x: raw.HSVToRGB(images=x), lambda x: raw.AdjustHue(images=x, delta=0.3),
            lambda x: raw.AdjustSaturation(images=x, scale=1.7), lambda x: raw.AdjustContrastv2(images=x, contrast_factor=0.6)]),
        ("nodes_places", [[4, 4], ([], "int32")], [normal, small_ints], [
            lambda x, i: tf.reverse_sequence(x, i % 4, seq_axis=1), lambda x, i: tf.reverse_sequence(x, i % 4 + 1, seq_axis=2),
            lambda x, i: raw.UnsortedSegmentSum(data=x, segment_ids=i, num_segments=6),
            lambda x, i: raw.UnsortedSegmentMax(data=x, segment_ids=i, num_segments=6)])]


def keras3_functions():
    from keras import ops as o
    m = [3, 4]
    return [
        ("pictures", [5, 4, 3], unit, [o.image.rgb_to_hsv, o.image.hsv_to_rgb]),
        ("places", [m, ([], "int32")], [normal, small_ints], [
            lambda x, i: o.segment_sum(x, i, 6), lambda x, i: o.segment_max(x, i, 6),
            lambda x, i: o.select([x > 0.5, x > 0.0], [x * 2.0, x - 1.0]), lambda x, i: o.select([x > 0.5], [x], 0.25)])]
