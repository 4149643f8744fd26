/* Q5_K: 256 numbers in 176 bytes, 5 bits each; 8 parts of 32 with a 6-bit scale and minimum.
 *
 *     0     2      4             16          48                              176
 *     | d   | dmin | scales[12]  | qh[32]    | qs[128]                       |      d, dmin f16
 *
 *     qs, scales  as in Q4_K
 *     qh          bit p of byte i: fifth bit of value i of part p
 *
 *     value = d * scale * q - dmin * minimum */
#include "core/formats/blocks.h"

void q5_k_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q5_k_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 256) {
        float d = block_half(b->d), dmin = block_half(b->dmin);
        for (int part = 0; part < 8; part++) {
            const uint8_t *qs = b->qs + part / 2 * 32;
            int shift = part % 2 * 4, sc, mn;
            block_k_scale(b->scales, part, &sc, &mn);
            float scale = d * (float)sc, minimum = dmin * (float)mn;
            for (int i = 0; i < 32; i++) {
                int q = (qs[i] >> shift & 15) | (b->qh[i] >> part & 1) << 4;
                out[part * 32 + i] = scale * (float)q - minimum;
            }
        }
    }
}
