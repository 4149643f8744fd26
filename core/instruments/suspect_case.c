/* A case made small: of the rows and columns those that differ most, as many as can be computed over and over in little
 * time. Where the range has a cache, rows are kept from the first one on, for later ones look at earlier ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/instruments/suspect.h"

enum { MOST_COLUMNS = 512, WIDE = 4096, FEW_BEHIND = 4, MANY_BEHIND = 16, ENOUGH_ROWS = 24 };
static const double most_work = 4e8; /* multiplications of one run of the whole range */

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a diagnosis");
}

/* ---- What the range is ---- */

static bool uses_cache(const tape_op *op) {
    return op->kind == TAPE_CACHE_WRITE || op->kind == TAPE_ATTEND;
}

static void look_at_range(suspect *s) {
    s->outputs = true;
    for (int i = s->first_op; i <= s->last_op; i++) {
        const tape_op *op = &s->tape->ops[i];
        if (uses_cache(op)) s->has_cache = true;
        for (int k = 0; k < 2; k++)
            if (op->in[k] >= 0 && !s->tape->values[op->in[k]].outputs) s->outputs = false;
        if (op->out < 0 || !s->tape->values[op->out].outputs) s->outputs = false;
    }
}

static int case_rows(const suspect *s, tape_value v) {
    return s->tape->values[v].outputs ? s->c->batch->n_outputs : s->c->batch->n_rows;
}

int suspect_rows(const suspect *s, tape_value v) {
    return s->tape->values[v].outputs ? s->batch.n_outputs : s->batch.n_rows;
}

double suspect_op_work(const suspect *s, int op) {
    const tape_op *o = &s->tape->ops[op];
    if (o->kind == TAPE_ATTEND) return 2.0 * o->p.heads * o->p.head_dim * s->c->batch->n_rows;
    if (o->kind != TAPE_MATMUL) return 0;
    const tape_weight_info *w = &s->tape->weights[o->weight[0]];
    return (double)w->cols * (op == s->last_op && s->column ? s->width : w->rows);
}

double suspect_work(const suspect *s) {
    double work = 1;
    for (int i = s->first_op; i <= s->last_op; i++) work += suspect_op_work(s, i);
    return work;
}

/* ---- Which columns ---- */

typedef struct ranked {
    double error;
    int index;
} ranked;

static int by_error(const void *a, const void *b) {
    double x = ((const ranked *)a)->error, y = ((const ranked *)b)->error;
    return x > y ? -1 : x < y;
}

static int by_index(const void *a, const void *b) {
    return ((const ranked *)a)->index - ((const ranked *)b)->index;
}

static double squared(float a, float b) {
    double d = (double)a - b;
    return isfinite(d) ? d * d : 0;
}

/* Keeps the columns of the widest weights that differ most, and as many that stand for the rest. */
static glint_status pick_columns(suspect *s, glint_error *err) {
    const tape_op *op = &s->tape->ops[s->last_op];
    s->width = s->tape->values[s->c->out].width;
    if (op->kind != TAPE_MATMUL || s->width <= WIDE) return GLINT_OK;
    if (op->weight[1] >= 0 || s->c->views[op->weight[0]].rotary_adjacent) return GLINT_OK; /* no head is like that */
    ranked *all = arena_array(&s->memory, (size_t)s->width, sizeof *all);
    s->column = arena_array(&s->memory, MOST_COLUMNS, sizeof *s->column);
    if (!all || !s->column) return no_memory(err);
    for (int i = 0; i < s->width; i++) all[i].index = i;
    for (size_t k = 0; k < (size_t)case_rows(s, s->c->out) * (size_t)s->width; k++)
        all[k % (size_t)s->width].error += squared(s->c->tested[k], s->c->reference[k]);
    int step = s->width / (MOST_COLUMNS / 2);
    for (int i = 0; i < s->width; i += step) all[i].error = INFINITY;
    qsort(all, (size_t)s->width, sizeof *all, by_error);
    qsort(all, MOST_COLUMNS, sizeof *all, by_index);
    for (int i = 0; i < MOST_COLUMNS; i++) s->column[i] = all[i].index;
    s->width = MOST_COLUMNS;
    return GLINT_OK;
}

