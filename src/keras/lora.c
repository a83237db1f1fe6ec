/* LoRA: the update is multiplied out once, at load (the engine folds constants), so that serving costs
 * nothing more. An .h5 file holds the factors; an archive holds the kernel with the update in it. */
#include "keras/lora.h"

#include "image/image.h"
#include "keras/build.h"

double keras_lora_scale(struct keras_layer *layer)
{
    int64_t rank = keras_config_int(layer, "lora_rank", 0, 0);
    double alpha = keras_config_float(layer, "lora_alpha", (double)rank);
    return rank && !layer->build->content->layout_v3 ? alpha / (double)rank : 0;
}

void keras_lora_declare(struct keras_layer *layer, const char *kind_a, const char *kind_b)
{
    keras_declare_weight(layer, kind_a, true);
    keras_declare_weight(layer, kind_b, true);
}

engine_value keras_lora_apply(const struct keras_layer *layer, struct keras_call *call, engine_value kernel,
                              const char *kind_a, const char *kind_b, double scale)
{
    struct engine_graph *graph = call->graph;
    if (scale == 0)
        return kernel;
    engine_value a = keras_weight(layer, call, kind_a, -1), b = keras_weight(layer, call, kind_b, -1);
    engine_value update = engine_matmul(graph, a, b, false, false);
    update = engine_binary(graph, BINARY_MULTIPLY, update, keras_scalar(call, update, scale));
    return engine_binary(graph, BINARY_ADD, kernel, update);
}
