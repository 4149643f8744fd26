/* The bound of matrix products: roundings, activations in 8 bits, and what operands that are off make. */
#include <math.h>

#include "core/instruments/bound.h"

enum { LANES = 8 }; /* sums side by side, so that compilers can use vectors */

static double sum_lanes(const double s[LANES]) {
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

double bound_dot(const float *w, const float *x, int n) {
    double squares[LANES] = {0};
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            double p = (double)w[i + k] * x[i + k];
            squares[k] += p * p;
        }
    for (; i < n; i++) squares[0] += (double)w[i] * x[i] * w[i] * x[i];
    return 8 * bound_eps * sqrt(n * sum_lanes(squares));
}

enum { Q8_BLOCK = 32 };

/* Half a step of the 8-bit numbers that a block becomes. */
static double half_step(const float *x, const double *off) {
    double most = 0;
    for (int i = 0; i < Q8_BLOCK; i++) { /* not fmax: gcc 12 for aarch64 crashes on it here */
        double size = fabs((double)x[i]) + (off ? off[i] : 0);
        if (size > most) most = size;
    }
    return most / 127 / 2;
}

/* Of a block of a weight row: sums of sizes and of squares. */
typedef struct block_sums {
    double sizes, powers;
} block_sums;

static void sum_blocks(const float *w, int n, block_sums *out) { /* n a multiple of 32 */
    for (int first = 0; first < n; first += Q8_BLOCK) {
        double sizes[LANES] = {0}, powers[LANES] = {0};
        for (int i = first; i < first + Q8_BLOCK; i += LANES)
            for (int k = 0; k < LANES; k++) {
                double size = fabs((double)w[i + k]);
                sizes[k] += size;
                powers[k] += size * size;
            }
        out[first / Q8_BLOCK] = (block_sums){sum_lanes(sizes), sum_lanes(powers)};
    }
}

static double q8(const block_sums *w, const double *half_steps, int blocks) {
    double sum = 0, squares = 0; /* of the largest errors that single products may have */
    for (int i = 0; i < blocks; i++) {
        sum += half_steps[i] * w[i].sizes;
        squares += half_steps[i] * half_steps[i] * w[i].powers;
    }
    return fmin(sum, 8 * sqrt(squares));
}

/* What operands off by `off` may make: never more, whatever the data. */
static double carried(const float *w, const double *off, int n) {
    double sum[LANES] = {0};
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) sum[k] += fabs((double)w[i + k]) * off[i + k];
    for (; i < n; i++) sum[0] += fabs((double)w[i]) * off[i];
    return sum_lanes(sum);
}

bool bound_is_quantised(format_id f) {
    return f != FORMAT_F32 && f != FORMAT_F16 && f != FORMAT_BF16;
}

/* What is asked of every weight row, made once for all of them. */
typedef struct products {
    const bound_op *b;
    int cols;
    double *half_steps; /* by row and block; NULL: activations stay as they are */
    block_sums *blocks; /* of a weight row */
    float *w;           /* some rows of the weight */
} products;

enum { ROWS_AT_ONCE = 64 }; /* reading from a GPU costs the same for one row */

static glint_status prepare(products *p, arena *a, glint_error *err) {
    const rig *o = p->b->oracle;
    size_t rows = bound_rows(p->b), cols = (size_t)p->cols;
    p->w = arena_array(a, ROWS_AT_ONCE * cols, sizeof *p->w);
    if (!p->w) return bound_no_memory(err);
    if (!p->b->rounds || !bound_is_quantised(o->setup->views[p->b->op->weight[0]].format)) return GLINT_OK;
    p->half_steps = arena_array(a, rows * cols / Q8_BLOCK, sizeof *p->half_steps);
    p->blocks = arena_array(a, cols / Q8_BLOCK, sizeof *p->blocks);
    if (!p->half_steps || !p->blocks) return bound_no_memory(err);
    for (size_t i = 0; i < rows * cols; i += Q8_BLOCK)
        p->half_steps[i / Q8_BLOCK] = half_step(p->b->in[0] + i, p->b->off[0] ? p->b->off[0] + i : NULL);
    return GLINT_OK;
}

/* Result `row` of every row of the batch. */
static void fill_column(const products *p, const float *w, size_t row, double *bound) {
    const bound_op *b = p->b;
    if (p->half_steps) sum_blocks(w, p->cols, p->blocks);
    for (size_t r = 0; r < bound_rows(b); r++) {
        size_t i = r * bound_width(b) + row, x = r * (size_t)p->cols;
        bound[i] = bound_dot(w, b->in[0] + x, p->cols) + 2 * bound_eps * fabs(b->out[i]) + bound_tiny;
        if (p->half_steps) bound[i] += q8(p->blocks, p->half_steps + x / Q8_BLOCK, p->cols / Q8_BLOCK);
        if (b->off[0]) bound[i] += carried(w, b->off[0] + x, p->cols);
    }
}

glint_status bound_fill_dot(const bound_op *b, arena *a, double *bound, glint_error *err) {
    const rig *o = b->oracle;
    tape_weight weight = b->op->weight[0];
    products p = {.b = b, .cols = o->setup->tape->weights[weight].cols};
    glint_status status = prepare(&p, a, err);
    for (size_t row = 0; row < bound_width(b) && !status; row += ROWS_AT_ONCE) {
        size_t n = bound_width(b) - row < ROWS_AT_ONCE ? bound_width(b) - row : ROWS_AT_ONCE;
        status = o->backend->weight_rows(o->device, o->weights[weight], (int)row, (int)n, p.w, err);
        for (size_t k = 0; k < n && !status; k++) fill_column(&p, p.w + k * (size_t)p.cols, row + k, bound);
    }
    return status;
}
