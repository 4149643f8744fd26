/* Matrix product: each weight row is decoded once and meets every row of the batch. */
#include "backends/ref/ref.h"

static double dot(const float *a, const float *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

/* out[r][o] = sum_i w[o][i] x[r][i] + bias[o]. The biases wait in `out` until their row is done. */
void ref_matmul(const ref_call *c) {
    int cols = c->weight[0]->cols;
    for (int r = 0; r < c->rows && c->weight[1]; r++)
        host_weight_row(c->weight[1], 0, c->out + (size_t)r * (size_t)c->width);
    for (int o = 0; o < c->width; o++) {
        host_weight_row(c->weight[0], o, c->weight_row);
        for (int r = 0; r < c->rows; r++) {
            float *out = &c->out[(size_t)r * (size_t)c->width + (size_t)o];
            double bias = c->weight[1] ? *out : 0;
            *out = (float)(dot(c->weight_row, c->in[0] + (size_t)r * (size_t)cols, cols) + bias);
        }
    }
}
