/* No allocation during a decode step: the allocator is counted while tokens are generated. */
#include "tests/support/support.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "glint.h"

static atomic_bool counting;
static atomic_int allocations;

#ifndef __SANITIZE_ADDRESS__
/* glibc's own entries, so that this program's malloc can stand before them. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static void count(void) {
    if (counting) allocations++;
}
void *malloc(size_t n) {
    count();
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size) {
    count();
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n) {
    count();
    return __libc_realloc(p, n);
}
void *aligned_alloc(size_t align, size_t n) {
    count();
    return __libc_memalign(align, n);
}
int posix_memalign(void **out, size_t align, size_t n) {
    count();
    *out = __libc_memalign(align, n);
    return *out ? 0 : 12;
}
#endif

static void test_counter_works(void) {
#ifdef __SANITIZE_ADDRESS__
    support_skip("the address sanitizer has an allocator of its own");
#else
    counting = true;
    void *volatile p = malloc(10);
    counting = false;
    free(p);
    CU_ASSERT_EQUAL(allocations, 1);
    allocations = 0;
#endif
}

/* The first tokens start threads and fault pages in; later ones are counted. */
static bool token(const glint_generated *g, void *user) {
    (void)user;
    if (g->index == 3) counting = true;
    return true;
}

static void generate(const char *device, glint_precision precision, bool sampled) {
    char path[1024];
    glint_error err;
    glint_model *m = NULL;
    glint_session *s = NULL;
    glint_sampler *sampler = NULL;
    const int32_t prompt[] = {2, 100, 200, 300};
    glint_sampling rules = glint_sampling_default();
    rules.repeat_penalty = 1.1f;
    bool split = strchr(device, '=') != NULL;
    glint_session_options o = {
        .device = split ? NULL : device, .split = split ? device : NULL, .precision = precision, .top = sampled};
    SUPPORT_OK(glint_model_open(support_data(path, "gemma3-shakespeare-Q4_K_M.gguf"), &m, &err), &err);
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    if (sampled) SUPPORT_OK(glint_sampler_open(m, &rules, &sampler, &err), &err);
    glint_generate_options g = {.prompt = prompt, .n_prompt = 4, .n = 80, .ignore_end = true, .token = token};
    allocations = 0;
    glint_status status = glint_generate(s, sampler, &g, NULL, &err);
    counting = false;
    SUPPORT_OK(status, &err);
    if (allocations) printf("\n    %s: %d allocations", device, allocations);
    CU_ASSERT_EQUAL(allocations, 0);
    glint_sampler_close(&sampler);
    glint_session_close(&s);
    glint_model_close(&m);
}

static void test_decode_allocates_nothing(void) {
    const char *devices[] = {"cpu", "cpu:ref", "null", "cpu=0-3,null=4-7"};
    for (int d = 0; d < 4; d++)
        for (int sampled = 0; sampled < 2; sampled++) {
            generate(devices[d], GLINT_FAST, sampled);
            generate(devices[d], GLINT_EXACT, sampled);
        }
}

int main(void) {
    const support_case cases[] = {{"the counter works", test_counter_works},
                                  {"decoding allocates nothing", test_decode_allocates_nothing}};
    return support_main("allocation", cases, sizeof cases / sizeof *cases);
}
