#include "core/placement/plan.h"

#include "core/base/size.h"

static int pick(int asked, int otherwise) {
    return asked > 0 ? asked : otherwise;
}

static glint_status check_range(const glint_session_options *o, glint_error *err) {
    enum { ROWS = 1 << 24, FEW = 4096 };
    const struct {
        const char *name;
        int asked, most;
    } sizes[] = {{"context", o->context, ROWS},
                 {"batch", o->batch, ROWS},
                 {"outputs", o->outputs, ROWS},
                 {"sequences", o->sequences, FEW},
                 {"threads", o->threads, FEW}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].asked < 0 || sizes[i].asked > sizes[i].most)
            return base_fail(err, GLINT_USAGE, "%s %d: 0 to %d are possible", sizes[i].name, sizes[i].asked,
                             sizes[i].most);
    return GLINT_OK;
}

glint_status plan_sizes_of(const glint_model *m, const glint_session_options *o, plan_sizes *out, glint_error *err) {
    enum { CONTEXT = 4096, BATCH = 512 };
    glint_status status = check_range(o, err);
    if (status) return status;
    plan_sizes s = {.context = pick(o->context, size_least(CONTEXT, m->context)),
                    .sequences = pick(o->sequences, 1),
                    .cache_f32 = o->cache_f32 || o->precision == GLINT_EXACT};
    s.batch = size_least(pick(o->batch, BATCH), s.context);
    s.outputs = size_least(pick(o->outputs, s.sequences), s.batch);
    *out = s;
    return GLINT_OK;
}

/* The scratch of programs for one row, a few and a chunk of the whole model, op by op. */
static glint_status measure_scratch(plan *p, glint_error *err) {
    enum { ROW_ALIGN = 128, FEW = 8 };
    const tape *t = &p->model->tape;
    const int rows[] = {1, size_least(FEW, p->sizes.batch), p->sizes.batch};
    for (int i = 0; i < 3; i++) {
        arena temporary = {0};
        tape_plan places;
        glint_status s = tape_plan_memory(t, 0, t->n_ops, NULL, NULL, rows[i], size_least(rows[i], p->sizes.outputs),
                                          ROW_ALIGN, ROW_ALIGN, &temporary, &places, err);
        if (!s) p->scratch += (double)places.total_bytes;
        arena_free(&temporary);
        if (s) return s;
    }
    return GLINT_OK;
}

/* The op before that uses the same weight, for every weight of every op. */
static glint_status find_shared(plan *p, glint_error *err) {
    const tape *t = &p->model->tape;
    int *last = arena_array(&p->memory, (size_t)t->n_weights, sizeof *last);
    p->used_before = arena_array(&p->memory, (size_t)t->n_ops, sizeof *p->used_before);
    if (!last || !p->used_before) return base_fail(err, GLINT_INTERNAL, "out of memory for a plan");
    for (int w = 0; w < t->n_weights; w++) last[w] = -1;
    for (int i = 0; i < t->n_ops; i++)
        for (int k = 0; k < 2; k++) {
            tape_weight w = t->ops[i].weight[k];
            if (w < 0) continue;
            p->used_before[i][k] = last[w];
            last[w] = i;
        }
    return GLINT_OK;
}

glint_status plan_open(plan *p, const glint_model *m, const plan_sizes *sizes, glint_error *err) {
    *p = (plan){.model = m, .sizes = *sizes};
    glint_status s = kv_open(&p->kv, &m->tape, sizes->sequences, sizes->context, sizes->batch, &p->memory, err);
    if (!s) s = find_shared(p, err);
    return s ? s : measure_scratch(p, err);
}

void plan_close(plan *p) {
    arena_free(&p->memory);
    *p = (plan){0};
}

/* ---- Bytes ---- */

static double weight_bytes(const plan *p, const plan_device *d, tape_weight w) {
    backend_view v = model_view(p->model, w);
    if (d->backend->weight_bytes) return (double)d->backend->weight_bytes(&v);
    return (double)v.row_bytes * v.rows;
}

static double cache_bytes(const plan *p, const tape_op *op) {
    const tape_cache_info *c = &p->model->tape.caches[op->p.cache];
    double row = 2.0 * c->kv_heads * c->head_dim * (p->sizes.cache_f32 ? 4 : 2);
    return row * TAPE_PAGE * p->kv.groups[c->group].pages;
}

plan_bytes plan_needs(const plan *p, const plan_device *d, int first, int end) {
    const tape *t = &p->model->tape;
    int begin = placement_op(t, first), stop = placement_op(t, end);
    plan_bytes b = {.scratch = p->scratch};
    for (int i = begin; i < stop; i++) {
        const tape_op *op = &t->ops[i];
        for (int k = 0; k < 2; k++)
            if (op->weight[k] >= 0 && p->used_before[i][k] < begin) b.weights += weight_bytes(p, d, op->weight[k]);
        if (op->kind == TAPE_CACHE_WRITE) b.cache += cache_bytes(p, op);
    }
    return b;
}

bool plan_fits(const plan *p, const plan_device *d, int first, int end) {
    plan_bytes b = plan_needs(p, d, first, end);
    return d->memory_bytes <= 0 || b.weights + b.cache + b.scratch <= d->memory_bytes;
}

/* ---- Seconds ---- */

/* What an op reads in a step, weights as the device has them, and computes for each row. */
static tape_cost cost_of(const plan *p, const plan_device *d, const tape_op *op, int rows) {
    const tape *t = &p->model->tape;
    tape_cost c = tape_kinds[op->kind].cost(t, op, rows, p->sizes.context / 2.0);
    if (op->kind == TAPE_ATTEND && !p->sizes.cache_f32) c.bytes /= 2;
    if (op->weight[0] >= 0 && op->kind != TAPE_EMBED) c.bytes = weight_bytes(p, d, op->weight[0]);
    return c;
}

double plan_piece_seconds(const plan *p, const plan_device *d, int piece, int rows) {
    const tape *t = &p->model->tape;
    bool layer = piece > 0 && piece <= t->layers;
    const plan_pace *pace = layer ? &d->layer : &d->head;
    double seconds = (piece ? pace->groups : 1) * d->launch;
    for (int i = placement_op(t, piece), end = placement_op(t, piece + 1); i < end; i++) {
        tape_cost c = cost_of(p, d, &t->ops[i], rows);
        seconds += c.bytes / pace->bandwidth;
        /* of a chunk one row wants output, and the head runs for that one alone */
        if (d->rate > 0 && layer) seconds += c.flops / d->rate * (rows - 1) / rows;
    }
    return seconds;
}

double plan_step_seconds(const plan *p, const plan_device *d, int first, int end, int rows) {
    int cuts = (first > 0) + (end < p->model->tape.layers + 2);
    return cuts || !d->backend->asynchronous ? d->step + (rows - 1) * d->row * cuts / 2 : 0;
}

double plan_seconds(const plan *p, const plan_device *d, int first, int end, int rows) {
    double seconds = plan_step_seconds(p, d, first, end, rows);
    for (int piece = first; piece < end; piece++) seconds += plan_piece_seconds(p, d, piece, rows);
    return seconds;
}
