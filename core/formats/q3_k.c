/* Q3_K: 256 numbers in 110 bytes, 3 bits each; 16 parts of 16 with a 6-bit scale.
 *
 *     0           32              96             108   110
 *     | qh[32]    | qs[64]        | scales[12]   | d   |      d f16
 *
 *     qs      low two bits, laid out as in Q2_K
 *     qh      bit k of byte i: third bit of value 32 k + i of the block
 *     scales  of part p: low four bits in a nibble of bytes 0..7 (p < 8 low, p >= 8 high nibble of byte p % 8),
 *             high two bits in byte 8 + p % 4 at bit 2 (p / 4)
 *
 *     value = d * (scale - 32) * (q - 4) */
#include "core/formats/blocks.h"

void q3_k_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q3_k_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 256) {
        float d = block_half(b->d);
        for (int part = 0; part < 16; part++) {
            const uint8_t *qs = b->qs + part / 8 * 32 + part % 2 * 16, *qh = b->qh + part % 2 * 16;
            int shift = part % 8 / 2 * 2;
            int low = b->scales[part % 8] >> part / 8 * 4 & 15, high = b->scales[8 + part % 4] >> part / 4 * 2 & 3;
            float scale = d * (float)((low | high << 4) - 32);
            for (int i = 0; i < 16; i++) {
                int q = (qs[i] >> shift & 3) | (qh[i] >> part / 2 & 1) << 2;
                out[part * 16 + i] = scale * (float)(q - 4);
            }
        }
    }
}
