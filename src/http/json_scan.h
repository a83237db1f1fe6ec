/* JSON scanner: takes a document in pieces of any size and tells a sink what comes. It checks the whole
 * grammar, keeps one bit per open bracket and no document, and never recurses. */
#ifndef KD_HTTP_JSON_SCAN_H
#define KD_HTTP_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/json_number.h"

#define JSON_MAX_DEPTH 10000 /* that can be allowed */
#define JSON_DEFAULT_DEPTH 100
#define JSON_KEY_MAX 512
#define JSON_ECHO_MAX 256

struct buf;

enum json_literal { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NAN, JSON_INFINITY, JSON_MINUS_INFINITY };

/* What the scanner tells. `sink` is json_scan.sink. In open, scan->depth counts the new bracket already; in close
 * no longer. Nothing may fail: a sink remembers its complaints and scans on, since errors of grammar come first. */
struct json_events {
    void (*open)(void *sink, char bracket);  /* '{' or '[' */
    void (*close)(void *sink, char bracket); /* '}' or ']' */
    void (*key)(void *sink, const char *key, size_t length); /* NUL-terminated; cut after JSON_KEY_MAX bytes */
    /* A NUL-terminated token of the right grammar. */
    void (*number)(void *sink, const char *text, size_t length, enum json_number_kind kind);
    void (*literal)(void *sink, enum json_literal literal);
    /* A string value, escapes resolved: an empty part where it begins, then parts; last: it ends with this one. */
    void (*text)(void *sink, const char *text, size_t length, bool last);
    /* NULL, or: a number of a list starts at `at`; reads as many plain ones as it likes with json_numbers_*,
     * whose contract it passes on. At least JSON_NUMBER_MARGIN bytes may be read from `at`. */
    const char *(*numbers)(void *sink, const char *at, const char *end, bool *ret_comma);
};

enum json_state {
    JSON_WANT_VALUE,
    JSON_WANT_VALUE_OR_CLOSE, /* behind '[' */
    JSON_WANT_KEY_OR_CLOSE,   /* behind '{' */
    JSON_WANT_KEY,            /* behind a comma in an object */
    JSON_WANT_COLON,
    JSON_WANT_COMMA_OR_CLOSE,
    JSON_IN_KEY,
    JSON_IN_STRING,
    JSON_IN_TOKEN, /* a number or literal that goes on in the next piece */
    JSON_DONE,
    JSON_FAILED
};

struct json_scan {
    const struct json_events *events;
    void *sink;
    bool refuse_trailing; /* anything but white space behind the document is an error */

    enum json_state state;
    int depth, max_depth;
    uint64_t objects[JSON_MAX_DEPTH / 64 + 1]; /* bit per depth: an object, not a list */
    int skip;            /* >= 0: no events until a value ends at this depth */
    bool numbers_wanted; /* the sink's numbers() may be called now (set by the sink) */
    uint64_t offset;     /* of the piece's first byte in the document */
    const char *piece;   /* while feeding */

    /* The value that the present event tells of. */
    uint64_t value_offset; /* of its first byte in the document */
    const char *value_at;  /* its first byte in the piece; NULL for a token */
    int value_depth;

    const char *reason; /* why it failed; a sentence */
    char reason_text[80];
    uint64_t reason_offset;

    size_t token_length; /* what is kept of a cut token, key or escape */
    size_t key_length;
    size_t escape_length;
    char token[JSON_NUMBER_MAX + 1];
    char key[JSON_KEY_MAX + 1];
    char escape[16];

    struct buf *capture; /* where the raw text of the present value goes, or NULL */
    int capture_depth;
    const char *capture_from;

    int echo_depth; /* >= 0: the value that began at this depth is being copied */
    const char *echo_from;
    size_t echo_length;
    char echo[JSON_ECHO_MAX];
};

/* Ready for a new document; cheap (the buffers are left as they are). max_depth: brackets that may be open. */
void json_scan_start(struct json_scan *scan, const struct json_events *events, void *sink, int max_depth);
/* The next piece. False once the grammar is broken (reason and reason_offset are set then). */
bool json_scan_feed(struct json_scan *scan, const char *data, size_t length);
/* No more pieces. False if the document is broken, cut or empty. */
bool json_scan_end(struct json_scan *scan);

/* No events until a value that lives at this depth has ended. From key(): scan->depth leaves out the coming value.
 * From open(): scan->depth - 1 leaves out the rest of the list or object and its close(). */
void json_scan_skip_to(struct json_scan *scan, int depth);
/* From key(): appends the raw text of the coming value (with what white space and colon stand before it) to buf. */
void json_scan_capture(struct json_scan *scan, struct buf *buf);
/* From the first event of a value: keeps the raw text of this value (its first JSON_ECHO_MAX bytes) in echo. */
void json_scan_echo(struct json_scan *scan);

#endif
