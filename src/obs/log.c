/* The log's writer.
 *
 * A line is formatted into a buffer on the stack and leaves with one write(), so lines of different threads
 * never mix and no lock is held while a slow terminal reads. What does not fit is cut, and the cut is marked:
 * a log line is never a reason to allocate or to fail.
 *
 * Text values come from model files, request headers and paths. In text form they are put between single
 * quotes, with backslash escapes for quotes, control characters and bytes that are not UTF-8, so that nobody
 * can forge a line or send escape sequences to a terminal; in JSON the same bytes become \u escapes. */
#include "obs/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/size.h"
#include "base/str.h"

#define LINE_MAX_BYTES 4096

static const struct {
    const char *name;
    int priority; /* of syslog, as the journal reads it */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3}, [LOG_LEVEL_WARN] = {"warn", 4},   [LOG_LEVEL_NOTICE] = {"notice", 5},
    [LOG_LEVEL_INFO] = {"info", 6},   [LOG_LEVEL_DEBUG] = {"debug", 7},
};

static int log_level_now = LOG_LEVEL_INFO; /* atomic */
static enum log_format log_format_now = LOG_FORMAT_TEXT;

static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    unsigned long long device, inode;
    if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &status) < 0)
        return false;
    return device == status.st_dev && inode == status.st_ino;
}

void log_setup(enum log_level level, enum log_format format)
{
    log_set_level(level);
    if (format == LOG_FORMAT_TEXT && stderr_is_journal())
        format = LOG_FORMAT_JOURNAL;
    log_format_now = format;
}

void log_set_level(enum log_level level)
{
    __atomic_store_n(&log_level_now, level, __ATOMIC_RELAXED);
}

enum log_level log_get_level(void)
{
    return (enum log_level)__atomic_load_n(&log_level_now, __ATOMIC_RELAXED);
}

bool log_on(enum log_level level)
{
    return level <= log_get_level();
}

bool log_level_from_name(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < KD_COUNT(levels); i++) {
        if (str_equal(levels[i].name, name)) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return levels[level].name;
}

/* A line under construction; `full` once something was cut. Room for the mark and the newline is kept. */
struct line {
    char *data;
    size_t length;
    size_t max;
    bool full;
};

static void line_add(struct line *line, const char *text, size_t length)
{
    if (line->full || length > line->max - line->length) {
        line->full = true;
        return;
    }
    memcpy(line->data + line->length, text, length);
    line->length += length;
}

static void line_puts(struct line *line, const char *text)
{
    line_add(line, text, strlen(text));
}

/* One byte or one UTF-8 sequence of outside text; returns the bytes read. */
static size_t line_escape(struct line *line, const char *text, size_t left, bool json)
{
    char escape[8];
    unsigned char c = (unsigned char)*text;
    char quote = json ? '"' : '\'';
    size_t length = 1;
    if (c >= 0x80) {
        length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        if (length <= left && str_utf8_valid(text, length) == length) {
            line_add(line, text, length);
            return length;
        }
        length = 1;
    }
    if (c < 0x20 || c >= 0x7f) {
        snprintf(escape, sizeof(escape), json ? "\\u%04x" : "\\x%02x", c);
        line_puts(line, escape);
    } else {
        if (c == (unsigned char)quote || c == '\\')
            line_add(line, "\\", 1);
        line_add(line, text, 1);
    }
    return length;
}

static void line_quote(struct line *line, const char *text, bool json)
{
    const char *quote = json ? "\"" : "'";
    line_add(line, quote, 1);
    for (size_t left = strlen(text); left > 0;) {
        size_t step = line_escape(line, text, left, json);
        text += step;
        left -= step;
    }
    line_add(line, quote, 1);
}

static void line_value(struct line *line, const struct log_field *field, bool json)
{
    char number[40];
    switch (field->kind) {
    case LOG_KIND_TEXT:
        line_quote(line, field->text, json);
        return;
    case LOG_KIND_INT:
        snprintf(number, sizeof(number), "%lld", (long long)field->number);
        break;
    case LOG_KIND_MS:
        snprintf(number, sizeof(number), "%.3f", (double)field->number / 1e6);
        break;
    case LOG_KIND_BOOL:
        snprintf(number, sizeof(number), "%s", field->number ? "true" : "false");
        break;
    case LOG_KIND_NONE:
        return;
    }
    line_puts(line, number);
}

