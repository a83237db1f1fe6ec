/* Data types: their names in Keras, TensorFlow and the Open Inference Protocol, and how we store them.
 *
 * A tensor has a declared dtype (what the model says) and a storage type (what our loops see). There
 * are three storage types only, so that no loop exists in ten variants: all floats are computed as
 * float32, all integers and booleans as int64, strings as views. The declared dtype decides
 * range checks at the door, wrapping after integer arithmetic, and how a value is written out. */
#ifndef KD_TENSOR_DTYPE_H
#define KD_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype {
    DTYPE_INVALID = 0,
    DTYPE_FLOAT32,
    DTYPE_FLOAT64,
    DTYPE_FLOAT16,
    DTYPE_BFLOAT16,
    DTYPE_INT8,
    DTYPE_INT16,
    DTYPE_INT32,
    DTYPE_INT64,
    DTYPE_UINT8,
    DTYPE_UINT16,
    DTYPE_UINT32,
    DTYPE_UINT64,
    DTYPE_BOOL,
    DTYPE_STRING,
    DTYPE_COUNT
};

enum storage {
    STORAGE_F32, /* float */
    STORAGE_I64, /* int64_t; bool as 0 or 1 */
    STORAGE_STR  /* struct str_view, bytes owned by someone who outlives the tensor */
};

/* "float32", "bool", ...; NULL for DTYPE_INVALID. */
const char *dtype_name(enum dtype dtype);
/* "DT_FLOAT", ... */
const char *dtype_tensorflow_name(enum dtype dtype);
/* "float" ("double", "half", ...): the lower-case name in TensorFlow's messages. */
const char *dtype_tensorflow_short_name(enum dtype dtype);
/* "FP32", "BYTES", ... of the Open Inference Protocol. */
const char *dtype_v2_name(enum dtype dtype);

/* DTYPE_INVALID when unknown. */
enum dtype dtype_from_name(const char *keras_name);
enum dtype dtype_from_v2_name(const char *name);

/* Bytes of one element on the wire (V2 binary, HDF5); 0 for strings. */
size_t dtype_size(enum dtype dtype);
bool dtype_is_float(enum dtype dtype);
/* Signed or unsigned integers; not bool. */
bool dtype_is_int(enum dtype dtype);
/* Smallest and largest value of an integer or bool type (uint64: capped at INT64_MAX). */
void dtype_int_range(enum dtype dtype, int64_t *ret_min, int64_t *ret_max);
/* Two's-complement wrap of a value into an integer type. */
int64_t dtype_wrap(enum dtype dtype, int64_t value);

enum storage dtype_storage(enum dtype dtype);
/* Bytes of one element in memory: 4, 8 or sizeof(struct str_view). */
size_t storage_size(enum storage storage);

float dtype_half_to_float(uint16_t bits);
uint16_t dtype_float_to_half(float value); /* round to nearest even */
float dtype_bfloat16_to_float(uint16_t bits);
uint16_t dtype_float_to_bfloat16(float value);

#endif
