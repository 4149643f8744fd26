/* Bounds of what ranks numbers that may be off: which ids and numbers another device may give. */
#include <math.h>

#include "core/instruments/bound.h"
#include "tests/support/support.h"

enum { N = 6, K = 4 };

/* Two rows of numbers, the oracle's ranking of them, and how far they may be off. */
static void test_top(void) {
    const float x[2 * N] = {5, 1, 4.9f, 3, -INFINITY, 2, 0, 1, 2, 3, 4, 5};
    const double off[2 * N] = {0.1, 0.2, 0.1, 0.3, 0, 0.4};
    const float out[2 * 2 * K] = {0, 2, 3, 5, 5, 4.9f, 3, 2, 5, 4, 3, 2, 5, 4, 3, 2};
    tape t;
    tape_open(&t);
    tape_value v = tape_embed(&t, "x", tape_add_weight(&t, "x", 1, N, 0), 1);
    t.top = tape_top_k(&t, "top", v, K);
    CU_ASSERT_EQUAL_FATAL(t.failure, GLINT_OK);
    rig_setup setup = {.tape = &t, .n_ops = t.n_ops, .max_rows = 2};
    rig oracle = {.setup = &setup};
    backend_batch batch = {.n_rows = 2};
    bound_op b = {.oracle = &oracle, .op = &t.ops[1], .batch = &batch, .in = {x}, .out = out};
    double bound[2 * 2 * K];
    CU_ASSERT_EQUAL(bound_fill(&b, &t.memory, bound, NULL), GLINT_OK);
    for (int i = 0; i < 2 * 2 * K; i++) CU_ASSERT_EQUAL(bound[i], 0);
    b.off[0] = off;
    CU_ASSERT_EQUAL(bound_fill(&b, &t.memory, bound, NULL), GLINT_OK);
    for (int j = 0; j < K; j++) {
        CU_ASSERT_EQUAL(bound[j], j < 2 ? INFINITY : 0); /* 5 and 4.9 may change places; 3 and 2, 2 and 1 may not */
        CU_ASSERT_EQUAL(bound[K + j], 0.4);
        CU_ASSERT_EQUAL(bound[2 * K + j], 0); /* nothing is off in the second row */
        CU_ASSERT_EQUAL(bound[3 * K + j], 0);
    }
    tape_close(&t);
}

int main(void) {
    static const support_case cases[] = {{"the largest of numbers that are off", test_top}};
    return support_main("bound", cases, sizeof cases / sizeof *cases);
}
