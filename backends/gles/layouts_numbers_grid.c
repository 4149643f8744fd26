/* Integers and scales of the blocks whose numbers come from a grid or a table, and of the ternary and smallest ones.
 * Each says what the decoder of the same name in core/formats says; the pictures of the blocks are there. */
#include "backends/gles/layouts_numbers.h"

#include <math.h>

#include "core/formats/blocks.h"
#include "core/formats/grids.h"

/* ---- Grids: their rows, read with scale 1, are the integers ---- */

static void integers(const float x[GLES_BLOCK], int8_t q[GLES_BLOCK]) {
    for (int i = 0; i < GLES_BLOCK; i++) q[i] = (int8_t)x[i];
}

/* The offsets of IQ1 are eighths: integers of 8 * grid value +- 1, an eighth of the scale. */
void gles_iq1_s(const void *block, int part, gles_numbers *out) {
    const iq1_s_block *b = block;
    int qh = block_u16(b->qh + 2 * part);
    float x[32], offset = qh & 0x8000 ? -0.125f : 0.125f;
    for (int l = 0; l < 4; l++)
        grid_iq1_row(grid_iq1[b->qs[4 * part + l] | (qh >> 3 * l & 7) << 8], 8, offset, x + 8 * l);
    integers(x, out->q);
    gles_set(out->scale, block_half(b->d) * (float)(2 * (qh >> 12 & 7) + 1) * 0.125f);
}

void gles_iq1_m(const void *block, int part, gles_numbers *out) {
    const iq1_m_block *b = block;
    unsigned d = 0;
    float x[32];
    for (int w = 0; w < 4; w++) d |= (unsigned)(block_u16(b->scales + 2 * w) >> 12) << 4 * w;
    for (int l = 0; l < 4; l++) {
        int r = 4 * part + l, qh = b->qh[r / 2] >> r % 2 * 4;
        grid_iq1_row(grid_iq1[b->qs[r] | (qh & 7) << 8], 8, qh & 8 ? -0.125f : 0.125f, x + 8 * l);
    }
    integers(x, out->q);
    for (int s = 0; s < 2; s++) {
        int p = 2 * part + s, scale = block_u16(b->scales + p / 4 * 2) >> p % 4 * 3 & 7;
        out->scale[s] = format_f16_to_f32((uint16_t)d) * (float)(2 * scale + 1) * 0.125f;
    }
}

void gles_iq2_xxs(const void *block, int part, gles_numbers *out) {
    const iq2_xxs_block *b = block;
    const uint8_t *rows = b->groups + 8 * part;
    uint32_t word = block_u32(rows + 4);
    float x[32];
    for (int l = 0; l < 4; l++) grid_iq2_row(grid_iq2_xxs[rows[l]], grid_signs(word >> 7 * l), 1, x + 8 * l);
    integers(x, out->q);
    gles_set(out->scale, block_half(b->d) * (0.5f + (float)(word >> 28)) * 0.25f);
}

/* IQ2_XS and IQ2_S: a nibble for 16 numbers. */
static void iq2_scales(const uint8_t d[2], uint8_t nibbles, float scale[2]) {
    for (int s = 0; s < 2; s++) scale[s] = block_half(d) * (0.5f + (float)(nibbles >> 4 * s & 15)) * 0.25f;
}

void gles_iq2_xs(const void *block, int part, gles_numbers *out) {
    const iq2_xs_block *b = block;
    float x[32];
    for (int l = 0; l < 4; l++) {
        uint32_t word = block_u16(b->qs + 2 * (4 * part + l));
        grid_iq2_row(grid_iq2_xs[word & 511], grid_signs(word >> 9), 1, x + 8 * l);
    }
    integers(x, out->q);
    iq2_scales(b->d, b->scales[part], out->scale);
}

void gles_iq2_s(const void *block, int part, gles_numbers *out) {
    const iq2_s_block *b = block;
    float x[32];
    for (int l = 0; l < 4; l++) {
        int row = b->qs[4 * part + l] | (b->qh[part] >> 2 * l & 3) << 8;
        grid_iq2_row(grid_iq2_s[row], b->signs[4 * part + l], 1, x + 8 * l);
    }
    integers(x, out->q);
    iq2_scales(b->d, b->scales[part], out->scale);
}

void gles_iq3_xxs(const void *block, int part, gles_numbers *out) {
    const iq3_xxs_block *b = block;
    uint32_t word = block_u32(b->signs + 4 * part);
    float x[32];
    for (int l = 0; l < 8; l++)
        grid_iq3_xxs_row(grid_iq3_xxs[b->qs[8 * part + l]], grid_signs(word >> l / 2 * 7) >> l % 2 * 4, 1, x + 4 * l);
    integers(x, out->q);
    gles_set(out->scale, block_half(b->d) * (0.5f + (float)(word >> 28)) * 0.5f);
}

