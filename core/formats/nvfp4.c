/* NVFP4: 64 numbers in 36 bytes, 4-bit floats (E2M1); 4 parts of 16 with a scale of 8 bits (E4M3, sign ignored).
 *
 *     0      4                                  36
 *     | d[4] | qs[32]                           |
 *
 *     d[p]   bits 6..3: exponent + 7, bits 2..0: fraction; 0x7F (NaN) means 0
 *     qs     8 bytes a part: low nibbles values 0..7, high nibbles values 8..15
 *
 *     value = d[p] / 2 * table[k], where the table holds doubled E2M1 values */
#include "core/formats/blocks.h"
#include "core/formats/grids.h"

/* Half of what an E4M3 byte means: shifted into the fields of an f16 it is too small by 2^(15 - 7). */
static float nvfp4_scale(uint8_t d) {
    unsigned magnitude = d & 0x7F;
    return magnitude == 0x7F ? 0.0f : format_f16_to_f32((uint16_t)(magnitude << 7)) * 0x1p+7f;
}

void nvfp4_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const nvfp4_block *b = blocks, *end = b + n_blocks; b < end; b++)
        for (int part = 0; part < 4; part++, out += 16) {
            float d = nvfp4_scale(b->d[part]);
            for (int i = 0; i < 8; i++) {
                uint8_t q = b->qs[part * 8 + i];
                out[i] = d * (float)grid_e2m1[q & 15];
                out[i + 8] = d * (float)grid_e2m1[q >> 4];
            }
        }
}
