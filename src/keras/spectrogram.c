/* Spectrograms: STFTSpectrogram and MelSpectrogram, as strided convolutions.
 *
 * STFTSpectrogram brings the two kernels (window times cosine and sine) as weights. MelSpectrogram has no
 * weights: the Fourier kernels and the mel matrix are computed here from its config, in double precision.
 * With power_to_db and top_db its result depends on the loudest value of the whole batch, as it does in
 * Keras. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "keras/layer.h"

#define BACKEND_EPSILON 1e-7
#define MAX_FFT 4096

static engine_value unary(struct keras_call *call, enum unary_kind kind, engine_value x)
{
    return engine_unary(call->graph, (struct unary){.kind = kind}, x);
}

static engine_value binary(struct keras_call *call, enum binary_kind kind, engine_value x, engine_value y)
{
    return engine_binary(call->graph, kind, x, y);
}

static engine_value at_least(struct keras_call *call, engine_value x, double bound)
{
    return binary(call, BINARY_MAXIMUM, x, keras_scalar(call, x, bound));
}

static engine_value power_of(struct keras_call *call, engine_value real, engine_value imag)
{
    return binary(call, BINARY_ADD, unary(call, UNARY_SQUARE, real), unary(call, UNARY_SQUARE, imag));
}

/* ---- STFTSpectrogram ---- */

enum stft_mode { STFT_LOG, STFT_MAGNITUDE, STFT_PSD, STFT_REAL, STFT_IMAG, STFT_ANGLE, STFT_BOTH };

struct stft {
    enum stft_mode mode;
    int64_t frame_length, frame_step, n_bins;
    bool expand_dims, channels_first;
    enum engine_padding padding;
};

static int64_t next_power_of_2(int64_t n)
{
    int64_t power = 1;
    while (power < n && power <= MAX_FFT)
        power *= 2;
    return power;
}

static int stft_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const modes[] = {"log", "magnitude", "psd", "real", "imag", "angle", "stft", NULL};
    static const char *const paddings[] = {"valid", "same", NULL};
    struct stft *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    keras_config_ignore(layer, (const char *const[]){"window", "periodic", "scaling", NULL});
    params->mode = (enum stft_mode)keras_config_choice(layer, "mode", modes, STFT_LOG);
    params->padding = keras_config_choice(layer, "padding", paddings, 0) ? ENGINE_SAME : ENGINE_VALID;
    params->frame_length = keras_config_int(layer, "frame_length", 256, 1);
    int64_t half = params->frame_length / 2 > 0 ? params->frame_length / 2 : 1;
    params->frame_step = keras_config_int(layer, "frame_step", half, 1);
    params->n_bins = keras_config_int(layer, "fft_length", next_power_of_2(params->frame_length), 1) / 2 + 1;
    params->expand_dims = keras_config_bool(layer, "expand_dims", false);
    params->channels_first = keras_config_channels_first(layer);
    if (params->mode != STFT_IMAG)
        keras_declare_weight(layer, "real_kernel", true);
    if (params->mode != STFT_REAL)
        keras_declare_weight(layer, "imag_kernel", true);
    return 0;
}

/* x [N, C, T] -> [N, C, frames, bins], one channel like another. */
static engine_value stft_conv(const struct keras_layer *layer, struct keras_call *call, engine_value x,
                              const char *kind)
{
    const struct stft *params = layer->params;
    struct engine_graph *graph = call->graph;
    struct engine_window window = {.n_spatial = 1, .stride = {params->frame_step}, .dilation = {1},
                                   .padding = params->padding};
    engine_value kernel =
        keras_weight(layer, call, kind, 3, params->frame_length, (int64_t)1, params->n_bins);
    int64_t channels = engine_dim(graph, x, 1);
    if (channels < 1)
        return engine_graph_fail(graph, KD_EUNSUPPORTED, "the number of channels must be known");
    engine_value rows = engine_reshape(graph, x, (const int64_t[]){ENGINE_INFER, ENGINE_SAME_DIM(2), 1}, 3);
    rows = engine_conv(graph, rows, kernel, ENGINE_NONE, &window, 1);
    const int64_t spec[] = {ENGINE_INFER, channels, ENGINE_SAME_DIM(1), params->n_bins};
    return engine_reshape(graph, rows, spec, 4);
}

/* Energy of the mirrored half is added to all bins but the first and the last. */
static engine_value stft_psd(struct keras_call *call, engine_value power)
{
    const int64_t before[] = {0, 0, 0, 1}, after[] = {0, 0, 0, 1};
    engine_value inner = engine_slice(call->graph, power, 3, 1, -1, 1);
    inner = engine_pad(call->graph, inner, before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE);
    return binary(call, BINARY_ADD, power, inner);
}

