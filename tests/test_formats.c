/* Number formats: every row of the table against ggml's own decoding of the same blocks, bit for bit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/formats/formats.h"
#include "tests/support/safetensors_view.h"
#include "tests/support/support.h"

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

static void assert_same_bits(const format_row *row, const float *got, const float *want, size_t n) {
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        if (bits_of(got[i]) == bits_of(want[i])) continue;
        if (!wrong++)
            printf("\n    %s: block %zu value %zu is %a, not %a\n", row->name, i / row->block_values,
                   i % row->block_values, (double)got[i], (double)want[i]);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* The blocks at an address that is a multiple of nothing, decoded in one call and in two. */
static void check_decode(const format_row *row, const void *blocks, const float *want, size_t n_blocks) {
    size_t n = n_blocks * row->block_values, bytes = n_blocks * row->block_bytes, half = n_blocks / 2;
    unsigned char *odd = malloc(bytes + 1);
    float *got = calloc(n + 1, sizeof *got);
    CU_ASSERT_FATAL(odd && got);
    memcpy(odd + 1, blocks, bytes);
    got[n] = 42; /* a guard */
    row->decode(odd + 1, got, n_blocks);
    assert_same_bits(row, got, want, n);
    CU_ASSERT_EQUAL(got[n], 42);

    memset(got, 0xFF, n * sizeof *got);
    row->decode(blocks, got, half);
    row->decode((const unsigned char *)blocks + half * row->block_bytes, got + half * row->block_values,
                n_blocks - half);
    row->decode(blocks, got, 0); /* nothing to write */
    assert_same_bits(row, got, want, n);
    free(odd);
    free(got);
}

static void decodes_reference_blocks(void) {
    char path[1024], name[64];
    safetensors_view view;
    CU_ASSERT_FATAL(safetensors_view_open(support_data(path, "quant_blocks.safetensors"), &view));
    CU_ASSERT_EQUAL(json_object_size(view.header), 2 * (FORMAT_COUNT - 1)); /* all but F32, none left over */
    for (int f = 0; f < FORMAT_COUNT; f++) {
        const format_row *row = &format_table[f];
        safetensors_entry blocks, values;
        if (f == FORMAT_F32) continue;
        snprintf(name, sizeof name, "%s.blocks", row->name);
        CU_ASSERT_FATAL(safetensors_view_find(&view, name, &blocks));
        snprintf(name, sizeof name, "%s.values", row->name);
        CU_ASSERT_FATAL(safetensors_view_find(&view, name, &values));
        CU_ASSERT_STRING_EQUAL(blocks.dtype, "U8");
        CU_ASSERT_STRING_EQUAL(values.dtype, "F32");
        /* F16 and BF16 come in rows of 32 numbers; a block of theirs is one number. */
        CU_ASSERT_EQUAL_FATAL(blocks.dims[1] * row->block_values, values.dims[1] * row->block_bytes);
        check_decode(row, blocks.data, values.data, blocks.bytes / row->block_bytes);
    }
    safetensors_view_close(&view);
}

static void decodes_f32(void) {
    const float x[5] = {0, -0.0f, INFINITY, float_of(1), -3.25f};
    check_decode(&format_table[FORMAT_F32], x, x, 5);
}

static void looks_up(void) {
    for (int f = 0; f < FORMAT_COUNT; f++) {
        CU_ASSERT_EQUAL(format_from_gguf(format_table[f].gguf_id), (format_id)f);
        CU_ASSERT_EQUAL(format_from_name(format_table[f].name), (format_id)f);
    }
    const uint32_t none[] = {4, 5, 9, 15, 24, 28, 31, 36, 99, UINT32_MAX}; /* removed, repacked, integer types */
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) CU_ASSERT_EQUAL(format_from_gguf(none[i]), FORMAT_COUNT);
    CU_ASSERT_EQUAL(format_from_name("Q4_K_M"), FORMAT_COUNT);
    CU_ASSERT_EQUAL(format_from_name(""), FORMAT_COUNT);
}

