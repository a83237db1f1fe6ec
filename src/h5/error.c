/* error: HDF5 collects a message per stack frame. The outer ones say "unable to open file" in ten ways; the
 * innermost says why ("truncated file: eof = ..."). That one is worth passing on, the rest is not. */
#include "h5/error.h"

#include <hdf5.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

struct innermost {
    char *text;
    size_t size;
    int no_memory;
};

/* Walked from the place that failed outwards: the first message with a text is the one. */
static herr_t keep_first(unsigned n, const H5E_error2_t *error, void *data)
{
    struct innermost *innermost = data;
    if (error->min_num == H5E_NOSPACE || error->min_num == H5E_CANTALLOC)
        innermost->no_memory |= strstr(error->desc ? error->desc : "", "memory") != NULL;
    if (innermost->text[0] == '\0' && error->desc)
        snprintf(innermost->text, innermost->size, "%s", error->desc);
    return 0;
}

static int take_stack(char *text, size_t size)
{
    struct innermost innermost = {.text = text, .size = size};
    text[0] = '\0';
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &innermost);
    H5Eclear2(H5E_DEFAULT);
    return innermost.no_memory;
}

char *h5_error_text(char *text, size_t size)
{
    take_stack(text, size);
    return text;
}

int h5_fail(struct err *err, int code, const char *format, ...)
{
    char text[H5_ERROR_TEXT_MAX], sentence[ERR_TEXT_MAX];
    int no_memory = take_stack(text, sizeof(text));
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    if (no_memory)
        return err_set(err, KD_ENOMEM, "%s: the loader's memory limit was reached", sentence);
    if (text[0])
        return err_set(err, code, "%s (HDF5: %s)", sentence, text);
    return err_set(err, code, "%s", sentence);
}
