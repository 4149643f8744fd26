/* Changes to norms, residual adds, gates, biases and the embedding. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/instruments/suspect.h"

static suspect_op *mark(suspect_trial *t, int i) {
    t->ops[i].changed = true;
    return &t->ops[i];
}

/* ---- Norms ---- */

static void read_row(const backend_view *v, int row, float *out) {
    const format_row *f = &format_table[v->format];
    f->decode((const char *)v->data + (size_t)row * v->row_bytes, out, (size_t)(v->cols / f->block_values));
}

static void read_with_offset(const backend_view *v, int row, int offset, float *out) {
    read_row(v, row, out);
    for (int i = 0; i < v->cols; i++) out[i] += (float)offset;
}

static void read_ones(const backend_view *v, int row, int parameter, float *out) {
    (void)row, (void)parameter;
    for (int i = 0; i < v->cols; i++) out[i] = v->minus_one ? 0 : 1;
}

bool suspect_norm_weight(suspect_trial *t, int i, int variant) {
    suspect_op *o = mark(t, i);
    o->read = read_with_offset;
    o->parameter = variant ? -1 : 1;
    snprintf(t->words, sizeof t->words, "norm weight %s 1", variant ? "-" : "+");
    return true;
}

bool suspect_norm_plain(suspect_trial *t, int i, int variant) {
    (void)variant;
    mark(t, i)->read = read_ones;
    snprintf(t->words, sizeof t->words, "norm without its weight");
    return true;
}

bool suspect_eps(suspect_trial *t, int i, int variant) {
    static const struct {
        float factor;
        const char *words;
    } factors[] = {{10, "eps x 10"},   {0.1f, "eps / 10"},   {1000, "eps x 1000"}, {0.001f, "eps / 1000"},
                   {100, "eps x 100"}, {0.01f, "eps / 100"}, {0, "no eps"}};
    mark(t, i);
    t->tape.ops[i].p.eps *= factors[variant].factor;
    snprintf(t->words, sizeof t->words, "%s", factors[variant].words);
    return true;
}

static void centre(const suspect_trial *t, const tape_op *op, float *x, int rows, int width) {
    (void)t;
    int n = op->kind == TAPE_HEAD_NORM ? op->p.head_dim : width;
    for (float *end = x + (size_t)rows * (size_t)width; x < end; x += n) {
        double mean = 0;
        for (int i = 0; i < n; i++) mean += x[i] / (double)n;
        for (int i = 0; i < n; i++) x[i] = (float)(x[i] - mean);
    }
}

bool suspect_centred(suspect_trial *t, int i, int variant) {
    (void)variant;
    mark(t, i)->before = centre;
    snprintf(t->words, sizeof t->words, "mean subtracted, as LayerNorm does");
    return true;
}

/* ---- What is wired to what ---- */

bool suspect_missing(suspect_trial *t, int i, int variant) {
    static const char *const operand[] = {"first", "second"};
    const tape_op *op = &t->tape.ops[i];
    if (op->in[variant] < 0) return false;
    mark(t, i)->instead = variant + 1;
    if (op->in[1] < 0)
        snprintf(t->words, sizeof t->words, "no %s", tape_kinds[op->kind].name);
    else
        snprintf(t->words, sizeof t->words, "no %s: its %s operand goes on alone", tape_kinds[op->kind].name,
                 operand[variant]);
    return true;
}

/* Nobody in the range reads what op i makes. */
static bool is_idle(const suspect_trial *t, int i) {
    for (int k = i + 1; k <= t->s->last_op; k++)
        for (int in = 0; in < 2; in++)
            if (t->tape.ops[k].in[in] == t->tape.ops[i].out) return false;
    return t->tape.ops[i].out != t->s->c->out;
}

/* The tape goes round an op: whoever reads its operand reads its result instead. */
bool suspect_bypassed(suspect_trial *t, int i, int variant) {
    tape_value from = t->tape.ops[i].in[variant], to = t->tape.ops[i].out;
    if (from < 0 || to < 0 || !is_idle(t, i)) return false;
    bool any = false;
    for (int k = i + 1; k <= t->s->last_op; k++)
        for (int in = 0; in < 2; in++)
            if (t->tape.ops[k].in[in] == from) {
                t->tape.ops[k].in[in] = to;
                mark(t, k);
                any = true;
            }
    snprintf(t->words, sizeof t->words, "the %s, which nothing reads", tape_kinds[t->tape.ops[i].kind].name);
    return any;
}

