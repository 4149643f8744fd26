/* Gated activations (arXiv 2002.05202). */
#include "backends/ref/ref.h"

#include <math.h>

static double silu(double x) {
    return x / (1 + exp(-x));
}

/* arXiv 1606.08415, its tanh form */
static double gelu_tanh(double x) {
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static double gelu(double x) {
    return 0.5 * x * (1 + erf(x / sqrt(2)));
}

static double (*const acts[TAPE_ACTS])(double) = {[TAPE_SILU] = silu, [TAPE_GELU_TANH] = gelu_tanh, [TAPE_GELU] = gelu};

/* out = act(gate) * up */
void ref_gate(const ref_call *c) {
    for (size_t i = 0; i < (size_t)c->rows * (size_t)c->width; i++)
        c->out[i] = (float)(acts[c->op->p.act](c->in[0][i]) * c->in[1][i]);
}
