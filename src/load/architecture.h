/* Architecture: the JSON text of a model, from a file beside its weights. */
#ifndef KD_LOAD_ARCHITECTURE_H
#define KD_LOAD_ARCHITECTURE_H

struct buf;
struct err;

/* Reads given_path, or if that is NULL the first of "<stem>.json" (also without "weights" at its end),
 * "model.json" and "architecture.json" beside weights_path, into text (initialised by the caller).
 * KD_ENOTFOUND with a sentence if there is none, KD_EFORMAT if it is no model.to_json() text, plain or as one
 * JSON string. */
int architecture_read(const char *weights_path, const char *given_path, struct buf *text, struct err *err);

#endif
