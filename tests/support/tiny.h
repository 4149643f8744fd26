/* Small decoders with random weights, for what no trained model shows: a GGUF file in the format, of the shape and with
 * the sizes of numbers that a test wants. */
#ifndef TESTS_SUPPORT_TINY_H
#define TESTS_SUPPORT_TINY_H

#include "core/formats/formats.h"

typedef struct tiny_model {
    const char *architecture; /* "llama", "qwen3" */
    format_id format;         /* of matrices */
    int layers, width, heads, kv_heads, head_dim, ffn, vocabulary;
    float embed, key, norm; /* sizes of embedding, key and norm weights as float32; 0: random blocks of `format`, for
                               norms 1 */
} tiny_model;

/* Writes the file. */
void tiny_write(const tiny_model *t, const char *path);

#endif
