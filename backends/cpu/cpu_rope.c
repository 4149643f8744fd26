/* Rotary positions (arXiv 2104.09864). The angles of a batch are computed once a step, in double, for all layers. */
#include <math.h>
#include <string.h>

#include "backends/cpu/cpu.h"

glint_status cpu_rope_prepare(backend_program *p, glint_error *err) {
    const backend_compile_request *r = &p->host.request;
    for (int i = r->first_op; i < r->first_op + r->n_ops; i++) {
        const tape_op *op = &r->tape->ops[i];
        if (op->kind != TAPE_ROPE || p->angles[op->p.rope]) continue;
        size_t row_bytes = (size_t)r->tape->ropes[op->p.rope].dims * sizeof(float);
        p->angles[op->p.rope] = arena_array(&p->host.memory, (size_t)r->max_rows, row_bytes);
        if (!p->angles[op->p.rope]) return cpu_no_memory(err);
    }
    return GLINT_OK;
}

void cpu_rope_angles(backend_program *p, const backend_batch *b, const team_member *me) {
    for (int n = 0; n < p->host.tape->n_ropes; n++) {
        const tape_rope_info *rope = &p->host.tape->ropes[n];
        int half = rope->dims / 2, begin, end;
        if (!p->angles[n]) continue;
        team_share(b->n_rows * half, 16, me, &begin, &end);
        for (int at = begin; at < end; at++) {
            int row = at / half, i = at % half;
            float *out = p->angles[n] + (size_t)row * (size_t)rope->dims;
            double angle = b->position[row] * rope->freq[i];
            out[i] = (float)(cos(angle) * rope->scale);
            out[half + i] = (float)(sin(angle) * rope->scale);
        }
    }
}

static void rotate_head(const float *angles, int half, const float *x, float *out) {
    const float *c = angles, *s = angles + half;
    for (int i = 0; i < half; i++) {
        out[i] = x[i] * c[i] - x[i + half] * s[i];
        out[i + half] = x[i] * s[i] + x[i + half] * c[i];
    }
}

/* Dimensions past rope->dims stay as they are. */
void cpu_rope(const cpu_call *c) {
    const tape_rope_info *rope = &c->tape->ropes[c->op->p.rope];
    int begin, end, dim = c->op->p.head_dim;
    cpu_my_rows(c, &begin, &end);
    for (int r = begin; r < end; r++)
        for (int h = 0; h < c->op->p.heads; h++) {
            size_t at = (size_t)r * (size_t)c->width + (size_t)h * (size_t)dim;
            const float *x = c->in[0] + at;
            rotate_head(c->program->angles[c->op->p.rope] + (size_t)r * (size_t)rope->dims, rope->dims / 2, x,
                        c->out + at);
            memcpy(c->out + at + rope->dims, x + rope->dims, (size_t)(dim - rope->dims) * sizeof *x);
        }
}
