/* keras: every row of the table of layers has a documentation line and a proof: served and identity rows a
 * golden case of real Keras, refused rows a refusal that says why. */
#include "keras_case.h"

#include <cjson/cJSON.h>
#include <glob.h>
#include <limits.h>

#include "base/fd.h"
#include "base/map.h"
#include "keras/layer.h"

static struct map *classes_seen;

static void mark(const struct keras_class *class)
{
    if (class)
        map_set(classes_seen, class->names[0], classes_seen);
}

static void read_manifest(const char *path)
{
    struct buf text;
    struct err err;
    buf_init(&text, 64 << 20);
    CU_ASSERT_EQUAL_FATAL(fd_read_file(path, &text, &err), 0);
    cJSON *manifest = cJSON_ParseWithLength(text.data, text.length);
    const cJSON *item, *name;
    CU_ASSERT_PTR_NOT_NULL_FATAL(manifest);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(manifest, "cases"))
    {
        cJSON_ArrayForEach(name, cJSON_GetObjectItemCaseSensitive(item, "classes"))
        {
            mark(keras_class_find(name->valuestring));
            mark(keras_operation_find(name->valuestring));
        }
    }
    cJSON_Delete(manifest);
    buf_done(&text);
}

static void read_manifests(void)
{
    const char *source = getenv("KERASD_SRCDIR");
    char pattern[PATH_MAX];
    glob_t found;
    snprintf(pattern, sizeof(pattern), "%s/tests/golden/cases/*/*.json", source ? source : ".");
    CU_ASSERT_EQUAL_FATAL(glob(pattern, 0, NULL, &found), 0);
    classes_seen = map_new();
    for (size_t i = 0; i < found.gl_pathc; i++)
        read_manifest(found.gl_pathv[i]);
    globfree(&found);
}

static void test_goldens(void)
{
    read_manifests();
    for (size_t i = 0; i < keras_n_classes; i++) {
        const struct keras_class *class = keras_classes[i];
        bool proved = class->support == KERAS_REFUSED || map_get(classes_seen, class->names[0]);
        if (!proved)
            printf("\n    no golden case holds %s", class->names[0]);
        CU_ASSERT(proved);
    }
    map_free(classes_seen);
}

static void test_refusals(void)
{
    char config[1024];
    for (size_t i = 0; i < keras_n_classes; i++)
        for (size_t j = 0; keras_classes[i]->support == KERAS_REFUSED && keras_classes[i]->names[j]; j++) {
            const char *name = keras_classes[i]->names[j];
            snprintf(config, sizeof(config),
                     "{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"%s\", \"config\": "
                     "{\"name\": \"the_layer\", \"trainable\": true, \"batch_input_shape\": [null, 2]}}]}",
                     name);
            const char *const words[] = {name, "the_layer", keras_classes[i]->doc, NULL};
            case_refused(config, "2.15.0", words);
            case_refused(config, "3.10.0", words);
        }
}

static void test_documentation(void)
{
    for (size_t i = 0; i < keras_n_classes; i++) {
        const struct keras_class *class = keras_classes[i];
        CU_ASSERT(class->doc && class->doc[0] && class->family && class->family[0]);
        CU_ASSERT(strlen(class->doc) < 200 && class->doc[strlen(class->doc) - 1] != '.');
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every served class has a golden case", test_goldens},
        {"every refused class is refused by name", test_refusals},
        {"every class has its line of documentation", test_documentation},
    };
    return unit_main("keras table", tests, KD_COUNT(tests));
}
