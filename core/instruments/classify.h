/* Inside the diagnosis: explanations of a difference, ranked by what they leave unexplained. classify.c tries those
 * that need the two tensors alone; suspect.c those that need weights. */
#ifndef CORE_INSTRUMENTS_CLASSIFY_H
#define CORE_INSTRUMENTS_CLASSIFY_H

#include "core/instruments/diagnose.h"

enum { CLASSIFY_WORDS = 112 };

/* One explanation. */
typedef struct classify_guess {
    const char *kind;
    tape_value value;
    double left; /* NMSE under it */
    bool exact;  /* it has no free number that was fitted */
    char words[CLASSIFY_WORDS];
} classify_guess;

/* The best two of all that were tried. */
typedef struct classify_ranking {
    double before; /* NMSE without any explanation; NaN counts as infinity */
    classify_guess best, second;
} classify_ranking;

/* sum((a-b)^2) / sum(b^2) in double, infinity where it is NaN; power: sum(b^2), 1 where that is 0. */
double classify_left(const float *a, const float *b, double power, size_t n);
double classify_power(const float *b, size_t n);
/* Explanations are added simplest first: a later one wins only where it leaves clearly less. */
void classify_add(classify_ranking *r, const classify_guess *g);
/* Does the best explain the difference? It must leave no more than a thousandth of it, five where nothing was
 * fitted; or no more than an NMSE of 1e-6, the rounding of a half-precision cache, and a twentieth of it. */
bool classify_explained(const classify_ranking *r);
/* Measures the difference. false: there is none beyond rounding. */
bool classify_begin(classify_ranking *r, const diagnose_tensors *t);
/* Adds what values alone explain. Finite numbers only. */
void classify_all(classify_ranking *r, const diagnose_tensors *t);
/* Fills *out from the ranking; `what` begins the line. */
void classify_finding(const classify_ranking *r, const char *what, diagnose_finding *out);

/* "sqrt(width)" for 13.8564 of a tape 192 wide; else the number itself. */
void classify_name_factor(const diagnose_tensors *t, double factor, char *out, size_t room);

/* Explanations from values: what `tested` would be, given the reference, in `out` (rows x width). false: this variant
 * does not apply here. `words` has CLASSIFY_WORDS bytes. */
typedef bool classify_predict(const diagnose_tensors *t, int variant, float *out, char *words);

classify_predict classify_factor, classify_offset, classify_mean_removed, classify_row_factor, classify_column_factor,
    classify_column_offset, classify_saturation; /* classify_scale.c */
classify_predict classify_transpose, classify_half_adjacent, classify_positions, classify_elements, classify_periodic,
    classify_rows, classify_heads, classify_blocks, classify_inside_block; /* classify_order.c */
classify_predict classify_zeros, classify_tail;                            /* classify_holes.c */

/* NaN, Inf, what was never written, and zeros alone, which no other explanation can see past: true when there are any.
 * Asked of tensors that differ. */
bool classify_holes(const diagnose_tensors *t, classify_guess *out); /* classify_holes.c */
/* Are all numbers those of a half-precision type, where the reference's are not? */
bool classify_halves(const diagnose_tensors *t, char *words);

#endif
