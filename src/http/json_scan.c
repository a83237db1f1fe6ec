/* json_scan: a push scanner for JSON. The document comes in pieces as the socket delivers them; a token that is
 * cut at the end of a piece is kept until the rest arrives, everything else is looked at once and forgotten.
 *
 * The grammar is a state ("what may come next") and a bit per open bracket ("object or list"), so a hostile
 * nesting costs a bit, not a stack frame. Whole runs of numbers are handed to the sink, which reads them with
 * json_numbers_*; near the end of a piece they are read from a padded copy, so that the fast reader never looks
 * behind the piece.
 *
 * Beyond the standard it takes NaN, Inf and Infinity with an optional minus sign, as TensorFlow Serving and
 * Python do. */
#include "http/json_scan.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

static const char *fail(struct json_scan *scan, const char *at, const char *reason)
{
    scan->state = JSON_FAILED;
    scan->reason = reason;
    scan->reason_offset = scan->offset + (at ? (uint64_t)(at - scan->piece) : 0);
    return NULL;
}

void json_scan_start(struct json_scan *scan, const struct json_events *events, void *sink, int max_depth)
{
    scan->events = events;
    scan->sink = sink;
    scan->refuse_trailing = false;
    scan->state = JSON_WANT_VALUE;
    scan->depth = 0;
    scan->max_depth = max_depth < JSON_MAX_DEPTH ? max_depth : JSON_MAX_DEPTH;
    scan->skip = -1;
    scan->numbers_wanted = false;
    scan->offset = 0;
    scan->piece = NULL;
    scan->reason = NULL;
    scan->token_length = scan->key_length = scan->escape_length = 0;
    scan->capture = NULL;
    scan->echo_depth = -1;
    scan->echo_length = 0;
}

void json_scan_skip_to(struct json_scan *scan, int depth)
{
    scan->skip = depth;
}

/* ---- raw text ---- */

void json_scan_capture(struct json_scan *scan, struct buf *buf)
{
    scan->capture = buf;
    scan->capture_depth = scan->depth;
    scan->capture_from = scan->value_at;
}

static void capture_to(struct json_scan *scan, const char *to)
{
    if (scan->capture)
        buf_append(scan->capture, scan->capture_from, (size_t)(to - scan->capture_from));
}

static void echo_append(struct json_scan *scan, const char *from, const char *to)
{
    size_t length = (size_t)(to - from), room = JSON_ECHO_MAX - scan->echo_length;
    length = length < room ? length : room;
    memcpy(scan->echo + scan->echo_length, from, length);
    scan->echo_length += length;
}

void json_scan_echo(struct json_scan *scan)
{
    scan->echo_length = 0;
    if (scan->value_at) {
        scan->echo_depth = scan->value_depth;
        scan->echo_from = scan->value_at;
    } else {
        scan->echo_depth = -1;
        echo_append(scan, scan->token, scan->token + scan->token_length);
    }
}

/* ---- values ---- */

static bool in_object(const struct json_scan *scan)
{
    int i = scan->depth - 1;
    return i >= 0 && (scan->objects[i / 64] >> (i % 64) & 1);
}

/* A value ended; next is the byte behind it (NULL: the end of the document). */
static void value_done(struct json_scan *scan, const char *next)
{
    scan->state = scan->depth == 0 ? JSON_DONE : JSON_WANT_COMMA_OR_CLOSE;
    if (scan->skip == scan->depth)
        scan->skip = -1;
    if (scan->echo_depth == scan->depth) {
        if (next)
            echo_append(scan, scan->echo_from, next);
        scan->echo_depth = -1;
    }
    if (scan->capture && scan->capture_depth == scan->depth) {
        if (next)
            capture_to(scan, next);
        scan->capture = NULL;
    }
}

static void set_value(struct json_scan *scan, const char *at)
{
    scan->value_at = at;
    scan->value_offset = scan->offset + (uint64_t)(at - scan->piece);
    scan->value_depth = scan->depth;
}

