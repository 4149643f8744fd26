/* Inside the room of glint_diff: diff.c compares the values that two files have, diff_model.c asks the oracle which
 * side is wrong about them, and why; both read a side through diff_read.c. */
#ifndef CORE_INSTRUMENTS_DIFF_H
#define CORE_INSTRUMENTS_DIFF_H

#include "core/instruments/bound.h"
#include "core/instruments/diagnose.h"
#include "core/instruments/reference.h"
#include "core/model.h"

/* The same prompt in both files. */
typedef struct diff_pair {
    const reference *tested, *reference;
    const reference_run *tested_run, *reference_run;
    int rows;                  /* whose ids are the same in both */
    const glint_model *model;  /* NULL: none */
    const backend_view *views; /* by tape weight */
    arena *memory;
} diff_pair;

glint_status diff_no_memory(glint_error *err);
/* One side's rows [first, first + n) of a value. */
glint_status diff_read(const reference *r, const reference_run *run, const char *name, int first, int n, arena *a,
                       float **out, glint_error *err);

/* What the oracle says of rows [first, first + n) of a value that differ. */
typedef struct diff_opinion {
    bool carried; /* both sides are right about it, given what came before */
    diagnose_finding finding;
} diff_opinion;

/* Runs the ops that make the value on each side's own inputs, the nearest that the side has. `telling`: so many of the
 * rows show the difference; more are looked at where that costs little. */
glint_status diff_ask_model(const diff_pair *p, const char *name, int first, int n, int telling, diff_opinion *out,
                            glint_error *err);

#endif
