/* One trial: only ops that the change reaches run again, on the rows that show the difference; everything else is taken
 * from the oracle's run of the case. */
#include <math.h>
#include <string.h>

#include "core/instruments/suspect.h"

enum { FEW_ROWS = 8, FEWEST_ROWS = 2 };
static const double most_work = 5e7; /* multiplications, where rows may be left out */

typedef struct run {
    suspect_trial *t;
    const suspect *s;
    int first, last;     /* ops that the change reaches lie in between */
    bool *op, *value;    /* by op, by tape value: reached */
    bool keys;           /* a cache write is reached: no row can be left out */
    int rows;            /* of the value that the case is about */
    int *row;            /* by row kept: its row in the case */
    backend_batch batch; /* of these */
    rig_setup setup;
    rig g;
} run;

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a diagnosis");
}

/* ---- Opening ---- */

void suspect_trial_open(suspect_trial *t, const suspect *s) {
    *t = (suspect_trial){.s = s, .tape = s->own};
    t->tape.ops = arena_copy(&t->memory, s->own.ops, (size_t)s->own.n_ops * sizeof *s->own.ops);
    t->tape.caches = arena_copy(&t->memory, s->own.caches, (size_t)s->own.n_caches * sizeof *s->own.caches);
    t->views = arena_copy(&t->memory, s->views, (size_t)s->own.n_weights * sizeof *s->views);
    t->ops = arena_array(&t->memory, (size_t)s->own.n_ops, sizeof *t->ops);
}

void suspect_trial_close(suspect_trial *t) {
    arena_free(&t->memory);
}

/* ---- What the change reaches ---- */

static bool reads_reached(const run *r, const tape_op *op, const bool *cache) {
    for (int k = 0; k < 2; k++)
        if (op->in[k] >= 0 && r->value[op->in[k]]) return true;
    return op->kind == TAPE_ATTEND && cache[op->p.cache];
}

/* false: it does not reach the value. */
static bool spread(run *r, bool *cache) {
    r->first = -1;
    for (int i = r->s->first_op; i <= r->s->last_op; i++) {
        const tape_op *op = &r->t->tape.ops[i];
        if (!r->t->ops[i].changed && !reads_reached(r, op, cache)) continue;
        r->op[i] = true;
        if (r->first < 0) r->first = i;
        if (op->out >= 0) r->value[op->out] = true;
        if (op->kind == TAPE_CACHE_WRITE) r->keys = cache[op->p.cache] = true;
    }
    r->last = r->s->last_op;
    return r->value[r->s->c->out];
}

/* ---- Rows ---- */

static double row_error(const suspect *s, int row) {
    double sum = 0;
    for (int i = 0; i < s->width; i++) {
        double d = (double)s->tested[(size_t)row * (size_t)s->width + (size_t)i] -
                   s->reference[(size_t)row * (size_t)s->width + (size_t)i];
        sum += isfinite(d) ? d * d : 0;
    }
    return sum;
}

/* All rows, or those few that differ most, in their order. */
static glint_status pick_rows(run *r, glint_error *err) {
    const suspect *s = r->s;
    double affordable = most_work / suspect_work(s);
    int few = affordable > FEW_ROWS ? FEW_ROWS : affordable < FEWEST_ROWS ? FEWEST_ROWS : (int)affordable;
    bool all = r->keys || s->batch.n_outputs != s->batch.n_rows || s->rows <= few;
    r->rows = all ? s->rows : few;
    r->row = arena_array(&r->t->memory, (size_t)s->rows, sizeof *r->row);
    double *error = arena_array(&r->t->memory, (size_t)s->rows, sizeof *error);
    if (!r->row || !error) return no_memory(err);
    for (int i = 0; i < s->rows; i++) error[i] = row_error(s, i);
    for (int k = 0; k < s->rows && !all; k++) {
        int larger = 0;
        for (int i = 0; i < s->rows; i++) larger += error[i] > error[k] || (error[i] == error[k] && i < k);
        r->row[k] = larger < few;
    }
    int n = 0;
    for (int k = 0; k < s->rows; k++)
        if (all || r->row[k]) r->row[n++] = k;
    return GLINT_OK;
}

static const int32_t *some(run *r, const int32_t *from, const int *row, int n) {
    int32_t *out = arena_array(&r->t->memory, (size_t)n, sizeof *out);
    for (int i = 0; out && i < n; i++) out[i] = from[row[i]];
    return out;
}