/* ---- Which rows ---- */

static double row_error(const suspect *s, int row) {
    size_t width = (size_t)s->tape->values[s->c->out].width, at = (size_t)row * width;
    double sum = 0;
    for (size_t i = 0; i < width; i++) sum += squared(s->c->tested[at + i], s->c->reference[at + i]);
    return sum;
}

/* Rows that show the difference: from the first one to some behind the first large one. */
static int telling_rows(const ranked *all, int n, int behind) {
    double most = 0;
    int first = 0;
    for (int i = 0; i < n; i++) most = fmax(most, all[i].error);
    while (first < n - 1 && all[first].error < 0.1 * most) first++;
    return first + behind < n ? first + behind : n;
}

static glint_status pick_rows(suspect *s, glint_error *err) {
    int n = case_rows(s, s->c->out), keep;
    ranked *all = arena_array(&s->memory, (size_t)n, sizeof *all);
    s->row = arena_array(&s->memory, (size_t)n, sizeof *s->row);
    if (!all || !s->row) return no_memory(err);
    for (int i = 0; i < n; i++) all[i] = (ranked){row_error(s, i), i};
    double affordable = most_work / suspect_work(s);
    bool mixed = s->tape->values[s->c->out].outputs && !s->outputs; /* rows are chosen inside: all or none */
    keep = mixed || affordable > n ? n : affordable < 1 ? 1 : (int)affordable;
    if (s->has_cache && !mixed) {
        int least = telling_rows(all, n, FEW_BEHIND), most = telling_rows(all, n, MANY_BEHIND);
        if (most < ENOUGH_ROWS) most = ENOUGH_ROWS < n ? ENOUGH_ROWS : n;
        if (keep > most) keep = most;
        if (keep < least) keep = least;
    }
    if (!s->has_cache) {
        qsort(all, (size_t)n, sizeof *all, by_error);
        qsort(all, (size_t)keep, sizeof *all, by_index);
    }
    for (int i = 0; i < keep; i++) s->row[i] = all[i].index;
    s->rows = keep;
    return GLINT_OK;
}

/* ---- The batch of those rows ---- */

static int32_t *numbers_of(suspect *s, const int32_t *from, const int *row, int n) {
    int32_t *out = arena_array(&s->memory, (size_t)n, sizeof *out);
    for (int i = 0; out && i < n; i++) out[i] = from ? from[row[i]] : 0;
    return out;
}

/* A page of its own for every position: windows of a hypothesis may be longer than the tape's. */
static glint_status make_pages(suspect *s, glint_error *err) {
    const backend_batch *b = &s->batch;
    int sequences = 1, last = 0;
    for (int i = 0; i < b->n_rows; i++) {
        if (b->sequence[i] >= sequences) sequences = b->sequence[i] + 1;
        if (b->position[i] > last) last = b->position[i];
    }
    s->setup.slots = last / TAPE_PAGE + 2;
    s->setup.pages = s->setup.slots * sequences;
    int32_t *table = arena_array(&s->memory, (size_t)s->setup.pages, sizeof *table);
    if (!table) return no_memory(err);
    for (int i = 0; i < s->setup.pages; i++) table[i] = i;
    for (int g = 0; g < s->tape->n_groups; g++) s->batch.pages[g] = (backend_pages){table, s->setup.slots};
    return GLINT_OK;
}

static glint_status make_batch(suspect *s, glint_error *err) {
    const backend_batch *b = s->c->batch;
    bool whole = s->tape->values[s->c->out].outputs && !s->outputs;
    int n = whole ? b->n_rows : s->rows;
    int *row = arena_array(&s->memory, (size_t)n, sizeof *row);
    int32_t *output = arena_array(&s->memory, (size_t)n, sizeof *output);
    if (!row || !output) return no_memory(err);
    for (int i = 0; i < n; i++) {
        row[i] = whole ? i : s->outputs && b->output ? b->output[s->row[i]] : s->row[i];
        output[i] = i;
    }
    s->batch = (backend_batch){.n_rows = n,
                               .n_outputs = whole ? b->n_outputs : n,
                               .token = numbers_of(s, b->token, row, n),
                               .position = numbers_of(s, b->position, row, n),
                               .sequence = numbers_of(s, b->sequence, row, n),
                               .output = whole ? b->output : output};
    if (!s->batch.token || !s->batch.position || !s->batch.sequence) return no_memory(err);
    s->setup.max_rows = n;
    s->setup.max_outputs = s->batch.n_outputs;
    if (!s->c->cache) return make_pages(s, err);
    const rig_setup *old = s->c->cache->setup;
    s->setup.pages = old->pages;
    s->setup.slots = old->slots;
    memcpy(s->setup.group_slots, old->group_slots, sizeof old->group_slots);
    memcpy(s->batch.pages, b->pages, sizeof b->pages);
    return GLINT_OK;
}