static const char *open_bracket(struct json_scan *scan, const char *at)
{
    if (scan->depth == scan->max_depth) {
        snprintf(scan->reason_text, sizeof(scan->reason_text),
                 "JSON nesting depth exceeds maximum allowed limit (%d)", scan->max_depth);
        return fail(scan, at, scan->reason_text);
    }
    set_value(scan, at);
    uint64_t bit = (uint64_t)1 << (scan->depth % 64);
    if (*at == '{')
        scan->objects[scan->depth / 64] |= bit;
    else
        scan->objects[scan->depth / 64] &= ~bit;
    scan->depth++;
    scan->state = *at == '{' ? JSON_WANT_KEY_OR_CLOSE : JSON_WANT_VALUE_OR_CLOSE;
    if (scan->skip < 0)
        scan->events->open(scan->sink, *at);
    return at + 1;
}

static const char *close_bracket(struct json_scan *scan, const char *at)
{
    scan->depth--;
    if (scan->skip < 0)
        scan->events->close(scan->sink, *at);
    value_done(scan, at + 1);
    return at + 1;
}

/* ---- numbers and literals ---- */

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool find_literal(const char *text, enum json_literal *ret)
{
    static const struct {
        const char *text;
        enum json_literal literal;
    } table[] = {
        {"true", JSON_TRUE},         {"false", JSON_FALSE},          {"null", JSON_NULL},
        {"NaN", JSON_NAN},           {"-NaN", JSON_NAN},             {"Infinity", JSON_INFINITY},
        {"Inf", JSON_INFINITY},      {"-Infinity", JSON_MINUS_INFINITY}, {"-Inf", JSON_MINUS_INFINITY},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(text, table[i].text) == 0) {
            *ret = table[i].literal;
            return true;
        }
    return false;
}

/* scan->token holds a whole token; next is the byte behind it, or NULL. */
static bool finish_token(struct json_scan *scan, const char *next)
{
    scan->token[scan->token_length] = '\0';
    enum json_literal literal;
    enum json_number_kind kind = json_number_kind(scan->token, scan->token_length);
    bool is_literal = kind == JSON_NUMBER_BAD && find_literal(scan->token, &literal);
    if (kind == JSON_NUMBER_BAD && !is_literal) {
        fail(scan, NULL, "Invalid value.");
        scan->reason_offset = scan->value_offset;
        return false;
    }
    scan->value_at = NULL;
    if (scan->skip < 0 && is_literal)
        scan->events->literal(scan->sink, literal);
    else if (scan->skip < 0)
        scan->events->number(scan->sink, scan->token, scan->token_length, kind);
    scan->token_length = 0;
    value_done(scan, next);
    return true;
}

/* A token begins or goes on at `at`. */
static const char *take_token(struct json_scan *scan, const char *at, const char *end)
{
    const char *from = at;
    while (at < end && is_token_char(*at))
        at++;
    size_t length = (size_t)(at - from);
    if (length > JSON_NUMBER_MAX - scan->token_length)
        return fail(scan, from, "A number or word is longer than 4096 bytes.");
    memcpy(scan->token + scan->token_length, from, length);
    scan->token_length += length;
    scan->state = JSON_IN_TOKEN;
    if (at == end)
        return at;
    return finish_token(scan, at) ? at : NULL;
}

/* Lets the sink read a run of numbers; what it will not read is taken as a token. */
static const char *take_numbers(struct json_scan *scan, const char *at, const char *end)
{
    bool comma;
    const char *next;
    size_t length = (size_t)(end - at);
    if (length >= JSON_NUMBER_MARGIN) {
        next = scan->events->numbers(scan->sink, at, end, &comma);
    } else {
        char tail[2 * JSON_NUMBER_MARGIN] = {0};
        memcpy(tail, at, length);
        next = scan->events->numbers(scan->sink, tail, tail + length + JSON_NUMBER_MARGIN, &comma);
        next = at + (next - tail);
    }
    if (next == at)
        return take_token(scan, at, end);
    scan->state = comma ? JSON_WANT_VALUE : JSON_WANT_COMMA_OR_CLOSE;
    return next;
}

/* ---- strings ---- */

