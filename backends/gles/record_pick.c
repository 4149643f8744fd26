/* Commands for ops that pick the largest numbers of each row: passes of work groups, each of which leaves the best of
 * its part of the row, until one group has seen all. */
#include "backends/gles/record.h"

enum { ARGMAX_PARTS = 64, TOP_PART = 1024, TOP_KEPT = TAPE_MOST_TOP /* top_k.comp: PART and KEPT */ };

static uint32_t width_of_operand(const backend_compile_request *r, const tape_op *op) {
    return (uint32_t)r->tape->values[op->in[0]].width;
}

static uint32_t top_parts(uint32_t n) {
    return (n + TOP_PART - 1) / TOP_PART;
}

/* Each pass of top_k leaves a list of pairs for each part; the passes after it take turns at two places. */
static uint32_t top_list(uint32_t n) {
    return top_parts(n) > 1 ? 2 * TOP_KEPT * top_parts(n) : 0;
}

static bool is_observed(const backend_compile_request *r, tape_value v) {
    for (int i = 0; i < r->n_observed; i++)
        if (r->observed[i] == v) return true;
    return false;
}

uint32_t gles_pick_spare(const backend_compile_request *r, const tape_op *op) {
    if (op->kind != TAPE_ARGMAX && (op->kind != TAPE_TOP_K || !is_observed(r, op->out))) return 0;
    uint32_t rows = (uint32_t)(r->tape->values[op->out].outputs ? r->max_outputs : r->max_rows);
    uint32_t list = top_list(width_of_operand(r, op));
    return rows * (op->kind == TAPE_ARGMAX ? 2 * ARGMAX_PARTS : list + top_list(list / 2));
}

glint_status gles_record_argmax(backend_program *p, const tape_op *op, glint_error *err) {
    gles_params q = gles_params_of(p, op);
    uint32_t threads = (uint32_t)p->device->threads;
    q.width = width_of_operand(&p->request, op);
    uint32_t parts = (q.width + threads - 1) / threads;
    q.in1 = p->spare;
    q.extra[0] = parts < ARGMAX_PARTS ? parts : ARGMAX_PARTS;
    gles_command c = {.fixed = q.extra[0], .y_rows = 1, .rows = gles_rows_of(p, op), .barrier = true};
    gles_define first = {"FIRST", NULL, 1};
    glint_status s = gles_add_command(p, "argmax.comp", &first, 1, c, &q, err);
    if (s) return s;
    c.fixed = 1;
    first.value = 0;
    return gles_add_command(p, "argmax.comp", &first, 1, c, &q, err);
}

/* One pass over rows of n numbers (first) or pairs at in0. */
static glint_status add_top_pass(backend_program *p, const tape_op *op, const gles_params *q, bool first, bool last,
                                 glint_error *err) {
    const gles_define defines[] = {
        {"FIRST", NULL, first}, {"LAST", NULL, last}, {"PART", NULL, TOP_PART}, {"KEPT", NULL, TOP_KEPT}};
    gles_command c = {.fixed = top_parts(q->width), .y_rows = 1, .rows = gles_rows_of(p, op), .barrier = true};
    return gles_add_command(p, "top_k.comp", defines, GLES_COUNT(defines), c, q, err);
}

glint_status gles_record_top_k(backend_program *p, const tape_op *op, glint_error *err) {
    if (!p->kept[op->out]) return GLINT_OK;
    gles_params result = gles_params_of(p, op), q = result;
    uint32_t rows = (uint32_t)(p->request.tape->values[op->out].outputs ? p->request.max_outputs : p->request.max_rows);
    uint32_t place[2] = {p->spare, p->spare + rows * top_list(width_of_operand(&p->request, op))};
    q.width = width_of_operand(&p->request, op);
    q.extra[0] = (uint32_t)op->p.k;
    for (int pass = 0;; pass++) {
        bool last = top_parts(q.width) == 1;
        q.out0 = last ? result.out0 : place[pass % 2];
        q.out_stride = last ? result.out_stride : top_list(q.width);
        glint_status s = add_top_pass(p, op, &q, pass == 0, last, err);
        if (s || last) return s;
        q.in0 = q.out0;
        q.in0_stride = q.out_stride;
        q.width = q.out_stride / 2;
    }
}