static bool field_present(const struct log_field *field)
{
    return field->kind != LOG_KIND_NONE && (field->kind != LOG_KIND_TEXT || field->text);
}

static void line_text(struct line *line, const char *message, const struct log_field *fields, size_t n_fields)
{
    line_puts(line, message);
    for (size_t i = 0; i < n_fields; i++) {
        if (!field_present(&fields[i]))
            continue;
        line_add(line, " ", 1);
        line_puts(line, fields[i].key);
        line_add(line, "=", 1);
        line_value(line, &fields[i], false);
    }
}

/* A field that does not fit is left out whole, so that the object stays one. */
static void line_json(struct line *line, enum log_level level, const char *now, const char *message,
                      const struct log_field *fields, size_t n_fields)
{
    line_puts(line, "{\"ts\":\"");
    line_puts(line, now);
    line_puts(line, "\",\"level\":\"");
    line_puts(line, levels[level].name);
    line_puts(line, "\",\"msg\":");
    line_quote(line, message, true);
    for (size_t i = 0; i < n_fields; i++) {
        size_t before = line->length;
        if (!field_present(&fields[i]))
            continue;
        line_puts(line, ",\"");
        line_puts(line, fields[i].key);
        line_puts(line, "\":");
        line_value(line, &fields[i], true);
        if (line->full) {
            line->length = before;
            line->full = false;
        }
    }
    line->max++; /* the place that was kept for it */
    line_add(line, "}", 1);
}

size_t log_format_line(enum log_format format, enum log_level level, const char *message,
                       const struct log_field *fields, size_t n_fields, char *text, size_t size)
{
    struct line line = {.data = text, .max = size - 6}; /* kept: "..." or "}", newline, NUL */
    char now[40];
    if (format != LOG_FORMAT_JOURNAL)
        clock_text(clock_wall_ns(), now, sizeof(now));
    if (format == LOG_FORMAT_JSON) {
        line_json(&line, level, now, message, fields, n_fields);
    } else if (format == LOG_FORMAT_JOURNAL) {
        char priority[16];
        snprintf(priority, sizeof(priority), "<%d>", levels[level].priority);
        line_puts(&line, priority);
        line_text(&line, message, fields, n_fields);
    } else {
        line_puts(&line, now);
        line_add(&line, " ", 1);
        line_puts(&line, levels[level].name);
        line_add(&line, " ", 1);
        line_text(&line, message, fields, n_fields);
    }
    if (line.full && format != LOG_FORMAT_JSON) {
        memcpy(text + line.length, "...", 3);
        line.length += 3;
    }
    text[line.length++] = '\n';
    text[line.length] = '\0';
    return line.length;
}

void log_event(enum log_level level, const char *message, const struct log_field *fields, size_t n_fields)
{
    char line[LINE_MAX_BYTES];
    size_t length = log_format_line(log_format_now, level, message, fields, n_fields, line, sizeof(line));
    /* Nobody is left to tell if standard error is gone. */
    ssize_t written = write(STDERR_FILENO, line, length);
    (void)written;
}

bool log_allow(struct log_limit *limit, int *ret_dropped)
{
    int64_t now = clock_now_ns();
    int64_t start = __atomic_load_n(&limit->window_ns, __ATOMIC_RELAXED);
    if (now - start >= limit->period_ms * INT64_C(1000000) &&
        __atomic_compare_exchange_n(&limit->window_ns, &start, now, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        __atomic_store_n(&limit->used, 0, __ATOMIC_RELAXED);
    if (__atomic_fetch_add(&limit->used, 1, __ATOMIC_RELAXED) < limit->burst) {
        *ret_dropped = __atomic_exchange_n(&limit->dropped, 0, __ATOMIC_RELAXED);
        return true;
    }
    __atomic_fetch_add(&limit->dropped, 1, __ATOMIC_RELAXED);
    return false;
}
