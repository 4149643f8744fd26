/* How far a right device may be from the oracle: the classes of tape_bound, as docs/numerics.md derives them. */
#ifndef CORE_INSTRUMENTS_BOUND_H
#define CORE_INSTRUMENTS_BOUND_H

#include "core/instruments/rig.h"

/* One op as the oracle ran it. */
typedef struct bound_op {
    const rig *oracle; /* its weights and its cache are read */
    const tape_op *op;
    const backend_batch *batch;
    const float *in[2]; /* operands */
    const float *out;   /* the oracle's result; of cache_write: unused */
    bool rounds;        /* the other device multiplies quantised weights by activations in 8 bits */
    /* Where the other device did not have these very operands: how far each number of its own may be away; NULL: it
     * had them. Of attend also the keys and values that this batch has written, rows x (kv_heads * head_dim). */
    const double *off[2], *off_cache[2];
} bound_op;

/* Fills `bound`, a number for each element of the result (rows x width; nothing for cache_write, whose class is SAME):
 * right is |device - oracle| <= bound. `a` gives room for weights and pages. */
glint_status bound_fill(const bound_op *b, arena *a, double *bound, glint_error *err);

/* What a cache may hold of n numbers that are `off` away from x (NULL: not at all), once rounded to its type. */
void bound_cached(const float *x, const double *off, bool f32, size_t n, double *bound);

bool bound_is_quantised(format_id f); /* the weights that are multiplied by activations in 8 bits */

/* ---- Inside the room: a function a file ---- */

extern const double bound_eps, bound_tiny; /* the rounding of float32; what flushing denormals may lose */

double bound_dot(const float *w, const float *x, int n); /* of n products */
glint_status bound_fill_dot(const bound_op *b, arena *a, double *bound, glint_error *err);
glint_status bound_fill_softmax(const bound_op *b, arena *a, double *bound, glint_error *err);
size_t bound_width(const bound_op *b); /* of the result */
size_t bound_rows(const bound_op *b);
glint_status bound_no_memory(glint_error *err);

/* ---- Whole tensors that several ops have made; docs/numerics.md says where the limits come from ---- */

typedef struct bound_limits {
    double nmse;
    double margin; /* of the two largest logits, up to which another token may be chosen */
} bound_limits;

extern const bound_limits bound_model[]; /* by precision: of all that is made from the ids on */
extern const bound_limits bound_stretch; /* exact: of a few ops on numbers that both sides had */

#endif
