/* A diagnosis by hypotheses: a table of changes, each tried on every op of the range that it concerns, alone and on all
 * of them together; the one under which the oracle makes the numbers in question wins. */
#include "core/instruments/suspect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define KIND(name) (1u << TAPE_##name)
enum { NORMS = KIND(NORM) | KIND(HEAD_NORM), WEIGHTS = KIND(MATMUL) | KIND(EMBED) };

/* Faults that only a device can have, not a tape. */
enum { DEVICE = 1, TAPE = 2, BOTH = DEVICE | TAPE };

static const struct {
    const char *kind;
    unsigned ops; /* the kinds of ops that it concerns, as bits */
    unsigned who;
    int variants;
    suspect_change *change;
} hypotheses[] = {
    {"weight offset", NORMS, BOTH, 2, suspect_norm_weight},
    {"op missing", NORMS | KIND(ADD) | KIND(ROPE) | KIND(GATE), BOTH, 2, suspect_missing},
    {"op missing", NORMS | KIND(ADD) | KIND(ROPE), TAPE, 2, suspect_bypassed},
    {"order of norm and add", KIND(NORM) | KIND(ADD), BOTH, 3, suspect_order},
    {"order of norm and add", KIND(ADD), DEVICE, 2, suspect_norm_instead},
    {"missing bias", KIND(MATMUL), BOTH, 1, suspect_bias},
    {"activation function", KIND(GATE), BOTH, TAPE_ACTS, suspect_activation},
    {"swapped operands", KIND(GATE), BOTH, 1, suspect_swapped},
    {"constant factor", KIND(EMBED), BOTH, 4, suspect_embed_scale},
    {"rotary base", KIND(ROPE), BOTH, TAPE_MAX_ROPES + 4, suspect_rope_base},
    {"rotary frequencies", KIND(ROPE), BOTH, 1, suspect_rope_plain},
    {"half/adjacent permutation", KIND(ROPE), BOTH, 1, suspect_rope_pairs},
    {"half/adjacent permutation", KIND(MATMUL), BOTH, 1, suspect_row_order},
    {"shifted position", KIND(ROPE), BOTH, 2, suspect_rope_position},
    {"position reset", KIND(ROPE), BOTH, 8, suspect_rope_reset},
    {"shifted position", KIND(CACHE_WRITE), DEVICE, 4, suspect_write_position},
    {"attention scale", KIND(ATTEND), BOTH, 9, suspect_attend_scale},
    {"window off by one", KIND(ATTEND), BOTH, 2, suspect_window_near},
    {"window", KIND(ATTEND), BOTH, 1 + TAPE_MAX_GROUPS + 10, suspect_window},
    {"mask", KIND(ATTEND), BOTH, 3, suspect_mask},
    {"precision loss", KIND(ATTEND), DEVICE, 1, suspect_half_cache},
    {"stale rows", KIND(ATTEND), DEVICE, 1, suspect_stale},
    {"head permutation", KIND(ATTEND), BOTH, 1, suspect_heads},
    {"eps", NORMS, BOTH, 7, suspect_eps},
    {"mean removed", NORMS, BOTH, 1, suspect_centred},
    {"weight missing", NORMS, BOTH, 1, suspect_norm_plain},
    {"row/block permutation", WEIGHTS, DEVICE, 1, suspect_columns},
    {"permutation inside a block", WEIGHTS, DEVICE, 1, suspect_nibbles},
    {"factor by sub-block", WEIGHTS, DEVICE, 3, suspect_sub_blocks},
    {"offset by block", WEIGHTS, DEVICE, 2, suspect_minimum},
    {"type read as another", WEIGHTS, DEVICE, 1, suspect_type},
    {"transpose", KIND(MATMUL), DEVICE, 1, suspect_transposed},
    {"periodic rows", WEIGHTS, DEVICE, 5, suspect_wrapped},
    {"rotary frequencies", KIND(ROPE), TAPE, 27, suspect_rope_stretched},
};
enum { HYPOTHESES = sizeof hypotheses / sizeof *hypotheses };

typedef struct search {
    const suspect *s;
    classify_ranking *ranking;
    double *work; /* multiplications so far */
    glint_error *err;
} search;

/* The value whose op is at fault; of a cache write, its keys. */
static tape_value value_of(const tape *t, int i) {
    return t->ops[i].out >= 0 ? t->ops[i].out : t->ops[i].in[0];
}

/* Found, and nothing can be closer. */
static bool is_settled(const classify_ranking *r) {
    return r->best.kind && r->second.kind && r->best.left <= 1e-6 * r->before;
}

/* Hypothesis h on the ops of [first, last] whose kinds are among `ops`; `together`: on several at once, or not at all.
 */
