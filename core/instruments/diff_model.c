/* Which side is wrong about a value, and why. A side is right when the oracle makes its numbers of the side's own
 * inputs, so that what an earlier fault has spoilt is not taken for another one. If the tested side is not right, its
 * device is at fault; if the reference is not, the tape is: no device can be better than that. */
#include <math.h>

#include "core/instruments/diff.h"

enum { MOST_POSITIONS = 4096 };      /* more would keep the oracle busy for hours */
static const double most_work = 2e9; /* multiplications of the oracle on one range: a few seconds */

/* What one side's file has is the beginning of a range of ops, the value is its end. */
typedef struct range {
    const diff_pair *p;
    const reference *file;
    const reference_run *run;
    tape_value out;
    tape tape;        /* the model's, its ops in such an order that those of the range come last */
    int first, n;     /* the range in it */
    int rows;         /* of the batch: positions 0 .. rows - 1 */
    int output, outs; /* positions of the rows that want output */
    backend_batch batch;
    tape_value *in;
    const float **in_rows;
    float *there, *made; /* outs (or rows) x width: what the file has, and what the oracle makes */
} range;

static const tape *tape_of(const range *r) {
    return &r->tape;
}

/* ---- Where a range begins ---- */

/* Does the file have all rows of the value that the range would need? */
static bool has_rows(const range *r, tape_value v) {
    const tape_value_info *info = &r->p->model->tape.values[v];
    const reference_value *have = reference_find(r->run, info->name);
    int first = info->outputs ? r->output : 0, end = info->outputs ? r->output + r->outs : r->rows;
    return have && have->first_row <= first && have->first_row + have->rows >= end;
}

/* Which ops of the model's tape make the value from what the file has; from the ids at the latest. */
typedef struct needs {
    bool *op, *value, *cache;
} needs;

static bool makes_needed(const range *r, const needs *n, const tape_op *op) {
    if (op->kind == TAPE_CACHE_WRITE) return n->cache[op->p.cache];
    return op->out >= 0 && n->value[op->out] && (op->out == r->out || !has_rows(r, op->out));
}

static bool is_read(const tape *t, tape_value v) {
    for (int i = 0; i < t->n_ops; i++)
        if (t->ops[i].in[0] == v || t->ops[i].in[1] == v) return true;
    return false;
}

/* Backwards from the value. What nothing reads is taken along: a tape may go round an op that it should not. */
static void find_needs(const range *r, const tape *t, needs *n) {
    int last = t->values[r->out].op, first = last;
    n->value[r->out] = true;
    for (int i = last; i >= 0; i--) {
        const tape_op *op = &t->ops[i];
        if (!makes_needed(r, n, op)) continue;
        n->op[first = i] = true;
        if (op->kind == TAPE_ATTEND) n->cache[op->p.cache] = true;
        for (int k = 0; k < 2; k++)
            if (op->in[k] >= 0) n->value[op->in[k]] = true;
    }
    for (int i = first; i < last; i++)
        if (t->ops[i].out >= 0 && !is_read(t, t->ops[i].out)) n->op[i] = true;
}

/* Moves the ops that are needed behind all others. */
static glint_status find_range(range *r, glint_error *err) {
    const tape *t = &r->p->model->tape;
    arena *a = r->p->memory;
    needs n = {arena_array(a, (size_t)t->n_ops, sizeof(bool)), arena_array(a, (size_t)t->n_values, sizeof(bool)),
               arena_array(a, (size_t)t->n_caches, sizeof(bool))};
    r->tape = *t;
    r->tape.ops = arena_array(a, (size_t)t->n_ops, sizeof *t->ops);
    r->tape.values = arena_copy(a, t->values, (size_t)t->n_values * sizeof *t->values);
    if (!n.op || !n.value || !n.cache || !r->tape.ops || !r->tape.values) return diff_no_memory(err);
    find_needs(r, t, &n);
    int at = 0;
    for (int needed = 0; needed < 2; needed++) {
        if (needed) r->first = at;
        for (int i = 0; i < t->n_ops; i++) {
            if (n.op[i] != needed) continue;
            r->tape.ops[at] = t->ops[i];
            if (t->ops[i].out >= 0) r->tape.values[t->ops[i].out].op = at;
            at++;
        }
    }
    r->n = at - r->first;
    return GLINT_OK;
}

/* Leaves out what comes after the rows that tell, as far as it costs too much. */
static void cut_rows(range *r, int telling) {
    const tape *t = tape_of(r);
    double work = 1;
    for (int i = r->first; i < r->first + r->n; i++)
        if (t->ops[i].kind == TAPE_MATMUL) {
            const tape_weight_info *w = &t->weights[t->ops[i].weight[0]];
            work += (double)w->rows * w->cols;
        }
    int n = most_work / work < r->outs ? (int)(most_work / work) : r->outs;
    if (n < telling) n = telling;
    if (n >= r->outs) return;
    r->rows -= r->outs - n;
    r->outs = n;
}

/* ---- Its batch and its inputs ---- */

static glint_status make_batch(range *r, glint_error *err) {
    arena *a = r->p->memory;
    int slots = r->rows / TAPE_PAGE + 1;
    int32_t *position = arena_array(a, (size_t)r->rows, sizeof *position);
    int32_t *sequence = arena_array(a, (size_t)r->rows, sizeof *sequence);
    int32_t *output = arena_array(a, (size_t)r->outs, sizeof *output);
    int32_t *pages = arena_array(a, (size_t)slots, sizeof *pages);
    if (!position || !sequence || !output || !pages) return diff_no_memory(err);
    for (int i = 0; i < r->rows; i++) position[i] = i;
    for (int i = 0; i < r->outs; i++) output[i] = r->output + i;
    for (int i = 0; i < slots; i++) pages[i] = i;
    r->batch = (backend_batch){r->rows, r->outs, r->run->ids, position, sequence, output, {{0}}};
    for (int g = 0; g < tape_of(r)->n_groups; g++) r->batch.pages[g] = (backend_pages){pages, slots};
    return GLINT_OK;
}

