/* Watch: tells when directories of models changed, and which files were moved into place whole. Used by the
 * loader's thread alone. */
#ifndef KD_REGISTRY_WATCH_H
#define KD_REGISTRY_WATCH_H

#include <stdbool.h>

struct registry_sources;
struct registry_watch;

/* NULL if the kernel gives none; the caller then looks by itself now and then. */
struct registry_watch *registry_watch_new(void);
void registry_watch_free(struct registry_watch *watch); /* accepts NULL */
/* Readable when something changed. */
int registry_watch_fd(const struct registry_watch *watch);
/* Watches the sources' directories and no others. True if one is new: changes before this call were not
 * seen, so look again. *ret_complete: false if some directory cannot be watched. */
bool registry_watch_update(struct registry_watch *watch, const struct registry_sources *sources,
                           bool *ret_complete);
/* Takes what the kernel has to say; true if anything changed. */
bool registry_watch_read(struct registry_watch *watch);
/* Was this file, or a directory above it, moved into place since the last forget? Then nobody is writing it.
 */
bool registry_watch_moved(const struct registry_watch *watch, const char *path);
void registry_watch_forget(struct registry_watch *watch);

#endif
