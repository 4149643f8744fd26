/* Random blocks of every format, without knowing where a format keeps its scales: draw until the values are sane. */
#include <math.h>
#include <string.h>

#include "tests/support/op_cases.h"

/* Single floats are drawn as numbers; any bits would rarely be sane. */
static bool draw_float(support_random *r, format_id f, unsigned char *out) {
    float x = support_uniform(r, -1, 1);
    uint16_t half = format_f32_to_f16(x);
    switch (f) {
    case FORMAT_F32:
        memcpy(out, &x, sizeof x);
        return true;
    case FORMAT_F16:
        memcpy(out, &half, sizeof half);
        return true;
    case FORMAT_BF16:
        memcpy(out, (char *)&x + 2, 2);
        return true; /* its upper half, little-endian */
    default:
        return false;
    }
}

static bool is_sane(format_id f, const unsigned char *block) {
    float values[256], most = 0;
    format_table[f].decode(block, values, 1);
    for (int i = 0; i < format_table[f].block_values; i++) {
        if (!isfinite(values[i])) return false;
        most = fmaxf(most, fabsf(values[i]));
    }
    return most >= 0x1p-6f && most <= 2;
}

void op_random_blocks(support_random *r, format_id f, unsigned char *out, size_t n_blocks) {
    size_t bytes = format_table[f].block_bytes;
    for (size_t b = 0; b < n_blocks; b++, out += bytes) {
        if (draw_float(r, f, out)) continue;
        do {
            for (size_t i = 0; i < bytes; i++) out[i] = (unsigned char)support_bits(r);
        } while (!is_sane(f, out));
    }
}
