/* Building and asking: the table of op kinds, the append functions, the values that cross the edges of a range. */
#include "core/tape.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- The table of kinds ---- */

static double weight_floats(const tape *t, tape_weight w) {
    return w < 0 ? 0 : (double)t->weights[w].rows * t->weights[w].cols;
}

static tape_cost cost_lookup(const tape *t, const tape_op *op, double rows, double context) {
    (void)context;
    double n = rows * t->values[op->out].width;
    return (tape_cost){.bytes = 4 * n, .flops = n};
}

static tape_cost cost_rows(const tape *t, const tape_op *op, double rows, double context) {
    (void)context;
    double width = op->out < 0 ? t->values[op->in[0]].width : t->values[op->out].width;
    return (tape_cost){.bytes = 4 * weight_floats(t, op->weight[0]), .flops = 4 * rows * width};
}

static tape_cost cost_matmul(const tape *t, const tape_op *op, double rows, double context) {
    (void)context;
    double n = weight_floats(t, op->weight[0]);
    return (tape_cost){.bytes = 4 * n, .flops = 2 * n * rows};
}

static tape_cost cost_attend(const tape *t, const tape_op *op, double rows, double context) {
    int window = tape_window(t, op);
    double seen = window && window < context ? window : context;
    double n = seen * op->p.head_dim;
    return (tape_cost){.bytes = 2 * 4 * n * op->p.kv_heads, .flops = 4 * n * op->p.heads * rows};
}

const tape_kind_info tape_kinds[TAPE_KINDS] = {
    [TAPE_EMBED] = {"embed", 0, 1, TAPE_BOUND_ULP, cost_lookup},
    [TAPE_NORM] = {"norm", 1, 1, TAPE_BOUND_NORM, cost_rows},
    [TAPE_MATMUL] = {"matmul", 1, 2, TAPE_BOUND_DOT, cost_matmul},
    [TAPE_ADD] = {"add", 2, 0, TAPE_BOUND_ULP, cost_rows},
    [TAPE_ROPE] = {"rope", 1, 0, TAPE_BOUND_NORM, cost_rows},
    [TAPE_HEAD_NORM] = {"head_norm", 1, 1, TAPE_BOUND_NORM, cost_rows},
    [TAPE_CACHE_WRITE] = {"cache_write", 2, 0, TAPE_BOUND_SAME, cost_rows},
    [TAPE_ATTEND] = {"attend", 1, 0, TAPE_BOUND_SOFTMAX, cost_attend},
    [TAPE_GATE] = {"gate", 2, 0, TAPE_BOUND_NORM, cost_rows},
    [TAPE_SELECT_ROWS] = {"select_rows", 1, 0, TAPE_BOUND_SAME, cost_rows},
    [TAPE_ARGMAX] = {"argmax", 1, 0, TAPE_BOUND_SAME, cost_rows},
    [TAPE_TOP_K] = {"top_k", 1, 0, TAPE_BOUND_SAME, cost_rows},
};

const char *const tape_act_names[TAPE_ACTS] = {
    [TAPE_SILU] = "silu", [TAPE_GELU_TANH] = "gelu_pytorch_tanh", [TAPE_GELU] = "gelu"};

/* ---- Growing ---- */

enum { ROOM_OPS, ROOM_VALUES, ROOM_WEIGHTS, ROOM_CACHES };

void tape_open(tape *t) {
    *t = (tape){.layer = TAPE_NONE, .logits = TAPE_NONE, .argmax = TAPE_NONE, .top = TAPE_NONE};
}

void tape_close(tape *t) {
    arena_free(&t->memory);
    tape_open(t);
}

void tape_fail(tape *t, glint_status status, const char *format, ...) {
    if (t->failure) return;
    va_list args;
    va_start(args, format);
    vsnprintf(t->error.message, sizeof t->error.message, format, args);
    va_end(args);
    t->failure = status;
}

void tape_set_layer(tape *t, int layer) {
    t->layer = layer;
}

