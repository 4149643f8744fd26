/* What kind of fault makes these numbers of those? First from the two tensors alone (classify.c: transposes,
 * permutations, factors, shifts, tails), then, where weights are at hand, by hypotheses (suspect.c): a table of changes
 * to the ops or to the weights, each run by cpu:ref on the reference's own inputs; the one that explains the tested
 * numbers best wins, and the runner-up is printed with it.
 *
 * Kinds, as docs/diagnose.md explains them; "not reproducible" is check's own. Of values alone or of hypotheses:
 *   "constant factor"  "offset"  "transpose"  "half/adjacent permutation"  "row/block permutation"
 *   "head permutation"  "permutation inside a block"  "shifted position"  "shift by elements"  "periodic rows"
 *   "unwritten tail"  "unwritten"  "tail"  "NaN/Inf"  "mean removed"  "saturation missing"  "factor by row"
 *   "factor by column"  "offset by column"  "precision loss"
 * Of hypotheses:
 *   "weight offset"  "weight missing"  "missing bias"  "activation function"  "swapped operands"  "op missing"
 *   "order of norm and add"  "rotary base"  "rotary frequencies"  "position reset"  "eps"  "attention scale"
 *   "window"  "window off by one"  "mask"  "stale rows"  "factor by sub-block"  "offset by block"
 *   "type read as another" */
#ifndef CORE_INSTRUMENTS_DIAGNOSE_H
#define CORE_INSTRUMENTS_DIAGNOSE_H

#include "core/instruments/rig.h"
#include "glint.h"

typedef struct diagnose_finding {
    const char *kind; /* a constant word of docs/diagnose.md: "weight offset", "transpose", ...; "": none fits */
    tape_value value; /* the value whose op is at fault: inside a range it may be an earlier one */
    double residual;  /* NMSE that is left under this explanation */
    char reason[256]; /* one line, runner-up included */
} diagnose_finding;

/* Both rows x width. */
typedef struct diagnose_tensors {
    const float *tested, *reference;
    int rows, width;
    int head_dim;      /* of the value, where it is made of heads; else 0 */
    const tape *tape;  /* names factors such as sqrt(width); NULL: unknown */
    const char *value; /* its name */
} diagnose_tensors;

/* From the values alone. */
void diagnose_values(const diagnose_tensors *t, diagnose_finding *out);

/* A range of ops that should have made `reference` of the inputs, but made `tested`. */
typedef struct diagnose_case {
    const tape *tape;
    int first_op, n_ops;
    const backend_view *views;   /* by tape weight */
    const backend_batch *batch;  /* of a fresh sequence, or with the pages of `cache` */
    const rig *cache;            /* whose cache holds what earlier steps left; NULL: empty */
    const tape_value *in;        /* the range's inputs (tape_inputs), in that order */
    const float *const *in_rows; /* their numbers */
    tape_value out;              /* the value that differs; made inside the range */
    const float *tested, *reference;
    bool tape_suspected; /* the reference comes from outside: words then say what the tape gets wrong, unless the oracle
                            makes the reference's numbers of it */
} diagnose_case;

/* By values, then by hypotheses. Fails only for want of memory or when the oracle fails. */
glint_status diagnose_range(const diagnose_case *c, diagnose_finding *out, glint_error *err);

#endif
