/* The bounds of docs/numerics.md, a function a class; dot products and attention have files of their own. */
#include "core/instruments/bound.h"

#include <math.h>

const double bound_eps = 0x1p-24;
const double bound_tiny = 0x1p-126;

size_t bound_width(const bound_op *b) {
    return (size_t)b->oracle->setup->tape->values[b->op->out].width;
}

size_t bound_rows(const bound_op *b) {
    return (size_t)rig_rows(b->oracle, b->batch, b->op->out);
}

static size_t result_numbers(const bound_op *b) {
    return bound_rows(b) * bound_width(b);
}

glint_status bound_no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a bound");
}

static double off_of(const bound_op *b, int operand, size_t i) {
    return b->off[operand] ? b->off[operand][i] : 0;
}

/* ---- SAME ---- */

static void carry_rows(const bound_op *b, double *bound) {
    size_t width = bound_width(b);
    for (size_t i = 0; i < result_numbers(b); i++)
        bound[i] = off_of(b, 0, (size_t)b->batch->output[i / width] * width + i % width);
}

/* Another choice is right only where the device may have had other numbers, and then where two of them are so near each
 * other that either may be the larger one. */
static void carry_argmax(const bound_op *b, double *bound) {
    size_t n = (size_t)b->oracle->setup->tape->values[b->op->in[0]].width;
    for (size_t r = 0; r < bound_rows(b); r++) {
        const float *x = b->in[0] + r * n;
        size_t best = (size_t)b->out[r];
        for (size_t i = 0; i < n && b->off[0]; i++)
            if (i != best && x[i] + off_of(b, 0, r * n + i) >= x[best] - off_of(b, 0, r * n + best))
                bound[r] = INFINITY;
    }
}

/* The j-th largest number moves no further than the number that moves most. An id may stand elsewhere, or not at all,
 * where another number may be as large as its own. */
static void carry_top(const bound_op *b, double *bound) {
    size_t n = (size_t)b->oracle->setup->tape->values[b->op->in[0]].width, k = (size_t)b->op->p.k;
    for (size_t r = 0; r < bound_rows(b) && b->off[0]; r++) {
        const float *x = b->in[0] + r * n;
        const double *off = b->off[0] + r * n;
        double most = 0;
        for (size_t i = 0; i < n; i++) most = fmax(most, off[i]);
        for (size_t j = 0; j < k; j++) {
            size_t id = (size_t)b->out[r * 2 * k + j];
            bound[(2 * r + 1) * k + j] = most;
            for (size_t i = 0; i < n; i++)
                if (i != id && fabs((double)x[i] - x[id]) <= off[i] + off[id]) bound[2 * r * k + j] = INFINITY;
        }
    }
}

static glint_status fill_same(const bound_op *b, arena *a, double *bound, glint_error *err) {
    (void)a, (void)err;
    for (size_t i = 0; i < result_numbers(b); i++) bound[i] = 0;
    if (b->op->kind == TAPE_SELECT_ROWS) carry_rows(b, bound);
    if (b->op->kind == TAPE_ARGMAX) carry_argmax(b, bound);
    if (b->op->kind == TAPE_TOP_K) carry_top(b, bound);
    return GLINT_OK;
}

void bound_cached(const float *x, const double *off, bool f32, size_t n, double *bound) {
    for (size_t i = 0; i < n; i++) {
        bound[i] = off ? off[i] : 0;
        if (f32 || !off || off[i] == 0) continue;
        /* rounding never changes an order: what lies between two numbers is rounded to between their roundings */
        double here = format_f16_to_f32(format_f32_to_f16(x[i]));
        double low = format_f16_to_f32(format_f32_to_f16((float)(x[i] - off[i])));
        double high = format_f16_to_f32(format_f32_to_f16((float)(x[i] + off[i])));
        bound[i] = fmax(here - low, high - here);
    }
}

/* ---- ULP ---- */

/* One rounding, and the next float beside it. */
static glint_status fill_ulp(const bound_op *b, arena *a, double *bound, glint_error *err) {
    (void)a, (void)err;
    for (size_t i = 0; i < result_numbers(b); i++)
        bound[i] = 2 * bound_eps * fabs(b->out[i]) + bound_tiny + off_of(b, 0, i) + off_of(b, 1, i);
    return GLINT_OK;
}

/* ---- NORM: elementwise formulas of a few roundings, and sums of squares ---- */

/* n numbers from i on, of weights w. With x off by at most e, its size (the root of mean(x^2) + eps) is off by at most
 * the root of mean(e^2). */
