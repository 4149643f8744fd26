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
    bool fast;          /* the other device multiplies quantised weights by 8-bit activations */
} bound_op;

/* Fills `bound`, a number for each element of the result (rows x width; nothing for cache_write, whose class is SAME):
 * right is |device - oracle| <= bound. `a` gives room for weights and pages. */
glint_status bound_fill(const bound_op *b, arena *a, double *bound, glint_error *err);

/* The parts, for other readers. w, x: n numbers. */
double bound_dot(const float *w, const float *x, int n);
double bound_q8(const float *w, const float *x, int n); /* n a multiple of 32 */

#endif
