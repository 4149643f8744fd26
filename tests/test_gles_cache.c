/* Caches on GPUs whose storage blocks hold no whole layer: parts of some heads each, and pages that are still whole. */
#include <math.h>
#include <string.h>

#include "backends/gles/device.h"
#include "tests/support/support.h"

enum { DEVICES = 4, KV_HEADS = 5, HEAD_DIM = 8, PAGES = 3, HEADS_OF_BLOCK = 2, WIDTH = KV_HEADS * HEAD_DIM };
enum { NUMBERS = 2 * TAPE_PAGE * WIDTH /* of a page of a layer */, LAYERS = 2 };

static void make_tape(tape *t) {
    tape_open(t);
    tape_weight table = tape_add_weight(t, "token_embd", 4, WIDTH, 0);
    tape_value x = tape_embed(t, "x", table, 1);
    for (int i = 0; i < LAYERS; i++) tape_cache_write(t, x, x, tape_add_cache(t, 0, KV_HEADS, HEAD_DIM));
    CU_ASSERT_EQUAL_FATAL(t->failure, GLINT_OK);
}

/* Numbers that both types hold, other ones in each page. */
static void fill_page(float page[LAYERS * NUMBERS], int number) {
    for (int i = 0; i < LAYERS * NUMBERS; i++) page[i] = (float)((i * 7 + number * 131) % 2048);
}

static bool has_page(const backend *b, backend_cache *c, int page, int number) {
    static float want[LAYERS * NUMBERS], got[LAYERS * NUMBERS];
    glint_error err;
    fill_page(want, number);
    SUPPORT_OK(b->cache_read(c, 0, page, got, &err), &err);
    return !memcmp(want, got, sizeof want);
}

static void try_cache(const backend *b, backend_device *d, const tape *t, bool f32) {
    static float page[LAYERS * NUMBERS];
    const backend_cache_request r = {.tape = t, .n_ops = t->n_ops, .pages = {PAGES}, .f32 = f32};
    const int64_t of_head = PAGES * 2 * TAPE_PAGE * HEAD_DIM * (f32 ? 4 : 2), block = d->c.limits.block;
    backend_cache *c;
    glint_error err;
    d->c.limits.block = HEADS_OF_BLOCK * of_head;
    SUPPORT_OK(b->cache_open(d, &r, &c, &err), &err);
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_EQUAL_FATAL(c->layer[i].n_parts, 3); /* two heads, two, one */
        CU_ASSERT_EQUAL(c->layer[i].parts[2].first_head, 4);
        CU_ASSERT_EQUAL(c->layer[i].parts[2].heads, 1);
    }
    for (int i = 0; i < PAGES; i++) {
        fill_page(page, i);
        SUPPORT_OK(b->cache_write(c, 0, i, page, &err), &err);
    }
    for (int i = 0; i < PAGES; i++) CU_ASSERT(has_page(b, c, i, i));
    SUPPORT_OK(b->cache_copy_page(c, 0, 2, 0, &err), &err);
    CU_ASSERT(has_page(b, c, 0, 2));
    CU_ASSERT(has_page(b, c, 1, 1));
    CU_ASSERT(has_page(b, c, 2, 2));
    b->cache_close(d, c);
    d->c.limits.block = of_head - GLES_OFFSET;
    CU_ASSERT_EQUAL(b->cache_open(d, &r, &c, &err), GLINT_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "(128 positions); ask for a shorter context"));
    d->c.limits.block = block;
}

static void test_parts(void) {
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    tape t;
    make_tape(&t);
    for (int i = 0; i < n; i++) {
        const backend *b = backend_of_device(list[i].name);
        backend_device *d;
        glint_error err;
        SUPPORT_OK(b->open(list[i].name, &(backend_options){0}, &d, &err), &err);
        try_cache(b, d, &t, false);
        try_cache(b, d, &t, true);
        b->close(d);
    }
    tape_close(&t);
}

/* A cache goes without those of another context, whose buffers have the same numbers. */
static void test_two_contexts(void) {
    static float page[LAYERS * NUMBERS];
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    tape t;
    make_tape(&t);
    const backend_cache_request r = {.tape = &t, .n_ops = t.n_ops, .pages = {PAGES}};
    fill_page(page, 1);
    for (int i = 0; i < n; i++) {
        const backend *b = backend_of_device(list[i].name);
        backend_device *d[2];
        backend_cache *c[2];
        glint_error err;
        for (int k = 0; k < 2; k++) {
            SUPPORT_OK(b->open(list[i].name, &(backend_options){0}, &d[k], &err), &err);
            SUPPORT_OK(b->cache_open(d[k], &r, &c[k], &err), &err);
        }
        SUPPORT_OK(b->cache_write(c[1], 0, 0, page, &err), &err);
        b->cache_close(d[0], c[0]);
        CU_ASSERT(has_page(b, c[1], 0, 1));
        b->cache_close(d[1], c[1]);
        for (int k = 0; k < 2; k++) b->close(d[k]);
    }
    tape_close(&t);
}

int main(void) {
    const support_case cases[] = {{"layers in parts", test_parts}, {"two contexts", test_two_contexts}};
    return support_main("gles cache", cases, sizeof cases / sizeof *cases);
}
