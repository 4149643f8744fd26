/* What every test program shares: running CUnit suites, seeds, paths, and comparing tensors. */
#ifndef TESTS_SUPPORT_SUPPORT_H
#define TESTS_SUPPORT_SUPPORT_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"

typedef struct support_case {
    const char *name;
    void (*run)(void);
} support_case;

/* Runs the cases as one suite and returns the exit status of main. Prints counted skips last. */
int support_main(const char *suite, const support_case *cases, int n);

/* Counts a part of a test that could not run here (a missing tool or folder), and prints why. Never a pass. */
void support_skip(const char *why);

/* Asserts status == GLINT_OK, printing the message where not. */
#define SUPPORT_OK(call, err)                                                                                          \
    do {                                                                                                               \
        glint_status support_status_ = (call);                                                                         \
        if (support_status_) printf("\n    %s: %s\n", #call, (err)->message);                                          \
        CU_ASSERT_EQUAL_FATAL(support_status_, GLINT_OK);                                                              \
    } while (0)

/* tests/data/NAME, or ../shared/NAME; the returned buffer is the caller's (at least 1024 bytes). */
const char *support_data(char *buffer, const char *name);
/* NULL, and a counted skip, where ../shared is not there. */
const char *support_shared(char *buffer, const char *name);

/* tests/data/NAME where it is committed, else as support_shared. */
const char *support_any(char *buffer, const char *name);

/* Is the model or file one that is always tested? Those under tests/data are; all others where GLINT_TEST_ALL is set.
 */
bool support_wanted(const char *name);

/* Devices of OpenGL ES, at most `room`; a counted skip where there is none. */
int support_gles(glint_device_info *out, int room);

/* How far software renderers fuse ops, as GLINT_GLES_FUSE says it; tests begin with "1", as GPUs whose work groups do
 * not meet do; NULL: as users have it. */
void support_fuse(const char *how);

/* A repeatable stream of numbers (splitmix64): GLINT_TEST_SEED from the environment, or 1. Printed on failure. */
typedef struct support_random {
    uint64_t state;
} support_random;
support_random support_seed(uint64_t salt);
uint64_t support_bits(support_random *r);
float support_uniform(support_random *r, float low, float high);
int support_below(support_random *r, int n);

/* sum((a-b)^2) / sum(b^2) in double; NaN anywhere gives NaN (which fails every `<=`). */
double support_nmse(const float *a, const float *b, size_t n);

#endif
