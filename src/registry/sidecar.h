/* The sidecar file's text: what a model file can't say (docs/SIDECAR.md). */
#ifndef KD_REGISTRY_SIDECAR_H
#define KD_REGISTRY_SIDECAR_H

struct buf;
struct err;

#define REGISTRY_SIDECAR_SUFFIX ".kerasd.json"
#define REGISTRY_SIDECAR_MAX_BYTES (16u << 20)

/* Reads the configured file, or, if none is configured (""), the one beside the model if it is there: its
 * path with ".kerasd.json" appended. ret (initialised by the caller) stays without data if there is none. */
int registry_sidecar_read(const char *model_path, const char *configured, struct buf *ret, struct err *err);

#endif
