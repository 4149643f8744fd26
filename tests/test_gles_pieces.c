/* Steps cut into pieces of 100 ms: where the cuts are, what is learnt from steps that were waited for, and that results
 * are the same bits however a step is cut. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gles/pieces.h"
#include "tests/support/op_cases.h"
#include "tests/support/own_clock.h"

/* ---- Where the cuts are ---- */

enum { GROUPS = 6 };
static int first_commands[GROUPS + 1] = {0, 1, 2, 4, 5, 6, 7}; /* group 2 has two */

/* Of steps of so many rows that take so long, all groups of which have been watched, with these shares. */
typedef struct plan {
    backend_device d;
    backend_program p;
    double group_seconds[GROUPS], share[GROUPS];
} plan;

static void make_plan(plan *x, int rows, double seconds) {
    static const double shares[GROUPS] = {0.1, 0.2, 0.4, 0.05, 0.05, 0.2};
    *x = (plan){.p = {.n_groups = GROUPS,
                      .first_command = first_commands,
                      .request.max_rows = rows,
                      .row_seconds = seconds / rows,
                      .watched = true,
                      .watched_rows = rows}};
    x->p.group_seconds = x->group_seconds;
    x->p.share = x->share;
    x->p.device = &x->d;
    for (int g = 0; g < GROUPS; g++) x->group_seconds[g] = shares[g] * seconds;
    memcpy(x->share, shares, sizeof shares);
}

/* Of one of which nothing is known. */
static void make_unknown(plan *x, int rows) {
    make_plan(x, rows, INFINITY);
    x->p.watched = false;
    x->p.watched_rows = 0;
}

static void test_cuts(void) {
    plan x;
    make_plan(&x, 10, 0.1);
    CU_ASSERT_EQUAL(gles_piece_end(&x.p, 10, 0, GROUPS), GROUPS);
    CU_ASSERT_EQUAL(gles_piece_end(&x.p, 10, 2, 4), 4);
    make_plan(&x, 5, 0.25); /* 25, 50 | 100 | 12.5, 12.5, 50 */
    CU_ASSERT_EQUAL(gles_piece_end(&x.p, 5, 0, GROUPS), 2);
    CU_ASSERT_EQUAL(gles_piece_end(&x.p, 5, 2, GROUPS), 3);
    CU_ASSERT_EQUAL(gles_piece_end(&x.p, 5, 3, GROUPS), GROUPS);
    CU_ASSERT_EQUAL(gles_piece_end(&x.p, 5, 3, 5), 5);
}

/* A group that takes longer than a piece may is one, and its dispatches are cut. */
static void test_long_groups(void) {
    static const uint32_t want[GROUPS] = {3, 5, 5 /* two commands of 500 ms */, 2, 2, 5};
    plan x;
    make_plan(&x, 50, 2.5);
    for (int g = 0; g < GROUPS; g++) {
        CU_ASSERT_EQUAL(gles_piece_end(&x.p, 50, g, GROUPS), g + 1);
        CU_ASSERT_EQUAL(gles_pieces_of_group(&x.p, 50, g), want[g]);
    }
    make_plan(&x, 50, 0.1);
    for (int g = 0; g < GROUPS; g++) CU_ASSERT_EQUAL(gles_pieces_of_group(&x.p, 50, g), 1);
    make_plan(&x, 512, 10);
    x.p.watched_rows = 64; /* one row of a tile takes as long as 64 */
    CU_ASSERT_EQUAL(gles_pieces_of_group(&x.p, 1, 1), 20);
    CU_ASSERT_EQUAL(gles_pieces_of_group(&x.p, 64, 1), 20);
    CU_ASSERT_EQUAL(gles_pieces_of_group(&x.p, 65, 1), 40);
    make_unknown(&x, 50);
    for (int g = 0; g < GROUPS; g++) CU_ASSERT_EQUAL(gles_pieces_of_group(&x.p, 1, g), UINT32_MAX);
}

static bool is_cut(uint32_t x, uint32_t y, uint32_t n, uint32_t least, uint32_t want_x, uint32_t want_y) {
    gles_piece each = gles_cut(x, y, n, least);
    return each.x == want_x && each.y == want_y;
}

static void test_cut_dispatches(void) {
    CU_ASSERT(is_cut(10, 8, 2, 1, 10, 4)); /* whole rows of work groups */
    CU_ASSERT(is_cut(10, 8, 3, 1, 10, 2));
    CU_ASSERT(is_cut(10, 8, 8, 1, 10, 1));
    CU_ASSERT(is_cut(10, 8, 16, 1, 5, 1)); /* parts of one */
    CU_ASSERT(is_cut(10, 8, UINT32_MAX, 1, 1, 1));
    CU_ASSERT(is_cut(10, 8, UINT32_MAX, 4, 4, 1)); /* as many as run at a time */
    CU_ASSERT(is_cut(10, 8, UINT32_MAX, 40, 10, 4));
    CU_ASSERT(is_cut(10, 8, UINT32_MAX, 100, 10, 8));
    CU_ASSERT(is_cut(65535, 65535, UINT32_MAX, 1, 1, 1));
    CU_ASSERT(is_cut(65535, 65535, 2, 1, 65535, 32767));
}

