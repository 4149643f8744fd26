/* Ops that pick the largest numbers of a row: larger ones first, the smaller id first where equal. */
#include <math.h>

#include "backends/ref/ref.h"

/* NaN counts as -infinity. */
static float number(float x) {
    return isnan(x) ? -INFINITY : x;
}

static bool comes_before(const float *x, int i, int j) {
    float a = number(x[i]), b = number(x[j]);
    return a > b || (a == b && i < j);
}

/* The best of those that come after `last`; -1 as `last`: of all. */
static int best_after(const float *x, int n, int last) {
    int best = -1;
    for (int i = 0; i < n; i++)
        if ((last < 0 || comes_before(x, last, i)) && (best < 0 || comes_before(x, i, best))) best = i;
    return best;
}

/* out[r] = the smallest i with x[r][i] = max x[r] */
void ref_argmax(const ref_call *c) {
    int n = c->tape->values[c->op->in[0]].width;
    for (int r = 0; r < c->rows; r++) c->out[r] = (float)best_after(c->in[0] + (size_t)r * (size_t)n, n, -1);
}

/* out[r] = i_1 .. i_k, x[r][i_1] .. x[r][i_k] */
void ref_top_k(const ref_call *c) {
    int n = c->tape->values[c->op->in[0]].width, k = c->op->p.k;
    for (int r = 0; r < c->rows; r++) {
        const float *x = c->in[0] + (size_t)r * (size_t)n;
        float *id = c->out + (size_t)r * (size_t)c->width, *value = id + k;
        for (int j = 0, last = -1; j < k; j++) {
            last = best_after(x, n, last);
            id[j] = (float)last;
            value[j] = number(x[last]);
        }
    }
}