static engine_value stft_combine(const struct keras_layer *layer, struct keras_call *call, engine_value x)
{
    const struct stft *params = layer->params;
    engine_value real = ENGINE_NONE, imag = ENGINE_NONE;
    if (params->mode != STFT_IMAG)
        real = stft_conv(layer, call, x, "real_kernel");
    if (params->mode != STFT_REAL)
        imag = stft_conv(layer, call, x, "imag_kernel");
    switch (params->mode) {
    case STFT_REAL:
        return real;
    case STFT_IMAG:
        return imag;
    case STFT_ANGLE:
        return binary(call, BINARY_ATAN2, imag, real);
    case STFT_BOTH:
        return engine_concat(call->graph, (engine_value[]){real, imag}, 2, 3);
    case STFT_PSD:
        return stft_psd(call, power_of(call, real, imag));
    default:
        break;
    }
    engine_value magnitude =
        unary(call, UNARY_SQRT, at_least(call, power_of(call, real, imag), BACKEND_EPSILON));
    if (params->mode == STFT_MAGNITUDE)
        return magnitude;
    return unary(call, UNARY_LOG, at_least(call, magnitude, BACKEND_EPSILON));
}

/* [N, C, frames, bins] to the layer's layout: channels last or first, bins on an axis of their own or beside
 * the channels (channel by channel). */
static engine_value stft_layout(const struct stft *params, struct keras_call *call, engine_value y)
{
    static const int time_last[] = {0, 1, 3, 2}, channels_last[] = {0, 2, 3, 1}, time_first[] = {0, 2, 1, 3};
    const int64_t joined[] = {ENGINE_SAME_DIM(0), ENGINE_SAME_DIM(1), ENGINE_INFER};
    if (params->expand_dims)
        return params->channels_first ? y : engine_transpose(call->graph, y, channels_last);
    if (!params->channels_first)
        return engine_reshape(call->graph, engine_transpose(call->graph, y, time_first), joined, 3);
    const int64_t channels_joined[] = {ENGINE_SAME_DIM(0), ENGINE_INFER, ENGINE_SAME_DIM(3)};
    return engine_reshape(call->graph, engine_transpose(call->graph, y, time_last), channels_joined, 3);
}

static int stft_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct stft *params = layer->params;
    engine_value x = call->inputs[0].value;
    if (!keras_expect_rank(call, x, 3))
        return 0;
    if (!params->channels_first)
        x = engine_transpose(call->graph, x, (const int[]){0, 2, 1});
    keras_call_return(call, 0, stft_layout(params, call, stft_combine(layer, call, x)));
    return 0;
}

const struct keras_class keras_class_stft_spectrogram = {
    .names = (const char *const[]){"STFTSpectrogram", NULL},
    .family = "Preprocessing",
    .doc = "every mode",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = stft_parse,
    .lower = stft_lower,
};

/* ---- MelSpectrogram ---- */

enum mel_window { MEL_HANN, MEL_HAMMING, MEL_NONE };

struct mel {
    int64_t fft_length, stride, length, n_mels;
    enum mel_window window;
    double sampling_rate, min_freq, max_freq, top_db, mag_exp, min_power, ref_power;
    bool to_db;
};

static int mel_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const windows[] = {"hann", "hamming", NULL};
    struct mel *params = keras_params(layer, sizeof(*params));
    if (!params)
        return 0;
    params->fft_length = keras_config_int(layer, "fft_length", 2048, 2);
    params->stride = keras_config_int(layer, "sequence_stride", 512, 1);
    params->length = keras_config_int(layer, "sequence_length", params->fft_length, 1);
    params->n_mels = keras_config_int(layer, "num_mel_bins", 128, 1);
    params->window = keras_config_has(layer, "window")
                         ? (enum mel_window)keras_config_choice(layer, "window", windows, MEL_HANN)
                         : MEL_NONE;
    params->sampling_rate = keras_config_float(layer, "sampling_rate", 16000);
    params->min_freq = keras_config_float(layer, "min_freq", 20);
    params->max_freq = keras_config_float(layer, "max_freq", floor(params->sampling_rate / 2));
    params->to_db = keras_config_bool(layer, "power_to_db", true);
    params->top_db = keras_config_float(layer, "top_db", 80);
    params->mag_exp = keras_config_float(layer, "mag_exp", 2);
    params->min_power = keras_config_float(layer, "min_power", 1e-10);
    params->ref_power = keras_config_float(layer, "ref_power", 1);
    if (params->fft_length > MAX_FFT || params->length > params->fft_length || params->n_mels > MAX_FFT)
        return keras_config_fail(
            layer, "an fft_length of %lld with frames of %lld and %lld mel bins is not served",
            (long long)params->fft_length, (long long)params->length, (long long)params->n_mels);
    return 0;
}

/* Sample i of the periodic window, centred in the transform's length. */
static double window_at(const struct mel *params, int64_t i)
{
    int64_t k = i - (params->fft_length - params->length) / 2;
    if (params->window == MEL_NONE)
        return 1;
    if (k < 0 || k >= params->length)
        return 0;
    double base = params->window == MEL_HANN ? 0.5 : 0.54;
    return base - (1 - base) * cos(2 * M_PI * (double)k / (double)params->length);
}

