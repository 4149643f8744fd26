/* Two tensors of the same shape, compared over every element: what check, diff and the report say of a value. Rows may
 * come in pieces; nothing is sampled. */
#ifndef CORE_INSTRUMENTS_MEASURE_H
#define CORE_INSTRUMENTS_MEASURE_H

#include "glint.h"

/* A quiet NaN with a payload that no arithmetic makes: what values are poisoned with before they are computed. */
extern const uint32_t measure_poison_bits;
void measure_poison(float *x, size_t n);

typedef struct measure {
    glint_comparison *c;            /* the numbers so far; kept by the caller */
    double error, power, self, dot; /* sums of (a - b)^2, b^2, a^2, a b */
    size_t n;
} measure;

/* Clears the numeric fields of *c. */
void measure_begin(measure *m, glint_comparison *c, int width);
/* `rows` more rows of c->width floats. bound: as many numbers, NULL: none (share then stays as it is; equal numbers
 * pass any bound, NaN passes none). */
void measure_rows(measure *m, const float *tested, const float *reference, const double *bound, int rows);
/* Fills what needs all of it. A value of zeros has nmse 0 where both are zeros, infinity where the tested is not;
 * its cosine is 1 where both are, else 0. */
void measure_end(measure *m);

#endif