static void put_text(struct json_scan *scan, const char *text, size_t length)
{
    if (length == 0)
        return;
    if (scan->state == JSON_IN_STRING) {
        if (scan->skip < 0)
            scan->events->text(scan->sink, text, length, false);
        return;
    }
    size_t room = JSON_KEY_MAX - scan->key_length;
    length = length < room ? length : room;
    memcpy(scan->key + scan->key_length, text, length);
    scan->key_length += length;
}

static int hex4(const char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i], low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value * 16 + (low - 'a' + 10);
        else
            return -1;
    }
    return value;
}

static size_t utf8_encode(int point, char *ret)
{
    if (point < 0x80) {
        ret[0] = (char)point;
        return 1;
    }
    size_t n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        ret[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    ret[0] = (char)((0xf0 << (4 - n)) | point);
    return n;
}

static int fail_escape(struct json_scan *scan, const char *at, const char *reason)
{
    fail(scan, at, reason);
    return -1;
}

/* Looks at the escape gathered so far: 1 resolved, 0 goes on, -1 wrong (failed). */
static int resolve_escape(struct json_scan *scan, const char *at)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *escape = scan->escape, *letter;
    size_t length = scan->escape_length;
    if (length == 2 && escape[1] != 'u') {
        if (!(letter = memchr(letters, escape[1], sizeof(letters) - 1)))
            return fail_escape(scan, at, "Invalid escape character in string.");
        put_text(scan, &values[letter - letters], 1);
        return 1;
    }
    if ((length == 7 && escape[6] != '\\') || (length == 8 && escape[7] != 'u'))
        return fail_escape(scan, at, "The surrogate pair in string is invalid.");
    if (length != 6 && length != 12)
        return 0;
    int high = hex4(escape + 2), low = length == 12 ? hex4(escape + 8) : 0;
    if (high < 0 || low < 0)
        return fail_escape(scan, at, "Incorrect hex digit after \\u escape in string.");
    if (length == 6 && high >= 0xd800 && high < 0xdc00)
        return 0;
    if (length == 6 ? high >= 0xdc00 && high <= 0xdfff : low < 0xdc00 || low > 0xdfff)
        return fail_escape(scan, at, "The surrogate pair in string is invalid.");
    char utf8[4];
    put_text(scan, utf8, utf8_encode(length == 6 ? high : 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), utf8));
    return 1;
}

static const char *take_escape(struct json_scan *scan, const char *at, const char *end)
{
    while (at < end) {
        scan->escape[scan->escape_length++] = *at++;
        int resolved = resolve_escape(scan, at - 1);
        if (resolved < 0)
            return NULL;
        if (resolved) {
            scan->escape_length = 0;
            break;
        }
    }
    return at;
}

/* The closing quote at `at`. */
static const char *finish_string(struct json_scan *scan, const char *at)
{
    if (scan->state == JSON_IN_KEY) {
        scan->state = JSON_WANT_COLON;
        scan->key[scan->key_length] = '\0';
        scan->value_at = at + 1;
        if (scan->skip < 0)
            scan->events->key(scan->sink, scan->key, scan->key_length);
        return at + 1;
    }
    if (scan->skip < 0)
        scan->events->text(scan->sink, at, 0, true);
    value_done(scan, at + 1);
    return at + 1;
}

static const char *take_string(struct json_scan *scan, const char *at, const char *end)
{
    while (at < end) {
        if (scan->escape_length) {
            at = take_escape(scan, at, end);
            if (!at)
                return NULL;
            continue;
        }
        const char *from = at;
        while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
            at++;
        put_text(scan, from, (size_t)(at - from));
        if (at == end)
            break;
        if (*at == '"')
            return finish_string(scan, at);
        if (*at != '\\')
            return fail(scan, at, "Invalid encoding in string.");
        scan->escape[scan->escape_length++] = *at++;
    }
    return at;
}

static const char *begin_string(struct json_scan *scan, const char *at)
{
    set_value(scan, at);
    scan->state = JSON_IN_STRING;
    if (scan->skip < 0)
        scan->events->text(scan->sink, at, 0, false);
    return at + 1;
}

static const char *begin_key(struct json_scan *scan, const char *at)
{
    if (*at != '"')
        return fail(scan, at, "Missing a name for object member.");
    set_value(scan, at);
    scan->state = JSON_IN_KEY;
    scan->key_length = 0;
    return at + 1;
}