static glint_status try_one(const search *w, int h, int variant, int first, int last, unsigned ops, bool together) {
    const suspect *s = w->s;
    suspect_trial t;
    int changed = 0, at = first;
    suspect_trial_open(&t, s);
    if (!t.tape.ops || !t.tape.caches || !t.views || !t.ops) {
        suspect_trial_close(&t);
        return base_fail(w->err, GLINT_INTERNAL, "out of memory for a diagnosis");
    }
    for (int i = last; i >= first; i--)
        if (ops >> s->own.ops[i].kind & 1 && hypotheses[h].change(&t, i, variant)) changed++, at = i;
    double share = INFINITY;
    glint_status status = changed > together ? suspect_run(&t, &share, w->err) : GLINT_OK;
    *w->work += t.work;
    if (isfinite(share)) {
        classify_guess g = {.kind = hypotheses[h].kind, .left = share * w->ranking->before, .exact = true};
        g.value = value_of(s->tape, at);
        snprintf(g.words, sizeof g.words, "%.66s at %.28s%s", t.words, s->tape->values[g.value].name,
                 together ? " and its like" : "");
        classify_add(w->ranking, &g);
    }
    suspect_trial_close(&t);
    return status;
}

/* All ops of a kind together, then all that the hypothesis concerns. What one alone explains came before. */
static glint_status try_together(const search *w, int h, int variant) {
    unsigned all = hypotheses[h].ops;
    glint_status status = GLINT_OK;
    for (int kind = 0; kind < TAPE_KINDS && !status; kind++)
        if (all >> kind & 1) status = try_one(w, h, variant, w->s->first_op, w->s->last_op, 1u << kind, true);
    if (!status && all & (all - 1)) status = try_one(w, h, variant, w->s->first_op, w->s->last_op, all, true);
    return status;
}

/* Found as well as can be, or searched for a minute. */
static bool is_over(const search *w) {
    const double most_work = 5e10;
    return is_settled(w->ranking) || *w->work > most_work;
}

static glint_status try_all(const search *w) {
    unsigned who = w->s->c->tape_suspected ? TAPE : DEVICE;
    glint_status status = GLINT_OK;
    for (int h = 0; h < HYPOTHESES && !status && !is_over(w); h++) {
        if (!(hypotheses[h].who & who)) continue;
        for (int i = w->s->first_op; i <= w->s->last_op && !status && !is_over(w); i++)
            for (int v = 0; v < hypotheses[h].variants && !status; v++)
                if (hypotheses[h].ops >> w->s->own.ops[i].kind & 1)
                    status = try_one(w, h, v, i, i, hypotheses[h].ops, false);
        for (int v = 0; v < hypotheses[h].variants && !status; v++) status = try_together(w, h, v);
    }
    return status;
}

static diagnose_tensors tensors_of(const diagnose_case *c) {
    const tape_value_info *v = &c->tape->values[c->out];
    const tape_op *op = &c->tape->ops[v->op];
    int rows = v->outputs ? c->batch->n_outputs : c->batch->n_rows;
    tape_weight w = op->weight[0];
    int head_dim = op->p.head_dim ? op->p.head_dim : w >= 0 ? c->tape->weights[w].head_dim : 0;
    return (diagnose_tensors){c->tested, c->reference, rows, v->width, head_dim, c->tape, v->name};
}

/* The oracle makes the reference's numbers of the tape as it is: then it is the device that does something else. */
static bool is_tape_right(const suspect *s) {
    size_t n = (size_t)s->rows * (size_t)s->width;
    const float *own = s->value[s->c->out];
    return s->c->tape_suspected && classify_left(own, s->reference, 1, n) < 1e-2 * classify_left(own, s->tested, 1, n);
}

glint_status diagnose_range(const diagnose_case *c, diagnose_finding *out, glint_error *err) {
    suspect s;
    diagnose_case own = *c;
    diagnose_tensors t = tensors_of(c);
    classify_ranking r;
    bool differs = classify_begin(&r, &t);
    if (!differs || !isfinite(r.before) || classify_holes(&t, &(classify_guess){0})) {
        /* nothing, or numbers that no hypothesis can be compared with */
        diagnose_values(&t, out);
        out->value = c->out;
        return GLINT_OK;
    }
    glint_status status = suspect_open(&s, &own, err);
    if (!status && is_tape_right(&s)) {
        suspect_close(&s);
        own.tape_suspected = false;
        status = suspect_open(&s, &own, err);
    }
    double work = 0;
    if (!status) status = try_all(&(search){&s, &r, &work, err});
    suspect_close(&s);
    if (status) return status;
    classify_all(&r, &t);
    const char *what = own.tape_suspected ? "the reference is right with: " : "";
    classify_finding(&r, c->tape_suspected && !own.tape_suspected ? "the device: " : what, out);
    if (out->value < 0) out->value = c->out;
    return GLINT_OK;
}
