/* The tape: mistakes are kept and named, edges of ranges, and places in the scratch that never overlap while used. */
#include "tests/support/support.h"

#include <string.h>

#include "core/tape.h"

/* x = embed; then a chain of n adds, each of the last two values. */
static void chain(tape *t, int n) {
    tape_open(t);
    tape_value a = tape_embed(t, "embed", tape_add_weight(t, "embed", 10, 5, 0), 1), b = a;
    for (int i = 0; i < n; i++) {
        tape_set_layer(t, i);
        tape_value c = tape_add(t, "out", a, b);
        a = b;
        b = c;
    }
    t->logits = b;
}

static void test_names_and_edges(void) {
    tape t;
    tape_value in[16], out[16];
    chain(&t, 6);
    CU_ASSERT_EQUAL_FATAL(t.failure, GLINT_OK);
    CU_ASSERT_STRING_EQUAL(t.values[3].name, "layers.2.out");
    CU_ASSERT_EQUAL(tape_find(&t, "layers.4.out"), 5);
    CU_ASSERT_EQUAL(tape_find(&t, "layers.40.out"), TAPE_NONE);
    CU_ASSERT_EQUAL_FATAL(tape_inputs(&t, 3, 2, in), 2);
    CU_ASSERT(in[0] == 1 && in[1] == 2);
    CU_ASSERT_EQUAL_FATAL(tape_outputs(&t, 3, 2, out), 2);
    CU_ASSERT(out[0] == 3 && out[1] == 4);
    CU_ASSERT_EQUAL(tape_outputs(&t, 0, t.n_ops, out), 0);
    tape_close(&t);
}

static void test_mistakes_are_named(void) {
    tape t;
    tape_open(&t);
    tape_value x = tape_embed(&t, "embed", tape_add_weight(&t, "embed", 10, 6, 0), 1);
    tape_set_layer(&t, 3);
    tape_weight w = tape_add_weight(&t, "layers.3.attn_q", 4, 5, 0);
    x = tape_matmul(&t, "attn.q", x, w, TAPE_NONE);
    CU_ASSERT_EQUAL(t.failure, GLINT_BAD_INPUT);
    CU_ASSERT_EQUAL(x, TAPE_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(t.error.message, "layers.3.attn_q"));
    int ops = t.n_ops;
    tape_add(&t, "out", x, x);
    tape_cache_write(&t, x, x, 0);
    CU_ASSERT_EQUAL(t.n_ops, ops);
    tape_close(&t);
}

static bool overlap(size_t a, size_t n, size_t b, size_t m) {
    return a < b + m && b < a + n;
}

/* Every value written by group g must not lie on one that g or a later group still reads, or that is kept. */
static void check_plan(const tape *t, int first, int n, const int *group_of, const bool *keep) {
    arena a = {0};
    tape_plan p;
    glint_error err;
    int rows = 7, outs = 2;
    SUPPORT_OK(tape_plan_memory(t, first, n, group_of, keep, rows, outs, 4, 64, &a, &p, &err), &err);
    size_t bytes = (size_t)rows * 5 * sizeof(float);
    for (int v = 0; v < t->n_values; v++)
        for (int i = 0; i < n; i++) {
            tape_value made = t->ops[first + i].out;
            if (p.offset[v] == SIZE_MAX || made == v || t->values[v].op > first + i) continue;
            bool needed = keep && keep[v];
            for (int j = 0; j < n; j++) {
                bool not_before = group_of ? group_of[j] >= group_of[i] : j >= i;
                needed |= not_before && (t->ops[first + j].in[0] == v || t->ops[first + j].in[1] == v);
            }
            CU_ASSERT(p.offset[made] % 64 == 0 && p.offset[made] + bytes <= p.total_bytes);
            if (needed) CU_ASSERT_FALSE(overlap(p.offset[made], bytes, p.offset[v], bytes));
        }
    arena_free(&a);
}

static void test_memory_plan(void) {
    tape t;
    chain(&t, 12);
    bool keep[16] = {[4] = true, [9] = true};
    const int group_of[13] = {0, 0, 0, 1, 1, 2, 3, 3, 3, 4, 5, 5, 6};
    check_plan(&t, 0, t.n_ops, NULL, NULL);
    check_plan(&t, 0, t.n_ops, NULL, keep);
    check_plan(&t, 0, t.n_ops, group_of, keep);
    check_plan(&t, 4, 6, NULL, keep);
    arena a = {0};
    tape_plan p, all;
    glint_error err;
    bool everything[16];
    memset(everything, true, sizeof everything);
    SUPPORT_OK(tape_plan_memory(&t, 0, t.n_ops, NULL, NULL, 7, 2, 4, 64, &a, &p, &err), &err);
    SUPPORT_OK(tape_plan_memory(&t, 0, t.n_ops, NULL, everything, 7, 2, 4, 64, &a, &all, &err), &err);
    CU_ASSERT(p.total_bytes <= all.total_bytes / 3); /* a chain of two live values and one new one */
    arena_free(&a);
    tape_close(&t);
}

int main(void) {
    const support_case cases[] = {{"names and edges", test_names_and_edges},
                                  {"mistakes are named", test_mistakes_are_named},
                                  {"memory plan", test_memory_plan}};
    return support_main("tape", cases, sizeof cases / sizeof *cases);
}
