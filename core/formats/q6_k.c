/* Q6_K: 256 numbers in 210 bytes, 6 bits each; 16 parts of 16 with an 8-bit scale.
 *
 *     0                         128            192          208   210
 *     | ql[128]                 | qh[64]       | scales[16] | d   |      d f16, scales signed bytes
 *
 *     Each half of the block has 64 bytes of ql and 32 of qh. Row r (32 values) of a half:
 *       low four bits   ql[32 (r % 2) + i], low nibble for r = 0, 1, high nibble for r = 2, 3
 *       high two bits   qh[i], bits 2 r and 2 r + 1
 *
 *     value = d * scale * (q - 32) */
#include "core/formats/blocks.h"

void q6_k_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q6_k_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 256) {
        float d = block_half(b->d);
        for (int part = 0; part < 16; part++) {
            int half = part / 8, row = part % 8 / 2, from = part % 2 * 16;
            const uint8_t *ql = b->ql + half * 64 + row % 2 * 32 + from, *qh = b->qh + half * 32 + from;
            float scale = d * (float)b->scales[part];
            for (int i = 0; i < 16; i++) {
                int q = (ql[i] >> row / 2 * 4 & 15) | (qh[i] >> row * 2 & 3) << 4;
                out[part * 16 + i] = scale * (float)(q - 32);
            }
        }
    }
}
