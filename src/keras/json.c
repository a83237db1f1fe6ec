/* JSON as Python writes it.
 *
 * cJSON knows neither NaN nor Infinity, cannot tell 2 from 2.0 and rounds large integers to doubles. All
 * three matter here: mask_value may be NaN, `x * 2` and `x * 2.0` differ on integer tensors, salts and
 * vocabularies have 64 bits. So the text is rewritten first: each such number becomes a string that starts
 * with the byte 1, and after cJSON has parsed the tree these strings are turned back into numbers that keep
 * their text in valuestring (cJSON frees it with the item). The same first pass bounds depth and number of
 * values, so that cJSON's recursion and memory are bounded before it starts. */
#include "keras/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"

#define MARK '\001'
#define MARK_ESCAPED "\"\\u0001"
/* U+10FFFF, a noncharacter, stands for the character NUL, which would end a C string: old Lambdas are full of
 * it. */
#define NUL_ESCAPED "\\udbff\\udfff"
/* The longest run of digits that a double holds exactly. */
#define EXACT_DIGITS 15

struct scan {
    const char *at;
    size_t depth;
    size_t n_values;
    struct buf out;
};

static bool in_number(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '-' || c == '.';
}

static void copy_string(struct scan *scan)
{
    const char *start = scan->at++;
    /* A text that starts with the mark by itself gets a second one. */
    if (*scan->at == MARK || strncmp(scan->at, "\\u0001", 6) == 0)
        start = buf_puts(&scan->out, MARK_ESCAPED) == 0 ? scan->at : start;
    while (*scan->at && *scan->at != '"') {
        if (strncmp(scan->at, "\\u0000", 6) == 0) {
            buf_append(&scan->out, start, (size_t)(scan->at - start));
            buf_puts(&scan->out, NUL_ESCAPED);
            start = scan->at += 6;
            continue;
        }
        scan->at += scan->at[0] == '\\' && scan->at[1] ? 2 : 1;
    }
    if (*scan->at)
        scan->at++;
    buf_append(&scan->out, start, (size_t)(scan->at - start));
}

static void copy_number(struct scan *scan)
{
    const char *start = scan->at;
    bool plain = true;
    while (in_number(*scan->at)) {
        plain = plain && ((*scan->at >= '0' && *scan->at <= '9') || *scan->at == '-');
        scan->at++;
    }
    size_t length = (size_t)(scan->at - start);
    if (plain && length <= EXACT_DIGITS) {
        buf_append(&scan->out, start, length);
        return;
    }
    buf_puts(&scan->out, MARK_ESCAPED);
    buf_append(&scan->out, start, length);
    buf_putc(&scan->out, '"');
}

static int scan_one(struct scan *scan, const char *what, struct err *err)
{
    char c = *scan->at;
    if (c == '"') {
        copy_string(scan);
        return 0;
    }
    if (c == '-' || c == 'N' || c == 'I' || (c >= '0' && c <= '9')) {
        copy_number(scan);
        return 0;
    }
    if ((c == '[' || c == '{') && ++scan->depth > KERAS_JSON_MAX_DEPTH)
        return err_set(err, KD_ETOOBIG, "%s: nested deeper than %d levels", what, KERAS_JSON_MAX_DEPTH);
    if ((c == ']' || c == '}') && scan->depth > 0)
        scan->depth--;
    if ((c == ',' || c == '[' || c == '{') && ++scan->n_values > KERAS_JSON_MAX_VALUES)
        return err_set(err, KD_ETOOBIG, "%s: more than %u values", what, KERAS_JSON_MAX_VALUES);
    buf_putc(&scan->out, c);
    scan->at++;
    return 0;
}

/* strtod would take more: hexadecimal, "nan(1)", "inf". */
static bool is_number(const char *text)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    for (size_t i = 0; i < KD_COUNT(words); i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return text[0] && text[strspn(text, "0123456789.eE+-")] == '\0';
}

/* Turns a marked string into its number, or drops one of two marks. False if the text after the mark is not a
 * number. */
static bool unmark(cJSON *item)
{
    char *text = item->valuestring;
    size_t length = strlen(text + 1);
    char *end;
    if (text[1] == MARK) {
        memmove(text, text + 1, length + 1);
        return true;
    }
    double value = strtod(text + 1, &end);
    if (!is_number(text + 1) || *end != '\0')
        return false;
    memmove(text, text + 1, length + 1);
    item->type = cJSON_Number;
    cJSON_SetNumberHelper(item, value);
    return true;
}

