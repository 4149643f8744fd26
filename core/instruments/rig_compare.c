/* Two rigs side by side: the device runs the range once, the oracle repeats it op by op on the device's own operands,
 * so that a difference is one op's and never the echo of an earlier one. */
#include "core/instruments/rig.h"

#include <math.h>

#include "core/instruments/bound.h"

typedef struct comparison {
    rig *device, *oracle;
    const backend_batch *batch;
    backend_ticket ticket; /* of the device's step */
    rig_report *report;
    void *user;
    arena memory;
} comparison;

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a comparison");
}

static const tape *tape_of(const comparison *c) {
    return c->device->setup->tape;
}

/* ---- Judging ---- */

static double share_of(double device, double oracle, double bound) {
    if (device == oracle) return 0;
    double share = fabs(device - oracle) / bound;
    return isnan(share) ? INFINITY : share;
}

/* Reports the worst of rows x width numbers; bound NULL: they must be the same. */
static void judge(const comparison *c, const tape_op *op, const float *device, const float *oracle, const double *bound,
                  size_t n, size_t width) {
    rig_result worst = {.op = op, .share = -1};
    for (size_t i = 0; i < n; i++) {
        double share = share_of(device[i], oracle[i], bound ? bound[i] : 0);
        if (share > worst.share)
            worst =
                (rig_result){op, share, (int)(i / width), (int)(i % width), device[i], oracle[i], bound ? bound[i] : 0};
    }
    if (n) c->report(&worst, c->user);
}

/* ---- Values ---- */

static glint_status read_value(comparison *c, rig *g, backend_ticket ticket, tape_value v, float **out,
                               glint_error *err) {
    int rows = rig_rows(g, c->batch, v);
    *out = arena_array(&c->memory, (size_t)rows * (size_t)tape_of(c)->values[v].width, sizeof **out);
    return *out ? g->backend->read(g->program, ticket, v, 0, rows, *out, err) : no_memory(err);
}

/* Gives the oracle what the device had as operands. */
static glint_status hand_over(comparison *c, const tape_op *op, float *in[2], glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = 0; i < 2 && !status; i++) {
        if (op->in[i] < 0) continue;
        status = read_value(c, c->device, c->ticket, op->in[i], &in[i], err);
        int rows = rig_rows(c->device, c->batch, op->in[i]);
        if (!status) status = c->oracle->backend->write(c->oracle->program, op->in[i], 0, rows, in[i], err);
    }
    return status;
}

static glint_status compare_value(comparison *c, const tape_op *op, backend_ticket oracle_ticket, float *const in[2],
                                  glint_error *err) {
    size_t width = (size_t)tape_of(c)->values[op->out].width;
    size_t n = (size_t)rig_rows(c->device, c->batch, op->out) * width;
    float *device, *oracle;
    double *bound = arena_array(&c->memory, n, sizeof *bound);
    glint_status status = bound ? GLINT_OK : no_memory(err);
    if (!status) status = read_value(c, c->device, c->ticket, op->out, &device, err);
    if (!status) status = read_value(c, c->oracle, oracle_ticket, op->out, &oracle, err);
    if (status) return status;
    bound_op b = {.oracle = c->oracle,
                  .op = op,
                  .batch = c->batch,
                  .in = {in[0], in[1]},
                  .out = oracle,
                  .rounds = rig_rounds(c->device)};
    status = bound_fill(&b, &c->memory, bound, err);
    if (!status) judge(c, op, device, oracle, bound, n, width);
    return status;
}

/* ---- Pages ---- */

static glint_status copy_pages(comparison *c, int group, glint_error *err) {
    float *page = arena_array(&c->memory, rig_page_numbers(c->device->setup, group), sizeof *page);
    glint_status status = page ? GLINT_OK : no_memory(err);
    for (int i = 0; i < rig_pages(c->device->setup, group) && !status; i++) {
        status = c->device->backend->cache_read(c->device->cache, group, i, page, err);
        if (!status) status = c->oracle->backend->cache_write(c->oracle->cache, group, i, page, err);
    }
    return status;
}

/* The oracle had the device's pages of before the step and has written the device's keys and values. */
static glint_status compare_pages(comparison *c, const tape_op *op, glint_error *err) {
    const rig_setup *s = c->device->setup;
    int group = s->tape->caches[op->p.cache].group;
    size_t width = (size_t)op->p.kv_heads * (size_t)op->p.head_dim, n = rig_page_numbers(s, group);
    size_t first = rig_page_first(s, op->p.cache);
    float *device = arena_array(&c->memory, n, sizeof *device), *oracle = arena_array(&c->memory, n, sizeof *oracle);
    glint_status status = device && oracle ? GLINT_OK : no_memory(err);
    for (int i = 0; i < rig_pages(s, group) && !status; i++) {
        status = c->device->backend->cache_read(c->device->cache, group, i, device, err);
        if (!status) status = c->oracle->backend->cache_read(c->oracle->cache, group, i, oracle, err);
        if (!status) judge(c, op, device + first, oracle + first, NULL, 2 * TAPE_PAGE * width, width);
        if (!status) status = c->oracle->backend->cache_write(c->oracle->cache, group, i, device, err);
    }
    return status;
}

/* ---- The range ---- */

static glint_status compare_op(comparison *c, int i, glint_error *err) {
    const tape_op *op = &tape_of(c)->ops[c->device->setup->first_op + i];
    float *in[2] = {NULL, NULL};
    backend_ticket ticket;
    glint_status status = hand_over(c, op, in, err);
    /* Every op of the oracle is a group of its own. */
    if (!status) status = c->oracle->backend->run_groups(c->oracle->program, c->batch, i, 1, &ticket, err);
    if (!status) status = op->out < 0 ? compare_pages(c, op, err) : compare_value(c, op, ticket, in, err);
    return status;
}

glint_status rig_compare(rig *g, rig *oracle, const backend_batch *b, rig_report *report, void *user,
                         backend_ticket *ticket, glint_error *err) {
    comparison c = {.device = g, .oracle = oracle, .batch = b, .report = report, .user = user};
    glint_status status = GLINT_OK;
    for (int i = 0; i < g->setup->tape->n_groups && !status; i++) status = copy_pages(&c, i, err);
    if (!status) status = g->backend->step(g->program, b, &c.ticket, err);
    for (int i = 0; i < g->setup->n_ops && !status; i++) status = compare_op(&c, i, err);
    arena_free(&c.memory);
    if (!status) *ticket = c.ticket;
    return status;
}
