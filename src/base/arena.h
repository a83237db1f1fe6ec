/* Arena: many small allocations with one lifetime, freed together. Not thread-safe. */
#ifndef KD_BASE_ARENA_H
#define KD_BASE_ARENA_H

#include <stddef.h>

struct arena;

/* NULL when out of memory. */
struct arena *arena_new(void);
/* Frees everything that came from the arena; accepts NULL. */
void arena_free(struct arena *arena);

/* Zero-filled, aligned to 16 bytes; NULL when out of memory. size 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);
/* n * size with overflow check (NULL on overflow). */
void *arena_calloc(struct arena *arena, size_t n, size_t size);
/* Copies; NULL when out of memory. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
void *arena_memdup(struct arena *arena, const void *data, size_t size);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes handed out so far (for memory accounting). */
size_t arena_used(const struct arena *arena);

#endif
