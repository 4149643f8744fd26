/* What tests of CPU kernels share: buffers with guard bytes, random numbers, odd sizes, and speed.
 * Speed is printed only with GLINT_BENCH=1 in the environment. */
#ifndef TESTS_SUPPORT_KERNEL_HARNESS_H
#define TESTS_SUPPORT_KERNEL_HARNESS_H

#include "tests/support/support.h"

#include <stddef.h>

/* `bytes` bytes at `data`, which lies `shift` bytes past a multiple of 64, between two stretches of guard bytes. The
 * contents begin as 0xA5, which as floats is a small odd number that no test expects. */
typedef struct harness_buffer {
    void *data;
    size_t bytes;
    unsigned char *memory;
} harness_buffer;

harness_buffer harness_open(size_t bytes, size_t shift);
/* Are the guards as they were? */
bool harness_intact(const harness_buffer *b);
/* Asserts that they are, and frees the buffer. */
void harness_close(harness_buffer *b);

/* Lengths around vectors and blocks, in rising order. */
enum { HARNESS_SIZES = 16 };
extern const int harness_sizes[HARNESS_SIZES];

void harness_random(support_random *r, float low, float high, float *out, size_t n);

/* Distance in units of the last place of floats, counted over the ordered floats; 0 for equal, for +0 and -0, and for
 * two NaNs; UINT32_MAX for one NaN. */
uint32_t harness_ulp(float a, float b);

/* Seconds of one run, the best of several; 0 where speed is not wanted (nothing is run then). */
double harness_seconds(void (*run)(void *), void *state);
/* Prints "name level: amount / seconds unit", scaled to 1e9; nothing for 0 seconds. */
void harness_speed(const char *name, const char *level, double seconds, double amount, const char *unit);

#endif
