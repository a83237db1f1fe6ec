/* The types of configuration values and the table of keys; for the files of this room. */
#ifndef KD_CONF_CONF_TYPE_H
#define KD_CONF_CONF_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct err;

enum conf_type { CONF_TEXT, CONF_CHOICE, CONF_INT, CONF_MS, CONF_BYTES, CONF_BOOL, CONF_LIST, CONF_VERSIONS,
                CONF_LABELS };
enum conf_when { CONF_RELOAD, CONF_RESTART };

struct conf_key {
    const char *name;
    enum conf_type type;
    size_t offset; /* in struct conf or struct conf_model */
    const char *text; /* the default */
    int64_t min, max;
    const char *choices;
    enum conf_when when;
    const char *doc;
};

/* Two tables that end at a key without name; model keys are in the order of CONF_MODEL_KEY_*. */
extern const struct conf_key conf_server_keys[];
extern const struct conf_key conf_model_keys[];

/* NULL if there is no such key. */
const struct conf_key *conf_find_key(const struct conf_key *keys, const char *name);

/* Parses text into the key's field of `base`; a LIST is appended to. Texts are copied into the arena. */
int conf_parse_value(const struct conf_key *key, const char *text, void *base, struct arena *arena,
                     struct err *err);
/* The value as text that conf_parse_value takes; a LIST's item i. */
void conf_print_value(const struct conf_key *key, const void *base, size_t i, struct buf *ret);
/* Values that print as lines: 1, or the items of a LIST. */
size_t conf_n_values(const struct conf_key *key, const void *base);
/* Copies the field from one struct to another of the same kind. */
void conf_copy_value(const struct conf_key *key, void *to, const void *from);
bool conf_same_value(const struct conf_key *key, const void *a, const void *b);
/* "number, 0 to 256", "on or off": what to write, for messages and help. */
void conf_print_expected(const struct conf_key *key, struct buf *ret);

#endif
