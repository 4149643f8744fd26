/* The grids of the IQ formats: rows of small numbers that blocks name by index, and what reads one row. */
#ifndef CORE_FORMATS_GRIDS_H
#define CORE_FORMATS_GRIDS_H

#include <stdint.h>

/* The values that the 4 bits of IQ4_NL and IQ4_XS mean; doubled E2M1 floats (MXFP4, NVFP4). */
extern const int8_t grid_iq4[16], grid_e2m1[16];

/* Rows packed into 16 bits: value i of eight is a number of two bits at bit 2 i, of four one of four bits at 4 i. */
extern const uint16_t grid_iq2_xxs[256], grid_iq2_xs[512], grid_iq2_s[1024]; /* 8 x {8, 25, 43} */
extern const uint16_t grid_iq3_xxs[256], grid_iq3_s[512];                    /* 4 x {4 .. 62}, {1, 3 .. 15} */
extern const uint16_t grid_iq1[2048];                                        /* 8 x {-1, 0, 1} */

/* Eight signs from the low seven bits: bit 7 makes the number of minus signs even. */
static inline unsigned grid_signs(uint32_t bits) {
    unsigned seven = bits & 127;
    return seven | (unsigned)__builtin_parity(seven) << 7;
}

/* `row` is a packed row, an element of the arrays above.
 * out[i] = scale * value i of the row, negative where bit i of signs is set. */
void grid_iq2_row(unsigned row, unsigned signs, float scale, float out[8]);
void grid_iq3_xxs_row(unsigned row, unsigned signs, float scale, float out[4]);
void grid_iq3_s_row(unsigned row, unsigned signs, float scale, float out[4]);
/* out[i] = scale * (value i of the row + offset) */
void grid_iq1_row(unsigned row, float scale, float offset, float out[8]);

#endif
