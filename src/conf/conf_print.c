/* Printing: the configuration in force, the sample file and the options of --help, all from the table. */
#include "conf/conf.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "conf/conf_type.h"

static void print_key(const struct conf_key *key, const void *base, struct buf *ret)
{
    for (size_t i = 0; i < conf_n_values(key, base); i++) {
        buf_printf(ret, "%s = ", key->name);
        conf_print_value(key, base, i, ret);
        buf_putc(ret, '\n');
    }
}

void conf_print(const struct conf *conf, struct buf *ret)
{
    for (const struct conf_key *key = conf_server_keys; key->name; key++)
        print_key(key, conf, ret);
    for (const struct conf_key *key = conf_model_keys; key->name; key++)
        if (key->offset != offsetof(struct conf_model, path))
            print_key(key, &conf->defaults, ret);
    for (size_t i = 0; i < conf->n_models; i++) {
        buf_printf(ret, "\n[model %s]\n", conf->models[i]->name);
        for (const struct conf_key *key = conf_model_keys; key->name; key++)
            if (conf->models[i]->given[key - conf_model_keys])
                print_key(key, conf->models[i], ret);
    }
}

/* Words of text in lines of at most `width` characters, each begun with prefix. */
static void print_wrapped(struct buf *ret, const char *prefix, const char *text, size_t width)
{
    size_t column = 0;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column && column + 1 + word > width) {
            buf_putc(ret, '\n');
            column = 0;
        }
        if (column == 0) {
            buf_puts(ret, prefix);
            column = strlen(prefix);
        } else {
            buf_putc(ret, ' ');
            column++;
        }
        buf_append(ret, text, word);
        column += word;
        text += word + strspn(text + word, " ");
    }
    buf_putc(ret, '\n');
}

static void print_sample_key(const struct conf_key *key, struct buf *ret)
{
    buf_putc(ret, '\n');
    print_wrapped(ret, "# ", key->doc, 98);
    buf_puts(ret, "# (");
    conf_print_expected(key, ret);
    buf_printf(ret, "; %s)\n", key->when == CONF_RELOAD ? "a reload applies it" : "applied at the start");
    buf_printf(ret, "#%s =%s%s\n", key->name, *key->text ? " " : "", key->text);
}

static const char sample_head[] =
    "# kerasd.conf: every key with its default. Lines are KEY = VALUE; a # begins a comment line.\n"
    "# `kerasd check-config FILE` says whether a file is right and prints what it means.\n"
    "# The same keys are options on the command line: --max-body 16M.\n"
    "# `systemctl reload kerasd` or SIGHUP applies changes where the key's comment says so.\n"
    "# `include models.d/*.conf` reads other files in place.\n";

static const char sample_models[] =
    "\n\n# ---- models ----\n"
    "# Above the first [model NAME] these keys set the default for every model; inside, for one model.\n";

static const char sample_tail[] =
    "\n\n# A model has a section of its own (or lies in a model_directory):\n"
    "#[model digits]\n"
    "#path = /var/lib/kerasd/models/digits.h5\n";

void conf_print_sample(struct buf *ret)
{
    buf_puts(ret, sample_head);
    for (const struct conf_key *key = conf_server_keys; key->name; key++)
        print_sample_key(key, ret);
    buf_puts(ret, sample_models);
    for (const struct conf_key *key = conf_model_keys; key->name; key++)
        if (key->offset != offsetof(struct conf_model, path))
            print_sample_key(key, ret);
    buf_puts(ret, sample_tail);
}

static void print_option(const struct conf_key *key, struct buf *ret)
{
    char name[64];
    size_t i = 0;
    for (; key->name[i] && i < sizeof(name) - 1; i++)
        name[i] = key->name[i] == '_' ? '-' : key->name[i];
    name[i] = '\0';
    buf_printf(ret, "  --%s %s\n", name, *key->text ? key->text : "TEXT");
    print_wrapped(ret, "        ", key->doc, 100);
}

void conf_print_options(struct buf *ret)
{
    for (const struct conf_key *key = conf_server_keys; key->name; key++)
        print_option(key, ret);
    buf_puts(ret, "\nFor every model that has no section of its own in the configuration:\n\n");
    for (const struct conf_key *key = conf_model_keys; key->name; key++)
        if (key->offset != offsetof(struct conf_model, path))
            print_option(key, ret);
}

void conf_print_restart_changes(const struct conf *old, const struct conf *now, struct buf *ret)
{
    for (const struct conf_key *key = conf_server_keys; key->name; key++)
        if (key->when == CONF_RESTART && !conf_same_value(key, old, now))
            buf_printf(ret, "%s%s", ret->length ? ", " : "", key->name);
}
