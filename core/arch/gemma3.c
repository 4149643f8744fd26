/* Gemma 3 (arXiv 2503.19786): norms before and after attention and feed-forward, q/k norm, five local layers to one
 * global one with rotary bases of their own, tanh GELU gating, tied head. */
#include "core/arch/arch.h"

#include <math.h>

/* 1 / sqrt(query_pre_attn_scalar); GGUF files drop the scalar: it is head_dim, in the 27B (62 layers) width / heads. */
static float attention_scale(glint_model *m, const arch_shape *s) {
    int base = s->layers == 62 && s->heads ? s->width / s->heads : s->head_dim;
    return (float)(1 / sqrt(model_float_or(m, "query_scale_base", base, model_default)));
}

void gemma3_build(glint_model *m) {
    /* Published text_configs leave out what is as in Hugging Face's Gemma3TextConfig: the 4B has no heads and no eps.
     */
    static const arch_shape published = {.layers = 26,
                                         .width = 2304,
                                         .ffn = 9216,
                                         .heads = 8,
                                         .kv_heads = 4,
                                         .head_dim = 256,
                                         .context = 131072,
                                         .eps = 1e-6};
    enum { UNSCALED, LINEAR };
    static const char *const scalings[] = {[UNSCALED] = "none", [LINEAR] = "linear", NULL};
    tape *t = &m->tape;
    arch_shape s = arch_read_shape(m, &published);
    int window = model_int_or(m, "window", 4096, model_default);
    int pattern = model_int_or(m, "window_pattern", 6, model_default);
    double stretch = model_word(m, "rope_scaling", scalings) == LINEAR ? model_float(m, "rope_factor") : 1;
    int rope_global = arch_rope(m, s.head_dim, model_float_or(m, "rope_base", 1e6, model_default), stretch);
    int rope_local = arch_rope(m, s.head_dim, model_float_or(m, "rope_base_local", 1e4, model_default), 1);
    float scale = attention_scale(m, &s);

    tape_weight embed = model_matrix(m, "embed", s.vocabulary, s.width);
    tape_value h = tape_embed(t, "embed", embed, sqrtf((float)s.width));
    for (int l = 0; l < s.layers && !t->failure; l++) {
        tape_set_layer(t, l);
        bool local = model_layer_is_local(m, l, pattern);
        int rope = local ? rope_local : rope_global;
        int cache = tape_add_cache(t, local ? window : 0, s.kv_heads, s.head_dim);

        tape_value x = tape_norm(t, "attn.norm", h, model_vector(m, "attn_norm", s.width), s.eps);
        tape_value q =
            tape_matmul(t, "attn.q", x, model_head_matrix(m, "attn_q", s.heads, s.head_dim, s.width), TAPE_NONE);
        tape_value k =
            tape_matmul(t, "attn.k", x, model_head_matrix(m, "attn_k", s.kv_heads, s.head_dim, s.width), TAPE_NONE);
        tape_value v = tape_matmul(
            t, "attn.v", x, model_matrix(m, "attn_v", model_product(m, s.kv_heads, s.head_dim), s.width), TAPE_NONE);
        q = tape_head_norm(t, "attn.q_norm", q, model_vector(m, "attn_q_norm", s.head_dim), s.head_dim, s.eps);
        k = tape_head_norm(t, "attn.k_norm", k, model_vector(m, "attn_k_norm", s.head_dim), s.head_dim, s.eps);
        q = tape_rope(t, "attn.q_rope", q, rope, s.head_dim);
        k = tape_rope(t, "attn.k_rope", k, rope, s.head_dim);
        tape_cache_write(t, k, v, cache);
        tape_value o = tape_attend(t, "attn.mix", q, cache, scale);
        o = tape_matmul(t, "attn.out", o,
                        model_matrix(m, "attn_output", s.width, model_product(m, s.heads, s.head_dim)), TAPE_NONE);
        o = tape_norm(t, "attn.post_norm", o, model_vector(m, "post_attn_norm", s.width), s.eps);
        h = tape_add(t, "mid", h, o);

        x = tape_norm(t, "ffn.norm", h, model_vector(m, "ffn_norm", s.width), s.eps);
        x = arch_gated_ffn(m, x, &s, TAPE_GELU_TANH);
        x = tape_norm(t, "ffn.post_norm", x, model_vector(m, "post_ffn_norm", s.width), s.eps);
        h = tape_add(t, "out", h, x);
    }
    arch_head(m, h, embed, &s);
}
