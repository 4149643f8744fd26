/* Faults in operands and results. Numbers are rows x width, rows one after another. */
#include <stdlib.h>
#include <string.h>

#include "backends/zoo/zoo_hooks.h"

static size_t numbers(const zoo_run *r) {
    return (size_t)r->rows * (size_t)r->width;
}

/* Moves number from[i] of a row of `x` to place i. */
static void permute_row(float *x, int n, int (*from)(const zoo_run *, int), const zoo_run *r) {
    memcpy(r->room, x, (size_t)n * sizeof *x);
    for (int i = 0; i < n; i++) x[i] = r->room[from(r, i)];
}

static void permute(float *x, int rows, int width, int (*from)(const zoo_run *, int), const zoo_run *r) {
    for (int i = 0; i < rows; i++) permute_row(x + (size_t)i * (size_t)width, width, from, r);
}

/* ---- F18: adjacent numbers are moved half apart, rotated, and moved back ---- */

static int adjacent(const zoo_run *r, int i) {
    int dims = r->tape->ropes[r->op->p.rope].dims, in_head = i % r->op->p.head_dim, half = dims / 2;
    if (in_head >= dims) return i;
    return i - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
}

static int halves(const zoo_run *r, int i) {
    int dims = r->tape->ropes[r->op->p.rope].dims, in_head = i % r->op->p.head_dim;
    return in_head >= dims ? i : i - in_head + in_head / 2 + in_head % 2 * (dims / 2);
}

void zoo_adjacent(zoo_run *r) {
    permute(r->in[0], r->in_rows, r->in_width[0], adjacent, r);
}

glint_status zoo_adjacent_back(zoo_run *r, glint_error *err) {
    (void)err;
    permute(r->out, r->rows, r->width, halves, r);
    return GLINT_OK;
}

/* ---- F22: head h is put where heads of kv head h % n are, and taken back ---- */

static int head_place(const zoo_run *r, int h) {
    int n = r->op->p.kv_heads;
    return h % n * (r->op->p.heads / n) + h / n;
}

static int from_place(const zoo_run *r, int i) {
    return head_place(r, i / r->op->p.head_dim) * r->op->p.head_dim + i % r->op->p.head_dim;
}

static int to_place(const zoo_run *r, int i) {
    int h = 0;
    while (head_place(r, h) != i / r->op->p.head_dim) h++;
    return h * r->op->p.head_dim + i % r->op->p.head_dim;
}

void zoo_heads(zoo_run *r) {
    permute(r->in[0], r->in_rows, r->in_width[0], to_place, r);
}

glint_status zoo_heads_back(zoo_run *r, glint_error *err) {
    (void)err;
    permute(r->out, r->rows, r->width, from_place, r);
    return GLINT_OK;
}

/* ---- Operands ---- */

/* F27 */
void zoo_centre(zoo_run *r) {
    int n = r->in_width[0];
    for (int row = 0; row < r->in_rows; row++) {
        float *x = r->in[0] + (size_t)row * (size_t)n;
        double mean = 0;
        for (int i = 0; i < n; i++) mean += x[i] / (double)n;
        for (int i = 0; i < n; i++) x[i] = (float)(x[i] - mean);
    }
}

/* F36 */
void zoo_stale(zoo_run *r) {
    if (r->in[0]) memcpy(r->in[0], r->before, (size_t)r->in_rows * (size_t)r->in_width[0] * sizeof(float));
}

/* ---- Results ---- */

/* F05 */
glint_status zoo_one_row(zoo_run *r, glint_error *err) {
    (void)err;
    size_t width = (size_t)r->width;
    if (r->rows > 1) memcpy(r->out + width, r->old + width, (numbers(r) - width) * sizeof(float));
    return GLINT_OK;
}

/* F06: the last quarter of each row. */
glint_status zoo_tail(zoo_run *r, glint_error *err) {
    (void)err;
    size_t n = ((size_t)r->width + 3) / 4;
    for (size_t row = 1; row <= (size_t)r->rows; row++) {
        size_t at = row * (size_t)r->width - n;
        memcpy(r->out + at, r->old + at, n * sizeof(float));
    }
    return GLINT_OK;
}

/* F07 */
glint_status zoo_snapshot(zoo_run *r, glint_error *err) {
    (void)err;
    r->hidden = true;
    return GLINT_OK;
}

/* F11 */
glint_status zoo_identity(zoo_run *r, glint_error *err) {
    (void)err;
    memcpy(r->out, r->in[0], numbers(r) * sizeof(float));
    return GLINT_OK;
}

/* F39: what was to be added to is lost. */
glint_status zoo_second(zoo_run *r, glint_error *err) {
    (void)err;
    memcpy(r->out, r->in[1], numbers(r) * sizeof(float));
    return GLINT_OK;
}

/* F13: what lies behind the table. */
glint_status zoo_last_number(zoo_run *r, glint_error *err) {
    (void)err;
    for (size_t row = 1; row <= (size_t)r->rows; row++) r->out[row * (size_t)r->width - 1] = 12345;
    return GLINT_OK;
}

/* F37: who reads it begins in what lies before it. */
glint_status zoo_shift(zoo_run *r, glint_error *err) {
    enum { EARLY = 8 };
    (void)err;
    size_t n = numbers(r), k = n < EARLY ? n : EARLY;
    memmove(r->out + k, r->out, (n - k) * sizeof(float));
    memset(r->out, 0, k * sizeof(float));
    return GLINT_OK;
}

/* F40 */
glint_status zoo_unscaled(zoo_run *r, glint_error *err) {
    (void)err;
    for (size_t i = 0; i < numbers(r); i++) r->out[i] *= 4;
    return GLINT_OK;
}

/* ---- F35: every product and every partial sum is rounded to half precision ---- */

static float half(float x) {
    return format_f16_to_f32(format_f32_to_f16(x));
}

glint_status zoo_half_sums(zoo_run *r, glint_error *err) {
    int cols = r->in_width[0];
    float *w = malloc((size_t)r->width * (size_t)cols * sizeof *w);
    if (!w) return base_fail(err, GLINT_INTERNAL, "zoo: out of memory for a weight");
    glint_status status = r->device->backend->weight_rows(r->device->inner, r->weight, 0, r->width, w, err);
    for (size_t i = 0; i < numbers(r) && !status; i++) {
        const float *row = w + i % (size_t)r->width * (size_t)cols;
        const float *x = r->in[0] + i / (size_t)r->width * (size_t)cols;
        float sum = 0;
        double exact = 0;
        for (int k = 0; k < cols; k++) {
            sum = half(sum + half(row[k] * x[k]));
            exact += (double)row[k] * x[k];
        }
        bool bias = r->op->weight[1] >= 0;
        r->out[i] = half(sum + (bias ? (float)(r->out[i] - exact) : 0));
    }
    free(w);
    return status;
}
