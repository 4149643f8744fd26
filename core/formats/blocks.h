/* The blocks of the number formats, byte for byte as files hold them; a diagram of each is in its own file.
 *
 * Every field is made of bytes, so that a block has no padding and may lie at any address. Numbers of several bytes
 * are little-endian; read them with block_half and block_u16. */
#ifndef CORE_FORMATS_BLOCKS_H
#define CORE_FORMATS_BLOCKS_H

#include <assert.h>

#include "core/formats/formats.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian and are read in place");

typedef struct f32_block {
    uint8_t bits[4];
} f32_block;
typedef struct f16_block {
    uint8_t bits[2];
} f16_block;
typedef struct bf16_block {
    uint8_t bits[2];
} bf16_block;

/* Blocks of 32 with one scale. */
typedef struct q4_0_block {
    uint8_t d[2], qs[16];
} q4_0_block;
typedef struct q4_1_block {
    uint8_t d[2], m[2], qs[16];
} q4_1_block;
typedef struct q5_0_block {
    uint8_t d[2], qh[4], qs[16];
} q5_0_block;
typedef struct q5_1_block {
    uint8_t d[2], m[2], qh[4], qs[16];
} q5_1_block;
typedef struct q8_0_block {
    uint8_t d[2];
    int8_t qs[32];
} q8_0_block;

/* Blocks of 256 with a scale for each 16 or 32. */
typedef struct q2_k_block {
    uint8_t scales[16], qs[64], d[2], dmin[2];
} q2_k_block;
typedef struct q3_k_block {
    uint8_t qh[32], qs[64], scales[12], d[2];
} q3_k_block;
typedef struct q4_k_block {
    uint8_t d[2], dmin[2], scales[12], qs[128];
} q4_k_block;
typedef struct q5_k_block {
    uint8_t d[2], dmin[2], scales[12], qh[32], qs[128];
} q5_k_block;
typedef struct q6_k_block {
    uint8_t ql[128], qh[64];
    int8_t scales[16];
    uint8_t d[2];
} q6_k_block;

/* Blocks that name rows of a grid, and two with a table of 16 values. */
typedef struct iq1_s_block {
    uint8_t d[2], qs[32], qh[16];
} iq1_s_block;
typedef struct iq1_m_block {
    uint8_t qs[32], qh[16], scales[8];
} iq1_m_block;
typedef struct iq2_xxs_block {
    uint8_t d[2], groups[64];
} iq2_xxs_block;
typedef struct iq2_xs_block {
    uint8_t d[2], qs[64], scales[8];
} iq2_xs_block;
typedef struct iq2_s_block {
    uint8_t d[2], qs[32], signs[32], qh[8], scales[8];
} iq2_s_block;
typedef struct iq3_xxs_block {
    uint8_t d[2], qs[64], signs[32];
} iq3_xxs_block;
typedef struct iq3_s_block {
    uint8_t d[2], qs[64], qh[8], signs[32], scales[4];
} iq3_s_block;
typedef struct iq4_nl_block {
    uint8_t d[2], qs[16];
} iq4_nl_block;
typedef struct iq4_xs_block {
    uint8_t d[2], scales_h[2], scales_l[4], qs[128];
} iq4_xs_block;

/* Ternary, small floats, one and two bits. */
typedef struct tq1_0_block {
    uint8_t qs[48], qh[4], d[2];
} tq1_0_block;
typedef struct tq2_0_block {
    uint8_t qs[64], d[2];
} tq2_0_block;
typedef struct mxfp4_block {
    uint8_t e, qs[16];
} mxfp4_block;
typedef struct nvfp4_block {
    uint8_t d[4], qs[32];
} nvfp4_block;
typedef struct q1_0_block {
    uint8_t d[2], qs[16];
} q1_0_block;
typedef struct q2_0_block {
    uint8_t d[2], qs[16];
} q2_0_block;

static_assert(sizeof(f32_block) == 4, "block of F32");
static_assert(sizeof(f16_block) == 2, "block of F16");
static_assert(sizeof(bf16_block) == 2, "block of BF16");
static_assert(sizeof(q4_0_block) == 18, "block of Q4_0");
static_assert(sizeof(q4_1_block) == 20, "block of Q4_1");
static_assert(sizeof(q5_0_block) == 22, "block of Q5_0");
static_assert(sizeof(q5_1_block) == 24, "block of Q5_1");
static_assert(sizeof(q8_0_block) == 34, "block of Q8_0");
static_assert(sizeof(q2_k_block) == 84, "block of Q2_K");
static_assert(sizeof(q3_k_block) == 110, "block of Q3_K");
static_assert(sizeof(q4_k_block) == 144, "block of Q4_K");
static_assert(sizeof(q5_k_block) == 176, "block of Q5_K");
static_assert(sizeof(q6_k_block) == 210, "block of Q6_K");
static_assert(sizeof(iq1_s_block) == 50, "block of IQ1_S");
static_assert(sizeof(iq1_m_block) == 56, "block of IQ1_M");
static_assert(sizeof(iq2_xxs_block) == 66, "block of IQ2_XXS");
static_assert(sizeof(iq2_xs_block) == 74, "block of IQ2_XS");
static_assert(sizeof(iq2_s_block) == 82, "block of IQ2_S");
static_assert(sizeof(iq3_xxs_block) == 98, "block of IQ3_XXS");
static_assert(sizeof(iq3_s_block) == 110, "block of IQ3_S");
static_assert(sizeof(iq4_nl_block) == 18, "block of IQ4_NL");
static_assert(sizeof(iq4_xs_block) == 136, "block of IQ4_XS");
static_assert(sizeof(tq1_0_block) == 54, "block of TQ1_0");
static_assert(sizeof(tq2_0_block) == 66, "block of TQ2_0");
static_assert(sizeof(mxfp4_block) == 17, "block of MXFP4");
static_assert(sizeof(nvfp4_block) == 36, "block of NVFP4");
static_assert(sizeof(q1_0_block) == 18, "block of Q1_0");
static_assert(sizeof(q2_0_block) == 18, "block of Q2_0");

static inline uint16_t block_u16(const uint8_t b[2]) {
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t block_u32(const uint8_t b[4]) {
    return block_u16(b) | (uint32_t)block_u16(b + 2) << 16;
}

static inline float block_half(const uint8_t b[2]) {
    return format_f16_to_f32(block_u16(b));
}

/* Scale and minimum of part j (0..7) of a Q4_K or Q5_K block: see q4_k.c. */
static inline void block_k_scale(const uint8_t scales[12], int j, int *scale, int *minimum) {
    if (j < 4) {
        *scale = scales[j] & 63;
        *minimum = scales[j + 4] & 63;
    } else {
        *scale = (scales[j + 4] & 15) | (scales[j - 4] >> 6) << 4;
        *minimum = scales[j + 4] >> 4 | (scales[j] >> 6) << 4;
    }
}

/* The decoders, one file each. */
format_decode f32_decode, f16_decode, bf16_decode;
format_decode q4_0_decode, q4_1_decode, q5_0_decode, q5_1_decode, q8_0_decode;
format_decode q2_k_decode, q3_k_decode, q4_k_decode, q5_k_decode, q6_k_decode;
format_decode iq1_s_decode, iq1_m_decode, iq2_xxs_decode, iq2_xs_decode, iq2_s_decode, iq3_xxs_decode, iq3_s_decode;
format_decode iq4_nl_decode, iq4_xs_decode, tq1_0_decode, tq2_0_decode, mxfp4_decode, nvfp4_decode;
format_decode q1_0_decode, q2_0_decode;

#endif
