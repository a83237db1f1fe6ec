/* Log: one line per event on standard error; a message in lower case without full stop, then values.
 *
 *   log_info("model loaded", LOG_STR("model", name), LOG_INT("version", 3));
 *   2026-11-22T10:11:12.123Z info model loaded model='digits' version=3
 *
 * Under the journal a line starts with its priority ("<6>") and has no time; in JSON it is an object with
 * ts, level, msg and the values. Text from outside is quoted and escaped in every form. Thread-safe, no
 * lock: one write() per line. Never called from row 5 and below: those return errors. */
#ifndef KD_OBS_LOG_H
#define KD_OBS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNAL };

enum log_kind { LOG_KIND_NONE, LOG_KIND_TEXT, LOG_KIND_INT, LOG_KIND_MS, LOG_KIND_BOOL };

/* A value of a line. key is a literal: lower case, digits and underscores. */
struct log_field {
    const char *key;
    enum log_kind kind;
    const char *text; /* NULL leaves the field out */
    int64_t number;
};
#define LOG_STR(name, value) ((struct log_field){.key = (name), .kind = LOG_KIND_TEXT, .text = (value)})
#define LOG_INT(name, value)                                                                                 \
    ((struct log_field){.key = (name), .kind = LOG_KIND_INT, .number = (int64_t)(value)})
#define LOG_BOOL(name, value) ((struct log_field){.key = (name), .kind = LOG_KIND_BOOL, .number = (value)})
/* Nanoseconds, printed as milliseconds with three decimals. */
#define LOG_MS(name, ns) ((struct log_field){.key = (name), .kind = LOG_KIND_MS, .number = (int64_t)(ns)})

/* Before other threads start. LOG_FORMAT_TEXT becomes LOG_FORMAT_JOURNAL where standard error is the journal
 * (JOURNAL_STREAM names its device and inode). */
void log_setup(enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_on(enum log_level level);
/* "error", "warn", ...; false if unknown. */
bool log_level_from_name(const char *name, enum log_level *ret);
const char *log_level_name(enum log_level level);

/* The first field is a placeholder (the macros put it there), so that the list is never empty. */
void log_event(enum log_level level, const char *message, const struct log_field *fields, size_t n_fields);
#define LOG_FIELDS(...) ((const struct log_field[]){{.kind = LOG_KIND_NONE}, ##__VA_ARGS__})
#define LOG_AT(level, message, ...)                                                                          \
    (log_on(level) ? log_event(level, message, LOG_FIELDS(__VA_ARGS__),                                      \
                               sizeof(LOG_FIELDS(__VA_ARGS__)) / sizeof(struct log_field))                   \
                   : (void)0)
#define log_err(message, ...) LOG_AT(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)
#define log_warn(message, ...) LOG_AT(LOG_LEVEL_WARN, message, ##__VA_ARGS__)
#define log_notice(message, ...) LOG_AT(LOG_LEVEL_NOTICE, message, ##__VA_ARGS__)
#define log_info(message, ...) LOG_AT(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define log_debug(message, ...) LOG_AT(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)

/* For lines that clients can cause: at most `burst` lines in `period_ms`, per limit. Zero-initialised static
 * storage but for the two settings. log_allow is true if the line may be written; *ret_dropped counts the
 * lines left out since the last one written (print it as "dropped"). */
struct log_limit {
    int burst;
    int period_ms;
    int64_t window_ns; /* atomic from here on */
    int used;
    int dropped;
};
bool log_allow(struct log_limit *limit, int *ret_dropped);

/* The line as it would be written, newline included; for tests. Returns its length, cut to size - 1. */
size_t log_format_line(enum log_format format, enum log_level level, const char *message,
                       const struct log_field *fields, size_t n_fields, char *line, size_t size);

#endif
