/* Growable bytes with a mandatory ceiling: every input-driven buffer is bounded by construction. */
#ifndef KD_BASE_BUF_H
#define KD_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

/* Embed it; `data` is always NUL-terminated once anything was appended (the NUL is not counted).
 * After a failed append the buffer is freed and `failed` stays set: check once at the end. */
struct buf {
    char *data;
    size_t length;
    size_t capacity;
    size_t max;
    int failed; /* 0, KD_ENOMEM or KD_ETOOBIG */
};

/* max: the ceiling of `length` in bytes. Cannot fail, allocates nothing. */
void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf);
/* Forgets the content, keeps the memory. */
void buf_reset(struct buf *buf);

/* All return 0, or `failed`. */
int buf_append(struct buf *buf, const void *data, size_t length);
int buf_puts(struct buf *buf, const char *text);
int buf_putc(struct buf *buf, char c);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *buf, const char *format, va_list args);
/* A JSON string with quotes; bytes that are not valid UTF-8 become U+FFFD. */
int buf_json_string(struct buf *buf, const char *text, size_t length);

/* Room for `length` more bytes; returns the place to write to, or NULL. Follow with buf_commit. */
char *buf_reserve(struct buf *buf, size_t length);
void buf_commit(struct buf *buf, size_t length);

/* The content moves to the caller (free() it); the buffer is empty after. NULL if failed or empty. */
char *buf_take(struct buf *buf);

#endif
