/* Rotary positions (RoFormer, arXiv 2104.09864), rotated pairs half a head apart. */
#include "backends/ref/ref.h"

#include <math.h>
#include <string.h>

static void rotate_head(const tape_rope_info *rope, int position, const float *x, float *out) {
    int half = rope->dims / 2;
    for (int i = 0; i < half; i++) {
        double angle = position * rope->freq[i];
        double c = cos(angle) * rope->scale, s = sin(angle) * rope->scale;
        out[i] = (float)(x[i] * c - x[i + half] * s);
        out[i + half] = (float)(x[i] * s + x[i + half] * c);
    }
}

/* Dimensions past rope->dims stay as they are. */
void ref_rope(const ref_call *c) {
    const tape_params *p = &c->op->p;
    const tape_rope_info *rope = &c->tape->ropes[p->rope];
    memcpy(c->out, c->in[0], (size_t)c->rows * (size_t)c->width * sizeof(float));
    for (int r = 0; r < c->rows; r++)
        for (int h = 0; h < p->heads; h++) {
            size_t at = (size_t)r * (size_t)c->width + (size_t)h * (size_t)p->head_dim;
            rotate_head(rope, c->batch->position[r], c->in[0] + at, c->out + at);
        }
}
