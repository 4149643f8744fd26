/* Faults that the tape of a model can say, in a device's copy of it or in the tape itself; and which ops can have a
 * fault. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backends/zoo/zoo_hooks.h"

/* ---- Which ops ---- */

bool zoo_fits_logits(const tape *t, int op) {
    return t->ops[op].out == t->logits;
}

bool zoo_fits_bias(const tape *t, int op) {
    return t->ops[op].weight[1] >= 0;
}

bool zoo_fits_window(const tape *t, int op) {
    return tape_window(t, &t->ops[op]) > 0;
}

bool zoo_fits_other_window(const tape *t, int op) {
    (void)op;
    return t->n_groups > 1;
}

bool zoo_fits_grouped(const tape *t, int op) {
    const tape_params *p = &t->ops[op].p;
    return p->kv_heads > 1 && p->kv_heads < p->heads;
}

/* A sandwich norm: the op behind it adds its result. */
bool zoo_fits_before_add(const tape *t, int op) {
    return op + 1 < t->n_ops && t->ops[op + 1].kind == TAPE_ADD && t->ops[op + 1].in[1] == t->ops[op].out;
}

static double slowest(const tape *t, int rope) {
    return t->ropes[rope].freq[t->ropes[rope].dims / 2 - 1];
}

/* Another rope of as many dimensions that turns more slowly; -1: none. */
static int slower_rope(const tape *t, int rope) {
    for (int i = 0; i < t->n_ropes; i++)
        if (t->ropes[i].dims == t->ropes[rope].dims && slowest(t, i) < slowest(t, rope)) return i;
    return -1;
}

bool zoo_fits_local_rope(const tape *t, int op) {
    return slower_rope(t, t->ops[op].p.rope) >= 0;
}

/* The slowest waves are stretched alike: their ratio shows what the plain ones would be. */
static double plain_ratio(const tape_rope_info *r) {
    return r->freq[r->dims / 2 - 1] / r->freq[r->dims / 2 - 2];
}

bool zoo_fits_stretched_rope(const tape *t, int op) {
    const tape_rope_info *r = &t->ropes[t->ops[op].p.rope];
    for (int i = 0; i < r->dims / 2 && r->dims > 2; i++)
        if (fabs(r->freq[i] / pow(plain_ratio(r), i) - 1) > 1e-3) return true;
    return false;
}

/* ---- Edits of an op ---- */

/* F04 */
void zoo_edit_scale_one(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    t->ops[op].p.scale = 1;
}

/* F08 */
void zoo_edit_rope(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    t->ops[op].p.rope = slower_rope(t, t->ops[op].p.rope);
}

static int find_rope(const tape *t, int dims, const double *freq) {
    for (int i = 0; i < t->n_ropes; i++)
        if (t->ropes[i].dims == dims && !memcmp(t->ropes[i].freq, freq, (size_t)dims / 2 * sizeof *freq)) return i;
    return -1;
}

/* F21 */
void zoo_edit_plain_rope(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips;
    const tape_rope_info *r = &t->ropes[t->ops[op].p.rope];
    double *freq = arena_array(a, (size_t)r->dims / 2, sizeof *freq);
    for (int i = 0; freq && i < r->dims / 2; i++) freq[i] = pow(plain_ratio(r), i);
    int found = freq ? find_rope(t, r->dims, freq) : 0;
    if (!freq || (found < 0 && t->n_ropes == TAPE_MAX_ROPES)) {
        tape_fail(t, GLINT_INTERNAL, "zoo: no room for a rotation");
        return;
    }
    if (found < 0) t->ropes[found = t->n_ropes++] = (tape_rope_info){r->dims, freq, r->scale};
    t->ops[op].p.rope = found;
}

/* F09: what is windowed sees all that its pages hold; what sees all gets the window of another group. Edits of a
 * device's copy concern one op alone. */
void zoo_edit_window_other(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    tape_group_info *g = &t->groups[t->caches[t->ops[op].p.cache].group];
    int longest = 0;
    for (int i = 0; i < t->n_groups; i++)
        if (t->groups[i].window > longest) longest = t->groups[i].window;
    g->window = g->window ? TAPE_PAGE : longest;
}

