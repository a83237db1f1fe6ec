/* Hashes by the numbers that Keras computes; vocabularies, buckets, counts and text. */
#include "kernels/hash.h"
#include "kernels/lookup.h"
#include "kernels_test.h"

static struct str_view view(const char *text)
{
    return (struct str_view){text, strlen(text)};
}

static void test_fingerprint(void)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } table[] = {
        {"", UINT64_C(0x9ae16a3b2f90404f)},      {"a", UINT64_C(0xb3454265b6df75e3)},
        {"hello", UINT64_C(0xb48be5a931380ce8)}, {"twelve chars", UINT64_C(0x86d77002e204b9f1)},
    };
    static const struct {
        size_t length;
        uint64_t hash;
    } runs[] = {{20, UINT64_C(0x0e5dacb399038991)},
                {40, UINT64_C(0x3b9ee842cb88106c)},
                {70, UINT64_C(0xaed7656941fa735d)}};
    for (size_t i = 0; i < KD_COUNT(table); i++)
        CU_ASSERT_EQUAL(hash_fingerprint64(table[i].text, strlen(table[i].text)), table[i].hash);
    char q[70];
    memset(q, 'q', sizeof(q));
    for (size_t i = 0; i < KD_COUNT(runs); i++)
        CU_ASSERT_EQUAL(hash_fingerprint64(q, runs[i].length), runs[i].hash);
}

/* The test vector of the SipHash paper: key 00..0f, message 00..0e. */
static void test_siphash(void)
{
    char message[15];
    for (int i = 0; i < 15; i++)
        message[i] = (char)i;
    CU_ASSERT_EQUAL(hash_siphash24(UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908), message, 15),
                    UINT64_C(0xa129ca6149be45e5));
}

static void test_hashing(void)
{
    static const uint64_t salt[2] = {133, 133};
    static const int64_t plain[] = {939, 279, 296, 263}, salted[] = {997, 766, 590, 907},
                         integers[] = {849, 816};
    struct str_view words[] = {view("a"), view("bc"), view("hello"), view("")}, mask = view("bc");
    int64_t y[4];
    hash_run_str(1000, NULL, NULL, words, y, 4);
    CU_ASSERT_EQUAL(memcmp(y, plain, sizeof(y)), 0);
    hash_run_str(1000, salt, NULL, words, y, 4);
    CU_ASSERT_EQUAL(memcmp(y, salted, sizeof(y)), 0);
    hash_run_i64(1000, NULL, NULL, (const int64_t[]){1, -5}, y, 2);
    CU_ASSERT_EQUAL(memcmp(y, integers, sizeof(integers)), 0);
    hash_run_str(1000, NULL, &mask, words, y, 4);
    CU_ASSERT(y[1] == 0 && y[0] == (int64_t)(UINT64_C(0xb3454265b6df75e3) % 999) + 1);
    hash_run_i64(10, NULL, &(int64_t){-5}, (const int64_t[]){-5, 1}, y, 2);
    CU_ASSERT(y[0] == 0 && y[1] >= 1 && y[1] <= 9);
}

static void test_crossing(void)
{
    struct str_view a = view("a"), b = view("b");
    uint64_t h[2];
    int64_t y[2];
    hash_cross_start(h, 1);
    hash_cross_str(h, &a, 1, 1);
    hash_cross_str(h, &b, 1, 1);
    hash_cross_finish(h, 1000, y, 1);
    CU_ASSERT_EQUAL(y[0], 986);
    hash_cross_start(h, 2);
    hash_cross_i64(h, (const int64_t[]){1}, 0, 2);
    hash_cross_i64(h, (const int64_t[]){2, 2}, 1, 2);
    hash_cross_finish(h, 1000, y, 2);
    CU_ASSERT(y[0] == 357 && y[1] == 357);
}

