/* Guarded buffers, random numbers and timing for tests of CPU kernels. */
#include "tests/support/kernel_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GUARD_BYTES = 64, ALIGN = 64, FILL = 0xA5, GUARD = 0x5A };

const int harness_sizes[HARNESS_SIZES] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 100, 256, 1001};

harness_buffer harness_open(size_t bytes, size_t shift) {
    size_t total = (bytes + shift + 2 * GUARD_BYTES + ALIGN) / ALIGN * ALIGN;
    unsigned char *memory = aligned_alloc(ALIGN, total);
    CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
    unsigned char *data = memory + GUARD_BYTES + shift;
    memset(memory, GUARD, total);
    memset(data, FILL, bytes);
    return (harness_buffer){data, bytes, memory};
}

bool harness_intact(const harness_buffer *b) {
    const unsigned char *data = b->data;
    for (const unsigned char *p = b->memory; p < data; p++)
        if (*p != GUARD) return false;
    for (int i = 0; i < GUARD_BYTES; i++)
        if (data[b->bytes + (size_t)i] != GUARD) return false;
    return true;
}

void harness_close(harness_buffer *b) {
    CU_ASSERT(harness_intact(b));
    free(b->memory);
    *b = (harness_buffer){0};
}

void harness_random(support_random *r, float low, float high, float *out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = support_uniform(r, low, high);
}

/* The place of a float among all floats in order. */
static int64_t place(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? -(int64_t)(bits & 0x7FFFFFFF) : (int64_t)bits;
}

uint32_t harness_ulp(float a, float b) {
    if (a != a || b != b) return a != a && b != b ? 0 : UINT32_MAX;
    return (uint32_t)llabs(place(a) - place(b));
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One batch of runs is long enough for the clock, and the best batch is the one that was disturbed least. */
double harness_seconds(void (*run)(void *), void *state) {
    enum { BATCHES = 5 };
    const double batch_seconds = 0.02;
    const char *wanted = getenv("GLINT_BENCH");
    if (!wanted || strcmp(wanted, "1") != 0) return 0;
    double best = 1e30;
    for (int i = 0; i < BATCHES; i++) {
        int runs = 0;
        double begin = now(), seconds;
        do {
            run(state);
            runs++;
            seconds = now() - begin;
        } while (seconds < batch_seconds);
        if (seconds / runs < best) best = seconds / runs;
    }
    return best;
}

void harness_speed(const char *name, const char *level, double seconds, double amount, const char *unit) {
    if (seconds > 0) printf("    %-16s %-9s %8.2f G%s/s\n", name, level, amount / seconds * 1e-9, unit);
}
