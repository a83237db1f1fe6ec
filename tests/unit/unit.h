/* The few lines that every CUnit program shares: a table of tests, one suite, exit status. */
#ifndef KD_TESTS_UNIT_H
#define KD_TESTS_UNIT_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

struct unit_test {
    const char *name;
    void (*run)(void);
};

static inline int unit_main(const char *suite_name, const struct unit_test *tests, size_t n_tests)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 99;
    CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
    for (size_t i = 0; suite && i < n_tests; i++)
        if (!CU_add_test(suite, tests[i].name, tests[i].run))
            suite = NULL;
    if (!suite)
        return 99;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    int failed = CU_get_number_of_failures() > 0 || CU_get_number_of_tests_run() != n_tests;
    CU_cleanup_registry();
    return failed;
}

#endif
