/* Products: dense (weights packed once) and matmul (both operands per request).
 *
 * A dense's weights are opaque after packing; bias, a tensor to add and an activation ride on the way out
 * (fuse.c puts them there). */
#include <inttypes.h>
#include <string.h>

#include "engine/window.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"

/* Multiply-adds per microsecond by instruction set, and bytes of weights read per microsecond by where
 * weights of that size lie: a middling core, measured with nothing else running. */
static const double macs_per_us[KERNELS_ISA_COUNT] = {
    [KERNELS_GENERIC] = 4e3, [KERNELS_AVX2] = 25e3, [KERNELS_AVX512] = 50e3};
#define INNER_CACHE_BYTES (1 << 20)
#define OUTER_CACHE_BYTES (32 << 20)

double product_cost_us(double macs, double weight_bytes)
{
    double speed = weight_bytes <= INNER_CACHE_BYTES   ? 100e3
                   : weight_bytes <= OUTER_CACHE_BYTES ? 60e3
                                                       : 20e3;
    double compute = macs / macs_per_us[kernels_isa()], memory = weight_bytes / speed;
    return compute > memory ? compute : memory;
}

/* The bias has one number per result channel. */
int product_check_bias(const struct step *step, int64_t channels, struct err *err)
{
    const struct value *bias = step->in[PRODUCT_BIAS];
    char text[128];
    if (!bias)
        return 0;
    if (!bias->constant || !dtype_is_float(bias->dtype))
        return err_set(err, KD_EINVAL, "the bias must be a constant of floats");
    if (bias->shape.rank != 1 || bias->shape.dim[0] != channels)
        return err_set(err, KD_EINVAL, "the bias has shape %s where (%" PRId64 ",) fits the kernel",
                       shape_text(&bias->shape, text, sizeof(text)), channels);
    return 0;
}

/* The tensor to add has the result's shape: fusion saw to that, save for sizes that no request should
 * differ in. */
int product_check_add(const struct step *step, struct err *err)
{
    const struct value *add = step->in[PRODUCT_ADD];
    char a[128], b[128];
    if (!add || !step->exact || shape_equal(&add->shape, &step->out[0]->shape))
        return 0;
    return err_set(err, KD_EINVAL, "the sum of shapes %s and %s",
                   shape_text(&step->out[0]->shape, a, sizeof(a)), shape_text(&add->shape, b, sizeof(b)));
}

/* x and kernel are floats, the kernel a constant of this rank. */
int product_check_kernel(const struct step *step, int rank, struct err *err)
{
    const struct value *kernel = step->in[PRODUCT_KERNEL];
    char text[128];
    int status = step_need_float(step, PRODUCT_X, err);
    if (!status)
        status = step_need_float(step, PRODUCT_KERNEL, err);
    if (status)
        return status;
    if (!kernel->constant)
        return err_set(err, KD_EINVAL, "the kernel must be a constant");
    if (kernel->shape.rank != rank)
        return err_set(err, KD_EINVAL, "the kernel must have %d axes, found shape %s", rank,
                       shape_text(&kernel->shape, text, sizeof(text)));
    return 0;
}

/* What rides on the way out, from operands and attributes. */
void product_epilogue(const struct step *step, const struct io *io, int64_t channels,
                      struct gemm_epilogue *ret)
{
    const struct activation_attrs *fused = step->attrs;
    *ret = (struct gemm_epilogue){
        .bias = io->in[PRODUCT_BIAS], .add = io->in[PRODUCT_ADD], .add_stride = channels};
    if (fused->activation.kind != UNARY_LINEAR)
        ret->activation = &fused->activation;
}

/* ---- dense ---- */

static int dense_infer(struct step *step, struct err *err)
{
    int status = product_check_kernel(step, 2, err);
    if (!status)
        status = step_need_rank(step, PRODUCT_X, 1, SHAPE_MAX_RANK, err);
    if (status)
        return status;
    const struct shape *x = &step->in[PRODUCT_X]->shape, *kernel = &step->in[PRODUCT_KERNEL]->shape;
    if (size_differs(x->dim[x->rank - 1], kernel->dim[0])) {
        char text[128];
        return err_set(err, KD_EINVAL, "the kernel takes %" PRId64 " features, the input has shape %s",
                       kernel->dim[0], shape_text(x, text, sizeof(text)));
    }
    step_like(step, 0, PRODUCT_X);
    step->out[0]->shape.dim[x->rank - 1] = kernel->dim[1];
    status = product_check_bias(step, kernel->dim[1], err);
    return status ? status : product_check_add(step, err);
}

