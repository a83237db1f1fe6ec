/* buf: growable bytes that know their ceiling. A failed append frees the content and stays failed, so a long run of
 * appends is checked once, at its end, and can never hold more than `max` bytes. */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"

#define BUF_FIRST_CAPACITY 256

void buf_init(struct buf *buf, size_t max)
{
    memset(buf, 0, sizeof(*buf));
    buf->max = max < SIZE_MAX - 1 ? max : SIZE_MAX - 1;
}

void buf_done(struct buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->length = buf->capacity = 0;
}

void buf_reset(struct buf *buf)
{
    buf->length = 0;
    buf->failed = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

static int fail(struct buf *buf, int code)
{
    buf_done(buf);
    buf->failed = code;
    return code;
}

static int grow(struct buf *buf, size_t length)
{
    size_t needed;
    if (buf->failed)
        return buf->failed;
    if (!size_add(buf->length, length, &needed) || needed > buf->max)
        return fail(buf, KD_ETOOBIG);
    if (needed < buf->capacity)
        return 0;
    size_t capacity = buf->capacity ? buf->capacity : BUF_FIRST_CAPACITY;
    while (capacity <= needed)
        capacity = capacity > buf->max / 2 ? buf->max + 1 : capacity * 2;
    char *data = realloc(buf->data, capacity);
    if (!data)
        return fail(buf, KD_ENOMEM);
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

char *buf_reserve(struct buf *buf, size_t length)
{
    return grow(buf, length) ? NULL : buf->data + buf->length;
}

void buf_commit(struct buf *buf, size_t length)
{
    buf->length += length;
    buf->data[buf->length] = '\0';
}

int buf_append(struct buf *buf, const void *data, size_t length)
{
    char *place = buf_reserve(buf, length);
    if (!place)
        return buf->failed;
    if (length)
        memcpy(place, data, length);
    buf_commit(buf, length);
    return 0;
}

int buf_puts(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

int buf_putc(struct buf *buf, char c)
{
    return buf_append(buf, &c, 1);
}

int buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *place = length < 0 ? NULL : buf_reserve(buf, (size_t)length);
    if (place) {
        vsnprintf(place, (size_t)length + 1, format, again);
        buf_commit(buf, (size_t)length);
    }
    va_end(again);
    return buf->failed;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int code = buf_vprintf(buf, format, args);
    va_end(args);
    return code;
}

static void put_escaped(struct buf *buf, unsigned char c)
{
    static const char plain[] = "\"\\/bfnrt";
    static const char source[] = "\"\\/\b\f\n\r\t";
    const char *at = c ? strchr(source, c) : NULL;
    if (at)
        buf_printf(buf, "\\%c", plain[at - source]);
    else
        buf_printf(buf, "\\u%04x", c);
}

static int needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

int buf_json_string(struct buf *buf, const char *text, size_t length)
{
    buf_putc(buf, '"');
    size_t i = 0;
    while (i < length && !buf->failed) {
        size_t run = str_utf8_valid(text + i, length - i), end = i + run;
        size_t from = i;
        for (; i < end; i++) {
            if (!needs_escape((unsigned char)text[i]))
                continue;
            buf_append(buf, text + from, i - from);
            put_escaped(buf, (unsigned char)text[i]);
            from = i + 1;
        }
        buf_append(buf, text + from, end - from);
        if (i < length) {
            buf_puts(buf, "\xef\xbf\xbd");
            i++;
        }
    }
    return buf_putc(buf, '"');
}

char *buf_take(struct buf *buf)
{
    char *data = buf->failed ? NULL : buf->data;
    if (data) {
        buf->data = NULL;
        buf->length = buf->capacity = 0;
    }
    return data;
}