static void test_bucketize(void)
{
    static const float boundaries[] = {0, 1, 2}, x[] = {-1, 0, .5f, 1, 2, 5};
    static const int64_t expected[] = {0, 1, 1, 2, 3, 3}, integers[] = {-1, 0, 3};
    int64_t y[6];
    bucketize_f32(boundaries, 3, x, y, 6);
    CU_ASSERT_EQUAL(memcmp(y, expected, sizeof(y)), 0);
    bucketize_i64(boundaries, 3, integers, y, 3);
    CU_ASSERT(y[0] == 0 && y[1] == 1 && y[2] == 3);
    bucketize_f32(boundaries, 0, x, y, 6);
    CU_ASSERT(y[0] == 0 && y[5] == 0);
}

static void test_encode(void)
{
    static const int64_t ids[] = {1, 1, -1, 0, 2, 2};
    static const float weights[] = {.5f, 2, 9, 1, 1, 1};
    float y[6];
    CU_ASSERT_EQUAL(encode_run(2, 3, 3, false, ids, NULL, y), -1);
    CU_ASSERT(y[0] == 0 && y[1] == 1 && y[2] == 0 && y[3] == 1 && y[4] == 0 && y[5] == 1);
    CU_ASSERT_EQUAL(encode_run(2, 3, 3, true, ids, NULL, y), -1);
    CU_ASSERT(y[1] == 2 && y[3] == 1 && y[5] == 2);
    CU_ASSERT_EQUAL(encode_run(2, 3, 3, true, ids, weights, y), -1);
    CU_ASSERT(y[1] == 2.5f && y[5] == 2);
    CU_ASSERT_EQUAL(encode_run(2, 3, 2, true, ids, NULL, y), 4);
}

static void test_lookup(void)
{
    struct str_view keys[] = {view("a"), view("b"), view(""), view("a")},
                    x[] = {view("b"), view(""), view("zz"), view("a")};
    static const int64_t values[] = {10, 20, 30, 40}, integers[] = {5, -7, 1000000007, 0};
    struct lookup strings = {.n = 4, .strings = keys, .values = values};
    struct lookup numbers = {.n = 4, .integers = integers, .values = values};
    struct lookup_oov one = {.start = 1, .n = 1}, several = {.start = 1, .n = 5}, none = {0};
    size_t bytes;
    int64_t y[4];
    CU_ASSERT_TRUE_FATAL(lookup_table_bytes(4, &bytes));
    void *table = test_memory(bytes);
    lookup_table_build(&strings, table);
    CU_ASSERT_EQUAL(lookup_run_str(&strings, table, &one, x, y, 4), -1);
    CU_ASSERT(y[0] == 20 && y[1] == 30 && y[2] == 1 && y[3] == 10);
    CU_ASSERT_EQUAL(lookup_run_str(&strings, table, &several, x, y, 4), -1);
    CU_ASSERT_EQUAL(y[2], 1 + (int64_t)(hash_fingerprint64("zz", 2) % 5));
    CU_ASSERT_EQUAL(lookup_run_str(&strings, table, &none, x, y, 4), 2);
    lookup_table_build(&numbers, table);
    CU_ASSERT_EQUAL(lookup_run_i64(&numbers, table, &several, (const int64_t[]){-7, 0, -3, 1000000007}, y, 4),
                    -1);
    CU_ASSERT(y[0] == 20 && y[1] == 40 && y[2] == 1 + 2 && y[3] == 30);
    CU_ASSERT_EQUAL(lookup_run_i64(&numbers, table, &none, (const int64_t[]){-7, 0, -3}, y, 3), 2);
    free(table);
}

/* Many keys: every one is found, and neighbours are not. */
static void test_big_lookup(void)
{
    enum { n = 5000 };
    int64_t *keys = test_memory(n * 8), *values = test_memory(n * 8), y;
    struct lookup lookup = {.n = n, .integers = keys, .values = values};
    struct lookup_oov none = {0};
    size_t bytes;
    for (int64_t i = 0; i < n; i++) {
        keys[i] = i * 64;
        values[i] = i;
    }
    CU_ASSERT_TRUE_FATAL(lookup_table_bytes(n, &bytes));
    void *table = test_memory(bytes);
    lookup_table_build(&lookup, table);
    for (int64_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(lookup_run_i64(&lookup, table, &none, &keys[i], &y, 1), -1);
        CU_ASSERT_EQUAL(y, i);
        CU_ASSERT_EQUAL(lookup_run_i64(&lookup, table, &none, &(int64_t){i * 64 + 1}, &y, 1), 0);
    }
    free(keys);
    free(values);
    free(table);
}

