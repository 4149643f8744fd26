/* MXFP4 (OCP microscaling): 32 numbers in 17 bytes, 4-bit floats (E2M1) and a power of two.
 *
 *     0   1                                  17
 *     | e | qs[0] qs[1] ...            qs[15] |      e unsigned byte
 *           low nibble of qs[i]: k of value i, high nibble: of value i + 16
 *
 *     value = 2^(e - 128) * table[k], where the table holds doubled E2M1 values (2^(e - 127) times E2M1) */
#include <string.h>

#include "core/formats/blocks.h"
#include "core/formats/grids.h"

/* 2^(e - 128): subnormal for e = 0 and 1. */
static float mxfp4_scale(uint8_t e) {
    uint32_t bits = e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return scale;
}

void mxfp4_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const mxfp4_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 32) {
        float d = mxfp4_scale(b->e);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)grid_e2m1[b->qs[i] & 15];
            out[i + 16] = d * (float)grid_e2m1[b->qs[i] >> 4];
        }
    }
}
