#include "core/instruments/measure.h"

#include <math.h>
#include <string.h>

const uint32_t measure_poison_bits = 0x7FCA5EEDu;

void measure_poison(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) memcpy(&x[i], &measure_poison_bits, sizeof *x);
}

static uint32_t bits_of(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

/* Floats in their order as whole numbers in theirs; both zeros are 0. */
static int64_t order_of(float x) {
    uint32_t u = bits_of(x);
    return u & 0x80000000u ? -(int64_t)(u & 0x7FFFFFFFu) : (int64_t)u;
}

/* Far beyond any distance between finite floats, but small enough for a number in JSON. */
static const uint64_t no_distance = (uint64_t)1 << 32;

static uint64_t distance(float a, float b) {
    if (isnan(a) || isnan(b)) return bits_of(a) == bits_of(b) ? 0 : no_distance;
    int64_t d = order_of(a) - order_of(b);
    return (uint64_t)(d < 0 ? -d : d);
}

void measure_begin(measure *m, glint_comparison *c, int width) {
    *m = (measure){.c = c};
    c->width = width;
    c->rows = c->row = c->index = c->ulp_row = c->ulp_index = 0;
    c->nmse = c->cosine = c->largest = c->share = 0;
    c->there = c->reference = 0;
    c->ulp = 0;
    c->sign_flips = c->nan = c->inf = c->unwritten = 0;
}

/* One number beside another. Infinity stands for an error that no number is: NaN on one side. */
static void add_number(measure *m, float a, float b, double bound, bool bounded, int row, int index) {
    glint_comparison *c = m->c;
    double error = a == b ? 0 : fabs((double)a - b);
    if (isnan(error)) error = INFINITY;
    double share = bounded && error > 0 ? error / bound : 0;
    if (isnan(share)) share = INFINITY;
    uint64_t ulp = distance(a, b);
    if (error > c->largest || m->n == 0) {
        c->largest = error;
        c->row = row;
        c->index = index;
        c->there = a;
        c->reference = b;
    }
    if (ulp > c->ulp) {
        c->ulp = ulp;
        c->ulp_row = row;
        c->ulp_index = index;
    }
    c->nan += isnan(a) != 0;
    c->inf += isinf(a) != 0;
    c->unwritten += bits_of(a) == measure_poison_bits;
    c->sign_flips += fabs(a) > bound && fabs(b) > bound && (a < 0) != (b < 0);
    if (share > c->share) c->share = share;
    m->error += error * error;
    m->power += (double)b * b;
    m->self += (double)a * a;
    m->dot += (double)a * b;
    m->n++;
}

void measure_rows(measure *m, const float *tested, const float *reference, const double *bound, int rows) {
    size_t width = (size_t)m->c->width;
    for (int r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++) {
            size_t at = (size_t)r * width + i;
            add_number(m, tested[at], reference[at], bound ? bound[at] : 0, bound != NULL, m->c->rows + r, (int)i);
        }
    m->c->rows += rows;
}

void measure_end(measure *m) {
    glint_comparison *c = m->c;
    c->nmse = m->error == 0 ? 0 : m->error / m->power;
    bool zero = m->self == 0 || m->power == 0; /* without a direction */
    c->cosine = zero ? m->self == m->power : m->dot / sqrt(m->self * m->power);
}
