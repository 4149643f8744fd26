/* What a trace says of a value: figures over every number of it, in rows as they come. */
#ifndef CORE_INSTRUMENTS_STATISTICS_H
#define CORE_INSTRUMENTS_STATISTICS_H

#include "glint.h"

typedef struct statistics {
    glint_value_stats value;       /* complete after statistics_end */
    double sum, squares, negative; /* of the finite numbers; negative: how many */
} statistics;

void statistics_begin(statistics *s, const char *name, int width);
/* Rows [first_row, first_row + rows) of the value. */
void statistics_rows(statistics *s, const float *x, int first_row, int rows);
void statistics_end(statistics *s);

#endif
