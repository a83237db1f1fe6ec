/* arena: a bump allocator over a list of growing blocks.
 *
 *   blocks ─► [header|used......|free] ─► [header|used............] ─► NULL
 *
 * Small requests are cut from the newest block; a request larger than half a block gets a block of its own behind it,
 * so that the newest block's rest is not wasted. Nothing is freed singly. Blocks come from calloc: memory is zero. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

#define ARENA_ALIGNMENT 16
#define ARENA_FIRST_BLOCK 4096
#define ARENA_LAST_BLOCK (1024 * 1024)

struct block {
    struct block *next;
    size_t size;
    size_t used;
    size_t padding; /* keeps the data 16-byte aligned */
};

struct arena {
    struct block *blocks; /* the newest first */
    size_t next_size;
    size_t used;
};

struct arena *arena_new(void)
{
    struct arena *arena = calloc(1, sizeof(*arena));
    if (arena)
        arena->next_size = ARENA_FIRST_BLOCK;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    struct block *block = arena->blocks;
    while (block) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
    free(arena);
}

static struct block *block_new(size_t size)
{
    size_t total;
    if (!size_add(size, sizeof(struct block), &total))
        return NULL;
    struct block *block = calloc(1, total);
    if (block)
        block->size = size;
    return block;
}

static void *block_take(struct block *block, size_t size)
{
    void *data = (char *)(block + 1) + block->used;
    block->used += size;
    return data;
}

static void *alloc_large(struct arena *arena, size_t size)
{
    struct block *block = block_new(size);
    if (!block)
        return NULL;
    if (arena->blocks) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        arena->blocks = block;
    }
    return block_take(block, size);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - ARENA_ALIGNMENT)
        return NULL;
    size = size_align(size ? size : 1, ARENA_ALIGNMENT);
    arena->used += size;
    struct block *block = arena->blocks;
    if (block && block->size - block->used >= size)
        return block_take(block, size);
    if (size > arena->next_size / 2)
        return alloc_large(arena, size);
    block = block_new(arena->next_size);
    if (!block)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    if (arena->next_size < ARENA_LAST_BLOCK)
        arena->next_size *= 2;
    return block_take(block, size);
}

void *arena_calloc(struct arena *arena, size_t n, size_t size)
{
    size_t total;
    return size_mul(n, size, &total) ? arena_alloc(arena, total) : NULL;
}

void *arena_memdup(struct arena *arena, const void *data, size_t size)
{
    void *copy = arena_alloc(arena, size);
    if (copy && size)
        memcpy(copy, data, size);
    return copy;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    size_t size;
    if (!size_add(length, 1, &size))
        return NULL;
    char *copy = arena_alloc(arena, size);
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