static int rows_of(const range *r, tape_value v) {
    return tape_of(r)->values[v].outputs ? r->outs : r->rows;
}

static glint_status read_value(range *r, tape_value v, float **out, glint_error *err) {
    const tape_value_info *info = &tape_of(r)->values[v];
    return diff_read(r->file, r->run, info->name, info->outputs ? r->output : 0, rows_of(r, v), r->p->memory, out, err);
}

static glint_status read_inputs(range *r, glint_error *err) {
    glint_status s = GLINT_OK;
    int n = tape_inputs(tape_of(r), r->first, r->n, r->in);
    r->in_rows = arena_array(r->p->memory, (size_t)n, sizeof *r->in_rows);
    if (!r->in_rows) return diff_no_memory(err);
    for (int i = 0; i < n && !s; i++) {
        float *x = NULL;
        s = read_value(r, r->in[i], &x, err);
        r->in_rows[i] = x;
    }
    return s;
}

/* ---- What the oracle makes of them ---- */

static glint_status run_oracle(range *r, glint_error *err) {
    rig g;
    backend_ticket ticket;
    rig_setup setup = {.tape = tape_of(r),
                       .first_op = r->first,
                       .n_ops = r->n,
                       .views = r->p->views,
                       .max_rows = r->rows,
                       .max_outputs = r->outs,
                       .pages = r->rows / TAPE_PAGE + 1,
                       .slots = r->rows / TAPE_PAGE + 1,
                       .cache_f32 = reference_precision(r->file) == GLINT_EXACT,
                       .observed = &r->out,
                       .n_observed = 1};
    glint_status s = rig_open(&g, "cpu:ref", &(backend_options){.precision = GLINT_EXACT}, &setup, err);
    int n = tape_inputs(setup.tape, r->first, r->n, r->in);
    for (int i = 0; i < n && !s; i++)
        s = g.backend->write(g.program, r->in[i], 0, rows_of(r, r->in[i]), r->in_rows[i], err);
    if (!s) s = g.backend->step(g.program, &r->batch, &ticket, err);
    if (!s) s = g.backend->read(g.program, ticket, r->out, 0, rows_of(r, r->out), r->made, err);
    rig_close(&g);
    return s;
}

static glint_status open_range(range *r, int telling, glint_error *err) {
    const tape *t = tape_of(r);
    glint_status s = find_range(r, err);
    if (s) return s;
    r->in = arena_array(r->p->memory, (size_t)t->n_values, sizeof *r->in);
    if (!r->in) return diff_no_memory(err);
    cut_rows(r, telling);
    s = make_batch(r, err);
    if (!s) s = read_inputs(r, err);
    if (!s) s = read_value(r, r->out, &r->there, err);
    if (s) return s;
    r->made = arena_array(r->p->memory, (size_t)rows_of(r, r->out), (size_t)t->values[r->out].width * sizeof *r->made);
    return r->made ? run_oracle(r, err) : diff_no_memory(err);
}

/* A range of a file that is right, given its inputs. */
static double limit_of(const reference *r, const reference_value *v) {
    bool fast = reference_precision(r) == GLINT_FAST;
    return (fast ? bound_model[GLINT_FAST].nmse : bound_stretch.nmse) + v->rounding * v->rounding;
}

static bool is_right(const range *r) {
    const float *a = r->there, *b = r->made;
    size_t n = (size_t)rows_of(r, r->out) * (size_t)tape_of(r)->values[r->out].width;
    double error = 0, power = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) && !isfinite(b[i])) continue; /* what is spoilt stays so */
        error += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        power += (double)b[i] * b[i];
    }
    return error <= limit_of(r->file, reference_find(r->run, tape_of(r)->values[r->out].name)) * power;
}

/* ---- Asking ---- */

static glint_status diagnose(const range *r, bool tape_suspected, diagnose_finding *out, glint_error *err) {
    diagnose_case c = {.tape = tape_of(r),
                       .first_op = r->first,
                       .n_ops = r->n,
                       .views = r->p->views,
                       .batch = &r->batch,
                       .in = r->in,
                       .in_rows = r->in_rows,
                       .out = r->out,
                       .tested = tape_suspected ? r->made : r->there,
                       .reference = tape_suspected ? r->there : r->made,
                       .tape_suspected = tape_suspected};
    return diagnose_range(&c, out, err);
}

glint_status diff_ask_model(const diff_pair *p, const char *name, int first, int n, int telling, diff_opinion *out,
                            glint_error *err) {
    tape_value v = tape_find(&p->model->tape, name);
    bool outputs = p->model->tape.values[v].outputs;
    range tested = {.p = p, .file = p->tested, .run = p->tested_run, .out = v};
    if (first + n > MOST_POSITIONS || (!outputs && first)) {
        *out = (diff_opinion){.finding = {.kind = "", .reason = "too many positions, or not all, to ask the model"}};
        return GLINT_OK;
    }
    tested.rows = first + n;
    tested.output = outputs ? first : 0;
    tested.outs = outputs ? n : first + n;
    range other = tested;
    other.file = p->reference;
    other.run = p->reference_run;
    glint_status s = open_range(&tested, telling, err);
    if (!s && !is_right(&tested)) return diagnose(&tested, false, &out->finding, err);
    if (!s) s = open_range(&other, telling, err);
    if (!s && !is_right(&other)) return diagnose(&other, true, &out->finding, err);
    out->carried = true;
    return s;
}