/* F24 */
void zoo_edit_window_longer(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    t->groups[t->caches[t->ops[op].p.cache].group].window++;
}

/* F10: norm(x), add(h, it) becomes add(h, x), norm(it). The norm's weight moves along. */
void zoo_edit_norm_late(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    tape_op *norm = &t->ops[op], *add = norm + 1, was = *norm;
    *norm = *add;
    norm->in[1] = was.in[0];
    norm->out = was.out;
    tape_value sum = add->out;
    *add = was;
    add->in[0] = norm->out;
    add->out = sum;
}

/* F14 */
void zoo_edit_attend_scale(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    t->ops[op].p.scale *= (float)sqrt(1.0 / t->ops[op].p.heads);
}

/* F15 */
void zoo_edit_no_bias(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    t->ops[op].weight[1] = TAPE_NONE;
}

/* F16 */
void zoo_edit_act(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    static const tape_act other[TAPE_ACTS] = {
        [TAPE_SILU] = TAPE_GELU, [TAPE_GELU_TANH] = TAPE_GELU, [TAPE_GELU] = TAPE_GELU_TANH};
    t->ops[op].p.act = other[t->ops[op].p.act];
}

/* F17 */
void zoo_edit_swap(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    tape_value gate = t->ops[op].in[0];
    t->ops[op].in[0] = t->ops[op].in[1];
    t->ops[op].in[1] = gate;
}

/* F26 */
void zoo_edit_eps(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    t->ops[op].p.eps *= 1000;
}

/* ---- In the tape itself ---- */

/* F02, F03 */
void zoo_tape_minus_one(tape *t, int op, unsigned char *flips, arena *a) {
    (void)a;
    flips[t->ops[op].weight[0]] ^= ZOO_FLIP_MINUS_ONE;
}

/* F18: the rows of the weight that makes the rotated value are taken for the other order. */
void zoo_tape_rotary(tape *t, int op, unsigned char *flips, arena *a) {
    (void)a;
    int maker = t->values[t->ops[op].in[0]].op;
    while (t->ops[maker].kind != TAPE_MATMUL && t->ops[maker].in[0] >= 0) maker = t->values[t->ops[maker].in[0]].op;
    flips[t->ops[maker].weight[0]] ^= ZOO_FLIP_ROTARY;
}

/* F09: the layer's cache moves to another group. */
void zoo_tape_group_other(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    tape_cache_info *moved = &t->caches[t->ops[op].p.cache];
    moved->group = (moved->group + 1) % t->n_groups;
    for (int g = 0; g < t->n_groups; g++) t->groups[g].caches = 0;
    for (int i = 0; i < t->n_caches; i++) t->caches[i].slot = t->groups[t->caches[i].group].caches++;
}

/* Whoever reads `v` behind op reads `instead`. */
static void bypass(tape *t, int op, tape_value v, tape_value instead) {
    for (int i = op + 1; i < t->n_ops; i++)
        for (int k = 0; k < 2; k++)
            if (t->ops[i].in[k] == v) t->ops[i].in[k] = instead;
}

/* F11 */
void zoo_tape_bypass(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    bypass(t, op, t->ops[op].out, t->ops[op].in[0]);
}

/* F39 */
void zoo_tape_bypass_add(tape *t, int op, unsigned char *flips, arena *a) {
    (void)flips, (void)a;
    bypass(t, op, t->ops[op].out, t->ops[op].in[1]);
}

glint_status zoo_alter_tape(tape *t, unsigned char *flips, glint_error *err) {
    const char *text = getenv("GLINT_ZOO_TAPE");
    zoo_set set = {.n = 0};
    glint_status status = text && *text ? zoo_parse(text, strlen(text), &set, err) : GLINT_OK;
    unsigned done = 0;
    for (int i = 0; i < t->n_ops && !status && set.n; i++) {
        unsigned faults = zoo_faults_of(&set, t, i);
        for (int k = 0; k < set.n; k++)
            if (faults >> k & 1 && set.fault[k]->tape) set.fault[k]->tape(t, i, flips, &t->memory), done |= 1u << k;
        if (t->failure) status = base_fail(err, t->failure, "%s", t->error.message);
    }
    return status ? status : zoo_all_found(&set, done, err);
}
