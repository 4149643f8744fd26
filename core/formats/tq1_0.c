/* TQ1_0: 256 ternary numbers in 54 bytes, five to a byte, and one scale.
 *
 *     0                       48        52    54
 *     | qs[48]                | qh[4]   | d   |      d f16
 *
 *     A byte is a fraction of 256 whose base-3 digits after the point are its values: digit k of byte v is the whole
 *     part of 3 * ((v * 3^k) mod 256) / 256. The digits k of a stretch of n bytes are n values in a row:
 *       bytes 0..31    digits 0..4   values 0..159
 *       bytes 32..47   digits 0..4   values 160..239
 *       bytes 48..51   digits 0..3   values 240..255
 *
 *     value = d * (digit - 1) */
#include "core/formats/blocks.h"

static float *tq1_0_stretch(const uint8_t *bytes, int n, int digits, float d, float *out) {
    for (int k = 0, power = 1; k < digits; k++, power *= 3)
        for (int i = 0; i < n; i++) {
            int digit = (bytes[i] * power & 255) * 3 >> 8;
            *out++ = d * (float)(digit - 1);
        }
    return out;
}

void tq1_0_decode(const void *blocks, float *out, size_t n_blocks) {
    for (const tq1_0_block *b = blocks, *end = b + n_blocks; b < end; b++) {
        float d = block_half(b->d);
        out = tq1_0_stretch(b->qs, 32, 5, d, out);
        out = tq1_0_stretch(b->qs + 32, 16, 5, d, out);
        out = tq1_0_stretch(b->qh, 4, 4, d, out);
    }
}