/* Visits every item of the tree without recursion: the path to the present one is on a stack. */
static bool unmark_all(cJSON *root)
{
    cJSON *path[KERAS_JSON_MAX_DEPTH + 2];
    size_t depth = 0;
    path[0] = root;
    for (;;) {
        cJSON *item = path[depth];
        if (cJSON_IsString(item) && item->valuestring[0] == MARK && !unmark(item))
            return false;
        if (item->child && depth + 1 < KD_COUNT(path)) {
            path[++depth] = item->child;
            continue;
        }
        while (depth > 0 && !path[depth]->next)
            depth--;
        if (depth == 0)
            return true;
        path[depth] = path[depth]->next;
    }
}

static int parse_text(const struct buf *text, const char *what, cJSON **ret, struct err *err)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text->data, text->length + 1, &end, 1);
    if (!root) {
        size_t at = end ? (size_t)(end - text->data) : 0;
        return err_set(err, KD_EFORMAT, "%s: not valid JSON near '%.24s'", what,
                       at < text->length ? text->data + at : "the end");
    }
    if (!unmark_all(root)) {
        cJSON_Delete(root);
        return err_set(err, KD_EFORMAT, "%s: not valid JSON: a malformed number", what);
    }
    *ret = root;
    return 0;
}

int keras_json_parse(const char *text, const char *what, cJSON **ret, struct err *err)
{
    size_t length = strlen(text);
    if (length > KERAS_JSON_MAX_BYTES)
        return err_set(err, KD_ETOOBIG, "%s: %zu bytes of JSON, the limit is %u", what, length,
                       KERAS_JSON_MAX_BYTES);
    struct scan scan = {.at = text};
    buf_init(&scan.out, 8 * length + 64);
    int rc = 0;
    while (rc == 0 && *scan.at)
        rc = scan_one(&scan, what, err);
    if (rc == 0 && scan.out.failed)
        rc = err_set(err, scan.out.failed, "%s: out of memory", what);
    if (rc == 0 && scan.out.length == 0)
        rc = err_set(err, KD_EFORMAT, "%s: empty", what);
    if (rc == 0)
        rc = parse_text(&scan.out, what, ret, err);
    buf_done(&scan.out);
    return rc;
}

const cJSON *keras_json_get(const cJSON *object, const char *key)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

const char *keras_json_string(const cJSON *object, const char *key)
{
    const cJSON *item = keras_json_get(object, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

bool keras_json_is_class(const cJSON *object, const char *name)
{
    const char *class_name = keras_json_string(object, "class_name");
    return class_name && strcmp(class_name, name) == 0;
}

bool keras_json_is_float(const cJSON *item)
{
    if (!cJSON_IsNumber(item))
        return false;
    return item->valuestring ? strpbrk(item->valuestring, ".eENI") != NULL : false;
}

bool keras_json_int(const cJSON *item, int64_t *ret)
{
    if (!cJSON_IsNumber(item))
        return false;
    if (item->valuestring && !keras_json_is_float(item))
        return str_to_i64(item->valuestring, ret);
    double value = item->valuedouble;
    if (!(fabs(value) < 9e18) || value != floor(value))
        return false;
    *ret = (int64_t)value;
    return true;
}

bool keras_json_number(const cJSON *item, double *ret)
{
    if (!cJSON_IsNumber(item))
        return false;
    *ret = item->valuedouble;
    return true;
}

const cJSON *keras_json_unwrap(const cJSON *item)
{
    static const char *const wrappers[] = {"__numpy__", "__tensor__", "__tuple__", "TensorShape",
                                           "__bytes__"};
    const char *class_name = keras_json_string(item, "class_name");
    const char *type = keras_json_string(item, "type");
    if (!class_name && type && strcmp(type, "ndarray") == 0)
        return keras_json_get(item, "value");
    for (size_t i = 0; class_name && i < KD_COUNT(wrappers); i++) {
        if (strcmp(class_name, wrappers[i]) != 0)
            continue;
        const cJSON *config = keras_json_get(item, "config");
        const cJSON *inside = keras_json_get(item, "items");
        inside = inside ? inside : keras_json_get(config, "value");
        return inside ? inside : keras_json_get(item, "value");
    }
    return item;
}

char *keras_json_brief(const cJSON *item, char *text, size_t size)
{
    char *full = item ? cJSON_PrintUnformatted(item) : NULL;
    const char *source = full ? full : "nothing";
    size_t length = strlen(source);
    size_t keep = length < size ? length : str_utf8_valid(source, size - 4);
    memcpy(text, source, keep);
    strcpy(text + keep, length < size ? "" : "...");
    cJSON_free(full);
    return text;
}
