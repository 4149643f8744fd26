/* Inside the diagnosis by hypotheses. suspect.c holds the table and the search, suspect_case.c what all trials share,
 * suspect_run.c runs one; the changes are in suspect_ops.c, suspect_attend.c and suspect_weights.c. */
#ifndef CORE_INSTRUMENTS_SUSPECT_H
#define CORE_INSTRUMENTS_SUSPECT_H

#include "core/instruments/classify.h"

/* ---- The case, cut down to what decides it ---- */

/* The range up to the op that makes the value, for some of the rows, and what the oracle makes of it unchanged. */
typedef struct suspect {
    const diagnose_case *c;
    const tape *tape;
    int first_op, last_op; /* last_op makes the value */
    bool has_cache;        /* some op of the range reads or writes one */
    bool outputs;          /* every value of the range has output rows only */

    backend_batch batch; /* of the rows that were kept, with page tables */
    int rows;            /* of the value */
    int *row;            /* by row kept: its row in the case */
    int width;           /* numbers of a row kept */
    int *column;         /* by number kept: its column in the case; NULL: all */
    float *tested, *reference;
    const float *goal; /* what a hypothesis has to make: the tested, or, where the tape is suspected, the reference */

    rig oracle; /* has run the range as it is */
    rig_setup setup;
    backend_view *views; /* by tape weight */
    tape own;            /* the tape, with the last weight cut down to the columns kept */
    float **value;       /* by tape value: the oracle's numbers, or the inputs'; NULL: outside */
    arena memory;
} suspect;

/* Opens the oracle and runs the range once. Close it also after an error. */
glint_status suspect_open(suspect *s, const diagnose_case *c, glint_error *err);
void suspect_close(suspect *s);
int suspect_rows(const suspect *s, tape_value v);
/* Multiplications of a row through the op, and through the range. */
double suspect_op_work(const suspect *s, int op);
double suspect_work(const suspect *s);
/* Pages of the caches that both rigs have, whose setups count pages alike. */
glint_status suspect_copy_pages(const rig *from, const rig *to, arena *a, glint_error *err);

/* ---- A trial: the range with a change ---- */

typedef struct suspect_trial suspect_trial;

/* Changes rows x width numbers of an op's operand 0, or of its result, in place. */
typedef void suspect_hook(const suspect_trial *t, const tape_op *op, float *x, int rows, int width);
/* Row `row` of a weight as it lies in the file, read wrongly: v->cols numbers, before what the view says of the rows'
 * order and of norms is applied. */
typedef void suspect_reader(const backend_view *v, int row, int parameter, float *out);

/* What an op does besides what its copy in the trial's tape says. */
typedef struct suspect_op {
    bool changed;
    suspect_hook *before, *after;
    int instead;             /* 1 + the operand that is taken for the result; 0: the op runs */
    const int32_t *position; /* by row of the suspect's batch; NULL: the batch's own */
    suspect_reader *read;    /* of weight 0; NULL: as it is */
    int parameter;
} suspect_op;

struct suspect_trial {
    const suspect *s;
    tape tape;       /* ops, ropes and groups may be changed */
    suspect_op *ops; /* by op */
    bool half_cache; /* keys and values are rounded to float16 */
    backend_view *views;
    char words[CLASSIFY_WORDS]; /* what was changed */
    double work;                /* multiplications that running it took */
    arena memory;
};

void suspect_trial_open(suspect_trial *t, const suspect *s);
void suspect_trial_close(suspect_trial *t);
/* What is left of the difference under the change, as a share of what was there (1: nothing explained); INFINITY: the
 * change does not reach the value. */
glint_status suspect_run(suspect_trial *t, double *share, glint_error *err);

/* ---- Changes ---- */

/* Makes change `variant` to op i of the trial's tape, marks it in t->ops[i].changed and says it in t->words. false:
 * there is nothing to change. */
typedef bool suspect_change(suspect_trial *t, int i, int variant);

suspect_change suspect_norm_weight, suspect_norm_plain, suspect_eps, suspect_centred, suspect_missing, suspect_bypassed,
    suspect_order, suspect_norm_instead, suspect_bias, suspect_activation, suspect_swapped,
    suspect_embed_scale; /* suspect_ops.c */
suspect_change suspect_rope_base, suspect_rope_plain, suspect_rope_stretched, suspect_rope_pairs, suspect_rope_position,
    suspect_rope_reset, suspect_write_position, suspect_attend_scale, suspect_window_near, suspect_window,
    suspect_half_cache, suspect_mask, suspect_stale, suspect_heads; /* suspect_attend.c */
suspect_change suspect_row_order, suspect_transposed, suspect_columns, suspect_nibbles, suspect_sub_blocks,
    suspect_minimum, suspect_type, suspect_wrapped; /* suspect_weights.c */

#endif
