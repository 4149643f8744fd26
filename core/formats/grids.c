/* The grids of the IQ formats (data/ holds the numbers), and what reads one row of them. */
#include "core/formats/grids.h"

const int8_t grid_iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
const int8_t grid_e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

const uint16_t grid_iq2_xxs[256] = {
#include "core/formats/data/iq2_xxs_grid.inc"
};
const uint16_t grid_iq2_xs[512] = {
#include "core/formats/data/iq2_xs_grid.inc"
};
const uint16_t grid_iq2_s[1024] = {
#include "core/formats/data/iq2_s_grid.inc"
};
const uint16_t grid_iq3_xxs[256] = {
#include "core/formats/data/iq3_xxs_grid.inc"
};
const uint16_t grid_iq3_s[512] = {
#include "core/formats/data/iq3_s_grid.inc"
};
const uint16_t grid_iq1[2048] = {
#include "core/formats/data/iq1_grid.inc"
};

static float with_sign(float x, unsigned signs, int i) {
    return signs >> i & 1 ? -x : x;
}

void grid_iq2_row(unsigned row, unsigned signs, float scale, float out[8]) {
    static const float level[4] = {8, 25, 43, 0}; /* no row has a 3 */
    for (int i = 0; i < 8; i++) out[i] = with_sign(scale * level[row >> 2 * i & 3], signs, i);
}

void grid_iq3_xxs_row(unsigned row, unsigned signs, float scale, float out[4]) {
    static const float level[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    for (int i = 0; i < 4; i++) out[i] = with_sign(scale * level[row >> 4 * i & 7], signs, i);
}

void grid_iq3_s_row(unsigned row, unsigned signs, float scale, float out[4]) {
    for (int i = 0; i < 4; i++) out[i] = with_sign(scale * (float)(2 * (row >> 4 * i & 7) + 1), signs, i);
}

void grid_iq1_row(unsigned row, float scale, float offset, float out[8]) {
    for (int i = 0; i < 8; i++) out[i] = scale * ((float)((int)(row >> 2 * i & 3) - 1) + offset);
}