/* ---- What is learnt ---- */

static void test_learns(void) {
    plan x;
    backend_program *p = &x.p;
    make_unknown(&x, 4);
    gles_pieces_begin(p, 0); /* some groups alone: nothing about a step */
    p->steps++;
    gles_pieces_waited(p, false);
    CU_ASSERT(isinf(p->row_seconds));
    CU_ASSERT_EQUAL(p->waited, 1);
    gles_pieces_begin(p, 4);
    p->steps++;
    base_sleep(0.02);
    gles_pieces_waited(p, false);
    CU_ASSERT_DOUBLE_EQUAL(4 * p->row_seconds, 0.02, 1e-5);
    for (int i = 0; i < 2; i++, p->steps++) gles_pieces_begin(p, 1);
    base_sleep(0.01);
    gles_pieces_waited(p, false);
    double known = p->row_seconds;
    CU_ASSERT_DOUBLE_EQUAL(4 * known, 0.01, 1e-5); /* fewer than four rows take as long */
    gles_pieces_waited(p, false);                  /* it cannot have begun before the one before it ended */
    CU_ASSERT(p->row_seconds < known);
}

/* A step that was over before anybody waited for it tells nothing, and neither does one that began when it ended. */
static void test_comes_late(void) {
    plan x;
    make_plan(&x, 1, 1e-3);
    for (int i = 0; i < 2; i++, x.p.steps++) gles_pieces_begin(&x.p, 1);
    base_sleep(0.02);
    gles_pieces_waited(&x.p, true);
    gles_pieces_waited(&x.p, false);
    CU_ASSERT_EQUAL(x.p.row_seconds, 1e-3);
    gles_pieces_begin(&x.p, 1);
    x.p.steps++;
    base_sleep(0.02);
    gles_pieces_waited(&x.p, false);
    CU_ASSERT_DOUBLE_EQUAL(x.p.row_seconds, 0.02, 1e-5);
}

/* Long steps are watched, once and when they take longer than they did; short ones are not. */
static void test_watches(void) {
    plan x;
    make_unknown(&x, 50);
    CU_ASSERT(gles_pieces_watch(&x.p, 50));
    memcpy(x.share, (double[GROUPS]){0.004, 0.005, 0.02, 0.3, 0.3, 0.2}, sizeof x.share);
    gles_pieces_watched(&x.p, 50, 0, 0.5);
    gles_pieces_watched(&x.p, 50, 1, 0.5);
    CU_ASSERT(isinf(x.p.row_seconds)); /* groups so small say little */
    gles_pieces_watched(&x.p, 50, 2, 0.45);
    CU_ASSERT_DOUBLE_EQUAL(50 * x.p.row_seconds, 50, 1e-9); /* 1.45 s for 0.029 of it */
    for (int g = 3; g < GROUPS; g++) {
        CU_ASSERT(gles_pieces_watch(&x.p, 50));
        CU_ASSERT_EQUAL(gles_pieces_of_group(&x.p, 50, g), UINT32_MAX);
        gles_pieces_watched(&x.p, 50, g, 0.01);
    }
    CU_ASSERT(!gles_pieces_watch(&x.p, 50));
    CU_ASSERT_DOUBLE_EQUAL(50 * x.p.row_seconds, 1.48, 1e-9); /* what it really took */
    CU_ASSERT_EQUAL(gles_pieces_of_group(&x.p, 50, 0), 5);
    make_plan(&x, 1, 0.11);
    gles_pieces_begin(&x.p, 1);
    x.p.steps++;
    base_sleep(0.18);
    gles_pieces_waited(&x.p, false); /* that is more than it was */
    CU_ASSERT(gles_pieces_watch(&x.p, 1));
    make_unknown(&x, 50);
    gles_pieces_watched(&x.p, 50, 2, 1e-3);
    CU_ASSERT(!gles_pieces_watch(&x.p, 50)); /* 2.5 ms */
}

/* ---- The same bits ---- */

static PFNGLDISPATCHCOMPUTEPROC dispatch;
static PFNGLFLUSHPROC flush;
static bool counting = true;
static int dispatches, flushes;
static GLuint most_groups; /* of a dispatch, in x and y */

static void GL_APIENTRY count_dispatch(GLuint x, GLuint y, GLuint z) {
    dispatches += counting;
    if (x * y > most_groups && counting) most_groups = x * y;
    dispatch(x, y, z);
}

