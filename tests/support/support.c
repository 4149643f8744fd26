#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int skipped;

int support_main(const char *suite, const support_case *cases, int n) {
    if (CU_initialize_registry() != CUE_SUCCESS) return 2;
    CU_pSuite s = CU_add_suite(suite, NULL, NULL);
    for (int i = 0; i < n; i++)
        if (!s || !CU_add_test(s, cases[i].name, cases[i].run)) return 2;
    setenv("GLINT_GLES_FUSE", "1", 0);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures() + (CU_get_number_of_tests_run() != (unsigned)n);
    if (failed) printf("seed %llu (GLINT_TEST_SEED)\n", (unsigned long long)support_seed(0).state);
    printf("%s: %d skipped\n", suite, skipped);
    CU_cleanup_registry();
    return failed ? 1 : 0;
}

void support_fuse(const char *how) {
    if (how)
        setenv("GLINT_GLES_FUSE", how, 1);
    else
        unsetenv("GLINT_GLES_FUSE");
}

void support_skip(const char *why) {
    skipped++;
    printf("\n    skipped: %s\n", why);
}

const char *support_data(char *buffer, const char *name) {
    snprintf(buffer, 1024, "%s/%s", GLINT_TEST_DATA, name);
    return buffer;
}

const char *support_shared(char *buffer, const char *name) {
    struct stat st;
    snprintf(buffer, 1024, "%s/%s", GLINT_SHARED, name);
    if (stat(buffer, &st) == 0) return buffer;
    support_skip(buffer);
    return NULL;
}

const char *support_any(char *buffer, const char *name) {
    struct stat st;
    return stat(support_data(buffer, name), &st) == 0 ? buffer : support_shared(buffer, name);
}

bool support_wanted(const char *name) {
    char path[1024];
    struct stat st;
    return getenv("GLINT_TEST_ALL") || stat(support_data(path, name), &st) == 0;
}

int support_gles(glint_device_info *out, int room) {
    glint_device_info all[16];
    int n = glint_devices(all, 16, NULL), count = 0;
    for (int i = 0; i < n && i < 16 && count < room; i++)
        if (!strncmp(all[i].name, "gles:", 5)) out[count++] = all[i];
    if (!count) support_skip("no device of OpenGL ES 3.1");
    return count;
}

static uint64_t seed_base(void) {
    const char *s = getenv("GLINT_TEST_SEED");
    return s ? strtoull(s, NULL, 10) : 1;
}

support_random support_seed(uint64_t salt) {
    return (support_random){seed_base() + salt * 0x9E3779B97F4A7C15u};
}

uint64_t support_bits(support_random *r) {
    r->state += 0x9E3779B97F4A7C15u; /* splitmix64 */
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

float support_uniform(support_random *r, float low, float high) {
    return low + (high - low) * (float)(support_bits(r) >> 40) * 0x1p-24f;
}

int support_below(support_random *r, int n) {
    return (int)(support_bits(r) % (uint64_t)n);
}

double support_nmse(const float *a, const float *b, size_t n) {
    double error = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - b[i];
        error += d * d;
        size += (double)b[i] * b[i];
    }
    return error == 0 ? 0 : error / size;
}
