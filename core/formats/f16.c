/* F16: IEEE half precision, and the conversions of single halves. A block is one number.
 *
 *     bit 15     14..10          9..0
 *     | sign | exponent + 15 | fraction |      exponent field 0: fraction * 2^-24; 31: infinity or NaN */
#include <string.h>

#include "core/formats/blocks.h"

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float format_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7FFF;
    if (magnitude < 0x0400) return float_of(sign | bits_of((float)magnitude * 0x1p-24f)); /* zero or subnormal */
    if (magnitude < 0x7C00) return float_of(sign | ((magnitude << 13) + ((127 - 15) << 23)));
    if (magnitude == 0x7C00) return float_of(sign | 0x7F800000);
    return float_of(sign | 0x7FC00000 | magnitude << 13); /* a NaN comes out quiet, as processors have it */
}

uint16_t format_f32_to_f16(float f) {
    uint32_t sign = bits_of(f) >> 16 & 0x8000, magnitude = bits_of(f) & 0x7FFFFFFF, h;
    if (magnitude > 0x7F800000) {
        h = 0x7E00 | (magnitude >> 13 & 0x3FF); /* NaN, quiet */
    } else if (magnitude >= 0x477FF000) {
        h = 0x7C00; /* from 65520 on: infinity */
    } else if (magnitude >= 0x38800000) {
        /* From 2^-14 on, a normal half. Adding just under half a unit of its last place, and one more where that place
         * is odd, makes the cut below round to nearest, ties to even; a carry runs into the exponent as it should. */
        h = (magnitude - ((127 - 15) << 23) + 0x0FFF + (magnitude >> 13 & 1)) >> 13;
    } else {
        /* The last place of numbers from 0.5 on is 2^-24, that of subnormal halves, so this sum rounds as they do. */
        h = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    }
    return (uint16_t)(sign | h);
}

void f16_decode(const void *blocks, float *out, size_t n_blocks) {
    const f16_block *b = blocks;
    for (size_t i = 0; i < n_blocks; i++) out[i] = block_half(b[i].bits);
}
