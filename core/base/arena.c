/* Blocks of at least ARENA_BLOCK bytes in a list; a large request gets a block of its own. */
#include "core/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

enum { ARENA_ALIGN = 64, ARENA_BLOCK = 64 << 10 };

struct arena_block {
    struct arena_block *next;
    size_t size, used; /* of the bytes that follow this header */
};

static const size_t header_bytes = (sizeof(struct arena_block) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;

static struct arena_block *add_block(arena *a, size_t bytes) {
    size_t size = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK, total;
    if (!size_add(size, header_bytes, &total)) return NULL;
    struct arena_block *b = aligned_alloc(ARENA_ALIGN, total);
    if (!b) return NULL;
    *b = (struct arena_block){.next = a->blocks, .size = size};
    return a->blocks = b;
}

void *arena_array(arena *a, size_t n, size_t size) {
    size_t bytes;
    if (!size_mul(n, size, &bytes) || !size_align(bytes, ARENA_ALIGN, &bytes)) return NULL;
    if (!bytes) bytes = ARENA_ALIGN;
    struct arena_block *b = a->blocks;
    if ((!b || b->size - b->used < bytes) && !(b = add_block(a, bytes))) return NULL;
    void *p = (char *)b + header_bytes + b->used;
    b->used += bytes;
    a->used_bytes += bytes;
    return memset(p, 0, bytes);
}

void *arena_copy(arena *a, const void *src, size_t bytes) {
    void *p = arena_array(a, bytes, 1);
    if (p && bytes) memcpy(p, src, bytes);
    return p;
}

char *arena_text(arena *a, const char *s, size_t n) {
    char *p = arena_array(a, n + 1, 1);
    if (p && n) memcpy(p, s, n);
    return p;
}

char *arena_printf(arena *a, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n < 0 ? NULL : arena_array(a, (size_t)n + 1, 1);
    if (!p) return NULL;
    va_start(args, format);
    vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return p;
}

void arena_free(arena *a) {
    for (struct arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (arena){0};
}
