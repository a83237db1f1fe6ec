/* The engine from end to end on small graphs: numbers that can be checked by hand, unknown sizes, plans. */
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/graph.h"
#include "kernels/cpu.h"
#include "unit.h"

static void test_dense(void)
{
    static const float kernel[6] = {1, 2, 3, 4, 5, 6}, bias[3] = {0.5f, 0, -100};
    struct engine_graph *graph = engine_graph_new();
    struct shape shape = {.rank = 2, .dim = {SHAPE_UNKNOWN, 2}}, ks = shape_of(2, 2, 3), bs = shape_of(1, 3);
    engine_value x = engine_input(graph, "x", DTYPE_FLOAT32, &shape);
    engine_value y = engine_dense(graph, x, engine_constant(graph, DTYPE_FLOAT32, &ks, kernel),
                                  engine_constant(graph, DTYPE_FLOAT32, &bs, bias));
    y = engine_unary(graph, (struct unary){.kind = UNARY_RELU}, y);
    engine_output(graph, "y", y);
    struct engine *engine = NULL;
    struct err err = {0};
    CU_ASSERT_EQUAL_FATAL(engine_compile(graph, NULL, &engine, &err), 0);
    CU_ASSERT_TRUE(engine_batchable(engine));
    struct engine_plan *plan;
    struct shape in = shape_of(2, 2, 2);
    CU_ASSERT_EQUAL_FATAL(engine_plan_get(engine, &in, &plan, &err), 0);
    CU_ASSERT_EQUAL(engine_plan_output_shape(plan, 0)->dim[1], 3);
    _Alignas(64) float data[4] = {1, 1, 2, 0}, out[6];
    struct tensor input = {DTYPE_FLOAT32, in, data}, output = {.data = out};
    struct engine_worker *worker = engine_worker_new();
    CU_ASSERT_EQUAL_FATAL(engine_run(plan, worker, &input, &output, &err), 0);
    static const float expected[6] = {5.5f, 7, 0, 2.5f, 4, 0};
    for (int i = 0; i < 6; i++)
        CU_ASSERT_DOUBLE_EQUAL(out[i], expected[i], 1e-6);
    engine_worker_free(worker);
    engine_plan_put(plan);
    engine_free(engine);
}

int main(void)
{
    static const struct unit_test tests[] = {{"dense", test_dense}};
    kernels_init();
    return unit_main("engine", tests, sizeof(tests) / sizeof(tests[0]));
}