/* norm(x) -> y, add(h, y) -> z becomes add(h, x) -> y, norm(y) -> z. */
static bool norm_late(suspect_trial *t, int i) {
    tape_op *norm = &t->tape.ops[i], *add = norm + 1, was = *norm;
    int other = add->in[0] == norm->out ? 1 : 0;
    if (norm->kind != TAPE_NORM || add->kind != TAPE_ADD || add->in[1 - other] != norm->out) return false;
    tape_value sum = add->out, h = add->in[other];
    *norm = *add;
    norm->in[0] = h;
    norm->in[1] = was.in[0];
    norm->out = was.out;
    *add = was;
    add->in[0] = was.out;
    add->out = sum;
    return true;
}

/* add(a, b) -> y, norm(y) -> z becomes norm(b) -> y, add(a, y) -> z; with `first`, of a. */
static bool norm_early(suspect_trial *t, int i, bool first) {
    tape_op *add = &t->tape.ops[i], *norm = add + 1, was = *add;
    if (add->kind != TAPE_ADD || norm->kind != TAPE_NORM || norm->in[0] != add->out) return false;
    tape_value sum = norm->out;
    *add = *norm;
    add->in[0] = was.in[first ? 0 : 1];
    add->out = was.out;
    *norm = was;
    norm->in[0] = was.in[first ? 1 : 0];
    norm->in[1] = was.out;
    norm->out = sum;
    return true;
}

bool suspect_order(suspect_trial *t, int i, int variant) {
    if (i + 1 > t->s->last_op || t->ops[i].changed) return false;
    if (!(variant ? norm_early(t, i, variant == 2) : norm_late(t, i))) return false;
    mark(t, i);
    mark(t, i + 1);
    snprintf(t->words, sizeof t->words, "norm %s the residual add", variant ? "before" : "after");
    return true;
}

/* Where the norm belongs to an earlier range: the add becomes what that norm does, of the operand that it made. */
bool suspect_norm_instead(suspect_trial *t, int i, int variant) {
    tape_op *add = &t->tape.ops[i];
    tape_value normed = add->in[variant], out = add->out;
    int maker = t->tape.values[normed].op;
    if (t->tape.ops[maker].kind != TAPE_NORM || maker >= t->s->first_op) return false;
    *add = t->tape.ops[maker];
    add->in[0] = normed;
    add->out = out;
    mark(t, i);
    snprintf(t->words, sizeof t->words, "the norm here instead of before the residual add");
    return true;
}

/* ---- Biases ---- */

static tape_weight bias_of(const tape *t, tape_weight w) {
    size_t n = strlen(t->weights[w].name);
    for (tape_weight b = 0; b < t->n_weights; b++)
        if (!strncmp(t->weights[b].name, t->weights[w].name, n) && !strcmp(t->weights[b].name + n, "_bias")) return b;
    return TAPE_NONE;
}

bool suspect_bias(suspect_trial *t, int i, int variant) {
    (void)variant;
    tape_op *op = &t->tape.ops[i];
    bool had = op->weight[1] >= 0;
    op->weight[1] = had ? TAPE_NONE : bias_of(&t->tape, op->weight[0]);
    if (!had && op->weight[1] < 0) return false;
    mark(t, i);
    snprintf(t->words, sizeof t->words, "%s", had ? "no bias" : "the bias that the model has");
    return true;
}

/* ---- Gates and the embedding ---- */

bool suspect_activation(suspect_trial *t, int i, int variant) {
    tape_params *p = &t->tape.ops[i].p;
    if ((int)p->act == variant) return false;
    snprintf(t->words, sizeof t->words, "activation %s instead of %s", tape_act_names[variant], tape_act_names[p->act]);
    p->act = (tape_act)variant;
    mark(t, i);
    return true;
}

bool suspect_swapped(suspect_trial *t, int i, int variant) {
    (void)variant;
    tape_op *op = &t->tape.ops[i];
    tape_value gate = op->in[0];
    op->in[0] = op->in[1];
    op->in[1] = gate;
    mark(t, i);
    snprintf(t->words, sizeof t->words, "gate and up swapped");
    return true;
}

bool suspect_embed_scale(suspect_trial *t, int i, int variant) {
    tape_op *op = &t->tape.ops[i];
    double width = t->tape.values[op->out].width, scale = op->p.scale;
    const struct {
        double scale;
        const char *words;
    } scales[] = {{1, "embedding not multiplied"},
                  {scale * scale, "embedding multiplied twice"},
                  {sqrt(width), "embedding times sqrt(width)"},
                  {width, "embedding times width"}};
    double to = scales[variant].scale;
    if (fabs(to - scale) <= 1e-6 * fabs(scale)) return false;
    op->p.scale = (float)to;
    mark(t, i);
    snprintf(t->words, sizeof t->words, "%s: times %.6g, not %.6g", scales[variant].words, to, scale);
    return true;
}
