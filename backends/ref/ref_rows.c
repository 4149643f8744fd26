/* Ops that copy and look up. */
#include "backends/ref/ref.h"

#include <string.h>

/* out[r][i] = scale * table[token[r]][i] */
void ref_embed(const ref_call *c) {
    for (int r = 0; r < c->rows; r++) {
        float *out = c->out + (size_t)r * (size_t)c->width;
        host_weight_row(c->weight[0], host_token(c->program, c->batch, r), out);
        for (int i = 0; i < c->width; i++) out[i] = (float)((double)c->op->p.scale * out[i]);
    }
}

/* out[r][i] = a[r][i] + b[r][i] */
void ref_add(const ref_call *c) {
    for (size_t i = 0; i < (size_t)c->rows * (size_t)c->width; i++)
        c->out[i] = (float)((double)c->in[0][i] + c->in[1][i]);
}

/* out[r] = x[output[r]] */
void ref_select_rows(const ref_call *c) {
    size_t width = (size_t)c->width;
    for (int r = 0; r < c->rows; r++)
        memcpy(c->out + (size_t)r * width, c->in[0] + (size_t)c->batch->output[r] * width, width * sizeof(float));
}
