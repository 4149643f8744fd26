/* Integers and scales of the blocks of 32 with one scale, and of the K blocks. Each says what the decoder of the same
 * name in core/formats says; the pictures of the blocks are there. */
#include "backends/gles/layouts_numbers.h"

#include <string.h>

#include "core/formats/blocks.h"

/* ---- Blocks of 32 ---- */

static void nibbles(const uint8_t qs[restrict 16], int offset, int8_t q[restrict 32]) {
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)((qs[i] & 15) - offset);
        q[i + 16] = (int8_t)((qs[i] >> 4) - offset);
    }
}

/* Bit i of `bits` as 16 in byte i, for eight at once: each copy of the byte keeps one of its bits, and adding 0x7F
 * carries any bit into the top one of its own byte. */
static uint64_t fifth_bits(uint8_t bits) {
    uint64_t one_each = bits * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    return (one_each + UINT64_C(0x7F7F7F7F7F7F7F7F)) >> 3 & UINT64_C(0x1010101010101010);
}

static void five_bits(const uint8_t qs[restrict 16], const uint8_t qh[4], int offset, int8_t q[restrict 32]) {
    uint8_t high[32];
    for (int j = 0; j < 4; j++) {
        uint64_t eight = fifth_bits(qh[j]);
        memcpy(high + 8 * j, &eight, sizeof eight);
    }
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)(((qs[i] & 15) | high[i]) - offset);
        q[i + 16] = (int8_t)((qs[i] >> 4 | high[i + 16]) - offset);
    }
}

void gles_q4_0(const void *block, int part, gles_numbers *out) {
    const q4_0_block *b = block;
    (void)part;
    nibbles(b->qs, 8, out->q);
    gles_set(out->scale, block_half(b->d));
}

void gles_q4_1(const void *block, int part, gles_numbers *out) {
    const q4_1_block *b = block;
    (void)part;
    nibbles(b->qs, 0, out->q);
    gles_set(out->scale, block_half(b->d));
    gles_set(out->min, block_half(b->m));
}

void gles_q5_0(const void *block, int part, gles_numbers *out) {
    const q5_0_block *b = block;
    (void)part;
    five_bits(b->qs, b->qh, 16, out->q);
    gles_set(out->scale, block_half(b->d));
}

void gles_q5_1(const void *block, int part, gles_numbers *out) {
    const q5_1_block *b = block;
    (void)part;
    five_bits(b->qs, b->qh, 0, out->q);
    gles_set(out->scale, block_half(b->d));
    gles_set(out->min, block_half(b->m));
}

void gles_q8_0(const void *block, int part, gles_numbers *out) {
    const q8_0_block *b = block;
    (void)part;
    memcpy(out->q, b->qs, sizeof b->qs);
    gles_set(out->scale, block_half(b->d));
}

/* ---- Blocks of 256: 8 parts of 32, or 16 of 16 ---- */

void gles_q2_k(const void *block, int part, gles_numbers *out) {
    const q2_k_block *b = block;
    const uint8_t *qs = b->qs + part / 4 * 32;
    float d = block_half(b->d), dmin = block_half(b->dmin);
    for (int i = 0; i < 32; i++) out->q[i] = (int8_t)(qs[i] >> part % 4 * 2 & 3);
    for (int s = 0; s < 2; s++) {
        out->scale[s] = d * (float)(b->scales[2 * part + s] & 15);
        out->min[s] = -(dmin * (float)(b->scales[2 * part + s] >> 4));
    }
}

void gles_q3_k(const void *block, int part, gles_numbers *out) {
    const q3_k_block *b = block;
    const uint8_t *qs = b->qs + part / 4 * 32;
    float d = block_half(b->d);
    for (int i = 0; i < 32; i++) out->q[i] = (int8_t)(((qs[i] >> part % 4 * 2 & 3) | (b->qh[i] >> part & 1) << 2) - 4);
    for (int s = 0; s < 2; s++) {
        int p = 2 * part + s;
        int low = b->scales[p % 8] >> p / 8 * 4 & 15, high = b->scales[8 + p % 4] >> p / 4 * 2 & 3;
        out->scale[s] = d * (float)((low | high << 4) - 32);
    }
}

static void k_scales(const uint8_t d[2], const uint8_t dmin[2], const uint8_t scales[12], int part, gles_numbers *out) {
    int scale, minimum;
    block_k_scale(scales, part, &scale, &minimum);
    gles_set(out->scale, block_half(d) * (float)scale);
    gles_set(out->min, -(block_half(dmin) * (float)minimum));
}

void gles_q4_k(const void *block, int part, gles_numbers *out) {
    const q4_k_block *b = block;
    const uint8_t *qs = b->qs + part / 2 * 32;
    for (int i = 0; i < 32; i++) out->q[i] = (int8_t)(qs[i] >> part % 2 * 4 & 15);
    k_scales(b->d, b->dmin, b->scales, part, out);
}

void gles_q5_k(const void *block, int part, gles_numbers *out) {
    const q5_k_block *b = block;
    const uint8_t *qs = b->qs + part / 2 * 32;
    for (int i = 0; i < 32; i++) out->q[i] = (int8_t)((qs[i] >> part % 2 * 4 & 15) | (b->qh[i] >> part & 1) << 4);
    k_scales(b->d, b->dmin, b->scales, part, out);
}

void gles_q6_k(const void *block, int part, gles_numbers *out) {
    const q6_k_block *b = block;
    int half = part / 4, row = part % 4;
    const uint8_t *ql = b->ql + half * 64 + row % 2 * 32, *qh = b->qh + half * 32;
    float d = block_half(b->d);
    for (int i = 0; i < 32; i++) out->q[i] = (int8_t)(((ql[i] >> row / 2 * 4 & 15) | (qh[i] >> row * 2 & 3) << 4) - 32);
    for (int s = 0; s < 2; s++) out->scale[s] = d * (float)b->scales[2 * part + s];
}
