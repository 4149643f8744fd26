/* Checked size arithmetic: the only place where sizes that come from a file are multiplied or added.
 * A function with an *out returns false and leaves it alone when the result does not fit. */
#ifndef CORE_BASE_SIZE_H
#define CORE_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool size_mul(uint64_t a, uint64_t b, size_t *out) {
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

static inline bool size_add(uint64_t a, uint64_t b, size_t *out) {
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

/* a rounded up to a multiple of `align` (a power of two). */
static inline bool size_align(uint64_t a, size_t align, size_t *out) {
    size_t r;
    if (!size_add(a, align - 1, &r)) return false;
    *out = r & ~(align - 1);
    return true;
}

/* Is [offset, offset + bytes) inside a file of `total` bytes? */
static inline bool size_inside(uint64_t offset, uint64_t bytes, uint64_t total) {
    return offset <= total && bytes <= total - offset;
}

/* The smaller of two counts. */
static inline int size_least(int a, int b) {
    return a < b ? a : b;
}

#endif
