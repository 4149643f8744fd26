/* An arena: many allocations, one release. Memory is zeroed and aligned to 64 bytes (a cache line, a vector). */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include <stddef.h>

typedef struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* handed out so far, all blocks together */
} arena;                        /* an arena of zeros is empty and ready */

/* n elements of `size` bytes, zeroed; NULL when the product overflows or memory is out. n * size may be 0. */
void *arena_array(arena *a, size_t n, size_t size);
void *arena_copy(arena *a, const void *src, size_t bytes);
/* A NUL-terminated copy of the first n bytes of s. */
char *arena_text(arena *a, const char *s, size_t n);
char *arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Releases everything; the arena is empty and ready again. */
void arena_free(arena *a);

#endif
