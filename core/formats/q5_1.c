/* Q5_1: 32 numbers in 24 bytes, 5 bits each, a scale and a minimum.
 *
 *     0     2     4                 8                                  24
 *     | d   | m   | qh: 32 bits     | qs[0] qs[1] ...            qs[15] |      d, m f16
 *             bit i: fifth bit       low nibble of qs[i]: q of value i,
 *             of value i             high nibble: of value i + 16
 *
 *     value = d * q + m */
#include "core/formats/blocks.h"

void q5_1_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q5_1_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 32) {
        float d = block_half(b->d), m = block_half(b->m);
        for (int i = 0; i < 32; i++) {
            int low = i < 16 ? b->qs[i] & 15 : b->qs[i - 16] >> 4;
            int high = b->qh[i / 8] >> i % 8 & 1;
            out[i] = d * (float)(low | high << 4) + m;
        }
    }
}
