/* Llama 2 and 3 (arXiv 2307.09288, 2407.21783): RMSNorm before each half of a block, grouped queries, SiLU gating, and
 * Llama 3's stretched rotary waves. The shared decoder below also is qwen2's and qwen3's, which differ by what their
 * files hold: biases on q, k and v, or norms on the heads of q and k. */
#include "core/arch/arch.h"

#include <math.h>

static tape_value head_norm(glint_model *m, const char *value, tape_value x, const char *weight, const arch_shape *s) {
    return tape_head_norm(&m->tape, value, x, model_vector(m, weight, s->head_dim), s->head_dim, s->eps);
}

void llama_decoder(glint_model *m, bool biases, bool head_norms) {
    tape *t = &m->tape;
    arch_shape s = arch_read_shape(m, &(arch_shape){0});
    int dims = model_int_or(m, "rope_dims", s.head_dim, model_default);
    int rope = arch_rope_llama3(m, dims, model_float_or(m, "rope_base", 1e4, model_default));
    float scale = (float)model_float_or(m, "attention_scale", 1 / sqrt(s.head_dim), model_derived);
    int q_width = model_product(m, s.heads, s.head_dim), kv_width = model_product(m, s.kv_heads, s.head_dim);

    tape_weight embed = model_matrix(m, "embed", s.vocabulary, s.width);
    tape_value h = tape_embed(t, "embed", embed, 1);
    for (int l = 0; l < s.layers && !t->failure; l++) {
        tape_set_layer(t, l);
        int cache = tape_add_cache(t, 0, s.kv_heads, s.head_dim);

        tape_value x = tape_norm(t, "attn.norm", h, model_vector(m, "attn_norm", s.width), s.eps);
        tape_value q = tape_matmul(t, "attn.q", x, model_head_matrix(m, "attn_q", s.heads, s.head_dim, s.width),
                                   biases ? model_vector(m, "attn_q_bias", q_width) : TAPE_NONE);
        tape_value k = tape_matmul(t, "attn.k", x, model_head_matrix(m, "attn_k", s.kv_heads, s.head_dim, s.width),
                                   biases ? model_vector(m, "attn_k_bias", kv_width) : TAPE_NONE);
        tape_value v = tape_matmul(t, "attn.v", x, model_matrix(m, "attn_v", kv_width, s.width),
                                   biases ? model_vector(m, "attn_v_bias", kv_width) : TAPE_NONE);
        if (head_norms) {
            q = head_norm(m, "attn.q_norm", q, "attn_q_norm", &s);
            k = head_norm(m, "attn.k_norm", k, "attn_k_norm", &s);
        }
        q = tape_rope(t, "attn.q_rope", q, rope, s.head_dim);
        k = tape_rope(t, "attn.k_rope", k, rope, s.head_dim);
        tape_cache_write(t, k, v, cache);
        tape_value o = tape_attend(t, "attn.mix", q, cache, scale);
        o = tape_matmul(t, "attn.out", o, model_matrix(m, "attn_output", s.width, q_width), TAPE_NONE);
        h = tape_add(t, "mid", h, o);

        x = tape_norm(t, "ffn.norm", h, model_vector(m, "ffn_norm", s.width), s.eps);
        h = tape_add(t, "out", h, arch_gated_ffn(m, x, &s, TAPE_SILU));
    }
    arch_head(m, h, embed, &s);
}

void llama_build(glint_model *m) {
    llama_decoder(m, false, false);
}
