/* IQ4_XS: 256 numbers in 136 bytes, 4 bits each that name a row of the table of IQ4_NL; 8 parts of 32 with a 6-bit
 * scale.
 *
 *     0     2          4             8                               136
 *     | d   | scales_h | scales_l[4] | qs[128]                       |      d f16, scales_h 16 bits
 *
 *     scale of part p   low four bits: nibble p of scales_l; high two: bits 2 p, 2 p + 1 of scales_h
 *     qs                16 bytes a part: low nibbles values 0..15, high nibbles values 16..31
 *
 *     value = d * (scale - 32) * table[k] */
#include "core/formats/blocks.h"
#include "core/formats/grids.h"

void iq4_xs_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const iq4_xs_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 256) {
        float d = block_half(b->d);
        for (int part = 0; part < 8; part++) {
            int low = b->scales_l[part / 2] >> part % 2 * 4 & 15, high = block_u16(b->scales_h) >> part * 2 & 3;
            float scale = d * (float)((low | high << 4) - 32);
            for (int i = 0; i < 16; i++) {
                uint8_t q = b->qs[part * 16 + i];
                out[part * 32 + i] = scale * (float)grid_iq4[q & 15];
                out[part * 32 + i + 16] = scale * (float)grid_iq4[q >> 4];
            }
        }
    }
}
