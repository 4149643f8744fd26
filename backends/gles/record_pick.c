/* Commands for ops that pick the largest numbers of each row. */
#include "backends/gles/phases.h"
#include "backends/gles/record.h"

enum { ARGMAX_PARTS = 64 };
/* top_k.comp: how many it keeps and has room for, invocations and numbers of a sector, least sectors and most parts. */
enum { TOP_KEPT = TAPE_MOST_TOP, TOP_ROOM = 512, TOP_TEAM = 64, TOP_SECTOR = 8, TOP_LEAST = 8, TOP_PARTS = 1024 };

static uint32_t width_of_operand(const backend_compile_request *r, const tape_op *op) {
    return (uint32_t)r->tape->values[op->in[0]].width;
}

static uint32_t rows_of_result(const backend_compile_request *r, const tape_op *op) {
    return (uint32_t)(r->tape->values[op->out].outputs ? r->max_outputs : r->max_rows);
}

uint32_t gles_pick_spare(const backend_compile_request *r, const tape_op *op) {
    return op->kind == TAPE_ARGMAX ? rows_of_result(r, op) * 2 * ARGMAX_PARTS : 0;
}

/* ---- The largest ---- */

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

/* ---- The likeliest ---- */

static uint32_t sectors_of_part(uint32_t width) {
    uint32_t sectors = gles_divide_up(gles_divide_up(width, TOP_SECTOR), TOP_PARTS);
    return sectors < TOP_LEAST ? TOP_LEAST : sectors;
}

static uint32_t count_parts(uint32_t width) {
    return gles_divide_up(width, TOP_SECTOR * sectors_of_part(width));
}

/* A pair a part, and a counter. */
static uint32_t work_of_row(uint32_t width) {
    return 2 * count_parts(width) + 1;
}

size_t gles_top_work(const backend_program *p) {
    const tape *t = p->request.tape;
    for (int i = 0; i < p->request.n_ops; i++) {
        const tape_op *op = gles_op_at(p, i);
        if (op->kind == TAPE_TOP_K && op->out == t->top && p->kept[op->out])
            return (size_t)rows_of_result(&p->request, op) * work_of_row(width_of_operand(&p->request, op));
    }
    return 0;
}

glint_status gles_record_top_k(backend_program *p, const tape_op *op, glint_error *err) {
    if (!p->kept[op->out]) return GLINT_OK;
    bool both = p->fused && gles_picks_group(p, (int)(op - p->request.tape->ops) - p->request.first_op);
    gles_params q = gles_params_of(p, op);
    q.width = width_of_operand(&p->request, op);
    q.in1 = p->top_work;
    q.in1_stride = work_of_row(q.width);
    q.blocks = count_parts(q.width);
    q.chunk = sectors_of_part(q.width);
    q.extra[0] = (uint32_t)op->p.k;
    p->argmax_in_top = both && p->request.max_outputs == 1;
    q.extra[1] = both ? p->offset[op[1].out] : UINT32_MAX;
    bool meets = p->fused && p->meets;        /* then numbers may come from phases that did not */
    int threads = p->device->product_threads; /* many, since the last work group does much alone */
    const gles_define defines[] = {{"THREADS", NULL, threads},
                                   {"KEPT", NULL, TOP_KEPT},
                                   {"ROOM", NULL, TOP_ROOM},
                                   {"MOST_PARTS", NULL, TOP_PARTS},
                                   {"MEETS", NULL, meets}};
    gles_command c = {.storage = {p->act.id},
                      .fixed = gles_divide_up(q.blocks * TOP_TEAM, (uint32_t)threads),
                      .y_rows = 1,
                      .rows = gles_rows_of(p, op),
                      .barrier = true};
    if (meets) c.storage[7] = p->device->grid.id;
    return gles_add_command(p, "top_k.comp", defines, GLES_COUNT(defines), c, &q, err);
}
