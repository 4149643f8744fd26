/* Number formats: how the numbers of a weight are stored. A row each in formats.c, a file each beside it.
 *
 * A row of a matrix is a whole number of blocks; a block holds `block_values` numbers in `block_bytes` bytes.
 * decode() is the meaning of a format: every other reader of it, on any device, is compared with it. It is exact, bit
 * for bit what the format's specification (GGML's reference decoder) gives. */
#ifndef CORE_FORMATS_FORMATS_H
#define CORE_FORMATS_FORMATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum format_id {
    FORMAT_F32,
    FORMAT_F16,
    FORMAT_BF16,
    FORMAT_Q4_0,
    FORMAT_Q4_1,
    FORMAT_Q5_0,
    FORMAT_Q5_1,
    FORMAT_Q8_0,
    FORMAT_Q2_K,
    FORMAT_Q3_K,
    FORMAT_Q4_K,
    FORMAT_Q5_K,
    FORMAT_Q6_K,
    FORMAT_IQ1_S,
    FORMAT_IQ1_M,
    FORMAT_IQ2_XXS,
    FORMAT_IQ2_XS,
    FORMAT_IQ2_S,
    FORMAT_IQ3_XXS,
    FORMAT_IQ3_S,
    FORMAT_IQ4_NL,
    FORMAT_IQ4_XS,
    FORMAT_TQ1_0,
    FORMAT_TQ2_0,
    FORMAT_MXFP4,
    FORMAT_NVFP4,
    FORMAT_Q1_0,
    FORMAT_Q2_0,
    FORMAT_COUNT
} format_id;

/* n_blocks whole blocks at `blocks` (any alignment) to n_blocks * block_values floats. */
typedef void format_decode(const void *blocks, float *out, size_t n_blocks);

typedef struct format_row {
    const char *name; /* as GGUF tools print it: "Q4_K" */
    uint32_t gguf_id; /* ggml_type */
    uint16_t block_values;
    uint16_t block_bytes;
    format_decode *decode;
} format_row;

extern const format_row format_table[FORMAT_COUNT];

/* Look-ups; FORMAT_COUNT when there is none. */
format_id format_from_gguf(uint32_t gguf_id);
format_id format_from_name(const char *name);
/* Bytes of a row of `cols` numbers; false when cols is no whole number of blocks or the size does not fit. */
bool format_row_bytes(format_id f, uint64_t cols, size_t *out);

/* Conversions of single numbers, exact (f16 to f32 and back rounds to nearest, ties to even). */
float format_f16_to_f32(uint16_t h);
uint16_t format_f32_to_f16(float f);

#endif