static void fill_one_norm(const bound_op *b, const float *w, size_t i, size_t n, double *bound) {
    double squares = 0, moved = 0;
    for (size_t k = 0; k < n; k++) {
        bound[i + k] = (8 + sqrt((double)n)) * bound_eps * fabs(b->out[i + k]) + bound_tiny;
        squares += (double)b->in[0][i + k] * b->in[0][i + k];
        moved += off_of(b, 0, i + k) * off_of(b, 0, i + k);
    }
    if (moved == 0) return;
    double size = sqrt(squares / (double)n + b->op->p.eps), change = sqrt(moved / (double)n);
    double least = fmax(size - change, sqrt(b->op->p.eps));
    for (size_t k = 0; k < n; k++)
        bound[i + k] += (fabs(w[k]) * off_of(b, 0, i + k) + fabs(b->out[i + k]) * change) / least;
}

static glint_status fill_rms_norm(const bound_op *b, arena *a, double *bound, glint_error *err) {
    size_t n = b->op->kind == TAPE_HEAD_NORM ? (size_t)b->op->p.head_dim : bound_width(b);
    float *w = arena_array(a, n, sizeof *w);
    if (!w) return bound_no_memory(err);
    const rig *o = b->oracle;
    glint_status status = o->backend->weight_rows(o->device, o->weights[b->op->weight[0]], 0, 1, w, err);
    for (size_t i = 0; i < result_numbers(b) && !status; i += n) fill_one_norm(b, w, i, n, bound);
    return status;
}

/* Both rotated numbers come from both of their pair. */
static glint_status fill_rope(const bound_op *b, arena *a, double *bound, glint_error *err) {
    (void)a, (void)err;
    const tape_rope_info *rope = &b->oracle->setup->tape->ropes[b->op->p.rope];
    int half = rope->dims / 2;
    for (size_t i = 0; i < result_numbers(b); i++) {
        int in_head = (int)(i % (size_t)b->op->p.head_dim);
        if (in_head >= rope->dims) {
            bound[i] = off_of(b, 0, i); /* copied */
            continue;
        }
        size_t pair = in_head < half ? i + (size_t)half : i - (size_t)half;
        double size = fabs(b->in[0][i]) + fabs(b->in[0][pair]), off = off_of(b, 0, i) + off_of(b, 0, pair);
        bound[i] = fabs(rope->scale) * (8 * bound_eps * size + off) + bound_tiny;
    }
    return GLINT_OK;
}

/* |act(g)| <= |g|, near its zero an activation is a difference of numbers of that size, and none is steeper than 1.13.
 */
static glint_status fill_gate(const bound_op *b, arena *a, double *bound, glint_error *err) {
    (void)a, (void)err;
    for (size_t i = 0; i < result_numbers(b); i++) {
        double g = fabs(b->in[0][i]), u = fabs(b->in[1][i]), off_g = off_of(b, 0, i), off_u = off_of(b, 1, i);
        bound[i] = 16 * bound_eps * g * u + bound_tiny + 1.13 * off_g * (u + off_u) + g * off_u;
    }
    return GLINT_OK;
}

static glint_status (*const fill_by_kind[TAPE_KINDS])(const bound_op *b, arena *a, double *bound, glint_error *err) = {
    [TAPE_NORM] = fill_rms_norm, [TAPE_HEAD_NORM] = fill_rms_norm, [TAPE_ROPE] = fill_rope, [TAPE_GATE] = fill_gate};

static glint_status fill_norm(const bound_op *b, arena *a, double *bound, glint_error *err) {
    return fill_by_kind[b->op->kind](b, a, bound, err);
}

/* ---- The table of classes ---- */

static glint_status (*const fill[])(const bound_op *b, arena *a, double *bound, glint_error *err) = {
    [TAPE_BOUND_SAME] = fill_same,
    [TAPE_BOUND_ULP] = fill_ulp,
    [TAPE_BOUND_DOT] = bound_fill_dot,
    [TAPE_BOUND_NORM] = fill_norm,
    [TAPE_BOUND_SOFTMAX] = bound_fill_softmax,
};

glint_status bound_fill(const bound_op *b, arena *a, double *bound, glint_error *err) {
    return b->op->out < 0 ? GLINT_OK : fill[tape_kinds[b->op->kind].bound](b, a, bound, err);
}

/* ---- Whole tensors ---- */

const bound_limits bound_model[] = {[GLINT_FAST] = {2e-2, 1}, [GLINT_EXACT] = {1e-8, 0.01}};
const bound_limits bound_stretch = {1e-11, 0.01};