static glint_status make_batch(run *r, glint_error *err) {
    r->batch = r->s->batch;
    r->setup = r->s->setup;
    if (r->rows == r->s->rows) return GLINT_OK;
    int32_t *output = arena_array(&r->t->memory, (size_t)r->rows, sizeof *output);
    r->batch.n_rows = r->batch.n_outputs = r->setup.max_rows = r->setup.max_outputs = r->rows;
    r->batch.token = some(r, r->s->batch.token, r->row, r->rows);
    r->batch.position = some(r, r->s->batch.position, r->row, r->rows);
    r->batch.sequence = some(r, r->s->batch.sequence, r->row, r->rows);
    r->batch.output = output;
    if (!output || !r->batch.token || !r->batch.position || !r->batch.sequence) return no_memory(err);
    for (int i = 0; i < r->rows; i++) output[i] = i;
    return GLINT_OK;
}

static int rows_of(const run *r, tape_value v) {
    return r->t->tape.values[v].outputs ? r->batch.n_outputs : r->batch.n_rows;
}

/* Numbers of a value as the case has them, rows kept. */
static float *kept(run *r, tape_value v) {
    size_t width = (size_t)r->t->tape.values[v].width;
    int n = rows_of(r, v);
    float *out = arena_array(&r->t->memory, (size_t)n, width * sizeof *out);
    for (int i = 0; out && i < n; i++)
        memcpy(out + (size_t)i * width, r->s->value[v] + (size_t)(r->rows == r->s->rows ? i : r->row[i]) * width,
               width * sizeof *out);
    return out;
}

/* ---- Weights that are read otherwise ---- */

/* The rows of the weight that the trial needs, as float32. A table needs those of the batch's tokens only, the last
 * matrix those of the columns kept. */
static glint_status read_weight(run *r, int i, glint_error *err) {
    suspect_trial *t = r->t;
    const suspect_op *o = &t->ops[i];
    tape_op *op = &t->tape.ops[i];
    tape_weight w = op->weight[0];
    const backend_view *whole = &r->s->c->views[w];
    backend_view *v = &t->views[w];
    bool table = op->kind == TAPE_EMBED, narrowed = i == r->s->last_op && r->s->column;
    int rows = table ? r->batch.n_rows : narrowed ? r->s->width : whole->rows;
    size_t cols = (size_t)whole->cols;
    float *out = arena_array(&t->memory, (size_t)rows, cols * sizeof *out);
    int32_t *token = arena_array(&t->memory, (size_t)rows, sizeof *token);
    if (!out || !token) return no_memory(err);
    for (int k = 0; k < rows; k++) {
        int row = table ? r->batch.token[k] : narrowed ? r->s->column[k] : k;
        o->read(whole, row, o->parameter, out + (size_t)k * cols);
        token[k] = k;
    }
    v->format = FORMAT_F32;
    v->data = out;
    v->row_bytes = cols * sizeof *out;
    if (!table) return GLINT_OK;
    t->tape.weights = arena_copy(&t->memory, t->tape.weights, (size_t)t->tape.n_weights * sizeof *t->tape.weights);
    if (!t->tape.weights) return no_memory(err);
    v->rows = t->tape.weights[w].rows = rows;
    r->batch.token = token;
    return GLINT_OK;
}

static glint_status read_weights(run *r, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = r->first; i <= r->last && !status; i++)
        if (r->op[i] && r->t->ops[i].read) status = read_weight(r, i, err);
    return status;
}

/* ---- Running ---- */

static bool range_has_cache(const run *r) {
    for (int i = r->first; i <= r->last; i++)
        if (r->t->tape.ops[i].kind == TAPE_ATTEND || r->t->tape.ops[i].kind == TAPE_CACHE_WRITE) return true;
    return false;
}

/* Gives the rig what reached ops read and no reached op makes. */
static glint_status write_inputs(run *r, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = r->first; i <= r->last && !status; i++)
        for (int k = 0; k < 2 && r->op[i] && !status; k++) {
            tape_value v = r->t->tape.ops[i].in[k];
            if (v < 0 || r->value[v]) continue;
            float *x = r->s->value[v] ? kept(r, v) : NULL;
            if (!x) return no_memory(err);
            status = r->g.backend->write(r->g.program, v, 0, rows_of(r, v), x, err);
        }
    return status;
}

static glint_status read_value(run *r, backend_ticket ticket, tape_value v, float **out, glint_error *err) {
    *out = arena_array(&r->t->memory, (size_t)rows_of(r, v), (size_t)r->t->tape.values[v].width * sizeof **out);
    if (!*out) return no_memory(err);
    return r->g.backend->read(r->g.program, ticket, v, 0, rows_of(r, v), *out, err);
}

