/* What the portable 8-bit dot products share: the walk over rows. Each format's file has the dot of one row. */
#ifndef CPU_Q8_PORTABLE_H
#define CPU_Q8_PORTABLE_H

#include "core/formats/blocks.h"
#include "cpu/dot_q8.h"

typedef float q8_row_dot(const void *row, int cols, const cpu_act *x);

static inline void q8_rows(q8_row_dot *dot, const void *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x,
                           int n_x, float *y, size_t y_stride) {
    for (int r = 0; r < n_rows; r++)
        for (int i = 0; i < n_x; i++)
            y[(size_t)i * y_stride + (size_t)r] = dot((const char *)w + (size_t)r * row_bytes, cols, &x[i]);
}

/* Sum of q over n numbers. */
static inline int q8_sum(const int8_t *q, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += q[i];
    return sum;
}

#define Q8_KERNEL(name, row_dot)                                                                                       \
    void name(const void *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x, int n_x, float *y,              \
              size_t y_stride) {                                                                                       \
        q8_rows(row_dot, w, row_bytes, n_rows, cols, x, n_x, y, y_stride);                                             \
    }

#endif