static void sizes_rows(void) {
    for (int f = 0; f < FORMAT_COUNT; f++) {
        const format_row *row = &format_table[f];
        uint64_t values = row->block_values, most = SIZE_MAX / row->block_bytes;
        size_t bytes = 7;
        CU_ASSERT(format_row_bytes((format_id)f, 0, &bytes) && bytes == 0);
        CU_ASSERT(format_row_bytes((format_id)f, 3 * values, &bytes) && bytes == 3u * row->block_bytes);
        if (values > 1) {
            CU_ASSERT(!format_row_bytes((format_id)f, 3 * values + 1, &bytes));
            CU_ASSERT(!format_row_bytes((format_id)f, values / 2, &bytes));
        }
        if (most < UINT64_MAX / values) /* else no number of columns is too many */
            CU_ASSERT(!format_row_bytes((format_id)f, (most + 1) * values, &bytes));
        CU_ASSERT_EQUAL(bytes, 3u * row->block_bytes); /* refusals leave it alone */
    }
    size_t bytes;
    CU_ASSERT(!format_row_bytes(FORMAT_COUNT, 32, &bytes));
}

/* Half h by its definition, in double. */
static double half_value(unsigned h) {
    int exponent = h >> 10 & 31, fraction = h & 0x3FF;
    double magnitude = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    if (exponent == 31) magnitude = INFINITY;
    return h & 0x8000 ? -magnitude : magnitude;
}

static void converts_every_half(void) {
    int wrong = 0;
    for (unsigned h = 0; h < 0x10000; h++) {
        float f = format_f16_to_f32((uint16_t)h);
        if ((h & 0x7FFF) > 0x7C00) { /* NaN: sign and payload stay, and it is quiet */
            wrong += !isnan(f) || !!signbit(f) != h >> 15;
            wrong += format_f32_to_f16(f) != (h | 0x0200);
        } else {
            wrong += bits_of(f) != bits_of((float)half_value(h));
            wrong += format_f32_to_f16(f) != h;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Around every boundary between two neighbouring halves: just below, the tie, just above. 65520 is the tie with
 * infinity, which takes the place of 65536. */
static void rounds_to_nearest_even(void) {
    int wrong = 0;
    for (unsigned h = 0; h < 0x7C00; h++) {
        double above = h == 0x7BFF ? 65536 : half_value(h + 1);
        float tie = (float)((half_value(h) + above) / 2); /* exact: twelve bits */
        unsigned even = h % 2 ? h + 1 : h;
        for (unsigned sign = 0; sign < 2; sign++) {
            float s = sign ? -1.0f : 1.0f;
            unsigned high = sign << 15;
            wrong += format_f32_to_f16(s * nextafterf(tie, 0)) != (high | h);
            wrong += format_f32_to_f16(s * tie) != (high | even);
            wrong += format_f32_to_f16(s * nextafterf(tie, INFINITY)) != (high | (h + 1));
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(format_f32_to_f16(3e38f), 0x7C00);
    CU_ASSERT_EQUAL(format_f32_to_f16(-INFINITY), 0xFC00);
    CU_ASSERT_EQUAL(format_f32_to_f16(float_of(1)), 0);               /* the smallest single */
    CU_ASSERT_EQUAL(format_f32_to_f16(float_of(0x7F800001)), 0x7E00); /* a NaN whose payload is cut off stays one */
}

int main(void) {
    const support_case cases[] = {
        {"decodes reference blocks", decodes_reference_blocks},
        {"decodes F32", decodes_f32},
        {"looks up", looks_up},
        {"sizes rows", sizes_rows},
        {"converts every half", converts_every_half},
        {"rounds to nearest even", rounds_to_nearest_even},
    };
    return support_main("formats", cases, sizeof cases / sizeof *cases);
}
