/* RMSNorm (arXiv 1910.07467), over a row and over each head of it. */
#include "backends/ref/ref.h"

#include <math.h>

/* out[i] = x[i] / sqrt(mean(x^2) + eps) * w[i] */
static void rms_norm(const float *x, const float *w, double eps, int n, float *out) {
    double squares = 0;
    for (int i = 0; i < n; i++) squares += (double)x[i] * x[i];
    double size = sqrt(squares / n + eps);
    for (int i = 0; i < n; i++) out[i] = (float)(x[i] / size * w[i]);
}

void ref_norm(const ref_call *c) {
    host_weight_row(c->weight[0], 0, c->weight_row);
    for (int r = 0; r < c->rows; r++) {
        size_t at = (size_t)r * (size_t)c->width;
        rms_norm(c->in[0] + at, c->weight_row, c->op->p.eps, c->width, c->out + at);
    }
}

void ref_head_norm(const ref_call *c) {
    int head_dim = c->op->p.head_dim;
    host_weight_row(c->weight[0], 0, c->weight_row);
    for (int h = 0; h < c->rows * c->op->p.heads; h++) {
        size_t at = (size_t)h * (size_t)head_dim;
        rms_norm(c->in[0] + at, c->weight_row, c->op->p.eps, head_dim, c->out + at);
    }
}
