/* The one door to model files. Whatever the file (GGUF, split GGUF, Hugging Face directory), behind it are metadata
 * under canonical keys and tensors under canonical names; what a file keeps differently from the canonical meaning is
 * said as data in its container_tensor. Tables in gguf_names.c and hf_names.c map own names to canonical ones.
 *
 * Canonical metadata keys (integers unless said): layers width ffn heads kv_heads head_dim vocabulary context
 *   rms_eps(f) rope_base(f) rope_base_local(f) rope_dims rope_scaling(s: none linear llama3 yarn longrope)
 *   rope_factor(f) rope_low_freq(f) rope_high_freq(f) rope_original_context window window_pattern
 *   layer_types(array of s: "sliding_attention", "full_attention") attention_scale(f) query_scale_base(f)
 *   activation(s) tied(b) attention_cap(f) final_cap(f) name(s)
 *   eos_ids(array of i; from generation_config.json or config.json)
 * and for the tokenizer, as in GGUF: tokenizer.model(s) tokenizer.pre(s) tokenizer.tokens(array of s)
 *   tokenizer.scores(array of f) tokenizer.types(array of i) tokenizer.merges(array of s) tokenizer.bos
 *   tokenizer.eos tokenizer.eot tokenizer.eom tokenizer.unknown tokenizer.separator tokenizer.padding tokenizer.cls
 *   tokenizer.mask tokenizer.add_bos(b) tokenizer.add_eos(b) tokenizer.add_space_prefix(b) tokenizer.chat_template(s)
 *
 * Canonical tensor names: embed  output  norm  rope_freqs  layers.N.{attn_norm attn_q attn_k attn_v attn_q_bias
 *   attn_k_bias attn_v_bias attn_q_norm attn_k_norm attn_output post_attn_norm ffn_norm ffn_gate ffn_up ffn_down
 *   post_ffn_norm}
 *
 * Everything is checked when a container is opened: after that, data pointers and sizes can be believed (shapes are
 * the model's to check). A container is read-only afterwards and may be shared between threads. */
#ifndef CORE_CONTAINER_CONTAINER_H
#define CORE_CONTAINER_CONTAINER_H

#include "core/base/status.h"
#include "core/formats/formats.h"

typedef struct container container;

typedef struct container_tensor {
    const char *name;      /* in the file */
    const char *canonical; /* NULL: a name the tables do not know */
    format_id format;
    int n_dims;
    uint64_t dims[4]; /* dims[0] runs fastest (columns); unused ones are 1 */
    const void *data; /* in the mapping; any alignment */
    size_t bytes;
    bool rotary_adjacent; /* rows of each head are ordered for adjacent rotary pairs, not for halves */
    bool norm_minus_one;  /* the values stored are w - 1 */
} container_tensor;

/* Strings are not NUL-terminated and may hold any bytes. */
typedef struct container_text {
    const char *data;
    size_t bytes;
} container_text;

/* GLINT_BAD_INPUT with one line naming the file and the cause. The caller closes what it opened. */
glint_status container_open(const char *path, container **out, glint_error *err);
void container_close(container **c);

const char *container_path(const container *c);
const char *container_kind(const container *c);         /* "GGUF v3", "Hugging Face" */
const char *container_architecture(const container *c); /* canonical: "gemma3" also for "gemma3_text" */

/* Metadata by canonical key: false when the file has no such key or its type does not fit. Integers of any width and
 * sign convert when in range; a float key accepts integers. */
bool container_int(const container *c, const char *key, int64_t *out);
bool container_float(const container *c, const char *key, double *out);
bool container_bool(const container *c, const char *key, bool *out);
bool container_string(const container *c, const char *key, container_text *out);
/* Arrays: the length first (false: no such array), then all elements at once into `out`, which has room for them. */
bool container_array(const container *c, const char *key, size_t *length);
bool container_strings(const container *c, const char *key, container_text *out);
bool container_ints(const container *c, const char *key, int64_t *out);
bool container_floats(const container *c, const char *key, float *out);

size_t container_tensors(const container *c, const container_tensor **out); /* returns how many */

#endif
