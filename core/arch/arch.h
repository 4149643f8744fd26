/* Architectures: a file each, a row each in arch.c. An architecture writes the tape of a model; nothing else in Glint
 * knows what a transformer looks like. */
#ifndef CORE_ARCH_ARCH_H
#define CORE_ARCH_ARCH_H

#include "core/model.h"

typedef struct arch_row {
    const char *name; /* canonical, as container_architecture gives it */
    void (*build)(glint_model *m);
} arch_row;

extern const arch_row arch_table[]; /* ends with an empty row */

/* The table's names in one line, for messages. */
const char *arch_names(void);

/* ---- Pieces that several architectures share ---- */

/* What nearly every decoder's metadata says. */
typedef struct arch_shape {
    int layers, width, ffn, heads, kv_heads, head_dim, context, vocabulary;
    double eps;
} arch_shape;
/* Reads them, sets tape.layers, tape.vocabulary and context. What the file lacks is taken from `otherwise`; what is 0
 * there must be in the file, but for kv_heads (the heads), head_dim (width / heads) and context (2048). */
arch_shape arch_read_shape(glint_model *m, const arch_shape *otherwise);

/* Rotary frequencies base^(-2i/dims) / divisor, i < dims / 2, as an index into tape.ropes. */
int arch_rope(glint_model *m, int dims, double base, double divisor);
/* The same as "rope_scaling" has it: none, linear, or llama 3's, which may lie in the tensor rope_freqs instead. */
int arch_rope_llama3(glint_model *m, int dims, double base);

/* down(act(gate x) * up x), the gated feed-forward of llama and its kin. */
tape_value arch_gated_ffn(glint_model *m, tape_value x, const arch_shape *s, tape_act act);
/* The pre-norm decoder that llama, qwen2 and qwen3 share (llama.c). */
void llama_decoder(glint_model *m, bool biases, bool head_norms);
/* Selected rows, final norm, head, and the likeliest tokens: top, argmax. */
void arch_head(glint_model *m, tape_value h, tape_weight embed, const arch_shape *s);

void gemma3_build(glint_model *m);
void llama_build(glint_model *m);
void qwen2_build(glint_model *m);
void qwen3_build(glint_model *m);

#endif
