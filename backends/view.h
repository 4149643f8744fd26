/* Rows of a weight as it lies in the file, in canonical order and meaning: for every backend that adopts one. */
#ifndef BACKENDS_VIEW_H
#define BACKENDS_VIEW_H

#include "backends/backend.h"

enum { HOST_BLOCK = 256 /* no format has a larger block */ };

/* The row of the file that holds canonical row `row`. */
int host_file_row(const backend_view *v, int row);
/* Canonical row `row` in canonical meaning: v->cols floats. A vector's elements are ordered as a matrix's rows are. */
void host_weight_row(const backend_view *v, int row, float *out);

#endif
