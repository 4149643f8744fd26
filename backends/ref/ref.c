/* The oracle, device "cpu:ref": weights read in place and decoded as they are used, one group an op, steps that are
 * done when they return. The formulas are in ref_*.c; precision changes nothing here. */
#include "backends/ref/ref.h"

#include <stdlib.h>

ref_op *const ref_ops[TAPE_KINDS] = {
    [TAPE_EMBED] = ref_embed,
    [TAPE_NORM] = ref_norm,
    [TAPE_MATMUL] = ref_matmul,
    [TAPE_ADD] = ref_add,
    [TAPE_ROPE] = ref_rope,
    [TAPE_HEAD_NORM] = ref_head_norm,
    [TAPE_CACHE_WRITE] = ref_cache_write,
    [TAPE_ATTEND] = ref_attend,
    [TAPE_GATE] = ref_gate,
    [TAPE_SELECT_ROWS] = ref_select_rows,
    [TAPE_ARGMAX] = ref_argmax,
    [TAPE_TOP_K] = ref_top_k,
};

struct backend_device {
    int nothing; /* the oracle has no state of its own */
};

struct backend_weight {
    backend_view view;
};

struct backend_program {
    host_program host;
    float *weight_row;
    double *scores, *mix;
};

/* ---- Device ---- */

static int ref_enumerate(glint_device_info *out, int capacity, glint_error *missing) {
    (void)missing;
    if (capacity > 0)
        out[0] = (glint_device_info){
            .name = "cpu:ref", .description = "the oracle: scalar, one thread, sums in double", .software = true};
    return 1;
}

static glint_status ref_open(const char *name, const backend_options *options, backend_device **out, glint_error *err) {
    (void)name, (void)options;
    backend_device *d = calloc(1, sizeof *d);
    if (!d) return base_fail(err, GLINT_INTERNAL, "cpu:ref: out of memory");
    *out = d;
    return GLINT_OK;
}

static void ref_close(backend_device *d) {
    free(d);
}

/* ---- Weights ---- */

static glint_status ref_adopt(backend_device *d, const backend_view *view, backend_weight **out, glint_error *err) {
    (void)d;
    backend_weight *w = malloc(sizeof *w);
    if (!w) return base_fail(err, GLINT_INTERNAL, "%s: out of memory", view->name);
    w->view = *view;
    w->view.name = NULL; /* the caller's */
    *out = w;
    return GLINT_OK;
}

static void ref_release(backend_device *d, backend_weight *w) {
    (void)d;
    free(w);
}

static glint_status ref_weight_rows(backend_device *d, backend_weight *w, int first, int n, float *out,
                                    glint_error *err) {
    (void)d, (void)err;
    for (int i = 0; i < n; i++) host_weight_row(&w->view, first + i, out + (size_t)i * (size_t)w->view.cols);
    return GLINT_OK;
}

/* ---- Programs ---- */

static int longest_weight_row(const backend_compile_request *r) {
    int cols = 0;
    for (int i = r->first_op; i < r->first_op + r->n_ops; i++) {
        tape_weight w = r->tape->ops[i].weight[0];
        if (w >= 0 && r->tape->weights[w].cols > cols) cols = r->tape->weights[w].cols;
    }
    return cols;
}

static size_t most_positions(const backend_compile_request *r) {
    int slots = 0;
    for (int g = 0; g < r->tape->n_groups; g++)
        if (r->max_slots[g] > slots) slots = r->max_slots[g];
    return (size_t)slots * TAPE_PAGE;
}

static int largest_head(const tape *t) {
    int head_dim = 0;
    for (int i = 0; i < t->n_caches; i++)
        if (t->caches[i].head_dim > head_dim) head_dim = t->caches[i].head_dim;
    return head_dim;
}