void gles_iq3_s(const void *block, int part, gles_numbers *out) {
    const iq3_s_block *b = block;
    float x[32];
    for (int l = 0; l < 8; l++) {
        int row = b->qs[8 * part + l] | (b->qh[part] >> l & 1) << 8;
        grid_iq3_s_row(grid_iq3_s[row], b->signs[4 * part + l / 2] >> l % 2 * 4, 1, x + 4 * l);
    }
    integers(x, out->q);
    gles_set(out->scale, block_half(b->d) * (float)(1 + 2 * (b->scales[part / 2] >> part % 2 * 4 & 15)));
}

/* ---- Tables of 16 values; codes of the first half in low nibbles, of the second in high ones ---- */

static void look_up(const int8_t table[16], const uint8_t *qs, int half, int8_t *q) {
    for (int i = 0; i < half; i++) {
        q[i] = table[qs[i] & 15];
        q[i + half] = table[qs[i] >> 4];
    }
}

void gles_iq4_nl(const void *block, int part, gles_numbers *out) {
    const iq4_nl_block *b = block;
    (void)part;
    look_up(grid_iq4, b->qs, 16, out->q);
    gles_set(out->scale, block_half(b->d));
}

void gles_iq4_xs(const void *block, int part, gles_numbers *out) {
    const iq4_xs_block *b = block;
    int low = b->scales_l[part / 2] >> part % 2 * 4 & 15, high = block_u16(b->scales_h) >> part * 2 & 3;
    look_up(grid_iq4, b->qs + 16 * part, 16, out->q);
    gles_set(out->scale, block_half(b->d) * (float)((low | high << 4) - 32));
}

/* The scales of e = 0 and 1 are subnormal. Nothing helps against a GPU that reads those as zero: the integers cannot be
 * made smaller (1 and 3 are among them) and larger ones would make the scales smaller still. What is lost there is
 * numbers below 2^-123. */
void gles_mxfp4(const void *block, int part, gles_numbers *out) {
    const mxfp4_block *b = block;
    (void)part;
    look_up(grid_e2m1, b->qs, 16, out->q);
    gles_set(out->scale, ldexpf(1, b->e - 128));
}

/* Half of what an E4M3 byte means, as in nvfp4.c. */
static float nvfp4_scale(uint8_t d) {
    unsigned magnitude = d & 0x7F;
    return magnitude == 0x7F ? 0.0f : format_f16_to_f32((uint16_t)(magnitude << 7)) * 0x1p+7f;
}

void gles_nvfp4(const void *block, int part, gles_numbers *out) {
    const nvfp4_block *b = block;
    for (int s = 0; s < 2; s++) {
        look_up(grid_e2m1, b->qs + 8 * (2 * part + s), 8, out->q + 16 * s);
        out->scale[s] = nvfp4_scale(b->d[2 * part + s]);
    }
}

/* ---- Ternary, two bits, one bit ---- */

/* Digit k of a byte, as in tq1_0.c. */
static int digit(uint8_t byte, int k) {
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    return (byte * power[k] & 255) * 3 >> 8;
}

void gles_tq1_0(const void *block, int part, gles_numbers *out) {
    const tq1_0_block *b = block;
    for (int j = 0; j < 32; j++) {
        int i = 32 * part + j, d;
        if (i < 160)
            d = digit(b->qs[i % 32], i / 32);
        else if (i < 240)
            d = digit(b->qs[32 + i % 16], (i - 160) / 16);
        else
            d = digit(b->qh[i % 4], (i - 240) / 4);
        out->q[j] = (int8_t)(d - 1);
    }
    gles_set(out->scale, block_half(b->d));
}

void gles_tq2_0(const void *block, int part, gles_numbers *out) {
    const tq2_0_block *b = block;
    const uint8_t *qs = b->qs + part / 4 * 32;
    for (int i = 0; i < 32; i++) out->q[i] = (int8_t)((qs[i] >> part % 4 * 2 & 3) - 1);
    gles_set(out->scale, block_half(b->d));
}

void gles_q1_0(const void *block, int part, gles_numbers *out) {
    const q1_0_block *b = block;
    const uint8_t *qs = b->qs + 4 * part;
    for (int i = 0; i < 32; i++) out->q[i] = (int8_t)(2 * (qs[i / 8] >> i % 8 & 1) - 1);
    gles_set(out->scale, block_half(b->d));
}

void gles_q2_0(const void *block, int part, gles_numbers *out) {
    const q2_0_block *b = block;
    const uint8_t *qs = b->qs + 8 * part;
    for (int i = 0; i < 32; i++) out->q[i] = (int8_t)((qs[i / 4] >> i % 4 * 2 & 3) - 1);
    gles_set(out->scale, block_half(b->d));
}
