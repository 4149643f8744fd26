/* Q2_K: 256 numbers in 84 bytes, 2 bits each; 16 parts of 16 with a 4-bit scale and minimum.
 *
 *     0            16              80    82     84
 *     | scales[16] | qs[64]        | d   | dmin |      d, dmin f16
 *
 *     scales[p]  low nibble: scale of part p, high nibble: its minimum
 *     qs         32 bytes for each half of the block: bits 0..1 of byte i hold value i of the half, bits 2..3 value
 *                i + 32, bits 4..5 value i + 64, bits 6..7 value i + 96
 *
 *     value = d * scale * q - dmin * minimum */
#include "core/formats/blocks.h"

void q2_k_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const q2_k_block *b = blocks, *end = b + n_blocks; b < end; b++, out += 256) {
        float d = block_half(b->d), dmin = block_half(b->dmin);
        for (int part = 0; part < 16; part++) {
            const uint8_t *qs = b->qs + part / 8 * 32 + part % 2 * 16;
            int shift = part % 8 / 2 * 2;
            float scale = d * (float)(b->scales[part] & 15), minimum = dmin * (float)(b->scales[part] >> 4);
            for (int i = 0; i < 16; i++) out[part * 16 + i] = scale * (float)(qs[i] >> shift & 3) - minimum;
        }
    }
}
