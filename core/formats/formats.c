/* The table of number formats, and look-ups in it. */
#include <string.h>

#include "core/base/size.h"
#include "core/formats/blocks.h"

const format_row format_table[FORMAT_COUNT] = {
    /* name, ggml_type, numbers and bytes of a block, meaning */
    [FORMAT_F32] = {"F32", 0, 1, sizeof(f32_block), f32_decode},
    [FORMAT_F16] = {"F16", 1, 1, sizeof(f16_block), f16_decode},
    [FORMAT_BF16] = {"BF16", 30, 1, sizeof(bf16_block), bf16_decode},
    [FORMAT_Q4_0] = {"Q4_0", 2, 32, sizeof(q4_0_block), q4_0_decode},
    [FORMAT_Q4_1] = {"Q4_1", 3, 32, sizeof(q4_1_block), q4_1_decode},
    [FORMAT_Q5_0] = {"Q5_0", 6, 32, sizeof(q5_0_block), q5_0_decode},
    [FORMAT_Q5_1] = {"Q5_1", 7, 32, sizeof(q5_1_block), q5_1_decode},
    [FORMAT_Q8_0] = {"Q8_0", 8, 32, sizeof(q8_0_block), q8_0_decode},
    [FORMAT_Q2_K] = {"Q2_K", 10, 256, sizeof(q2_k_block), q2_k_decode},
    [FORMAT_Q3_K] = {"Q3_K", 11, 256, sizeof(q3_k_block), q3_k_decode},
    [FORMAT_Q4_K] = {"Q4_K", 12, 256, sizeof(q4_k_block), q4_k_decode},
    [FORMAT_Q5_K] = {"Q5_K", 13, 256, sizeof(q5_k_block), q5_k_decode},
    [FORMAT_Q6_K] = {"Q6_K", 14, 256, sizeof(q6_k_block), q6_k_decode},
    [FORMAT_IQ1_S] = {"IQ1_S", 19, 256, sizeof(iq1_s_block), iq1_s_decode},
    [FORMAT_IQ1_M] = {"IQ1_M", 29, 256, sizeof(iq1_m_block), iq1_m_decode},
    [FORMAT_IQ2_XXS] = {"IQ2_XXS", 16, 256, sizeof(iq2_xxs_block), iq2_xxs_decode},
    [FORMAT_IQ2_XS] = {"IQ2_XS", 17, 256, sizeof(iq2_xs_block), iq2_xs_decode},
    [FORMAT_IQ2_S] = {"IQ2_S", 22, 256, sizeof(iq2_s_block), iq2_s_decode},
    [FORMAT_IQ3_XXS] = {"IQ3_XXS", 18, 256, sizeof(iq3_xxs_block), iq3_xxs_decode},
    [FORMAT_IQ3_S] = {"IQ3_S", 21, 256, sizeof(iq3_s_block), iq3_s_decode},
    [FORMAT_IQ4_NL] = {"IQ4_NL", 20, 32, sizeof(iq4_nl_block), iq4_nl_decode},
    [FORMAT_IQ4_XS] = {"IQ4_XS", 23, 256, sizeof(iq4_xs_block), iq4_xs_decode},
    [FORMAT_TQ1_0] = {"TQ1_0", 34, 256, sizeof(tq1_0_block), tq1_0_decode},
    [FORMAT_TQ2_0] = {"TQ2_0", 35, 256, sizeof(tq2_0_block), tq2_0_decode},
    [FORMAT_MXFP4] = {"MXFP4", 39, 32, sizeof(mxfp4_block), mxfp4_decode},
    [FORMAT_NVFP4] = {"NVFP4", 40, 64, sizeof(nvfp4_block), nvfp4_decode},
    [FORMAT_Q1_0] = {"Q1_0", 41, 128, sizeof(q1_0_block), q1_0_decode},
    [FORMAT_Q2_0] = {"Q2_0", 42, 64, sizeof(q2_0_block), q2_0_decode},
};

format_id format_from_gguf(uint32_t gguf_id) {
    for (int f = 0; f < FORMAT_COUNT; f++)
        if (format_table[f].gguf_id == gguf_id) return (format_id)f;
    return FORMAT_COUNT;
}

format_id format_from_name(const char *name) {
    for (int f = 0; f < FORMAT_COUNT; f++)
        if (!strcmp(format_table[f].name, name)) return (format_id)f;
    return FORMAT_COUNT;
}

bool format_row_bytes(format_id f, uint64_t cols, size_t *out) {
    if ((unsigned)f >= FORMAT_COUNT || cols % format_table[f].block_values) return false;
    return size_mul(cols / format_table[f].block_values, format_table[f].block_bytes, out);
}
