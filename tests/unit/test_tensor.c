/* Tests of src/tensor: shapes with unknown sizes, dtype table, half precision over all its values. */
#include <math.h>

#include "base/size.h"
#include "tensor/tensor.h"
#include "unit.h"

static void test_broadcast(void)
{
    struct shape a = shape_of(3, -1, 1, 4), b = shape_of(2, 3, 1), c;
    CU_ASSERT_TRUE(shape_broadcast(&a, &b, &c));
    struct shape expected = shape_of(3, -1, 3, 4);
    CU_ASSERT_TRUE(shape_equal(&c, &expected));
    struct shape bad = shape_of(1, 3);
    CU_ASSERT_FALSE(shape_broadcast(&a, &bad, &c));
    struct shape scalar = shape_of(0);
    CU_ASSERT_TRUE(shape_broadcast(&scalar, &a, &c));
    CU_ASSERT_TRUE(shape_equal(&c, &a));
}

static void test_elements_overflow(void)
{
    struct shape huge = shape_of(3, 0x7fffffff, 0x7fffffff, 0x7fffffff), none = shape_of(2, 3, -1);
    int64_t n = 7;
    CU_ASSERT_FALSE(shape_elements(&huge, &n));
    CU_ASSERT_FALSE(shape_elements(&none, &n));
    CU_ASSERT_EQUAL(n, 7);
    struct shape empty = shape_of(2, 0, 5);
    CU_ASSERT_TRUE(shape_elements(&empty, &n));
    CU_ASSERT_EQUAL(n, 0);
}

static void test_text_and_axis(void)
{
    char text[SHAPE_TEXT_MAX];
    struct shape a = shape_of(3, -1, 28, 1), b = shape_of(1, 5);
    CU_ASSERT_STRING_EQUAL(shape_text(&a, text, sizeof(text)), "(None, 28, 1)");
    CU_ASSERT_STRING_EQUAL(shape_text(&b, text, sizeof(text)), "(5,)");
    CU_ASSERT_EQUAL(shape_axis(&a, -1), 2);
    CU_ASSERT_EQUAL(shape_axis(&a, 3), -1);
    CU_ASSERT_EQUAL(shape_axis(&a, -4), -1);
}

static void test_dtype_names(void)
{
    for (int i = 1; i < DTYPE_COUNT; i++) {
        CU_ASSERT_EQUAL(dtype_from_name(dtype_name((enum dtype)i)), (enum dtype)i);
        CU_ASSERT_EQUAL(dtype_from_v2_name(dtype_v2_name((enum dtype)i)), (enum dtype)i);
    }
    CU_ASSERT_EQUAL(dtype_from_name("nope"), DTYPE_INVALID);
    CU_ASSERT_EQUAL(dtype_wrap(DTYPE_UINT8, 300), 44);
    CU_ASSERT_EQUAL(dtype_wrap(DTYPE_INT32, INT64_C(2147483648)), INT64_C(-2147483648));
}

static void test_half_round_trip(void)
{
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        float value = dtype_half_to_float((uint16_t)bits);
        if (isnan(value))
            CU_ASSERT_TRUE(isnan(dtype_half_to_float(dtype_float_to_half(value))))
        else if (dtype_float_to_half(value) != bits)
            CU_FAIL("half does not survive the way through float");
    }
    CU_ASSERT_EQUAL(dtype_float_to_half(65520.0f), 0x7c00);
    CU_ASSERT_EQUAL(dtype_float_to_half(65519.0f), 0x7bff);
    CU_ASSERT_EQUAL(dtype_float_to_half(1.00048828125f), 0x3c00); /* halfway: to even */
    CU_ASSERT_EQUAL(dtype_float_to_half(0x1p-25f), 0);
    CU_ASSERT_EQUAL(dtype_float_to_half(0x1.8p-25f), 1);
    CU_ASSERT_EQUAL(dtype_float_to_bfloat16(1.0f), 0x3f80);
    CU_ASSERT_EQUAL(dtype_float_to_bfloat16(0x1.01p0f), 0x3f80);
    CU_ASSERT_EQUAL(dtype_float_to_bfloat16(0x1.03p0f), 0x3f82);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"broadcast", test_broadcast},       {"elements", test_elements_overflow},
        {"text and axis", test_text_and_axis}, {"dtype names", test_dtype_names},
        {"half", test_half_round_trip},
    };
    return unit_main("tensor", tests, KD_COUNT(tests));
}