static int dense_pack(struct node *node, const struct step *step, struct pack *pack, struct err *err)
{
    const struct value *kernel = step->in[PRODUCT_KERNEL];
    int64_t k = kernel->shape.dim[0], n = kernel->shape.dim[1];
    size_t bytes;
    bool fresh = false;
    void *packed = NULL;
    if (gemm_pack_bytes(k, n, &bytes))
        packed = pack_memory(pack, node->op, kernel->data, (uint64_t)n, bytes, &fresh);
    if (!packed)
        return pack_failed(err);
    if (fresh)
        gemm_pack(k, n, kernel->data, n, packed);
    node->packed = packed;
    return 0;
}

static int dense_prepare(struct step *step, struct err *err)
{
    struct gemm_packed *gemm = step_params(step, sizeof(*gemm), err);
    if (!gemm)
        return KD_ENOMEM;
    const struct shape *x = &step->in[PRODUCT_X]->shape, *kernel = &step->in[PRODUCT_KERNEL]->shape;
    gemm->rows = shape_product(x, 0, x->rank - 1);
    gemm->k = gemm->x_stride = kernel->dim[0];
    gemm->n = gemm->column_end = gemm->y_stride = kernel->dim[1];
    gemm->packed = step->node->packed;
    double weights = (double)gemm->k * (double)gemm->n;
    step->cost_us = product_cost_us((double)gemm->rows * weights, 4 * weights);
    return 0;
}

static int dense_run(const struct step *step, const struct io *io, struct err *err)
{
    struct gemm_packed gemm = *(const struct gemm_packed *)step->params;
    gemm.x = io->in[PRODUCT_X];
    gemm.y = io->out[0];
    product_epilogue(step, io, gemm.n, &gemm.epilogue);
    gemm_packed_run(&gemm);
    return 0;
}

const struct op op_dense = {.name = "dense",
                            .flags = OP_OPAQUE,
                            .n_required = 2,
                            .infer = dense_infer,
                            .in_place = 1u << PRODUCT_ADD,
                            .packs = 1u << PRODUCT_KERNEL,
                            .pack = dense_pack,
                            .prepare = dense_prepare,
                            .run = dense_run,
                            .rows = rows_first};

engine_value engine_dense(struct engine_graph *graph, engine_value x, engine_value kernel, engine_value bias)
{
    struct dense_attrs attrs = {0};
    engine_value in[PRODUCT_OPERANDS] = {x, kernel, bias, ENGINE_NONE};
    return graph_add(graph, &op_dense, &attrs, sizeof(attrs), in, PRODUCT_OPERANDS, 1);
}

/* ---- matmul ---- */

struct matmul_attrs {
    bool transpose_x, transpose_y;
};

/* The two shapes with rank-1 operands given their second axis, as NumPy does. */
struct matmul_shapes {
    struct shape x, y;
    int64_t m, k, n, k_of_y;
};

static void matmul_shapes(const struct step *step, struct matmul_shapes *ret)
{
    const struct matmul_attrs *attrs = step->attrs;
    ret->x = step->in[0]->shape;
    ret->y = step->in[1]->shape;
    if (ret->x.rank == 1)
        ret->x = (struct shape){.rank = 2, .dim = {1, ret->x.dim[0]}};
    if (ret->y.rank == 1)
        ret->y = (struct shape){.rank = 2, .dim = {ret->y.dim[0], 1}};
    const int64_t *x = ret->x.dim + ret->x.rank - 2, *y = ret->y.dim + ret->y.rank - 2;
    ret->m = x[attrs->transpose_x];
    ret->k = x[!attrs->transpose_x];
    ret->k_of_y = y[attrs->transpose_y];
    ret->n = y[!attrs->transpose_y];
}

static int matmul_check(const struct step *step, struct err *err)
{
    const struct matmul_attrs *attrs = step->attrs;
    int status = step_need_float(step, 0, err);
    if (!status)
        status = step_need_float(step, 1, err);
    if (!status)
        status = step_need_rank(step, 0, attrs->transpose_x ? 2 : 1, SHAPE_MAX_RANK, err);
    return status ? status : step_need_rank(step, 1, attrs->transpose_y ? 2 : 1, SHAPE_MAX_RANK, err);
}