struct text_case {
    enum text_split split;
    bool plain;
    const int *ngrams;
    int n_ngrams;
    const char *text;
    int64_t count;
    int64_t ids[8];
};

static const int up_to_2[] = {1, 2}, just_2[] = {2};
static const struct text_case texts[] = {
    {TEXT_SPLIT_WHITESPACE, false, NULL, 0, "  The cat,  SAT\ton the mat! ", 6, {10, 11, 1, 1, 10, 12}},
    {TEXT_SPLIT_WHITESPACE, true, NULL, 0, "The cat", 2, {1, 11}},
    {TEXT_SPLIT_WHITESPACE, false, NULL, 0, "c-a-t \xc3\x80", 2, {11, 1}},
    {TEXT_SPLIT_WHITESPACE, false, NULL, 0, " ?! ", 0, {0}},
    {TEXT_SPLIT_WHITESPACE, false, up_to_2, 2, "the cat the", 5, {10, 11, 10, 13, 1}},
    {TEXT_SPLIT_WHITESPACE, false, just_2, 1, "the cat", 1, {13}},
    {TEXT_SPLIT_WHITESPACE, false, just_2, 1, "the", 0, {0}},
    {TEXT_SPLIT_CHARACTER, false, NULL, 0, "T\xc3\xa9!", 2, {14, 15}},
    {TEXT_SPLIT_NONE, false, NULL, 0, "The Cat", 1, {13}},
    {TEXT_SPLIT_NONE, false, NULL, 0, "", 1, {1}},
};

static void test_text(void)
{
    struct str_view keys[] = {view("the"),     view("cat"), view("mat"),
                              view("the cat"), view("t"),   view("\xc3\xa9")};
    static const int64_t values[] = {10, 11, 12, 13, 14, 15};
    struct lookup lookup = {.n = 6, .strings = keys, .values = values};
    size_t bytes;
    CU_ASSERT_TRUE_FATAL(lookup_table_bytes(6, &bytes));
    void *table = test_memory(bytes);
    lookup_table_build(&lookup, table);
    for (size_t i = 0; i < KD_COUNT(texts); i++) {
        const struct text_case *c = &texts[i];
        struct text text = {.lower = !c->plain,
                            .strip_punctuation = !c->plain,
                            .split = c->split,
                            .ngrams = c->ngrams,
                            .n_ngrams = c->n_ngrams,
                            .lookup = lookup,
                            .table = table,
                            .oov = 1};
        int64_t ids[8] = {0};
        CU_ASSERT_TRUE_FATAL(text_scratch(&text, strlen(c->text), &bytes));
        void *scratch = test_memory(bytes);
        CU_ASSERT_EQUAL(text_ids(&text, view(c->text), NULL, 0, scratch), c->count);
        CU_ASSERT_EQUAL(text_ids(&text, view(c->text), ids, 8, scratch), c->count);
        CU_ASSERT_EQUAL(memcmp(ids, c->ids, sizeof(ids)), 0);
        ids[1] = 77;
        CU_ASSERT_EQUAL(text_ids(&text, view(c->text), ids, 1, scratch), c->count);
        CU_ASSERT_EQUAL(ids[1], 77);
        free(scratch);
    }
    free(table);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"fingerprint", test_fingerprint}, {"siphash", test_siphash}, {"hashing", test_hashing},
        {"crossing", test_crossing},       {"bucketize", test_bucketize}, {"encode", test_encode},
        {"lookup", test_lookup},           {"big lookup", test_big_lookup}, {"text", test_text},
    };
    return unit_main("lookup", tests, KD_COUNT(tests));
}