/* [fft_length, 1, bins]: window times cosine, or minus sine. */
static engine_value fourier_kernel(const struct keras_layer *layer, struct keras_call *call, bool imaginary)
{
    const struct mel *params = layer->params;
    int64_t n = params->fft_length, bins = n / 2 + 1;
    float *kernel = arena_calloc(layer->arena, (size_t)(n * bins), sizeof(*kernel));
    if (!kernel)
        return engine_graph_fail(call->graph, KD_ENOMEM, "out of memory");
    for (int64_t i = 0; i < n; i++)
        for (int64_t bin = 0; bin < bins; bin++) {
            double angle = 2 * M_PI * (double)(i * bin % n) / (double)n;
            kernel[i * bins + bin] = (float)(window_at(params, i) * (imaginary ? -sin(angle) : cos(angle)));
        }
    struct shape shape = shape_of(3, n, (int64_t)1, bins);
    return engine_constant(call->graph, DTYPE_FLOAT32, &shape, kernel);
}

static double mel_of(double hertz)
{
    return 1127 * log(1 + hertz / 700);
}

/* [bins, mels]: triangles that are linear on the mel scale; bin 0 takes no part. */
static engine_value mel_matrix(const struct keras_layer *layer, struct keras_call *call)
{
    const struct mel *params = layer->params;
    int64_t bins = params->fft_length / 2 + 1, mels = params->n_mels;
    double low = mel_of(params->min_freq), step = (mel_of(params->max_freq) - low) / (double)(mels + 1);
    float *matrix = arena_calloc(layer->arena, (size_t)(bins * mels), sizeof(*matrix));
    if (!matrix)
        return engine_graph_fail(call->graph, KD_ENOMEM, "out of memory");
    for (int64_t bin = 1; bin < bins; bin++)
        for (int64_t m = 0; m < mels; m++) {
            double at = mel_of(params->sampling_rate / 2 * (double)bin / (double)(bins - 1));
            double up = (at - (low + step * (double)m)) / step;
            double down = (low + step * (double)(m + 2) - at) / step;
            double height = up < down ? up : down;
            matrix[bin * mels + m] = (float)(height > 0 ? height : 0);
        }
    struct shape shape = shape_of(2, bins, mels);
    return engine_constant(call->graph, DTYPE_FLOAT32, &shape, matrix);
}

/* 10 log10 above the reference, no lower than top_db below the loudest value of all. */
static engine_value to_decibel(const struct mel *params, struct keras_call *call, engine_value y)
{
    double reference =
        fabs(params->ref_power) > params->min_power ? fabs(params->ref_power) : params->min_power;
    y = unary(call, UNARY_LOG10, at_least(call, y, params->min_power));
    y = binary(call, BINARY_MULTIPLY, y, keras_scalar(call, y, 10));
    y = binary(call, BINARY_SUBTRACT, y, keras_scalar(call, y, 10 * log10(reference)));
    engine_value loudest = engine_reduce(call->graph, REDUCE_MAX, y, NULL, 0, false);
    return binary(call, BINARY_MAXIMUM, y, binary(call, BINARY_SUBTRACT, loudest,
                                                  keras_scalar(call, y, params->top_db)));
}

static int mel_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct mel *params = layer->params;
    struct engine_graph *graph = call->graph;
    const int64_t pad[] = {0, params->fft_length / 2};
    struct engine_window window = {.n_spatial = 1, .stride = {params->stride}, .dilation = {1}};
    engine_value x = engine_cast(graph, call->inputs[0].value, DTYPE_FLOAT32), part[2];
    if (!keras_expect_rank(call, x, 2))
        return 0;
    x = engine_pad(graph, x, pad, pad, ENGINE_PAD_REFLECT, ENGINE_NONE);
    x = engine_expand_dims(graph, x, 2);
    for (int i = 0; i < 2; i++)
        part[i] = engine_conv(graph, x, fourier_kernel(layer, call, i), ENGINE_NONE, &window, 1);
    engine_value y = power_of(call, part[0], part[1]);
    if (params->mag_exp != 2)
        y = binary(call, BINARY_POWER, y, keras_scalar(call, y, params->mag_exp / 2));
    y = engine_dense(graph, y, mel_matrix(layer, call), ENGINE_NONE);
    y = params->to_db ? to_decibel(params, call, y) : y;
    y = engine_transpose(graph, y, (const int[]){0, 2, 1});
    keras_call_return(
        call, 0,
        engine_cast(graph, y, dtype_is_float(layer->compute_dtype) ? layer->compute_dtype : DTYPE_FLOAT32));
    return 0;
}

const struct keras_class keras_class_mel_spectrogram = {
    .names = (const char *const[]){"MelSpectrogram", NULL},
    .family = "Preprocessing",
    .doc = "input (batch, time); windows hann, hamming and none; with power_to_db the loudest value of the "
           "batch counts",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_DROP,
    .parse = mel_parse,
    .lower = mel_lower,
};