static int matmul_infer(struct step *step, struct err *err)
{
    struct matmul_shapes shapes;
    char a[128], b[128];
    int status = matmul_check(step, err);
    if (status)
        return status;
    matmul_shapes(step, &shapes);
    struct shape x = shapes.x, y = shapes.y, batch;
    x.rank -= 2;
    y.rank -= 2;
    if (size_differs(shapes.k, shapes.k_of_y) || !shape_broadcast(&x, &y, &batch))
        return err_set(err, KD_EINVAL, "a matrix product of shapes %s and %s",
                       shape_text(&step->in[0]->shape, a, sizeof(a)),
                       shape_text(&step->in[1]->shape, b, sizeof(b)));
    if (step->in[0]->shape.rank > 1)
        batch.dim[batch.rank++] = shapes.m;
    if (step->in[1]->shape.rank > 1)
        batch.dim[batch.rank++] = shapes.n;
    step->out[0]->dtype = step->in[0]->dtype;
    step->out[0]->shape = batch;
    return 0;
}

/* Distance from one matrix to the next along each batch axis of the result; 0 where the operand repeats. */
static void matmul_strides(const struct shape *shape, int batch_rank, int64_t *ret)
{
    int64_t strides[SHAPE_MAX_RANK];
    shape_strides(shape, strides);
    int own = shape->rank - 2;
    for (int i = 0; i < batch_rank; i++) {
        int k = i - (batch_rank - own);
        ret[i] = k < 0 || shape->dim[k] == 1 ? 0 : strides[k];
    }
}

static int matmul_prepare(struct step *step, struct err *err)
{
    const struct matmul_attrs *attrs = step->attrs;
    struct gemm_matmul *matmul = step_params(step, sizeof(*matmul), err);
    struct matmul_shapes shapes;
    if (!matmul)
        return KD_ENOMEM;
    matmul_shapes(step, &shapes);
    *matmul = (struct gemm_matmul){.m = shapes.m,
                                   .k = shapes.k,
                                   .n = shapes.n,
                                   .transpose_x = attrs->transpose_x,
                                   .transpose_y = attrs->transpose_y};
    matmul->batch_rank = (shapes.x.rank > shapes.y.rank ? shapes.x.rank : shapes.y.rank) - 2;
    memcpy(matmul->batch_dim, step->out[0]->shape.dim, (size_t)matmul->batch_rank * sizeof(int64_t));
    matmul_strides(&shapes.x, matmul->batch_rank, matmul->x_stride);
    matmul_strides(&shapes.y, matmul->batch_rank, matmul->y_stride);
    if (!gemm_matmul_scratch(matmul, &step->scratch))
        return err_set(err, KD_ETOOBIG, "a matrix product too big to compute");
    step->cost_us = 1.5 * product_cost_us((double)step_out_count(step, 0) * (double)shapes.k, 0);
    return 0;
}

static int matmul_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct gemm_matmul *matmul = step->params;
    int64_t n = 1;
    for (int i = 0; i < matmul->batch_rank; i++)
        n *= matmul->batch_dim[i];
    gemm_matmul_run(matmul, io->in[0], io->in[1], io->out[0], 0, n, io->scratch);
    return 0;
}

/* The batch must be one of the leading axes, aligned in both. */
static enum rows matmul_rows(const struct step *step, const enum rows *in)
{
    const struct shape *x = &step->in[0]->shape, *y = &step->in[1]->shape, *z = &step->out[0]->shape;
    const struct matmul_attrs *attrs = step->attrs;
    if (in[0] == ROWS_FREE && in[1] == ROWS_FREE)
        return ROWS_FREE;
    if (in[0] == ROWS_EACH && in[1] == ROWS_FREE && x->rank >= 2 && y->rank <= 2)
        return x->rank == 2 && attrs->transpose_x ? ROWS_MIXED : ROWS_EACH;
    for (int i = 0; i < 2; i++) {
        const struct shape *shape = i ? y : x;
        if (in[i] == ROWS_FREE)
            continue;
        if (in[i] == ROWS_MIXED || shape->rank < 3 || shape->rank != z->rank || shape->dim[0] != z->dim[0])
            return ROWS_MIXED;
    }
    return ROWS_EACH;
}

static const struct op op_matmul = {.name = "matmul",
                                    .n_required = 2,
                                    .infer = matmul_infer,
                                    .prepare = matmul_prepare,
                                    .run = matmul_run,
                                    .rows = matmul_rows};

engine_value engine_matmul(struct engine_graph *graph, engine_value x, engine_value y, bool transpose_x,
                           bool transpose_y)
{
    struct matmul_attrs attrs = {transpose_x, transpose_y};
    engine_value in[] = {x, y};
    return graph_add(graph, &op_matmul, &attrs, sizeof(attrs), in, 2, 1);
}
