/* The op suite: every case on every device against the oracle, in both precisions; and what a device promises about its
 * own bits in `exact`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/op_cases.h"

/* ---- Against the oracle ---- */

typedef struct verdict {
    const op_case *c;
    const char *device, *precision;
    int reports;
} verdict;

static void judge(const rig_result *r, void *user) {
    verdict *v = user;
    v->reports++;
    CU_ASSERT(r->share <= 1);
    if (r->share > 1)
        printf("\n    %s, %s, %s: %s at (%d, %d) is %.9g, not %.9g: %.3g times the bound %.3g", v->device, v->precision,
               v->c->name, tape_kinds[r->op->kind].name, r->row, r->index, (double)r->device, (double)r->oracle,
               r->share, r->bound);
}

static void compare_case(op_case *c, op_device *device, glint_precision precision) {
    verdict v = {c, device->name, precision == GLINT_EXACT ? "exact" : "fast", 0};
    glint_error err = {""};
    backend_ticket ticket;
    op_device reference = {.name = "cpu:ref"};
    rig g = op_open_rig(device, 2, precision, &c->setup), oracle = op_open_rig(&reference, 1, precision, &c->setup);
    op_case_write_operands(c, &g, 0, c->batch.n_rows);
    op_case_write_pages(c, &g);
    SUPPORT_OK(rig_poison(&g, &err), &err);
    SUPPORT_OK(rig_compare(&g, &oracle, &c->batch, judge, &v, &ticket, &err), &err);
    CU_ASSERT(v.reports >= c->setup.n_ops);
    rig_close(&oracle);
    rig_close(&g);
    op_device_close(&reference);
}

static void compare_exact(op_case *c, op_device *device) {
    compare_case(c, device, GLINT_EXACT);
}

static void compare_fast(op_case *c, op_device *device) {
    compare_case(c, device, GLINT_FAST);
}

static void stays_within_bounds(void) {
    op_each_case(compare_exact);
    op_each_case(compare_fast);
    op_each_large_case(compare_fast); /* they are there for tiles, which `exact` does not have */
}

/* ---- The same bits ---- */

/* How a case is run: in pieces of so many rows, by a program made for that many or for the whole batch. */
typedef struct manner {
    int threads, piece, max_rows;
    bool by_groups;    /* run_groups, one after the other, instead of step */
    bool logits_alone; /* only the last result is observed */
} manner;

/* All results of a case, one after the other, rows in the order of the batch. */
typedef struct results {
    float *numbers;
    size_t n;
} results;

static results make_results(const op_case *c) {
    size_t n = 0;
    for (int i = 0; i < c->setup.n_ops; i++) {
        tape_value v = c->tape.ops[c->setup.first_op + i].out;
        if (v >= 0) n += (size_t)c->tape.values[v].width * (size_t)c->batch.n_rows;
    }
    results r = {calloc(n + 1, sizeof(float)), n};
    CU_ASSERT_FATAL(r.numbers != NULL);
    return r;
}

/* Rows [first, first + n) of the case's batch as a batch; output rows are those among them. */
static backend_batch part_of(const backend_batch *b, int first, int n, int32_t *output, int *first_output) {
    backend_batch part = *b;
    part.n_rows = n;
    part.token += first;
    part.position += first;
    part.sequence += first;
    part.output = output;
    part.n_outputs = *first_output = 0;
    for (int i = 0; i < b->n_outputs; i++) {
        if (b->output[i] < first) ++*first_output;
        if (b->output[i] >= first && b->output[i] < first + n) output[part.n_outputs++] = b->output[i] - first;
    }
    return part;
}

static void run_batch(rig *g, const backend_batch *b, bool by_groups, backend_ticket *ticket) {
    glint_error err = {""};
    const backend_group *list;
    int groups = g->backend->groups(g->program, &list);
    if (!by_groups) SUPPORT_OK(g->backend->step(g->program, b, ticket, &err), &err);
    for (int i = 0; i < groups && by_groups; i++)
        SUPPORT_OK(g->backend->run_groups(g->program, b, i, 1, ticket, &err), &err);
}

static bool is_read(const op_case *c, const manner *m, tape_value v) {
    return v >= 0 && (!m->logits_alone || v == c->tape.ops[c->tape.n_ops - 1].out);
}

static void read_results(rig *g, const op_case *c, const manner *m, const backend_batch *b, int first, int first_output,
                         backend_ticket ticket, results *out) {
    glint_error err = {""};
    size_t at = 0;
    for (int i = 0; i < c->setup.n_ops; i++) {
        tape_value v = c->tape.ops[c->setup.first_op + i].out;
        if (v < 0) continue;
        const tape_value_info *info = &c->tape.values[v];
        float *to = out->numbers + at + (size_t)(info->outputs ? first_output : first) * (size_t)info->width;
        if (is_read(c, m, v)) SUPPORT_OK(g->backend->read(g->program, ticket, v, 0, rig_rows(g, b, v), to, &err), &err);
        at += (size_t)info->width * (size_t)c->batch.n_rows;
    }
}

