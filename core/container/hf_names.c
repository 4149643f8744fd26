#include "core/container/hf_names.h"

const store_key_row hf_keys[] = {
    {NULL, "layers", 'i', "num_hidden_layers", NULL},
    {NULL, "width", 'i', "hidden_size", NULL},
    {NULL, "ffn", 'i', "intermediate_size", NULL},
    {NULL, "heads", 'i', "num_attention_heads", NULL},
    {NULL, "kv_heads", 'i', "num_key_value_heads", NULL},
    {NULL, "head_dim", 'i', "head_dim", NULL},
    {NULL, "vocabulary", 'i', "vocab_size", NULL},
    {NULL, "context", 'i', "max_position_embeddings", NULL},
    {NULL, "rms_eps", 'f', "rms_norm_eps", NULL},
    {NULL, "rope_base", 'f', "rope_parameters/full_attention/rope_theta", NULL},
    {NULL, "rope_base", 'f', "rope_parameters/rope_theta", NULL},
    {NULL, "rope_base", 'f', "rope_theta", NULL},
    {NULL, "rope_base_local", 'f', "rope_parameters/sliding_attention/rope_theta", NULL},
    {NULL, "rope_base_local", 'f', "rope_local_base_freq", NULL},
    {NULL, "rope_scaling", 's', "rope_parameters/full_attention/rope_type", NULL},
    {NULL, "rope_scaling", 's', "rope_parameters/rope_type", NULL},
    {NULL, "rope_scaling", 's', "rope_scaling/rope_type", NULL},
    {NULL, "rope_scaling", 's', "rope_scaling/type", NULL},
    {NULL, "rope_factor", 'f', "rope_parameters/full_attention/factor", NULL},
    {NULL, "rope_factor", 'f', "rope_parameters/factor", NULL},
    {NULL, "rope_factor", 'f', "rope_scaling/factor", NULL},
    {NULL, "rope_low_freq", 'f', "rope_parameters/full_attention/low_freq_factor", NULL},
    {NULL, "rope_low_freq", 'f', "rope_parameters/low_freq_factor", NULL},
    {NULL, "rope_low_freq", 'f', "rope_scaling/low_freq_factor", NULL},
    {NULL, "rope_high_freq", 'f', "rope_parameters/full_attention/high_freq_factor", NULL},
    {NULL, "rope_high_freq", 'f', "rope_parameters/high_freq_factor", NULL},
    {NULL, "rope_high_freq", 'f', "rope_scaling/high_freq_factor", NULL},
    {NULL, "rope_original_context", 'i', "rope_parameters/full_attention/original_max_position_embeddings", NULL},
    {NULL, "rope_original_context", 'i', "rope_parameters/original_max_position_embeddings", NULL},
    {NULL, "rope_original_context", 'i', "rope_scaling/original_max_position_embeddings", NULL},
    {NULL, "rope_original_context", 'i', "original_max_position_embeddings", NULL},
    {"qwen*", "window", 'i', "sliding_window", "use_sliding_window"},
    {NULL, "window", 'i', "sliding_window", NULL},
    {NULL, "window_pattern", 'i', "sliding_window_pattern", NULL},
    {NULL, "window_pattern", 'i', "_sliding_window_pattern", NULL},
    {NULL, "layer_types", 'S', "layer_types", NULL},
    {NULL, "query_scale_base", 'f', "query_pre_attn_scalar", NULL},
    {NULL, "activation", 's', "hidden_activation", NULL},
    {NULL, "activation", 's', "hidden_act", NULL},
    {NULL, "tied", 'b', "tie_word_embeddings", NULL},
    {NULL, "attention_cap", 'f', "attn_logit_softcapping", NULL},
    {NULL, "final_cap", 'f', "final_logit_softcapping", NULL},
    {NULL, "eos_ids", 'I', "eos_token_id", NULL},
};
const size_t hf_n_keys = sizeof hf_keys / sizeof *hf_keys;

/* Gemma norms store w - 1; from gemma2 on a block has four. */
const store_name_row hf_names[] = {
    {NULL, "embed_tokens.weight", "embed", false, false},
    {NULL, "lm_head.weight", "output", false, false},
    {"gemma*", "norm.weight", "norm", false, true},
    {NULL, "norm.weight", "norm", false, false},
    {"gemma*", "layers.%d.input_layernorm.weight", "layers.%d.attn_norm", false, true},
    {NULL, "layers.%d.input_layernorm.weight", "layers.%d.attn_norm", false, false},
    {NULL, "layers.%d.self_attn.q_proj.weight", "layers.%d.attn_q", false, false},
    {NULL, "layers.%d.self_attn.k_proj.weight", "layers.%d.attn_k", false, false},
    {NULL, "layers.%d.self_attn.v_proj.weight", "layers.%d.attn_v", false, false},
    {NULL, "layers.%d.self_attn.q_proj.bias", "layers.%d.attn_q_bias", false, false},
    {NULL, "layers.%d.self_attn.k_proj.bias", "layers.%d.attn_k_bias", false, false},
    {NULL, "layers.%d.self_attn.v_proj.bias", "layers.%d.attn_v_bias", false, false},
    {"gemma*", "layers.%d.self_attn.q_norm.weight", "layers.%d.attn_q_norm", false, true},
    {"gemma*", "layers.%d.self_attn.k_norm.weight", "layers.%d.attn_k_norm", false, true},
    {NULL, "layers.%d.self_attn.q_norm.weight", "layers.%d.attn_q_norm", false, false},
    {NULL, "layers.%d.self_attn.k_norm.weight", "layers.%d.attn_k_norm", false, false},
    {NULL, "layers.%d.self_attn.o_proj.weight", "layers.%d.attn_output", false, false},
    {"gemma[23]", "layers.%d.post_attention_layernorm.weight", "layers.%d.post_attn_norm", false, true},
    {"gemma[23]", "layers.%d.pre_feedforward_layernorm.weight", "layers.%d.ffn_norm", false, true},
    {"gemma[23]", "layers.%d.post_feedforward_layernorm.weight", "layers.%d.post_ffn_norm", false, true},
    {"olmo2", "layers.%d.post_attention_layernorm.weight", "layers.%d.post_attn_norm", false, false},
    {"olmo2", "layers.%d.post_feedforward_layernorm.weight", "layers.%d.post_ffn_norm", false, false},
    {"gemma", "layers.%d.post_attention_layernorm.weight", "layers.%d.ffn_norm", false, true},
    {NULL, "layers.%d.post_attention_layernorm.weight", "layers.%d.ffn_norm", false, false},
    {NULL, "layers.%d.mlp.gate_proj.weight", "layers.%d.ffn_gate", false, false},
    {NULL, "layers.%d.mlp.up_proj.weight", "layers.%d.ffn_up", false, false},
    {NULL, "layers.%d.mlp.down_proj.weight", "layers.%d.ffn_down", false, false},
};
const size_t hf_n_names = sizeof hf_names / sizeof *hf_names;

const char *const hf_prefixes[] = {"model.language_model.", "language_model.model.", "language_model.", "model."};
const size_t hf_n_prefixes = sizeof hf_prefixes / sizeof *hf_prefixes;

const hf_word hf_words[] = {
    {"architecture", "gemma3_text", "gemma3"},
    {"rope_scaling", "default", "none"},
};
const size_t hf_n_words = sizeof hf_words / sizeof *hf_words;