/* The rows and columns kept of rows x (width of v) numbers. */
static float *cut(suspect *s, tape_value v, const float *from, bool columns) {
    size_t width = (size_t)s->tape->values[v].width, kept = columns && s->column ? (size_t)s->width : width;
    int n = suspect_rows(s, v);
    float *out = arena_array(&s->memory, (size_t)n * kept, sizeof *out);
    for (int r = 0; out && r < n; r++) {
        const float *row = from + (size_t)(s->rows == n ? s->row[r] : r) * width;
        for (size_t i = 0; i < kept; i++) out[(size_t)r * kept + i] = row[columns && s->column ? s->column[i] : (int)i];
    }
    return out;
}

/* ---- The last weight, cut down to the columns kept ---- */

static glint_status narrow(suspect *s, glint_error *err) {
    const tape *t = s->tape;
    s->own = *t;
    s->views = arena_copy(&s->memory, s->c->views, (size_t)t->n_weights * sizeof *s->views);
    if (!s->views) return no_memory(err);
    if (!s->column) return GLINT_OK;
    s->own.weights = arena_copy(&s->memory, t->weights, (size_t)t->n_weights * sizeof *t->weights);
    s->own.values = arena_copy(&s->memory, t->values, (size_t)t->n_values * sizeof *t->values);
    s->own.ops = arena_copy(&s->memory, t->ops, (size_t)t->n_ops * sizeof *t->ops);
    if (!s->own.weights || !s->own.values || !s->own.ops) return no_memory(err);
    tape_op *op = &s->own.ops[s->last_op];
    tape_weight w = op->weight[0];
    backend_view *v = &s->views[w];
    unsigned char *rows = arena_array(&s->memory, (size_t)s->width, v->row_bytes);
    if (!rows) return no_memory(err);
    for (int i = 0; i < s->width; i++)
        memcpy(rows + (size_t)i * v->row_bytes, (const char *)v->data + (size_t)s->column[i] * v->row_bytes,
               v->row_bytes);
    v->data = rows;
    v->rows = s->own.weights[w].rows = s->own.values[s->c->out].width = s->width;
    return GLINT_OK;
}

/* ---- Running it once ---- */

glint_status suspect_copy_pages(const rig *from, const rig *to, arena *a, glint_error *err) {
    const tape *t = to->setup->tape;
    glint_status status = GLINT_OK;
    for (int g = 0; g < t->n_groups && !status; g++) {
        size_t theirs = rig_page_numbers(from->setup, g), ours = rig_page_numbers(to->setup, g);
        if (!theirs || !ours) continue;
        float *in = arena_array(a, theirs, sizeof *in), *out = arena_array(a, ours, sizeof *out);
        if (!in || !out) return no_memory(err);
        for (int p = 0; p < rig_pages(to->setup, g) && !status; p++) {
            status = from->backend->cache_read(from->cache, g, p, in, err);
            for (int i = 0; i < t->n_caches; i++) {
                const tape_cache_info *c = &t->caches[i];
                size_t n = 2 * TAPE_PAGE * (size_t)c->kv_heads * (size_t)c->head_dim;
                size_t there = rig_page_first(from->setup, i), here = rig_page_first(to->setup, i);
                if (c->group == g && there + n <= theirs && here + n <= ours) /* both ranges have it */
                    memcpy(out + here, in + there, n * sizeof *out);
            }
            if (!status) status = to->backend->cache_write(to->cache, g, p, out, err);
        }
    }
    return status;
}

