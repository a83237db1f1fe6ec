/* Errors of HDF5: its stack of messages becomes one sentence. */
#ifndef KD_H5_ERROR_H
#define KD_H5_ERROR_H

#include <stddef.h>

struct err;

/* Sets the sentence and appends what HDF5 says was wrong, if it said something; forgets HDF5's stack. Returns
 * code, or KD_ENOMEM when HDF5 ran out of memory. */
int h5_fail(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* HDF5's innermost message into text ("" if none); returns text. */
char *h5_error_text(char *text, size_t size);
#define H5_ERROR_TEXT_MAX 256

#endif
