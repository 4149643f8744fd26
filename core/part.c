#include "core/part.h"

#include <stdio.h>
#include <string.h>

#include "core/adopt.h"
#include "core/base/size.h"
#include "core/devices.h"

/* Runs a function that calls the device, on the thread that may. */
static glint_status on_thread(const part *p, worker_job *job, void *what, glint_error *err) {
    return p->thread ? worker_run(p->thread, job, what, err) : job(what, err);
}

/* ---- Opening ---- */

typedef struct opening {
    part *p;
    const backend_options *options;
} opening;

static glint_status open_here(void *what, glint_error *err) {
    const opening *o = what;
    return device_open(o->p->name, o->options, &o->p->backend, &o->p->device, err);
}

glint_status part_open(part *p, const char *device, const backend_options *options, glint_error *err) {
    *p = (part){0};
    snprintf(p->name, sizeof p->name, "%s", device);
    return open_here(&(opening){p, options}, err);
}

glint_status part_open_apart(part *p, const char *device, const backend_options *options, glint_error *err) {
    *p = (part){0};
    snprintf(p->name, sizeof p->name, "%s", device);
    glint_status status = worker_open(&p->thread, err);
    return status ? status : on_thread(p, open_here, &(opening){p, options}, err);
}

void part_open_on(part *p, const part *owner) {
    *p = (part){.backend = owner->backend, .device = owner->device, .borrowed = true, .thread = owner->thread};
    memcpy(p->name, owner->name, sizeof p->name);
}

static glint_status adopt_weights(part *p, const part_setup *s, glint_error *err) {
    arena temporary = {0};
    const backend_view *views = model_views(s->model, &temporary);
    glint_status status = views ? GLINT_OK : base_fail(err, GLINT_INTERNAL, "out of memory for the weight list");
    if (!status)
        status =
            adopt_range(p->backend, p->device, p->tape, p->first_op, p->n_ops, views, &p->memory, &p->weights, err);
    arena_free(&temporary);
    return status;
}

static glint_status open_cache(part *p, const part_setup *s, glint_error *err) {
    backend_cache_request r = {.tape = p->tape, .first_op = p->first_op, .n_ops = p->n_ops, .f32 = s->cache_f32};
    for (int g = 0; g < p->tape->n_groups; g++) r.pages[g] = s->kv->groups[g].pages;
    return p->backend->cache_open(p->device, &r, &p->cache, err);
}

static glint_status list_inputs(part *p, const part_setup *s, glint_error *err) {
    tape_value *in = arena_array(&p->memory, (size_t)p->tape->n_values, sizeof *in);
    p->n_inputs = in ? tape_inputs(p->tape, p->first_op, p->n_ops, in) : 0;
    p->inputs = arena_array(&p->memory, (size_t)p->n_inputs, sizeof *p->inputs);
    bool good = in && p->inputs;
    for (int i = 0; i < p->n_inputs && good; i++) {
        const tape_value_info *v = &p->tape->values[in[i]];
        int rows = v->outputs ? s->outputs : s->batch;
        float *room = arena_array(&p->memory, (size_t)rows, (size_t)v->width * sizeof(float));
        p->inputs[i] = (part_input){in[i], room};
        good = room != NULL;
    }
    return good ? GLINT_OK : base_fail(err, GLINT_INTERNAL, "out of memory for what crosses to %s", p->name);
}

/* What will be read of the range: first what the part behind it needs, then what was asked for. */
static glint_status list_observed(part *p, const part_setup *s, backend_compile_request *r, int *crossing,
                                  glint_error *err) {
    tape_value *list = arena_array(&p->memory, (size_t)p->tape->n_values + (size_t)s->n_observed, sizeof *list);
    if (!list) return base_fail(err, GLINT_INTERNAL, "out of memory for the observed values");
    int n = *crossing = tape_outputs(p->tape, p->first_op, p->n_ops, list);
    for (int i = 0; i < s->n_observed; i++)
        if (part_makes(p, s->observed[i])) list[n++] = s->observed[i];
    r->observed = list;
    r->n_observed = n;
    return GLINT_OK;
}

static glint_status compile(part *p, const part_setup *s, glint_error *err) {
    const int rows[PART_CLASSES] = {1, size_least(PART_FEW, s->batch), s->batch};
    backend_compile_request r = {.tape = p->tape,
                                 .first_op = p->first_op,
                                 .n_ops = p->n_ops,
                                 .weights = p->weights,
                                 .cache = p->cache,
                                 .max_sequences = s->kv->sequences};
    for (int g = 0; g < p->tape->n_groups; g++) r.max_slots[g] = s->kv->groups[g].slots;
    int crossing = 0;
    glint_status status = list_observed(p, s, &r, &crossing, err);
    for (int c = 0; c < PART_CLASSES && !status; c++) {
        if (c && rows[c] == rows[c - 1]) continue;
        r.max_rows = p->program_rows[c] = rows[c];
        /* A device copies what crosses behind its own commands, so that one wait is enough. */
        int lasting = (p->backend->asynchronous ? crossing : 0) + (c == 0 ? s->n_snapshots : 0);
        r.n_snapshots = p->backend->snapshots ? lasting : 0;
        r.max_outputs = size_least(rows[c], s->outputs);
        status = p->backend->compile(p->device, &r, &p->programs[c], err);
    }
    return status;
}

