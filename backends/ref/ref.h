/* What the oracle's ops see. Each op is one function that reads like its formula in core/tape.h: scalar,
 * single-threaded, sums in double, the result rounded once to float32. Nothing here is ever optimised. */
#ifndef BACKENDS_REF_REF_H
#define BACKENDS_REF_REF_H

#include "backends/host.h"

typedef struct ref_call {
    const tape *tape;
    const tape_op *op;
    const backend_batch *batch;
    const host_program *program;
    const backend_cache *cache;
    const backend_view *weight[2]; /* as in the op; NULL: none */
    const float *in[2];            /* rows x width; NULL: none */
    float *out;                    /* rows x width */
    int rows;                      /* of the result; of the operands where there is none */
    int width;                     /* of the result; of the first operand where there is none */
    float *weight_row;             /* room for the longest row of any weight */
    double *scores;                /* room for every position that a row may look at */
    double *mix;                   /* room for a head */
} ref_call;

typedef void ref_op(const ref_call *c);

extern ref_op *const ref_ops[TAPE_KINDS];

ref_op ref_embed, ref_add, ref_select_rows; /* ref_rows.c */
ref_op ref_argmax, ref_top_k;               /* ref_pick.c */
ref_op ref_norm, ref_head_norm;             /* ref_norm.c */
ref_op ref_matmul;
ref_op ref_rope;
ref_op ref_cache_write, ref_attend; /* ref_attend.c */
ref_op ref_gate;

#endif
