/* Q4_K: 256 numbers in 144 bytes, 4 bits each; 8 parts of 32 with a 6-bit scale and minimum.
 *
 *     0     2      4             16                              144
 *     | d   | dmin | scales[12]  | qs[128]                       |      d, dmin f16
 *
 *     qs      32 bytes for each pair of parts: low nibbles the even part, high nibbles the odd one
 *     scales  of parts p = 0..3, with what byte 8 + p lacks of part p + 4:
 *               byte p       bits 7..6: scale of part p + 4, bits 5..4      bits 5..0: scale of part p
 *               byte 4 + p   bits 7..6: minimum of part p + 4, bits 5..4    bits 5..0: minimum of part p
 *               byte 8 + p   bits 7..4: minimum of part p + 4, bits 3..0    bits 3..0: scale of part p + 4, bits 3..0
 *
 *     value = d * scale * q - dmin * minimum */
#include "core/formats/blocks.h"

void q4_k_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q4_k_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 256) {
        float d = block_half(b->d), dmin = block_half(b->dmin);
        for (int part = 0; part < 8; part++) {
            const uint8_t *qs = b->qs + part / 2 * 32;
            int shift = part % 2 * 4, sc, mn;
            block_k_scale(b->scales, part, &sc, &mn);
            float scale = d * (float)sc, minimum = dmin * (float)mn;
            for (int i = 0; i < 32; i++) out[part * 32 + i] = scale * (float)(qs[i] >> shift & 15) - minimum;
        }
    }
}
