/* TextVectorization up to token ids: standardise, split, n-grams, look up.
 *
 * Bytes that standardising keeps go into scratch; tokens are runs of these; an n-gram is its tokens joined
 * by single spaces, built in scratch behind the text. Lower case is for ASCII letters alone, punctuation is
 * deleted without leaving a space, white space is ASCII white space. */
#include <string.h>

#include "base/size.h"
#include "kernels/lookup.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_punctuation(char c)
{
    return c != '\0' && strchr("!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'", c) != NULL;
}

static size_t standardise(const struct text *text, struct str_view string, char *to)
{
    size_t n = 0;
    for (size_t i = 0; i < string.length; i++) {
        char c = string.data[i];
        if (text->strip_punctuation && is_punctuation(c))
            continue;
        to[n++] = text->lower && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return n;
}

/* Bytes of the UTF-8 character at data; an invalid byte stands for itself. */
static size_t character(const char *data, size_t left)
{
    unsigned char c = (unsigned char)data[0];
    size_t n = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;
    for (size_t i = 1; i < n; i++)
        if (i >= left || ((unsigned char)data[i] & 0xc0) != 0x80)
            return 1;
    return n;
}

/* The next token at *at; false at the end. */
static bool next_token(const struct text *text, struct str_view all, size_t *at, struct str_view *ret)
{
    if (text->split == TEXT_SPLIT_WHITESPACE)
        while (*at < all.length && is_space(all.data[*at]))
            ++*at;
    if (text->split == TEXT_SPLIT_NONE ? *at > all.length : *at >= all.length)
        return false;
    size_t end = *at;
    if (text->split == TEXT_SPLIT_NONE)
        end = all.length;
    else if (text->split == TEXT_SPLIT_CHARACTER)
        end += character(all.data + end, all.length - end);
    else
        while (end < all.length && !is_space(all.data[end]))
            end++;
    *ret = (struct str_view){all.data + *at, end - *at};
    *at = text->split == TEXT_SPLIT_NONE ? all.length + 1 : end;
    return true;
}

/* Scratch: the standardised text, room for one n-gram (characters double by joining), the tokens. */
bool text_scratch(const struct text *text, size_t longest, size_t *ret)
{
    size_t bytes, tokens;
    return size_add(longest, 8, &bytes) && size_mul(bytes, 4, &bytes) && size_add(longest, 1, &tokens) &&
           size_mul(tokens, text->ngrams ? sizeof(struct str_view) : 0, &tokens) &&
           size_add(size_align(bytes, 8), tokens, ret);
}

static void put_id(const struct text *text, const struct str_view *token, int64_t *ids, int64_t room,
                   int64_t *count)
{
    struct lookup_oov oov = {.start = text->oov, .n = 1};
    if (*count < room)
        lookup_run_str(&text->lookup, text->table, &oov, token, &ids[*count], 1);
    ++*count;
}

/* Joins n tokens with spaces. */
static struct str_view join(const struct str_view *tokens, int64_t n, char *to)
{
    size_t length = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i > 0)
            to[length++] = ' ';
        memcpy(to + length, tokens[i].data, tokens[i].length);
        length += tokens[i].length;
    }
    return (struct str_view){to, length};
}

int64_t text_ids(const struct text *text, struct str_view string, int64_t *ids, int64_t room, void *scratch)
{
    char *clean = scratch, *joined = clean + string.length + 8;
    struct str_view all = {clean, standardise(text, string, clean)}, token;
    struct str_view *tokens = (struct str_view *)(clean + size_align(4 * (string.length + 8), 8));
    int64_t count = 0, n_tokens = 0;
    size_t at = 0;
    while (next_token(text, all, &at, &token))
        if (text->ngrams)
            tokens[n_tokens++] = token;
        else
            put_id(text, &token, ids, room, &count);
    for (int g = 0; text->ngrams && g < text->n_ngrams; g++)
        for (int64_t i = 0; i + text->ngrams[g] <= n_tokens; i++) {
            if (count < room)
                token = join(tokens + i, text->ngrams[g], joined);
            put_id(text, &token, ids, room, &count);
        }
    return count;
}