/* Room for one more element of a list: doubled in the arena when full. */
static void *grow(tape *t, void *list, int n, int which, size_t size) {
    if (n < t->room[which]) return list;
    int room = n ? 2 * n : 256;
    void *bigger = arena_array(&t->memory, (size_t)room, size);
    if (!bigger) {
        tape_fail(t, GLINT_INTERNAL, "out of memory for the tape");
        return NULL;
    }
    if (n) memcpy(bigger, list, (size_t)n * size);
    t->room[which] = room;
    return bigger;
}

static const char *full_name(tape *t, const char *name) {
    const char *s = t->layer < 0 ? arena_text(&t->memory, name, strlen(name))
                                 : arena_printf(&t->memory, "layers.%d.%s", t->layer, name);
    if (!s) tape_fail(t, GLINT_INTERNAL, "out of memory for the tape");
    return s;
}

static tape_value add_value(tape *t, const char *name, int width, bool outputs) {
    if (t->failure) return TAPE_NONE;
    tape_value_info *list = grow(t, t->values, t->n_values, ROOM_VALUES, sizeof *list);
    if (!list || !(name = full_name(t, name))) return TAPE_NONE;
    t->values = list;
    list[t->n_values] = (tape_value_info){name, width, t->layer, t->n_ops, outputs};
    return t->n_values++;
}

/* Appends an op of no operands and no weights; the caller fills those in. NULL after a failure. */
static tape_op *add_op(tape *t, tape_kind kind) {
    if (t->failure) return NULL;
    tape_op *list = grow(t, t->ops, t->n_ops, ROOM_OPS, sizeof *list);
    if (!list) return NULL;
    t->ops = list;
    list[t->n_ops] = (tape_op){.kind = kind,
                               .layer = t->layer,
                               .in = {TAPE_NONE, TAPE_NONE},
                               .out = TAPE_NONE,
                               .weight = {TAPE_NONE, TAPE_NONE}};
    return &list[t->n_ops++];
}

/* An op with a result of `width`, whose rows are those of its first operand. */
static tape_op *add_op_value(tape *t, tape_kind kind, const char *name, int width, tape_value a, tape_value b) {
    bool outputs = a >= 0 && !t->failure && t->values[a].outputs;
    tape_value out = add_value(t, name, width, outputs);
    tape_op *op = add_op(t, kind);
    if (!op) return NULL;
    op->in[0] = a;
    op->in[1] = b;
    op->out = out;
    return op;
}

static int width_of(const tape *t, tape_value v) {
    return t->failure || v < 0 ? 0 : t->values[v].width;
}

static void want_weight(tape *t, const char *name, tape_weight w, int rows, int cols) {
    if (t->failure || w < 0) return;
    const tape_weight_info *i = &t->weights[w];
    if (i->rows != rows || i->cols != cols)
        tape_fail(t, GLINT_BAD_INPUT, "%s: %d x %d numbers, but %s needs %d x %d", i->name, i->rows, i->cols, name,
                  rows, cols);
}

static void want(tape *t, bool holds, const char *name, const char *what) {
    if (!holds) tape_fail(t, GLINT_BAD_INPUT, "%s: %s", name, what);
}

/* ---- Weights, ropes, caches ---- */

tape_weight tape_add_weight(tape *t, const char *canonical, int rows, int cols, int head_dim) {
    if (t->failure) return TAPE_NONE;
    tape_weight_info *list = grow(t, t->weights, t->n_weights, ROOM_WEIGHTS, sizeof *list);
    const char *name = arena_text(&t->memory, canonical, strlen(canonical));
    if (!list || !name) {
        tape_fail(t, GLINT_INTERNAL, "out of memory for the tape");
        return TAPE_NONE;
    }
    t->weights = list;
    list[t->n_weights] = (tape_weight_info){name, rows, cols, head_dim};
    return t->n_weights++;
}

int tape_add_rope(tape *t, int dims, const double *freq, double scale) {
    want(t, dims > 0 && dims % 2 == 0, "rope", "the number of rotated dimensions must be even");
    want(t, t->n_ropes < TAPE_MAX_ROPES, "rope", "too many different rotations");
    if (t->failure) return 0;
    const double *copy = arena_copy(&t->memory, freq, (size_t)dims / 2 * sizeof *freq);
    if (!copy) tape_fail(t, GLINT_INTERNAL, "out of memory for the tape");
    t->ropes[t->n_ropes] = (tape_rope_info){dims, copy, scale};
    return t->n_ropes++;
}

