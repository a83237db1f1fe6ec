/* Writer: which Keras wrote the file. Where generations compute differently, the writer decides, so the
 * version is read once, here: from the file's root, else from the weights, else from the architecture's own
 * JSON, else guessed by words that only one generation used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "image/image.h"
#include "keras/build.h"
#include "keras/json.h"

static bool mentions(const char *config, const char *const *words)
{
    for (size_t i = 0; config && words[i]; i++)
        if (strstr(config, words[i]))
            return true;
    return false;
}

static enum keras_family family_by_words(const char *config)
{
    static const char *const keras_1[] = {"\"nb_filter\"", "\"inner_activation\"", "\"border_mode\"",
                                          "\"output_dim\": ", NULL};
    static const char *const keras_3[] = {"\"keras_history\"", "\"batch_shape\"", "\"DTypePolicy\"", NULL};
    static const char *const keras_2[] = {"\"kernel_initializer\"", "\"units\"", NULL};
    if (mentions(config, keras_3))
        return KERAS_3;
    if (mentions(config, keras_1) && !mentions(config, keras_2))
        return KERAS_1;
    return KERAS_TF;
}

static enum keras_family family_of(const struct keras_writer *writer)
{
    if (writer->major >= 3)
        return KERAS_3;
    if (writer->major <= 1)
        return KERAS_1;
    return writer->tf_suffix || writer->minor >= 4 ? KERAS_TF : KERAS_2;
}

/* Keras 1 forgot dim_ordering in the configs of padding, cropping and upsampling. It came from the user's
 * settings, so it is that of the layers that do say it. */
static bool is_channels_first(const char *config)
{
    static const char *const first[] = {"\"dim_ordering\": \"th\"", NULL};
    static const char *const last[] = {"\"dim_ordering\": \"tf\"", NULL};
    return mentions(config, first) && !mentions(config, last);
}

static bool is_on_theano(const struct keras_build *build)
{
    const struct image_content *content = build->content;
    if (build->writer.family == KERAS_2)
        return strcmp(build->writer.backend, "theano") == 0;
    if (build->writer.family != KERAS_1 || build->options->flip_theano_kernels)
        return build->writer.family == KERAS_1;
    for (size_t i = 0; i < content->n_layers; i++)
        if (content->layers[i].n_weights)
            return !strchr(content->layers[i].weights[0].name, ':');
    return false;
}

bool keras_on_theano(const struct keras_build *build)
{
    return build->on_theano;
}

static const char *first_of(const char *a, const char *b, const char *c)
{
    return a ? a : b ? b : c;
}

static void read_version(struct keras_build *build, const cJSON *config)
{
    const struct image_content *content = build->content;
    struct keras_writer *writer = &build->writer;
    const char *version = first_of(content->keras_version, content->weights_version,
                                   keras_json_string(config, "keras_version"));
    const char *backend = first_of(content->weights_backend, content->backend,
                                   keras_json_string(config, "backend"));
    writer->version = version ? version : "";
    writer->backend = backend ? backend : "";
    if (version && sscanf(version, "%d.%d.%d", &writer->major, &writer->minor, &writer->patch) >= 1) {
        writer->tf_suffix = str_ends(version, "-tf");
        writer->family = family_of(writer);
        build->channels_first = writer->family == KERAS_1 && is_channels_first(content->model_config);
        return;
    }
    /* The last version of a family stands for all of it. */
    static const int major[] = {[KERAS_1] = 1, [KERAS_2] = 2, [KERAS_TF] = 2, [KERAS_3] = 3};
    static const int minor[] = {[KERAS_1] = 2, [KERAS_2] = 3, [KERAS_TF] = 15, [KERAS_3] = 15};
    writer->family = family_by_words(content->model_config);
    writer->major = major[writer->family];
    writer->minor = minor[writer->family];
    keras_warn(build, NULL, "the file does not say which Keras wrote it; read as one of version %d",
               writer->major);
}

void keras_writer_read(struct keras_build *build, const cJSON *config)
{
    read_version(build, config);
    build->on_theano = is_on_theano(build);
}

bool keras_since(const struct keras_writer *writer, enum keras_family family, int major, int minor)
{
    bool reached = writer->major > major || (writer->major == major && writer->minor >= minor);
    return writer->family == family && reached;
}

bool keras_has_policies(const struct keras_writer *writer)
{
    return writer->family == KERAS_TF || writer->family == KERAS_3;
}