/* ---- grammar ---- */

static const char *begin_value(struct json_scan *scan, const char *at, const char *end)
{
    if (*at == '{' || *at == '[')
        return open_bracket(scan, at);
    if (*at == '"')
        return begin_string(scan, at);
    if (!is_token_char(*at))
        return fail(scan, at, "Invalid value.");
    set_value(scan, at);
    bool number = (*at >= '0' && *at <= '9') || *at == '-';
    if (number && scan->numbers_wanted && scan->skip < 0 && !in_object(scan))
        return take_numbers(scan, at, end);
    return take_token(scan, at, end);
}

static const char *comma_or_close(struct json_scan *scan, const char *at)
{
    bool object = in_object(scan);
    if (*at == (object ? '}' : ']'))
        return close_bracket(scan, at);
    if (*at != ',')
        return fail(scan, at,
                    object ? "Missing a comma or } after an object member."
                           : "Missing a comma or ] after an array element.");
    scan->state = object ? JSON_WANT_KEY : JSON_WANT_VALUE;
    return at + 1;
}

/* One step at a byte that is not white space; NULL: failed. */
static const char *step(struct json_scan *scan, const char *at, const char *end)
{
    switch (scan->state) {
    case JSON_WANT_VALUE:
        return begin_value(scan, at, end);
    case JSON_WANT_VALUE_OR_CLOSE:
        return *at == ']' ? close_bracket(scan, at) : begin_value(scan, at, end);
    case JSON_WANT_KEY_OR_CLOSE:
        return *at == '}' ? close_bracket(scan, at) : begin_key(scan, at);
    case JSON_WANT_KEY:
        return begin_key(scan, at);
    case JSON_WANT_COLON:
        if (*at != ':')
            return fail(scan, at, "Missing a colon after a name of object member.");
        scan->state = JSON_WANT_VALUE;
        return at + 1;
    case JSON_WANT_COMMA_OR_CLOSE:
        return comma_or_close(scan, at);
    default:
        if (scan->refuse_trailing)
            return fail(scan, at, "The document root must not be followed by other values.");
        return end;
    }
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool json_scan_feed(struct json_scan *scan, const char *data, size_t length)
{
    if (scan->state == JSON_FAILED)
        return false;
    const char *at = data, *end = data + length;
    scan->piece = data;
    scan->echo_from = scan->capture_from = data;
    while (at && at < end) {
        if (scan->state == JSON_IN_TOKEN)
            at = take_token(scan, at, end);
        else if (scan->state == JSON_IN_STRING || scan->state == JSON_IN_KEY)
            at = take_string(scan, at, end);
        else if (is_space(*at))
            at++;
        else
            at = step(scan, at, end);
    }
    if (scan->echo_depth >= 0)
        echo_append(scan, scan->echo_from, end);
    capture_to(scan, end);
    scan->offset += length;
    return at != NULL;
}

bool json_scan_end(struct json_scan *scan)
{
    scan->piece = NULL;
    if (scan->state == JSON_FAILED || scan->state == JSON_DONE)
        return scan->state == JSON_DONE;
    if (scan->state == JSON_IN_TOKEN) {
        if (!finish_token(scan, NULL))
            return false;
        if (scan->state == JSON_DONE)
            return true;
    }
    const char *reason = "Invalid value.";
    if (scan->offset == 0 || (scan->state == JSON_WANT_VALUE && scan->depth == 0))
        reason = "The document is empty.";
    else if (scan->state == JSON_IN_STRING || scan->state == JSON_IN_KEY)
        reason = "Missing a closing quotation mark in string.";
    else if (scan->state == JSON_WANT_COMMA_OR_CLOSE)
        reason = in_object(scan) ? "Missing a comma or } after an object member."
                                 : "Missing a comma or ] after an array element.";
    else if (scan->state == JSON_WANT_COLON)
        reason = "Missing a colon after a name of object member.";
    else if (scan->state == JSON_WANT_KEY || scan->state == JSON_WANT_KEY_OR_CLOSE)
        reason = "Missing a name for object member.";
    fail(scan, NULL, reason);
    return false;
}