static glint_status prepare(backend_program *p, const backend_compile_request *r, glint_error *err) {
    glint_status status = host_program_open(&p->host, r, NULL, sizeof(float), err);
    if (status) return status;
    p->weight_row = arena_array(&p->host.memory, (size_t)longest_weight_row(r), sizeof *p->weight_row);
    p->scores = arena_array(&p->host.memory, most_positions(r), sizeof *p->scores);
    p->mix = arena_array(&p->host.memory, (size_t)largest_head(r->tape), sizeof *p->mix);
    if (!p->weight_row || !p->scores || !p->mix)
        return base_fail(err, GLINT_INTERNAL, "cpu:ref: out of memory for a program");
    return GLINT_OK;
}

static void ref_program_close(backend_program *p) {
    if (!p) return;
    host_program_close(&p->host);
    free(p);
}

static glint_status ref_compile(backend_device *d, const backend_compile_request *r, backend_program **out,
                                glint_error *err) {
    (void)d;
    backend_program *p = calloc(1, sizeof *p);
    if (!p) return base_fail(err, GLINT_INTERNAL, "cpu:ref: out of memory for a program");
    glint_status status = prepare(p, r, err);
    if (status)
        ref_program_close(p);
    else
        *out = p;
    return status;
}

static int ref_groups(const backend_program *p, const backend_group **out) {
    *out = p->host.groups;
    return p->host.n_groups;
}

static void run_op(const backend_program *p, const backend_batch *b, const tape_op *op) {
    const host_program *h = &p->host;
    tape_value rows_of = op->out >= 0 ? op->out : op->in[0];
    ref_call c = {.tape = h->tape,
                  .op = op,
                  .batch = b,
                  .program = h,
                  .cache = h->request.cache,
                  .out = op->out >= 0 ? h->value[op->out] : NULL,
                  .rows = host_rows(h, b, rows_of),
                  .width = h->tape->values[rows_of].width,
                  .weight_row = p->weight_row,
                  .scores = p->scores,
                  .mix = p->mix};
    for (int i = 0; i < 2; i++) {
        c.in[i] = op->in[i] >= 0 ? h->value[op->in[i]] : NULL;
        c.weight[i] = op->weight[i] >= 0 ? &h->request.weights[op->weight[i]]->view : NULL;
    }
    if (host_computes(h, op)) ref_ops[op->kind](&c);
}

static glint_status ref_run_groups(backend_program *p, const backend_batch *b, int first, int n, backend_ticket *ticket,
                                   glint_error *err) {
    (void)err;
    for (int i = first; i < first + n; i++) run_op(p, b, &p->host.tape->ops[p->host.groups[i].first_op]);
    *ticket = host_finish(&p->host, b, first, n);
    return GLINT_OK;
}

static glint_status ref_step(backend_program *p, const backend_batch *b, backend_ticket *ticket, glint_error *err) {
    return ref_run_groups(p, b, 0, p->host.n_groups, ticket, err);
}

static glint_status ref_read(backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n, float *out,
                             glint_error *err) {
    return host_read(&p->host, ticket, v, first_row, n, out, err);
}

static glint_status ref_write(backend_program *p, tape_value v, int first_row, int n, const float *in,
                              glint_error *err) {
    return host_write(&p->host, v, first_row, n, in, err);
}

extern const backend ref_backend;
const backend ref_backend = {
    .name = "cpu:ref",
    .snapshots = true,
    .enumerate = ref_enumerate,
    .open = ref_open,
    .close = ref_close,
    .adopt = ref_adopt,
    .release = ref_release,
    .weight_rows = ref_weight_rows,
    .cache_open = host_cache_open,
    .cache_close = host_cache_close,
    .cache_copy_page = host_cache_copy_page,
    .cache_read = host_cache_read,
    .cache_write = host_cache_write,
    .compile = ref_compile,
    .program_close = ref_program_close,
    .groups = ref_groups,
    .step = ref_step,
    .run_groups = ref_run_groups,
    .read = ref_read,
    .write = ref_write,
};
