/* tensor: the size of a view in memory, overflow-checked. */
#include "tensor/tensor.h"

#include "base/size.h"

bool tensor_bytes(enum dtype dtype, const struct shape *shape, size_t *ret)
{
    int64_t elements;
    return shape_elements(shape, &elements) && size_mul((size_t)elements, storage_size(dtype_storage(dtype)), ret);
}
