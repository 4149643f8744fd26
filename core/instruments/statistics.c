#include "core/instruments/statistics.h"

#include <math.h>

/* A row's figures in lanes, so that compilers work on several numbers at a time. */
enum { LANES = 8 };
typedef struct lanes {
    float low[LANES], high[LANES];
    double sum[LANES], squares[LANES];
    int zero[LANES], negative[LANES];
} lanes;

static inline void take(lanes *l, int k, float x) {
    l->low[k] = x < l->low[k] ? x : l->low[k];
    l->high[k] = x > l->high[k] ? x : l->high[k];
    l->sum[k] += x;
    l->squares[k] += (double)x * x;
    l->zero[k] += x == 0;
    l->negative[k] += x < 0;
}

/* Everything into lane 0. */
static void join(lanes *l) {
    for (int k = 1; k < LANES; k++) {
        l->low[0] = fminf(l->low[0], l->low[k]);
        l->high[0] = fmaxf(l->high[0], l->high[k]);
        l->sum[0] += l->sum[k];
        l->squares[0] += l->squares[k];
        l->zero[0] += l->zero[k];
        l->negative[0] += l->negative[k];
    }
}

static void place_largest(glint_value_stats *v, double size, const float *x, int row) {
    if (size <= v->largest && v->largest_row >= 0) return;
    v->largest = size;
    v->largest_row = row;
    for (v->largest_index = 0; fabs(x[v->largest_index]) != size;) v->largest_index++;
}

/* False, and nothing is counted, where a number is not finite: then the sum of squares is not. */
static bool count_finite(statistics *s, const float *x, int row) {
    glint_value_stats *v = &s->value;
    lanes l = {.sum = {0}};
    int n = v->width, i = 0;
    for (int k = 0; k < LANES; k++) l.low[k] = l.high[k] = x[0];
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) take(&l, k, x[i + k]);
    for (; i < n; i++) take(&l, i % LANES, x[i]);
    join(&l);
    if (!isfinite(l.squares[0])) return false;
    v->zero += (size_t)l.zero[0];
    v->minimum = fmin(v->minimum, l.low[0]);
    v->maximum = fmax(v->maximum, l.high[0]);
    place_largest(v, fabs(fmax(-l.low[0], l.high[0])), x, row); /* not -0 */
    s->sum += l.sum[0];
    s->squares += l.squares[0];
    s->negative += l.negative[0];
    return true;
}

static void count_any(statistics *s, const float *x, int row) {
    glint_value_stats *v = &s->value;
    for (int i = 0; i < v->width; i++) {
        v->nan += isnan(x[i]) != 0;
        v->inf += isinf(x[i]) != 0;
        v->zero += x[i] == 0;
        if (!isfinite(x[i])) continue;
        v->minimum = fmin(v->minimum, x[i]);
        v->maximum = fmax(v->maximum, x[i]);
        if (fabs(x[i]) > v->largest || v->largest_row < 0) {
            v->largest = fabs(x[i]);
            v->largest_row = row;
            v->largest_index = i;
        }
        s->sum += x[i];
        s->squares += (double)x[i] * x[i];
        s->negative += x[i] < 0;
    }
}

void statistics_begin(statistics *s, const char *name, int width) {
    *s = (statistics){
        .value = {.name = name, .width = width, .minimum = INFINITY, .maximum = -INFINITY, .largest_row = -1}};
}

void statistics_rows(statistics *s, const float *x, int first_row, int rows) {
    for (int r = 0; r < rows; r++, x += s->value.width)
        if (!count_finite(s, x, first_row + r)) count_any(s, x, first_row + r);
    s->value.rows += rows;
    s->value.n += (size_t)rows * (size_t)s->value.width;
}

void statistics_end(statistics *s) {
    glint_value_stats *v = &s->value;
    double n = (double)(v->n - v->nan - v->inf);
    if (n) {
        v->mean = s->sum / n;
        v->rms = sqrt(s->squares / n);
        v->share_negative = s->negative / n;
    } else {
        v->minimum = v->maximum = v->mean = v->rms = v->share_negative = v->largest = NAN;
    }
}
