/* JSON as Python writes it: NaN, Infinity and -Infinity are numbers, 2 and 2.0 are told apart, integers are
 * exact to 64 bits, the character NUL becomes U+10FFFF. Trees are cJSON's; depth, size and number of values
 * are bounded. */
#ifndef KD_KERAS_JSON_H
#define KD_KERAS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

struct err;

#define KERAS_JSON_MAX_DEPTH 200
#define KERAS_JSON_MAX_BYTES (64u << 20)
#define KERAS_JSON_MAX_VALUES 4000000u

/* `what` names the text in errors ("model_config"). Free with cJSON_Delete. KD_EFORMAT, KD_ETOOBIG,
 * KD_ENOMEM. */
int keras_json_parse(const char *text, const char *what, cJSON **ret, struct err *err);

/* Object member, NULL if absent or if `object` is no object. */
const cJSON *keras_json_get(const cJSON *object, const char *key);
/* The member's text, or NULL. */
const char *keras_json_string(const cJSON *object, const char *key);
/* object["class_name"] equals name. */
bool keras_json_is_class(const cJSON *object, const char *name);

/* A number that was written without point or exponent, exact; or a float with an integral value. */
bool keras_json_int(const cJSON *item, int64_t *ret);
/* Any number. */
bool keras_json_number(const cJSON *item, double *ret);
/* The number was written as a float ("2.0", "1e3", "NaN"). */
bool keras_json_is_float(const cJSON *item);
/* Looks through {"class_name": "__numpy__" | "__tensor__" | "__tuple__" | "TensorShape" | "__bytes__", ...}
 * and
 * {"type": "ndarray", "value": ...} to the value inside. */
const cJSON *keras_json_unwrap(const cJSON *item);

/* At most `size` bytes of the value's text, for messages; returns text. */
char *keras_json_brief(const cJSON *item, char *text, size_t size);
#define KERAS_JSON_BRIEF 80

#endif
