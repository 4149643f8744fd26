/* glint_make_model: GGUF files with the shapes and number formats of published models and random weights, for measuring
 * speed without the weights. This header joins its files: what is written where. */
#ifndef BENCH_MAKE_MODEL_H
#define BENCH_MAKE_MODEL_H

#include <stdio.h>

#include "core/formats/formats.h"

enum { FAMILY_GEMMA3 = 1, FAMILY_QWEN2 = 2, FAMILY_LLAMA = 4, FAMILY_ALL = 7 };

typedef struct make_shape {
    const char *name; /* on the command line: "gemma3-1b" */
    const char *architecture;
    unsigned family; /* one FAMILY_ bit */
    uint32_t vocabulary, context, width, ffn, layers, heads, kv_heads, head_dim;
    uint32_t window; /* 0: none */
    float rms_eps, rope_base;
} make_shape;

/* make_model_gguf.c: key/value pairs of GGUF, appended to a stream and counted. */
typedef struct make_keys {
    FILE *stream;
    uint64_t count;
} make_keys;
typedef enum make_type { MAKE_U32 = 4, MAKE_I32 = 5, MAKE_F32 = 6, MAKE_BOOL = 7, MAKE_TEXT = 8 } make_type;

void make_text(FILE *f, const char *text);
void make_u32(FILE *f, uint32_t v);
void make_u64(FILE *f, uint64_t v);
void make_f32(FILE *f, float v);
void make_key_u32(make_keys *k, const char *key, uint32_t v);
void make_key_f32(make_keys *k, const char *key, float v);
void make_key_bool(make_keys *k, const char *key, bool v);
void make_key_text(make_keys *k, const char *key, const char *text);
void make_key_array(make_keys *k, const char *key, make_type type, uint64_t n); /* the elements follow */

/* make_model_vocabulary.c: a tokenizer of the full size, which is MAKE_LEAST_TOKENS or more. */
enum { MAKE_LEAST_TOKENS = 512 }; /* room for all bytes, letters and specials */
void make_vocabulary(make_keys *k, const make_shape *s);

/* make_model_blocks.c: the same numbers for the same seed. */
typedef struct make_random {
    uint64_t state;
} make_random;
float make_normal(make_random *r); /* mean 0, deviation 1 */
/* n blocks whose numbers have mean 0 and deviation about `sigma`, in a format that a mix uses. */
void make_blocks(make_random *r, format_id f, float sigma, void *out, size_t n);

#endif