/* Changes a value of the rig; *was, where wanted, is what it held. */
static glint_status hook(run *r, const tape_op *op, suspect_hook *change, tape_value v, float **was, glint_error *err) {
    float *x;
    glint_status status = read_value(r, 0, v, &x, err);
    if (status) return status;
    size_t bytes = (size_t)rows_of(r, v) * (size_t)r->t->tape.values[v].width * sizeof *x;
    if (was && !(*was = arena_copy(&r->t->memory, x, bytes))) return no_memory(err);
    change(r->t, op, x, rows_of(r, v), r->t->tape.values[v].width);
    return r->g.backend->write(r->g.program, v, 0, rows_of(r, v), x, err);
}

static glint_status copy_value(run *r, tape_value from, tape_value to, glint_error *err) {
    float *x;
    glint_status status = read_value(r, 0, from, &x, err);
    return status ? status : r->g.backend->write(r->g.program, to, 0, rows_of(r, to), x, err);
}

static glint_status run_op(run *r, int i, glint_error *err) {
    const suspect_op *o = &r->t->ops[i];
    const tape_op *op = &r->t->tape.ops[i];
    backend_batch b = r->batch;
    backend_ticket ticket;
    float *was = NULL;
    if (o->instead) return copy_value(r, op->in[o->instead - 1], op->out, err);
    if (o->position && r->rows == r->s->rows) b.position = o->position;
    if (o->position && r->rows != r->s->rows) b.position = some(r, o->position, r->row, r->rows);
    if (!b.position) return no_memory(err);
    glint_status status = o->before ? hook(r, op, o->before, op->in[0], &was, err) : GLINT_OK;
    if (!status) status = r->g.backend->run_groups(r->g.program, &b, i - r->first, 1, &ticket, err);
    if (!status && was) status = r->g.backend->write(r->g.program, op->in[0], 0, rows_of(r, op->in[0]), was, err);
    if (!status && o->after) status = hook(r, op, o->after, op->out, NULL, err);
    return status;
}

static glint_status run_range(run *r, glint_error *err) {
    r->setup.tape = &r->t->tape;
    r->setup.views = r->t->views;
    r->setup.first_op = r->first;
    r->setup.n_ops = r->last - r->first + 1;
    if (r->t->half_cache) r->setup.cache_f32 = false;
    const rig *o = &r->s->oracle;
    glint_status status = rig_open_on(&r->g, o->backend, o->device, &o->options, &r->setup, err);
    /* Keys and values begin as the case's own run left them. */
    if (!status && range_has_cache(r)) status = suspect_copy_pages(o, &r->g, &r->t->memory, err);
    if (!status) status = write_inputs(r, err);
    for (int i = r->first; i <= r->last && !status; i++) {
        if (!r->op[i]) continue;
        status = run_op(r, i, err);
        r->t->work += suspect_op_work(r->s, i) * r->rows;
    }
    return status;
}

/* ---- Judging ---- */

/* Errors over the rows kept, of numbers that can be compared. */
static double share_left(const run *r, const float *got) {
    const suspect *s = r->s;
    double left = 0, before = 0;
    const float *other = s->c->tape_suspected ? s->tested : s->reference;
    for (int k = 0; k < r->rows; k++) {
        size_t at = (size_t)(r->rows == s->rows ? k : r->row[k]) * (size_t)s->width;
        for (int i = 0; i < s->width; i++) {
            double d = (double)got[(size_t)k * (size_t)s->width + (size_t)i] - s->goal[at + (size_t)i];
            double was = (double)other[at + (size_t)i] - s->goal[at + (size_t)i];
            left += d * d;
            before += was * was;
        }
    }
    return isfinite(left) && before > 0 ? left / before : INFINITY;
}

glint_status suspect_run(suspect_trial *t, double *share, glint_error *err) {
    run r = {.t = t, .s = t->s};
    const tape *own = &t->s->own;
    float *got;
    bool *cache = arena_array(&t->memory, (size_t)own->n_caches, sizeof *cache);
    r.op = arena_array(&t->memory, (size_t)own->n_ops, sizeof *r.op);
    r.value = arena_array(&t->memory, (size_t)own->n_values, sizeof *r.value);
    *share = INFINITY;
    if (!cache || !r.op || !r.value) return no_memory(err);
    if (!spread(&r, cache)) return GLINT_OK;
    glint_status status = pick_rows(&r, err);
    if (!status) status = make_batch(&r, err);
    if (!status) status = read_weights(&r, err);
    if (!status) status = run_range(&r, err);
    if (!status) status = read_value(&r, 0, t->s->c->out, &got, err);
    if (!status) *share = share_left(&r, got);
    rig_close(&r.g);
    return status;
}
