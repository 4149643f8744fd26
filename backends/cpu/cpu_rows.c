/* Ops that take each row, or each column, by itself. */
#include <string.h>

#include "backends/cpu/cpu.h"

static size_t row_at(const cpu_call *c, int r) {
    return (size_t)r * (size_t)c->width;
}

/* out[r][i] = scale * table[token[r]][i] */
void cpu_embed(const cpu_call *c) {
    int begin, end;
    const backend_view *v = &c->weight[0]->view;
    cpu_my_rows(c, &begin, &end);
    for (int r = begin; r < end; r++) {
        float *out = c->out + row_at(c, r);
        host_weight_row(v, host_token(&c->program->host, c->batch, r), out);
        for (int i = 0; i < c->width; i++) out[i] *= c->op->p.scale;
    }
}

void cpu_norm(const cpu_call *c) {
    int begin, end;
    cpu_my_rows(c, &begin, &end);
    for (int r = begin; r < end; r++)
        c->k->rms_norm(c->in[0] + row_at(c, r), c->weight[0]->vector, c->op->p.eps, c->out + row_at(c, r), c->width);
}

void cpu_head_norm(const cpu_call *c) {
    int begin, end, dim = c->op->p.head_dim;
    cpu_my_rows(c, &begin, &end);
    for (size_t at = row_at(c, begin); at < row_at(c, end); at += (size_t)dim)
        c->k->rms_norm(c->in[0] + at, c->weight[0]->vector, c->op->p.eps, c->out + at, dim);
}

void cpu_add(const cpu_call *c) {
    int begin, end;
    cpu_my_rows(c, &begin, &end);
    for (size_t i = row_at(c, begin); i < row_at(c, end); i++) c->out[i] = c->in[0][i] + c->in[1][i];
}

_Static_assert((int)CPU_GATE_SILU == TAPE_SILU && (int)CPU_GATE_GELU_TANH == TAPE_GELU_TANH &&
                   (int)CPU_GATE_GELU == TAPE_GELU && (int)CPU_GATES == TAPE_ACTS,
               "kernels are chosen by tape_act");

/* out = act(gate) * up, for the columns that the thread's matmuls wrote */
void cpu_gate(const cpu_call *c) {
    int begin, end;
    cpu_my_columns(c, &begin, &end);
    for (int r = 0; r < c->rows; r++) {
        size_t at = row_at(c, r) + (size_t)begin;
        c->k->gate[c->op->p.act](c->in[0] + at, c->in[1] + at, c->out + at, end - begin);
    }
}

void cpu_select_rows(const cpu_call *c) {
    int begin, end;
    cpu_my_rows(c, &begin, &end);
    for (int r = begin; r < end; r++)
        memcpy(c->out + row_at(c, r), c->in[0] + row_at(c, c->batch->output[r]), (size_t)c->width * sizeof(float));
}