static int group_of_window(tape *t, int window) {
    for (int g = 0; g < t->n_groups; g++)
        if (t->groups[g].window == window) return g;
    want(t, t->n_groups < TAPE_MAX_GROUPS, "cache", "too many different attention windows");
    if (t->failure) return 0;
    t->groups[t->n_groups] = (tape_group_info){.window = window};
    return t->n_groups++;
}

int tape_add_cache(tape *t, int window, int kv_heads, int head_dim) {
    int group = group_of_window(t, window);
    if (t->failure) return 0;
    tape_cache_info *list = grow(t, t->caches, t->n_caches, ROOM_CACHES, sizeof *list);
    if (!list) return 0;
    t->caches = list;
    list[t->n_caches] = (tape_cache_info){group, t->groups[group].caches++, t->layer, kv_heads, head_dim};
    return t->n_caches++;
}

/* ---- Ops ---- */

tape_value tape_embed(tape *t, const char *name, tape_weight table, float scale) {
    int width = t->failure || table < 0 ? 0 : t->weights[table].cols;
    tape_op *op = add_op_value(t, TAPE_EMBED, name, width, TAPE_NONE, TAPE_NONE);
    if (!op) return TAPE_NONE;
    op->weight[0] = table;
    op->p.scale = scale;
    return op->out;
}

tape_value tape_norm(tape *t, const char *name, tape_value x, tape_weight w, float eps) {
    want_weight(t, name, w, 1, width_of(t, x));
    tape_op *op = add_op_value(t, TAPE_NORM, name, width_of(t, x), x, TAPE_NONE);
    if (!op) return TAPE_NONE;
    op->weight[0] = w;
    op->p.eps = eps;
    return op->out;
}

tape_value tape_matmul(tape *t, const char *name, tape_value x, tape_weight w, tape_weight bias) {
    int rows = t->failure || w < 0 ? 0 : t->weights[w].rows;
    want_weight(t, name, w, rows, width_of(t, x));
    want_weight(t, name, bias, 1, rows);
    tape_op *op = add_op_value(t, TAPE_MATMUL, name, rows, x, TAPE_NONE);
    if (!op) return TAPE_NONE;
    op->weight[0] = w;
    op->weight[1] = bias;
    return op->out;
}

tape_value tape_add(tape *t, const char *name, tape_value a, tape_value b) {
    want(t, width_of(t, a) == width_of(t, b), name, "operands of different widths");
    tape_op *op = add_op_value(t, TAPE_ADD, name, width_of(t, a), a, b);
    return op ? op->out : TAPE_NONE;
}

tape_value tape_rope(tape *t, const char *name, tape_value x, int rope, int head_dim) {
    want(t, head_dim > 0 && width_of(t, x) % head_dim == 0, name, "the width is no whole number of heads");
    want(t, t->failure || t->ropes[rope].dims <= head_dim, name, "more rotated dimensions than a head has");
    tape_op *op = add_op_value(t, TAPE_ROPE, name, width_of(t, x), x, TAPE_NONE);
    if (!op) return TAPE_NONE;
    op->p.rope = rope;
    op->p.head_dim = head_dim;
    op->p.heads = width_of(t, x) / head_dim;
    return op->out;
}

tape_value tape_head_norm(tape *t, const char *name, tape_value x, tape_weight w, int head_dim, float eps) {
    want(t, head_dim > 0 && width_of(t, x) % head_dim == 0, name, "the width is no whole number of heads");
    want_weight(t, name, w, 1, head_dim);
    tape_op *op = add_op_value(t, TAPE_HEAD_NORM, name, width_of(t, x), x, TAPE_NONE);
    if (!op) return TAPE_NONE;
    op->weight[0] = w;
    op->p.eps = eps;
    op->p.head_dim = head_dim;
    op->p.heads = width_of(t, x) / head_dim;
    return op->out;
}

