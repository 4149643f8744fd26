/* The bounds of docs/numerics.md, a function a class. eps is the rounding of float32, 2^-24. */
#include "core/instruments/bound.h"

#include <math.h>

static const double eps = 0x1p-24;
static const double tiny = 0x1p-126; /* a device may flush denormals */

static size_t result_width(const bound_op *b) {
    return (size_t)b->oracle->setup->tape->values[b->op->out].width;
}

static size_t result_rows(const bound_op *b) {
    return (size_t)rig_rows(b->oracle, b->batch, b->op->out);
}

static size_t result_numbers(const bound_op *b) {
    return result_rows(b) * result_width(b);
}

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a bound");
}

/* ---- SAME and ULP ---- */

static glint_status fill_same(const bound_op *b, arena *a, double *bound, glint_error *err) {
    (void)a, (void)err;
    for (size_t i = 0; i < result_numbers(b); i++) bound[i] = 0;
    return GLINT_OK;
}

/* One rounding, and the next float beside it. */
static glint_status fill_ulp(const bound_op *b, arena *a, double *bound, glint_error *err) {
    (void)a, (void)err;
    for (size_t i = 0; i < result_numbers(b); i++) bound[i] = 2 * eps * fabs(b->out[i]) + tiny;
    return GLINT_OK;
}

/* ---- DOT ---- */

double bound_dot(const float *w, const float *x, int n) {
    double squares = 0;
    for (int i = 0; i < n; i++) squares += (double)w[i] * x[i] * w[i] * x[i];
    return 8 * eps * sqrt(n * squares);
}

double bound_q8(const float *w, const float *x, int n) {
    double sum = 0, squares = 0; /* of the largest errors that single products may have */
    for (int first = 0; first < n; first += 32) {
        double most = 0;
        for (int i = first; i < first + 32; i++) /* not fmax: gcc 12 for aarch64 crashes on it here */
            if (fabs((double)x[i]) > most) most = fabs((double)x[i]);
        for (int i = first; i < first + 32; i++) {
            double e = fabs((double)w[i]) * most / 127 / 2;
            sum += e;
            squares += e * e;
        }
    }
    return fmin(sum, 8 * sqrt(squares));
}

static bool is_quantised(format_id f) {
    return f != FORMAT_F32 && f != FORMAT_F16 && f != FORMAT_BF16;
}

static glint_status fill_dot(const bound_op *b, arena *a, double *bound, glint_error *err) {
    const rig *o = b->oracle;
    tape_weight weight = b->op->weight[0];
    int cols = o->setup->tape->weights[weight].cols;
    bool q8 = b->fast && is_quantised(o->setup->views[weight].format);
    float *w = arena_array(a, (size_t)cols, sizeof *w);
    if (!w) return no_memory(err);
    for (size_t row = 0; row < result_width(b); row++) {
        glint_status status = o->backend->weight_rows(o->device, o->weights[weight], (int)row, 1, w, err);
        if (status) return status;
        for (size_t r = 0; r < result_rows(b); r++) {
            size_t i = r * result_width(b) + row;
            const float *x = b->in[0] + r * (size_t)cols;
            bound[i] = bound_dot(w, x, cols) + 2 * eps * fabs(b->out[i]) + tiny;
            if (q8) bound[i] += bound_q8(w, x, cols);
        }
    }
    return GLINT_OK;
}

/* ---- NORM: elementwise formulas of a few roundings, and sums of squares ---- */

static void fill_rms_norm(const bound_op *b, double *bound) {
    double n = b->op->kind == TAPE_HEAD_NORM ? b->op->p.head_dim : (double)result_width(b);
    for (size_t i = 0; i < result_numbers(b); i++) bound[i] = (8 + sqrt(n)) * eps * fabs(b->out[i]) + tiny;
}

/* Both rotated numbers come from both of their pair. */
static void fill_rope(const bound_op *b, double *bound) {
    const tape_rope_info *rope = &b->oracle->setup->tape->ropes[b->op->p.rope];
    int half = rope->dims / 2;
    for (size_t i = 0; i < result_numbers(b); i++) {
        int in_head = (int)(i % (size_t)b->op->p.head_dim);
        if (in_head >= rope->dims) {
            bound[i] = 0; /* copied */
            continue;
        }
        size_t pair = in_head < half ? i + (size_t)half : i - (size_t)half;
        bound[i] = 8 * eps * fabs(rope->scale) * (fabs(b->in[0][i]) + fabs(b->in[0][pair])) + tiny;
    }
}

/* |act(g)| <= |g|; near its zero an activation is a difference of numbers of that size. */
static void fill_gate(const bound_op *b, double *bound) {
    for (size_t i = 0; i < result_numbers(b); i++) bound[i] = 16 * eps * fabs((double)b->in[0][i] * b->in[1][i]) + tiny;
}

static void (*const fill_by_kind[TAPE_KINDS])(const bound_op *b, double *bound) = {
    [TAPE_NORM] = fill_rms_norm, [TAPE_HEAD_NORM] = fill_rms_norm, [TAPE_ROPE] = fill_rope, [TAPE_GATE] = fill_gate};

