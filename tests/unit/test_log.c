/* Log: what a line looks like in each form, that outside text cannot forge one, and the rate limit. */
#include "obs/log.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "unit.h"

static char line[512];

static const char *format(enum log_format form, const struct log_field *fields, size_t n)
{
    log_format_line(form, LOG_LEVEL_WARN, "model failed", fields, n, line, sizeof(line));
    return line;
}
#define FORMAT(form, ...)                                                                                    \
    format(form, LOG_FIELDS(__VA_ARGS__), sizeof(LOG_FIELDS(__VA_ARGS__)) / sizeof(struct log_field))

static void test_journal(void)
{
    CU_ASSERT_STRING_EQUAL(FORMAT(LOG_FORMAT_JOURNAL), "<4>model failed\n");
    CU_ASSERT_STRING_EQUAL(FORMAT(LOG_FORMAT_JOURNAL, LOG_STR("model", "a b"), LOG_INT("version", -3),
                                  LOG_MS("took_ms", 1234567), LOG_BOOL("old", true), LOG_STR("none", NULL)),
                           "<4>model failed model='a b' version=-3 took_ms=1.235 old=true\n");
}

static void test_text(void)
{
    FORMAT(LOG_FORMAT_TEXT, LOG_STR("model", "m"));
    CU_ASSERT_PTR_EQUAL(strchr(line, 'Z'), line + 23);
    CU_ASSERT_STRING_EQUAL(line + 24, " warn model failed model='m'\n");
}

static void test_escape(void)
{
    FORMAT(LOG_FORMAT_JOURNAL, LOG_STR("a", "it's\n<3>forged \x1b[31m \\ \xff \xc3\xa9"));
    CU_ASSERT_STRING_EQUAL(line, "<4>model failed a='it\\'s\\x0a<3>forged \\x1b[31m \\\\ \\xff \xc3\xa9'\n");
    CU_ASSERT_PTR_EQUAL(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_json(void)
{
    FORMAT(LOG_FORMAT_JSON, LOG_STR("a", "say \"hi\"\n\x01 \xff"), LOG_INT("n", 7), LOG_BOOL("b", false));
    cJSON *json = cJSON_Parse(line);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    CU_ASSERT_STRING_EQUAL(cJSON_GetObjectItem(json, "level")->valuestring, "warn");
    CU_ASSERT_STRING_EQUAL(cJSON_GetObjectItem(json, "msg")->valuestring, "model failed");
    CU_ASSERT_STRING_EQUAL(cJSON_GetObjectItem(json, "a")->valuestring, "say \"hi\"\n\x01 \xc3\xbf");
    CU_ASSERT_EQUAL(cJSON_GetObjectItem(json, "n")->valueint, 7);
    CU_ASSERT_TRUE(cJSON_IsFalse(cJSON_GetObjectItem(json, "b")));
    cJSON_Delete(json);
}

/* Whatever the length, the line is cut, ends in a newline, and in JSON is still an object. */
static void test_cut(void)
{
    static const enum log_format forms[] = {LOG_FORMAT_TEXT, LOG_FORMAT_JOURNAL, LOG_FORMAT_JSON};
    char text[1001];
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        for (size_t length = 380; length < 1000; length++) {
            memset(text, 'x', length);
            text[length] = '\0';
            FORMAT(forms[i], LOG_INT("n", 1), LOG_STR("long", text));
            size_t end = strlen(line);
            CU_ASSERT_FATAL(end < sizeof(line) && line[end - 1] == '\n');
            if (forms[i] == LOG_FORMAT_JSON) {
                cJSON *json = cJSON_Parse(line);
                CU_ASSERT_PTR_NOT_NULL_FATAL(json);
                CU_ASSERT_PTR_NOT_NULL(cJSON_GetObjectItem(json, "n"));
                cJSON_Delete(json);
            } else if (length > sizeof(line)) {
                CU_ASSERT_STRING_EQUAL(line + end - 4, "...\n");
            }
        }
    }
}

static void test_levels(void)
{
    enum log_level level;
    CU_ASSERT_TRUE(log_level_from_name("debug", &level));
    CU_ASSERT_EQUAL(level, LOG_LEVEL_DEBUG);
    CU_ASSERT_FALSE(log_level_from_name("loud", &level));
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    CU_ASSERT_TRUE(log_on(LOG_LEVEL_ERROR) && log_on(LOG_LEVEL_WARN) && !log_on(LOG_LEVEL_INFO));
}

static void test_limit(void)
{
    struct log_limit limit = {.burst = 3, .period_ms = 1000000};
    int dropped = -1, allowed = 0;
    for (int i = 0; i < 10; i++)
        allowed += log_allow(&limit, &dropped);
    CU_ASSERT_EQUAL(allowed, 3);
    CU_ASSERT_EQUAL(dropped, 0);
    limit.window_ns -= INT64_C(1000001) * 1000000; /* the period passes */
    CU_ASSERT_TRUE(log_allow(&limit, &dropped));
    CU_ASSERT_EQUAL(dropped, 7);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"journal", test_journal}, {"text", test_text}, {"escape", test_escape}, {"json", test_json},
        {"cut", test_cut},         {"levels", test_levels}, {"limit", test_limit},
    };
    return unit_main("log", tests, sizeof(tests) / sizeof(tests[0]));
}