void tape_cache_write(tape *t, tape_value k, tape_value v, int cache) {
    if (t->failure) return;
    const tape_cache_info *c = &t->caches[cache];
    int width = c->kv_heads * c->head_dim;
    want(t, width_of(t, k) == width && width_of(t, v) == width, "cache_write", "keys or values of the wrong width");
    tape_op *op = add_op(t, TAPE_CACHE_WRITE);
    if (!op) return;
    op->in[0] = k;
    op->in[1] = v;
    op->p.cache = cache;
    op->p.kv_heads = c->kv_heads;
    op->p.head_dim = c->head_dim;
}

tape_value tape_attend(tape *t, const char *name, tape_value q, int cache, float scale) {
    if (t->failure) return TAPE_NONE;
    const tape_cache_info *c = &t->caches[cache];
    int heads = c->head_dim ? width_of(t, q) / c->head_dim : 0;
    want(t, heads > 0 && heads * c->head_dim == width_of(t, q), name, "the width is no whole number of heads");
    want(t, c->kv_heads > 0 && heads % c->kv_heads == 0, name, "heads are no whole multiple of key/value heads");
    tape_op *op = add_op_value(t, TAPE_ATTEND, name, width_of(t, q), q, TAPE_NONE);
    if (!op) return TAPE_NONE;
    op->p.cache = cache;
    op->p.scale = scale;
    op->p.heads = heads;
    op->p.kv_heads = c->kv_heads;
    op->p.head_dim = c->head_dim;
    return op->out;
}

tape_value tape_gate(tape *t, const char *name, tape_value gate, tape_value up, tape_act act) {
    want(t, width_of(t, gate) == width_of(t, up), name, "operands of different widths");
    tape_op *op = add_op_value(t, TAPE_GATE, name, width_of(t, gate), gate, up);
    if (!op) return TAPE_NONE;
    op->p.act = act;
    return op->out;
}

tape_value tape_select_rows(tape *t, const char *name, tape_value x) {
    tape_op *op = add_op_value(t, TAPE_SELECT_ROWS, name, width_of(t, x), x, TAPE_NONE);
    if (!op) return TAPE_NONE;
    t->values[op->out].outputs = true;
    return op->out;
}

tape_value tape_argmax(tape *t, const char *name, tape_value x) {
    tape_op *op = add_op_value(t, TAPE_ARGMAX, name, 1, x, TAPE_NONE);
    return op ? op->out : TAPE_NONE;
}

tape_value tape_top_k(tape *t, const char *name, tape_value x, int k) {
    want(t, k > 0 && k <= TAPE_MOST_TOP && k <= width_of(t, x), name, "more of the largest than are kept or there are");
    tape_op *op = add_op_value(t, TAPE_TOP_K, name, 2 * k, x, TAPE_NONE);
    if (!op) return TAPE_NONE;
    op->p.k = k;
    return op->out;
}

/* ---- Asking ---- */

tape_value tape_find(const tape *t, const char *name) {
    for (int v = 0; v < t->n_values; v++)
        if (!strcmp(t->values[v].name, name)) return v;
    return TAPE_NONE;
}

int tape_window(const tape *t, const tape_op *op) {
    return t->groups[t->caches[op->p.cache].group].window;
}

static bool reads(const tape *t, int first, int n, tape_value v) {
    for (int i = first; i < first + n; i++)
        if (t->ops[i].in[0] == v || t->ops[i].in[1] == v) return true;
    return false;
}

int tape_inputs(const tape *t, int first, int n, tape_value *out) {
    int count = 0;
    for (tape_value v = 0; v < t->n_values; v++)
        if (t->values[v].op < first && reads(t, first, n, v)) out[count++] = v;
    return count;
}

int tape_outputs(const tape *t, int first, int n, tape_value *out) {
    int count = 0;
    for (tape_value v = 0; v < t->n_values; v++) {
        int made = t->values[v].op;
        if (made >= first && made < first + n && reads(t, first + n, t->n_ops - first - n, v)) out[count++] = v;
    }
    return count;
}