static results run_case(const op_case *c, op_device *device, manner m) {
    results r = make_results(c);
    rig_setup setup = c->setup;
    tape_value last = c->tape.ops[c->tape.n_ops - 1].out;
    setup.max_rows = setup.max_outputs = m.max_rows;
    if (m.logits_alone) {
        setup.observed = &last;
        setup.n_observed = 1;
    }
    rig g = op_open_rig(device, m.threads, GLINT_EXACT, &setup);
    int32_t *output = calloc((size_t)c->batch.n_rows, sizeof *output);
    CU_ASSERT_FATAL(output != NULL);
    op_case_write_pages(c, &g);
    for (int first = 0; first < c->batch.n_rows; first += m.piece) {
        int n = m.piece < c->batch.n_rows - first ? m.piece : c->batch.n_rows - first, first_output;
        backend_batch b = part_of(&c->batch, first, n, output, &first_output);
        backend_ticket ticket;
        op_case_write_operands(c, &g, first, n);
        run_batch(&g, &b, m.by_groups, &ticket);
        read_results(&g, c, &m, &b, first, first_output, ticket, &r);
    }
    free(output);
    rig_close(&g);
    return r;
}

static bool same_bits(const results *a, const results *b, size_t from) {
    return !memcmp(a->numbers + from, b->numbers + from, (a->n - from) * sizeof(float));
}

/* Whatever the manner, the bits are those of the whole batch on one thread. */
static void keep_bits(op_case *c, op_device *device) {
    int n = c->batch.n_rows, half = (n + 1) / 2;
    const struct {
        const char *name;
        manner m;
    } other[] = {
        {"rows alone", {.threads = 1, .piece = 1, .max_rows = 1}},
        {"rows alone, two threads", {.threads = 2, .piece = 1, .max_rows = 1}},
        {"rows alone in the batch's program", {.threads = 1, .piece = 1, .max_rows = n}},
        {"halves", {.threads = 1, .piece = half, .max_rows = half}},
        {"two threads", {.threads = 2, .piece = n, .max_rows = n}},
        {"group by group", {.threads = 1, .piece = n, .max_rows = n, .by_groups = true}},
        {"only the last result observed", {.threads = 1, .piece = n, .max_rows = n, .logits_alone = true}},
    };
    results whole = run_case(c, device, (manner){.threads = 1, .piece = n, .max_rows = n});
    size_t last_width = (size_t)c->tape.values[c->tape.ops[c->tape.n_ops - 1].out].width;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        results r = run_case(c, device, other[i].m);
        bool same = same_bits(&whole, &r, other[i].m.logits_alone ? whole.n - last_width * (size_t)n : 0);
        CU_ASSERT(same);
        if (!same) printf("\n    %s, %s: other bits for %s", device->name, c->name, other[i].name);
        free(r.numbers);
    }
    free(whole.numbers);
}

static void keeps_bits_in_exact(void) {
    op_each_case(keep_bits);
}

/* ---- What nobody asked for ---- */

/* top_k costs something, so no group makes its result where it is not observed. */
static void leave_top_out(op_case *c, op_device *device) {
    if (c->tape.top < 0 || c->tape.argmax < 0) return;
    rig_setup setup = c->setup;
    setup.observed = &c->tape.argmax;
    setup.n_observed = 1;
    rig g = op_open_rig(device, 1, GLINT_EXACT, &setup);
    const backend_group *list;
    for (int i = g.backend->groups(g.program, &list) - 1; i >= 0; i--)
        for (int j = 0; j < list[i].n_out; j++) CU_ASSERT_NOT_EQUAL(list[i].out[j], c->tape.top);
    float top[2 * TAPE_MOST_TOP];
    CU_ASSERT_EQUAL(g.backend->read(g.program, 0, c->tape.top, 0, 1, top, NULL), GLINT_USAGE);
    rig_close(&g);
}

static void leaves_out_what_is_not_observed(void) {
    op_each_case(leave_top_out);
}

/* ---- Phases that follow each other within a dispatch ---- */

/* They do on a GPU whose work groups can wait for each other, in a software renderer on demand (test_gles_models shows
 * that it obeys). Then top_k.comp has to look whether all phases before it met. */
static void compare_meeting(op_case *c, op_device *device) {
    if (c->batch.n_rows > 1 || c->tape.top < 0) return;
    support_fuse("2");
    compare_fast(c, device);
    support_fuse("1");
}

static void decodes_where_groups_meet(void) {
    op_each_case(compare_meeting);
}

int main(void) {
    static const support_case cases[] = {
        {"stays within bounds", stays_within_bounds},
        {"keeps bits in exact", keeps_bits_in_exact},
        {"leaves out what is not observed", leaves_out_what_is_not_observed},
        {"decodes where work groups meet", decodes_where_groups_meet},
    };
    return support_main("ops", cases, sizeof cases / sizeof *cases);
}
