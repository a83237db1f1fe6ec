/* Report: the worst error of every layer class by writer, gathered case by case. */
#ifndef KD_TESTS_GOLDEN_REPORT_H
#define KD_TESTS_GOLDEN_REPORT_H

/* A case with this class by this writer (an environment's name) had this error; called for every class in a case. */
void golden_report_add(const char *class_name, const char *writer, double error, int low_precision);
/* Two tables on standard output: cases with the usual tolerance, and those of float16, bfloat16 and the like. */
void golden_report_print(void);

#endif