static glint_status run_once(suspect *s, glint_error *err) {
    rig *g = &s->oracle;
    backend_ticket ticket = 0;
    glint_status status = s->c->cache && s->has_cache ? suspect_copy_pages(s->c->cache, g, &s->memory, err) : GLINT_OK;
    tape_value *in = arena_array(&s->memory, (size_t)s->tape->n_values, sizeof *in);
    s->value = arena_array(&s->memory, (size_t)s->tape->n_values, sizeof *s->value);
    if (!in || !s->value) return no_memory(err);
    int n_in = tape_inputs(s->tape, s->c->first_op, s->c->n_ops, in);
    for (int i = 0; i < n_in && !status; i++) {
        if (!(s->value[in[i]] = cut(s, in[i], s->c->in_rows[i], false))) return no_memory(err);
        bool read_here = false; /* the range may go on behind the value */
        for (int k = s->first_op; k <= s->last_op; k++)
            if (s->tape->ops[k].in[0] == in[i] || s->tape->ops[k].in[1] == in[i]) read_here = true;
        if (read_here) status = g->backend->write(g->program, in[i], 0, suspect_rows(s, in[i]), s->value[in[i]], err);
    }
    if (!status) status = g->backend->step(g->program, &s->batch, &ticket, err);
    for (int i = s->first_op; i <= s->last_op && !status; i++) {
        tape_value v = s->own.ops[i].out;
        if (v < 0) continue;
        s->value[v] =
            arena_array(&s->memory, (size_t)suspect_rows(s, v) * (size_t)s->own.values[v].width, sizeof **s->value);
        if (!s->value[v]) return no_memory(err);
        status = g->backend->read(g->program, ticket, v, 0, suspect_rows(s, v), s->value[v], err);
    }
    return status;
}

/* With float32 keys and values, or with float16: the one that makes what the case says the unchanged range made. */
static glint_status run_oracle(suspect *s, glint_error *err) {
    double left[2] = {INFINITY, INFINITY};
    const float *unchanged = s->c->tape_suspected ? s->tested : s->reference;
    size_t n = (size_t)s->rows * (size_t)s->width;
    glint_status status = GLINT_OK;
    for (int turn = 0; turn < 3 && !status; turn++) {
        bool f32 = turn == 2 ? left[1] <= left[0] : turn;
        if (turn < 2 && !s->has_cache) continue;
        rig_close(&s->oracle);
        s->setup.cache_f32 = f32;
        status = rig_open(&s->oracle, "cpu:ref", &(backend_options){.precision = GLINT_EXACT}, &s->setup, err);
        if (!status) status = run_once(s, err);
        if (!status && turn < 2) left[turn] = classify_left(s->value[s->c->out], unchanged, 1, n);
    }
    return status;
}

/* ---- All of it ---- */

static bool is_inside(const diagnose_case *c) {
    int made = c->out < 0 ? -1 : c->tape->values[c->out].op;
    return made >= c->first_op && made < c->first_op + c->n_ops;
}

glint_status suspect_open(suspect *s, const diagnose_case *c, glint_error *err) {
    *s = (suspect){.c = c, .tape = c->tape, .first_op = c->first_op};
    if (!is_inside(c)) return base_fail(err, GLINT_USAGE, "the value is not made in the range");
    s->last_op = c->tape->values[c->out].op;
    look_at_range(s);
    glint_status status = pick_columns(s, err);
    if (!status) status = pick_rows(s, err);
    if (!status) status = make_batch(s, err);
    if (!status) status = narrow(s, err);
    if (status) return status;
    s->tested = cut(s, c->out, c->tested, true);
    s->reference = cut(s, c->out, c->reference, true);
    if (!s->tested || !s->reference) return no_memory(err);
    s->goal = c->tape_suspected ? s->reference : s->tested;
    s->setup.tape = &s->own;
    s->setup.views = s->views;
    s->setup.first_op = s->first_op;
    s->setup.n_ops = s->last_op - s->first_op + 1;
    return run_oracle(s, err);
}

void suspect_close(suspect *s) {
    rig_close(&s->oracle);
    arena_free(&s->memory);
}
