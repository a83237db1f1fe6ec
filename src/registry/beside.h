/* Files beside a model, which belong to it: the sidecar (docs/SIDECAR.md: what a model file can't say), the names
 * of its classes, the self-test, the architecture of a weights-only file. */
#ifndef KD_REGISTRY_BESIDE_H
#define KD_REGISTRY_BESIDE_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct conf_model;
struct err;
struct registry_file;

#define REGISTRY_SIDECAR_MAX_BYTES (16u << 20)

/* Reads the configured sidecar, or, if none is configured (""), the one beside the model if it is there: its
 * path with ".kerasd.json" appended. ret (initialised by the caller) stays without data if there is none. */
int registry_sidecar_read(const char *model_path, const char *configured, struct buf *ret, struct err *err);

/* "DIR/STEM.suffix" of the model's path, or "DIR/suffix" where there is only that. False if neither exists. */
bool registry_beside_find(const char *model_path, const char *suffix, char *found, size_t size);

/* Adds to the model file's identity that of the files beside it, so that it changes when one of them does. */
void registry_beside_identify(const char *model_path, const struct conf_model *conf, struct registry_file *file);

#endif
