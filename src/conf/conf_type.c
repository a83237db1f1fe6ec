/* Values: how each type is read, written, copied and compared.
 *
 * A type is one row of a table; the rest of the room never looks at a value. Numbers take units (64k, 30s)
 * in files and on the command line and are kept in the base unit (bytes, milliseconds). A wrong value is
 * answered with what would be right, because the person who reads it has the file open and not this source.
 */
#include "conf/conf_type.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "conf/conf.h"

const struct conf_key conf_server_keys[] = {
#define SERVER(type, name, text, min, max, choices, when, doc)                                               \
    {#name, CONF_##type, offsetof(struct conf, name), text, min, max, choices, CONF_##when, doc},
#define MODEL(type, name, text, min, max, choices, when, doc)
#include "conf/conf.def"
#undef SERVER
#undef MODEL
    {NULL},
};

const struct conf_key conf_model_keys[] = {
#define SERVER(type, name, text, min, max, choices, when, doc)
#define MODEL(type, name, text, min, max, choices, when, doc)                                                \
    {#name, CONF_##type, offsetof(struct conf_model, name), text, min, max, choices, CONF_##when, doc},
#include "conf/conf.def"
#undef SERVER
#undef MODEL
    {NULL},
};

const struct conf_key *conf_find_key(const struct conf_key *keys, const char *name)
{
    for (; keys->name; keys++)
        if (str_equal(keys->name, name))
            return keys;
    return NULL;
}

/* Words of a text, separated by blanks: each call moves *cursor on; NULL at the end or when memory ran out.
 */
static const char *next_word(const char **cursor, struct arena *arena)
{
    const char *start = *cursor + strspn(*cursor, " \t");
    size_t length = strcspn(start, " \t");
    *cursor = start + length;
    return length ? arena_strndup(arena, start, length) : NULL;
}

/* Parsers return false for a wrong text; the caller says what is expected. */

static bool parse_text(const struct conf_key *key, const char *text, void *field, struct arena *arena)
{
    return (*(const char **)field = arena_strdup(arena, text)) != NULL;
}

static bool parse_choice(const struct conf_key *key, const char *text, void *field, struct arena *arena)
{
    for (const char *choice = key->choices; *choice;) {
        size_t length = strcspn(choice, "|");
        if (strlen(text) == length && strncmp(choice, text, length) == 0)
            return parse_text(key, text, field, arena);
        choice += length + (choice[length] == '|');
    }
    return false;
}

static bool in_range(const struct conf_key *key, int64_t value)
{
    return value >= key->min && value <= key->max;
}

static bool parse_int(const struct conf_key *key, const char *text, void *field, struct arena *arena)
{
    int64_t value;
    if (!str_to_i64(text, &value) || !in_range(key, value))
        return false;
    *(int64_t *)field = value;
    return true;
}

static bool parse_ms(const struct conf_key *key, const char *text, void *field, struct arena *arena)
{
    int64_t value;
    if (!str_to_ms(text, &value) || !in_range(key, value))
        return false;
    *(int64_t *)field = value;
    return true;
}

static bool parse_bytes(const struct conf_key *key, const char *text, void *field, struct arena *arena)
{
    uint64_t value;
    if (!str_to_bytes(text, &value) || value > INT64_MAX || !in_range(key, (int64_t)value))
        return false;
    *(uint64_t *)field = value;
    return true;
}

static bool parse_bool(const struct conf_key *key, const char *text, void *field, struct arena *arena)
{
    static const char *const words[2][4] = {{"off", "no", "false", "0"}, {"on", "yes", "true", "1"}};
    for (size_t value = 0; value < 2; value++)
        for (size_t i = 0; i < KD_COUNT(words[0]); i++)
            if (str_equal(text, words[value][i])) {
                *(bool *)field = value;
                return true;
            }
    return false;
}

static bool parse_list(const struct conf_key *key, const char *text, void *field, struct arena *arena)
{
    struct conf_list *list = field;
    if (!*text)
        return true;
    return list->n < CONF_MAX_LIST && parse_text(key, text, &list->item[list->n++], arena);
}

static bool parse_latest(const char *rest, struct arena *arena, struct conf_versions *ret)
{
    const char *number = next_word(&rest, arena);
    ret->policy = CONF_VERSIONS_LATEST;
    ret->n = 1;
    return (!number || str_to_i64(number, &ret->n)) && ret->n >= 1 && ret->n <= CONF_MAX_VERSIONS &&
           !next_word(&rest, arena);
}

static bool parse_specific(const char *rest, struct arena *arena, struct conf_versions *ret)
{
    const char *number;
    ret->policy = CONF_VERSIONS_SPECIFIC;
    while ((number = next_word(&rest, arena))) {
        if (ret->n == CONF_MAX_VERSIONS || !str_to_i64(number, &ret->version[ret->n]) ||
            ret->version[ret->n] < 0)
            return false;
        ret->n++;
    }
    return ret->n > 0;
}

static bool parse_versions(const struct conf_key *key, const char *text, void *field, struct arena *arena)
{
    struct conf_versions versions = {0};
    const char *rest = text;
    const char *policy = next_word(&rest, arena);
    bool ok = false;
    if (str_equal(policy, "all")) {
        versions.policy = CONF_VERSIONS_ALL;
        ok = !next_word(&rest, arena);
    } else if (str_equal(policy, "latest")) {
        ok = parse_latest(rest, arena, &versions);
    } else if (str_equal(policy, "specific")) {
        ok = parse_specific(rest, arena, &versions);
    }
    if (ok)
        *(struct conf_versions *)field = versions;
    return ok;
}

static bool label_taken(const struct conf_labels *labels, const char *name)
{
    for (size_t i = 0; i < labels->n; i++)
        if (str_equal(labels->item[i].name, name))
            return true;
    return false;
}

static bool parse_labels(const struct conf_key *key, const char *text, void *field, struct arena *arena)
{
    struct conf_labels labels = {0};
    const char *rest = text, *word;
    while ((word = next_word(&rest, arena))) {
        const char *colon = strrchr(word, ':');
        int64_t version;
        if (!colon || labels.n == CONF_MAX_VERSIONS || !str_to_i64(colon + 1, &version) || version < 0)
            return false;
        const char *name = arena_strndup(arena, word, (size_t)(colon - word));
        if (!name || !conf_model_name_ok(name) || label_taken(&labels, name))
            return false;
        labels.item[labels.n].name = name;
        labels.item[labels.n++].version = version;
    }
    *(struct conf_labels *)field = labels;
    return true;
}

static void print_text(const void *field, size_t i, struct buf *ret)
{
    buf_puts(ret, *(const char *const *)field);
}

static void print_int(const void *field, size_t i, struct buf *ret)
{
    buf_printf(ret, "%" PRId64, *(const int64_t *)field);
}

static void print_ms(const void *field, size_t i, struct buf *ret)
{
    int64_t value = *(const int64_t *)field;
    bool seconds = value >= 1000 && value % 1000 == 0;
    buf_printf(ret, "%" PRId64 "%s", seconds ? value / 1000 : value, seconds ? "s" : value ? "ms" : "");
}

static void print_bytes(const void *field, size_t i, struct buf *ret)
{
    static const char units[] = "kMG";
    uint64_t value = *(const uint64_t *)field;
    size_t unit = 0;
    while (unit < 3 && value >= 1024 && value % 1024 == 0) {
        value /= 1024;
        unit++;
    }
    buf_printf(ret, "%" PRIu64, value);
    if (unit)
        buf_putc(ret, units[unit - 1]);
}

static void print_bool(const void *field, size_t i, struct buf *ret)
{
    buf_puts(ret, *(const bool *)field ? "on" : "off");
}

static void print_list(const void *field, size_t i, struct buf *ret)
{
    const struct conf_list *list = field;
    if (i < list->n)
        buf_puts(ret, list->item[i]);
}

static void print_versions(const void *field, size_t i, struct buf *ret)
{
    static const char *const policies[] = {"latest", "all", "specific"};
    const struct conf_versions *versions = field;
    buf_puts(ret, policies[versions->policy]);
    if (versions->policy == CONF_VERSIONS_LATEST)
        buf_printf(ret, " %" PRId64, versions->n);
    for (int64_t k = 0; versions->policy == CONF_VERSIONS_SPECIFIC && k < versions->n; k++)
        buf_printf(ret, " %" PRId64, versions->version[k]);
}

static void print_labels(const void *field, size_t i, struct buf *ret)
{
    const struct conf_labels *labels = field;
    for (size_t k = 0; k < labels->n; k++)
        buf_printf(ret, "%s%s:%" PRId64, k ? " " : "", labels->item[k].name, labels->item[k].version);
}

static const struct {
    size_t size;
    bool (*parse)(const struct conf_key *key, const char *text, void *field, struct arena *arena);
    void (*print)(const void *field, size_t i, struct buf *ret);
    const char *expected;
} types[] = {
    [CONF_TEXT] = {sizeof(char *), parse_text, print_text, "a text"},
    [CONF_CHOICE] = {sizeof(char *), parse_choice, print_text, "one of"},
    [CONF_INT] = {sizeof(int64_t), parse_int, print_int, "a number"},
    [CONF_MS] = {sizeof(int64_t), parse_ms, print_ms, "a time such as 250ms, 10s or 5m"},
    [CONF_BYTES] = {sizeof(uint64_t), parse_bytes, print_bytes, "a size such as 512k, 64M or 2G"},
    [CONF_BOOL] = {sizeof(bool), parse_bool, print_bool, "on or off"},
    [CONF_LIST] = {sizeof(struct conf_list), parse_list, print_list, "a text, at most 32 times"},
    [CONF_VERSIONS] = {sizeof(struct conf_versions), parse_versions, print_versions,
                       "latest N (1 to 16), all, or specific V V ... (at most 16)"},
    [CONF_LABELS] = {sizeof(struct conf_labels), parse_labels, print_labels,
                     "LABEL:VERSION pairs separated by spaces (at most 16)"},
};

int conf_parse_value(const struct conf_key *key, const char *text, void *base, struct arena *arena,
                     struct err *err)
{
    if (types[key->type].parse(key, text, (char *)base + key->offset, arena))
        return 0;
    char expected[256];
    struct buf range;
    buf_init(&range, sizeof(expected) - 1);
    conf_print_expected(key, &range);
    snprintf(expected, sizeof(expected), "%s", range.data ? range.data : "");
    buf_done(&range);
    return err_set(err, KD_EINVAL, "%s = '%s': expected %s", key->name, text, expected);
}

void conf_print_expected(const struct conf_key *key, struct buf *ret)
{
    buf_puts(ret, types[key->type].expected);
    if (key->type == CONF_CHOICE)
        buf_printf(ret, " %s", key->choices);
    if (key->max == 0)
        return;
    buf_puts(ret, ", ");
    types[key->type].print(&key->min, 0, ret);
    buf_puts(ret, " to ");
    types[key->type].print(&key->max, 0, ret);
}

void conf_print_value(const struct conf_key *key, const void *base, size_t i, struct buf *ret)
{
    types[key->type].print((const char *)base + key->offset, i, ret);
}

size_t conf_n_values(const struct conf_key *key, const void *base)
{
    if (key->type != CONF_LIST)
        return 1;
    return ((const struct conf_list *)(const void *)((const char *)base + key->offset))->n;
}

void conf_copy_value(const struct conf_key *key, void *to, const void *from)
{
    memcpy((char *)to + key->offset, (const char *)from + key->offset, types[key->type].size);
}

bool conf_same_value(const struct conf_key *key, const void *a, const void *b)
{
    struct buf texts[2];
    const void *bases[2] = {a, b};
    for (size_t side = 0; side < 2; side++) {
        buf_init(&texts[side], 1 << 20);
        buf_putc(&texts[side], '=');
        for (size_t i = 0; i < conf_n_values(key, bases[side]); i++) {
            conf_print_value(key, bases[side], i, &texts[side]);
            buf_putc(&texts[side], '\n');
        }
    }
    bool same = str_equal(texts[0].data, texts[1].data);
    buf_done(&texts[0]);
    buf_done(&texts[1]);
    return same;
}
