/* Q5_0: 32 numbers in 22 bytes, 5 bits each and one scale.
 *
 *     0     2                 6                                  22
 *     | d   | qh: 32 bits     | qs[0] qs[1] ...            qs[15] |      d f16
 *       bit i: fifth bit       low nibble of qs[i]: q of value i,
 *       of value i             high nibble: of value i + 16
 *
 *     value = d * (q - 16) */
#include "core/formats/blocks.h"

void q5_0_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q5_0_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 32) {
        float d = block_half(b->d);
        for (int i = 0; i < 32; i++) {
            int low = i < 16 ? b->qs[i] & 15 : b->qs[i - 16] >> 4;
            int high = b->qh[i / 8] >> i % 8 & 1;
            out[i] = d * (float)((low | high << 4) - 16);
        }
    }
}
