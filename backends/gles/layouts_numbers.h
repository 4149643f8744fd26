/* The numbers of a file's blocks as integers and scales: what layouts.c puts into planes. */
#ifndef BACKENDS_GLES_LAYOUTS_NUMBERS_H
#define BACKENDS_GLES_LAYOUTS_NUMBERS_H

#include "backends/gles/layouts.h"

/* Number i is q[i] * scale[i / 16] + min[i / 16]; the product is exact and, where the format has no minimum, has the
 * very bits that the format's decoder gives. Formats without minimums leave min alone. */
typedef struct gles_numbers {
    int8_t q[GLES_BLOCK];
    float scale[2], min[2];
} gles_numbers;

/* Numbers 32 part .. 32 part + 31 of one block of the file. */
typedef void gles_extract(const void *block, int part, gles_numbers *out);

/* layouts_numbers.c */
gles_extract gles_q4_0, gles_q4_1, gles_q5_0, gles_q5_1, gles_q8_0;
gles_extract gles_q2_k, gles_q3_k, gles_q4_k, gles_q5_k, gles_q6_k;
/* layouts_numbers_grid.c */
gles_extract gles_iq1_s, gles_iq1_m, gles_iq2_xxs, gles_iq2_xs, gles_iq2_s, gles_iq3_xxs, gles_iq3_s;
gles_extract gles_iq4_nl, gles_iq4_xs, gles_mxfp4, gles_nvfp4, gles_tq1_0, gles_tq2_0, gles_q1_0, gles_q2_0;

static inline void gles_set(float pair[2], float x) {
    pair[0] = pair[1] = x;
}

#endif
