/* assert: the last words of a process whose invariant broke. Writes with one system call and aborts: after a
 * broken invariant neither the heap nor the log can be relied on. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void assert_failed(const char *expression, const char *file, int line)
{
    char text[512];
    int length = snprintf(text, sizeof(text), "kerasd: %s:%d: broken invariant: %s\n", file, line, expression);
    if (length > (int)sizeof(text) - 1)
        length = (int)sizeof(text) - 1;
    if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0)
        abort();
    abort();
}
