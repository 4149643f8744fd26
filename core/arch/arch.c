#include "core/arch/arch.h"

#include <math.h>

const arch_row arch_table[] = {
    {"gemma3", gemma3_build}, {"llama", llama_build}, {"qwen2", qwen2_build}, {"qwen3", qwen3_build}, {0},
};

const char *arch_names(void) {
    return "gemma3, llama, qwen2, qwen3";
}

static int read_int(glint_model *m, const char *key, int otherwise) {
    return otherwise ? model_int_or(m, key, otherwise, model_default) : model_int(m, key);
}

arch_shape arch_read_shape(glint_model *m, const arch_shape *otherwise) {
    arch_shape s = {
        .layers = read_int(m, "layers", otherwise->layers),
        .width = read_int(m, "width", otherwise->width),
        .ffn = read_int(m, "ffn", otherwise->ffn),
        .heads = read_int(m, "heads", otherwise->heads),
        .vocabulary = model_rows(m, "embed"),
    };
    s.kv_heads = read_int(m, "kv_heads", otherwise->kv_heads ? otherwise->kv_heads : s.heads);
    s.head_dim = otherwise->head_dim ? model_int_or(m, "head_dim", otherwise->head_dim, model_default)
                                     : model_int_or(m, "head_dim", s.heads ? s.width / s.heads : 0, model_derived);
    s.eps =
        otherwise->eps > 0 ? model_float_or(m, "rms_eps", otherwise->eps, model_default) : model_float(m, "rms_eps");
    s.context = m->context = read_int(m, "context", otherwise->context ? otherwise->context : 2048);
    m->tape.layers = s.layers;
    m->tape.vocabulary = s.vocabulary;
    return s;
}

enum { MAX_ROPE_DIMS = 4096 };

static int add_rope(glint_model *m, int dims, double base, const double *divisor) {
    double freq[MAX_ROPE_DIMS / 2];
    if (dims <= 0 || dims > MAX_ROPE_DIMS || !(base > 0)) {
        tape_fail(&m->tape, GLINT_BAD_INPUT, "rotary embedding of %d dimensions and base %g", dims, base);
        return 0;
    }
    for (int i = 0; i < dims / 2; i++) freq[i] = pow(base, -2.0 * i / dims) / divisor[i];
    return tape_add_rope(&m->tape, dims, freq, 1);
}

int arch_rope(glint_model *m, int dims, double base, double divisor) {
    double all[MAX_ROPE_DIMS / 2];
    for (int i = 0; i < MAX_ROPE_DIMS / 2; i++) all[i] = divisor;
    return add_rope(m, dims, base, all);
}

/* Long waves are divided by `factor`, short ones are not, those between in proportion (Llama 3.1's published code). */
static void llama3_divisors(glint_model *m, int dims, double base, double *divisor) {
    double factor = model_float(m, "rope_factor"), low = model_float(m, "rope_low_freq");
    double high = model_float(m, "rope_high_freq"), length = model_float(m, "rope_original_context");
    for (int i = 0; i < dims / 2; i++) {
        double turns = length * pow(base, -2.0 * i / dims) / (2 * M_PI); /* over the original context */
        double smooth = (turns - low) / (high - low);
        if (turns < low)
            divisor[i] = factor;
        else if (turns > high)
            divisor[i] = 1;
        else
            divisor[i] = 1 / ((1 - smooth) / factor + smooth);
    }
}

int arch_rope_llama3(glint_model *m, int dims, double base) {
    enum { NONE, LINEAR, LLAMA3 };
    static const char *const scalings[] = {[NONE] = "none", [LINEAR] = "linear", [LLAMA3] = "llama3", NULL};
    double divisor[MAX_ROPE_DIMS / 2];
    float from_file[MAX_ROPE_DIMS / 2];
    if (dims <= 0 || dims > MAX_ROPE_DIMS) return arch_rope(m, dims, base, 1);
    for (int i = 0; i < dims / 2; i++) divisor[i] = 1;
    int scaling = model_word(m, "rope_scaling", scalings);
    if (scaling == LLAMA3)
        llama3_divisors(m, dims, base, divisor);
    else if (scaling == LINEAR)
        return arch_rope(m, dims, base, model_float(m, "rope_factor"));
    else if (model_numbers(m, "rope_freqs", dims / 2, from_file))
        for (int i = 0; i < dims / 2; i++) divisor[i] = from_file[i];
    return add_rope(m, dims, base, divisor);
}

tape_value arch_gated_ffn(glint_model *m, tape_value x, const arch_shape *s, tape_act act) {
    tape *t = &m->tape;
    tape_value gate = tape_matmul(t, "ffn.gate", x, model_matrix(m, "ffn_gate", s->ffn, s->width), TAPE_NONE);
    tape_value up = tape_matmul(t, "ffn.up", x, model_matrix(m, "ffn_up", s->ffn, s->width), TAPE_NONE);
    tape_value mixed = tape_gate(t, "ffn.act", gate, up, act);
    return tape_matmul(t, "ffn.down", mixed, model_matrix(m, "ffn_down", s->width, s->ffn), TAPE_NONE);
}

void arch_head(glint_model *m, tape_value h, tape_weight embed, const arch_shape *s) {
    tape *t = &m->tape;
    tape_set_layer(t, TAPE_NONE);
    h = tape_select_rows(t, "selected", h);
    h = tape_norm(t, "norm", h, model_vector(m, "norm", s->width), s->eps);
    t->logits = tape_matmul(t, "logits", h, model_output(m, embed, s->vocabulary, s->width), TAPE_NONE);
    t->top = tape_top_k(t, "top", t->logits, s->vocabulary < TAPE_MOST_TOP ? s->vocabulary : TAPE_MOST_TOP);
    t->argmax = tape_argmax(t, "argmax", t->logits);
}
