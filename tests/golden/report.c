/* Report: see report.h. A table of lines by class and columns by writer; a case with several classes counts for
 * each of them, so that a number is what a layer reached at the worst, in whatever company. */
#include "golden/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLASSES 2000
#define MAX_WRITERS 32
#define MAX_NAME    48

struct line {
    char class_name[MAX_NAME];
    double worst[2][MAX_WRITERS]; /* negative: no case */
};

static struct line lines[MAX_CLASSES];
static char writers[MAX_WRITERS][MAX_NAME];
static size_t n_lines, n_writers;

static struct line *line_of(const char *class_name)
{
    for (size_t i = 0; i < n_lines; i++)
        if (strncmp(lines[i].class_name, class_name, MAX_NAME - 1) == 0)
            return &lines[i];
    if (n_lines == MAX_CLASSES)
        return NULL;
    struct line *line = &lines[n_lines++];
    snprintf(line->class_name, MAX_NAME, "%s", class_name);
    for (size_t i = 0; i < MAX_WRITERS; i++)
        line->worst[0][i] = line->worst[1][i] = -1;
    return line;
}

static size_t column_of(const char *writer)
{
    size_t i = 0;
    while (i < n_writers && strcmp(writers[i], writer) != 0)
        i++;
    if (i == n_writers && n_writers < MAX_WRITERS)
        snprintf(writers[n_writers++], MAX_NAME, "%s", writer);
    return i;
}

void golden_report_add(const char *class_name, const char *writer, double error, int low_precision)
{
    struct line *line = line_of(class_name);
    size_t column = column_of(writer);
    if (line && column < MAX_WRITERS)
        line->worst[low_precision != 0][column] = fmax(line->worst[low_precision != 0][column], error);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->class_name, ((const struct line *)b)->class_name);
}

static void print_line(const struct line *line, int low_precision)
{
    double worst = -1;
    for (size_t i = 0; i < n_writers; i++)
        worst = fmax(worst, line->worst[low_precision][i]);
    if (worst < 0)
        return;
    printf("%-32.32s %8.1e", line->class_name, worst);
    for (size_t i = 0; i < n_writers; i++)
        if (line->worst[low_precision][i] < 0)
            printf(" %8s", "-");
        else
            printf(" %8.1e", line->worst[low_precision][i]);
    printf("\n");
}

void golden_report_print(void)
{
    static const char *const titles[] = {"Worst error by layer and writer", "The same, cases of float16 and bfloat16"};
    qsort(lines, n_lines, sizeof(lines[0]), compare_lines);
    for (int low = 0; low < 2; low++) {
        printf("\n%s (of the largest number of an output)\n\n%-32s %8s", titles[low], "class", "worst");
        for (size_t i = 0; i < n_writers; i++)
            printf(" %8.8s", writers[i]);
        printf("\n");
        for (size_t i = 0; i < n_lines; i++)
            print_line(&lines[i], low);
    }
}