static glint_status fill_norm(const bound_op *b, arena *a, double *bound, glint_error *err) {
    (void)a, (void)err;
    fill_by_kind[b->op->kind](b, bound);
    return GLINT_OK;
}

/* ---- SOFTMAX ---- */

/* The keys and values that one row looks at, as floats: positions x (kv_heads * head_dim). */
typedef struct seen {
    float *k, *v, *page;
    int n, width;
} seen;

static glint_status read_seen(const bound_op *b, int r, seen *s, glint_error *err) {
    const rig_setup *setup = b->oracle->setup;
    const tape_cache_info *cache = &setup->tape->caches[b->op->p.cache];
    const backend_pages *pages = &b->batch->pages[cache->group];
    const int32_t *table = pages->table + (size_t)b->batch->sequence[r] * (size_t)pages->slots;
    int last = b->batch->position[r], window = tape_window(setup->tape, b->op);
    int first = window && last >= window ? last - window + 1 : 0, there = -1;
    s->n = last - first + 1;
    for (int j = first; j <= last; j++) {
        int page = table[j / TAPE_PAGE % pages->slots];
        if (page != there) {
            glint_status status = b->oracle->backend->cache_read(b->oracle->cache, cache->group, page, s->page, err);
            if (status) return status;
            there = page;
        }
        const float *from = s->page + rig_page_first(setup, b->op->p.cache);
        for (int i = 0; i < s->width; i++) {
            s->k[(size_t)(j - first) * (size_t)s->width + (size_t)i] = from[j % TAPE_PAGE * s->width + i];
            s->v[(size_t)(j - first) * (size_t)s->width + (size_t)i] = from[(TAPE_PAGE + j % TAPE_PAGE) * s->width + i];
        }
    }
    return GLINT_OK;
}

/* One head. Scores are off by at most `off`, so weights by a factor e^(2 off); summing them and mixing the values add
 * the rest. `p` has room for a weight a position. */
static void fill_head(const tape_params *params, const seen *s, const float *q, int at, double *p, double *bound) {
    double off = 0, most = -INFINITY, sum = 0;
    for (int j = 0; j < s->n; j++) {
        const float *k = s->k + (size_t)j * (size_t)s->width + at;
        p[j] = 0;
        for (int i = 0; i < params->head_dim; i++) p[j] += (double)q[i] * k[i];
        p[j] *= params->scale;
        off = fmax(off, fabs(params->scale) * bound_dot(q, k, params->head_dim) + 4 * eps * fabs(p[j]));
        most = fmax(most, p[j]);
    }
    for (int j = 0; j < s->n; j++) sum += p[j] = exp(p[j] - most);
    for (int i = 0; i < params->head_dim; i++) {
        double size = 0, squares = 0;
        for (int j = 0; j < s->n; j++) {
            double mixed = p[j] / sum * fabs((double)s->v[(size_t)j * (size_t)s->width + (size_t)(at + i)]);
            size += mixed;
            squares += mixed * mixed;
        }
        bound[i] = size * (expm1(2 * off) + (16 + sqrt(s->n)) * eps) + 8 * eps * sqrt(s->n * squares) + tiny;
    }
}

static glint_status fill_softmax(const bound_op *b, arena *a, double *bound, glint_error *err) {
    const rig_setup *setup = b->oracle->setup;
    const tape_params *params = &b->op->p;
    seen s = {.width = params->kv_heads * params->head_dim};
    size_t positions = (size_t)setup->slots * TAPE_PAGE, numbers = positions * (size_t)s.width;
    s.page = arena_array(a, rig_page_numbers(setup, setup->tape->caches[params->cache].group), sizeof *s.page);
    s.k = arena_array(a, numbers, sizeof *s.k);
    s.v = arena_array(a, numbers, sizeof *s.v);
    double *p = arena_array(a, positions, sizeof *p);
    if (!s.page || !s.k || !s.v || !p) return no_memory(err);
    for (int r = 0; r < (int)result_rows(b); r++) {
        glint_status status = read_seen(b, r, &s, err);
        if (status) return status;
        for (int h = 0; h < params->heads; h++) {
            size_t i = (size_t)r * result_width(b) + (size_t)h * (size_t)params->head_dim;
            int at = h / (params->heads / params->kv_heads) * params->head_dim;
            fill_head(params, &s, b->in[0] + i, at, p, bound + i);
        }
    }
    return GLINT_OK;
}

/* ---- The table of classes ---- */

static glint_status (*const fill[])(const bound_op *b, arena *a, double *bound, glint_error *err) = {
    [TAPE_BOUND_SAME] = fill_same, [TAPE_BOUND_ULP] = fill_ulp,         [TAPE_BOUND_DOT] = fill_dot,
    [TAPE_BOUND_NORM] = fill_norm, [TAPE_BOUND_SOFTMAX] = fill_softmax,
};

glint_status bound_fill(const bound_op *b, arena *a, double *bound, glint_error *err) {
    return b->op->out < 0 ? GLINT_OK : fill[tape_kinds[b->op->kind].bound](b, a, bound, err);
}