static void GL_APIENTRY count_flush(void) {
    flushes += counting;
    flush();
}

/* Nothing is known of a step, or that it takes so long: each group, and each row of the step. */
static void suppose(backend_program *p, double seconds) {
    for (int g = 0; g < p->n_groups; g++) p->group_seconds[g] = seconds;
    p->row_seconds = seconds;
    p->watched = !isinf(seconds);
    p->watched_rows = 1;
    p->tried_share = p->tried_seconds = 0;
}

/* All results of a step, one after the other. */
static float *run_step(const op_case *c, rig *g, size_t *bytes) {
    glint_error err = {""};
    backend_ticket ticket;
    size_t n = 0;
    for (int v = 0; v < c->tape.n_values; v++) n += (size_t)c->tape.values[v].width * (size_t)c->batch.n_rows;
    float *out = calloc(n + 1, sizeof *out), *to = out;
    CU_ASSERT_FATAL(out != NULL);
    SUPPORT_OK(rig_poison(g, &err), &err);
    op_case_write_operands(c, g, 0, c->batch.n_rows);
    op_case_write_pages(c, g);
    dispatches = flushes = 0;
    most_groups = 0;
    SUPPORT_OK(g->backend->step(g->program, &c->batch, &ticket, &err), &err);
    counting = false;
    for (int i = 0; i < c->setup.n_ops; i++) {
        tape_value v = c->tape.ops[c->setup.first_op + i].out;
        if (v < 0) continue;
        SUPPORT_OK(g->backend->read(g->program, ticket, v, 0, rig_rows(g, &c->batch, v), to, &err), &err);
        to += (size_t)c->tape.values[v].width * (size_t)rig_rows(g, &c->batch, v);
    }
    counting = true;
    *bytes = (size_t)(to - out) * sizeof *out;
    return out;
}

static void expect_bits(const op_case *c, rig *g, const float *want, size_t bytes, const char *how) {
    size_t got;
    float *cut = run_step(c, g, &got);
    bool same = got == bytes && !memcmp(cut, want, bytes);
    if (!same) printf("\n    %s, %s: other bits where %s", g->device->c.renderer, c->name, how);
    CU_ASSERT(same);
    free(cut);
}

static void compare_cut(const op_case *c, op_device *device, glint_precision precision) {
    rig g = op_open_rig(device, 1, precision, &c->setup);
    gles_gl *gl = &g.device->c.gl;
    backend_program *p = g.program;
    int groups = g.device->product_groups;
    double shares = 0;
    size_t bytes;
    for (int i = 0; i < p->n_groups; i++) shares += p->share[i];
    CU_ASSERT(shares >= 0 && shares < 1.001);
    dispatch = gl->DispatchCompute;
    flush = gl->Flush;
    gl->DispatchCompute = count_dispatch;
    gl->Flush = count_flush;
    suppose(p, 1e-12);
    float *whole = run_step(c, &g, &bytes);
    int uncut = dispatches;
    bool can_be_cut = !p->fused && most_groups > 1;
    CU_ASSERT(flushes <= 2); /* an idle device begins with the first group */
    g.device->product_groups = 1;
    suppose(p, 1e12);
    expect_bits(c, &g, whole, bytes, "it is cut");
    CU_ASSERT(p->fused || most_groups <= 1);
    CU_ASSERT(!can_be_cut || dispatches > uncut);
    CU_ASSERT(p->fused || flushes >= dispatches);
    suppose(p, INFINITY);
    expect_bits(c, &g, whole, bytes, "nothing is known");
    CU_ASSERT(!isinf(p->row_seconds));
    free(whole);
    g.device->product_groups = groups;
    gl->DispatchCompute = dispatch;
    gl->Flush = flush;
    rig_close(&g);
}

static void keep_bits(op_case *c, op_device *device) {
    bool one_of_many = c->format < FORMAT_COUNT && c->format != FORMAT_Q4_K;
    bool takes_long = c->setup.n_ops > 1 && c->batch.n_rows > 16; /* thousands of dispatches of what is tested alone */
    if (strncmp(device->name, "gles:", 5) || one_of_many || takes_long) return;
    bool same_shaders = c->batch.n_rows <= 8 && c->setup.n_ops == 1; /* in both precisions */
    if (!same_shaders) compare_cut(c, device, GLINT_FAST);
    compare_cut(c, device, GLINT_EXACT);
}

static void test_bits(void) {
    op_each_case(keep_bits);
}

int main(void) {
    static const support_case cases[] = {{"cuts", test_cuts},
                                         {"groups that take long", test_long_groups},
                                         {"cut dispatches", test_cut_dispatches},
                                         {"learns", test_learns},
                                         {"comes late", test_comes_late},
                                         {"watches", test_watches},
                                         {"keeps bits", test_bits}};
    return support_main("gles pieces", cases, sizeof cases / sizeof *cases);
}