typedef struct loading {
    part *p;
    const part_setup *setup;
} loading;

static glint_status load_here(void *what, glint_error *err) {
    const loading *l = what;
    glint_status status = adopt_weights(l->p, l->setup, err);
    if (!status) status = open_cache(l->p, l->setup, err);
    return status ? status : compile(l->p, l->setup, err);
}

glint_status part_load(part *p, const part_setup *s, int first_op, int n_ops, glint_error *err) {
    p->tape = &s->model->tape;
    p->first_op = first_op;
    p->n_ops = n_ops;
    glint_error why;
    glint_status status = list_inputs(p, s, err);
    if (!status && (status = on_thread(p, load_here, &(loading){p, s}, &why)))
        base_fail(err, status, "%s: %s", p->name, why.message);
    return status;
}

static glint_status close_here(void *what, glint_error *err) {
    part *p = what;
    (void)err;
    for (int c = 0; c < PART_CLASSES; c++) p->backend->program_close(p->programs[c]);
    p->backend->cache_close(p->device, p->cache);
    adopt_release(p->backend, p->device, p->tape, p->weights);
    if (!p->borrowed) p->backend->close(p->device);
    return GLINT_OK;
}

void part_close(part *p) {
    if (p->device) on_thread(p, close_here, p, NULL);
    if (!p->borrowed) worker_close(p->thread);
    arena_free(&p->memory);
    *p = (part){0};
}

/* ---- Running ---- */

bool part_makes(const part *p, tape_value v) {
    int op = p->tape->values[v].op;
    return op >= p->first_op && op < p->first_op + p->n_ops;
}

static int rows_of(const part *p, const backend_batch *b, tape_value v) {
    return p->tape->values[v].outputs ? b->n_outputs : b->n_rows;
}

/* Does anything come in for this batch? The first part reads ids, which always do. */
static bool has_work(const part *p, const backend_batch *b) {
    for (int i = 0; i < p->n_inputs; i++)
        if (rows_of(p, b, p->inputs[i].value) > 0) return true;
    return !p->n_inputs;
}

glint_status part_take(part *to, const part *from, const backend_batch *b, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = 0; i < to->n_inputs && !status; i++) {
        const part_input *in = &to->inputs[i];
        int rows = rows_of(to, b, in->value);
        if (rows) status = part_read(from, in->value, 0, rows, in->rows, err);
    }
    return status;
}

typedef struct stepping {
    part *p;
    const backend_batch *batch;
} stepping;

static glint_status step_here(void *what, glint_error *err) {
    const stepping *x = what;
    part *p = x->p;
    glint_status status = GLINT_OK;
    for (int i = 0; i < p->n_inputs && !status; i++) {
        const part_input *in = &p->inputs[i];
        status = p->backend->write(p->program, in->value, 0, rows_of(p, x->batch, in->value), in->rows, err);
    }
    return status ? status : p->backend->step(p->program, x->batch, &p->ticket, err);
}

glint_status part_step(part *p, const backend_batch *b, glint_error *err) {
    if (!has_work(p, b)) return GLINT_OK;
    for (int c = PART_CLASSES - 1; c >= 0; c--)
        if (p->programs[c] && b->n_rows <= p->program_rows[c]) p->program = p->programs[c];
    return on_thread(p, step_here, &(stepping){p, b}, err);
}

static glint_status rest_here(void *what, glint_error *err) {
    part *p = what;
    (void)err;
    p->backend->rest(p->device);
    return GLINT_OK;
}

void part_rest(part *p) {
    if (p->backend->rest) on_thread(p, rest_here, p, NULL);
}

typedef struct copying {
    const part *p;
    int group, from, to;
} copying;

static glint_status copy_here(void *what, glint_error *err) {
    const copying *c = what;
    return c->p->backend->cache_copy_page(c->p->cache, c->group, c->from, c->to, err);
}

glint_status part_copy_page(part *p, int group, int from, int to, glint_error *err) {
    return on_thread(p, copy_here, &(copying){p, group, from, to}, err);
}

typedef struct reading {
    const part *p;
    tape_value v;
    int first_row, n;
    float *out;
} reading;

static glint_status read_here(void *what, glint_error *err) {
    const reading *r = what;
    return r->p->backend->read(r->p->program, r->p->ticket, r->v, r->first_row, r->n, r->out, err);
}

glint_status part_read(const part *p, tape_value v, int first_row, int n, float *out, glint_error *err) {
    return on_thread(p, read_here, &(reading){p, v, first_row, n, out}, err);
}
