/* Every model of the reference data opens and says what is known of it; two containers of one model agree. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/container/container.h"
#include "tests/support/container_walk.h"
#include "tests/support/maker.h"
#include "tests/support/support.h"

static container *open_shared(const char *name) {
    char path[1024];
    container *c = NULL;
    glint_error err = {{0}};
    if (support_shared(path, name)) SUPPORT_OK(container_open(path, &c, &err), &err);
    return c;
}

static int64_t integer(const container *c, const char *key) {
    int64_t v = -1;
    container_int(c, key, &v);
    return v;
}

static double number(const container *c, const char *key) {
    double v = NAN;
    container_float(c, key, &v);
    return v;
}

static bool text_is(const container *c, const char *key, const char *expected) {
    container_text t;
    return container_string(c, key, &t) && t.bytes == strlen(expected) && memcmp(t.data, expected, t.bytes) == 0;
}

static const container_tensor *tensor(const container *c, const char *canonical) {
    const container_tensor *t;
    size_t n = container_tensors(c, &t);
    for (size_t i = 0; i < n; i++)
        if (t[i].canonical && strcmp(t[i].canonical, canonical) == 0) return &t[i];
    return NULL;
}

/* ---- The models that run: facts from the READMEs of the reference data; -1: the file has no such key ---- */

typedef struct facts {
    const char *path, *architecture;
    int layers, width, ffn, heads, kv_heads, head_dim, vocabulary, context, window;
    double rope_base, rms_eps;
    int tensors, unknown;
} facts;

static const facts known[] = {
    {"gguf/gemma3-shakespeare-Q4_K_M.gguf", "gemma3", 8, 192, 256, 4, 1, 64, -1, 1024, 32, 1e6, 1e-6, 106, 0},
    {"gguf/gemma3-shakespeare-Q4_0.gguf", "gemma3", 8, 192, 256, 4, 1, 64, -1, 1024, 32, 1e6, 1e-6, 106, 0},
    {"gguf/gemma3-shakespeare-Q8_0.gguf", "gemma3", 8, 192, 256, 4, 1, 64, -1, 1024, 32, 1e6, 1e-6, 106, 0},
    {"gguf/gemma3-shakespeare-bf16.gguf", "gemma3", 8, 192, 256, 4, 1, 64, -1, 1024, 32, 1e6, 1e-6, 106, 0},
    {"gguf/llama-shakespeare-IQ4_NL.gguf", "llama", 2, 256, 256, 8, 2, 32, 1024, 512, -1, 1e4, 1e-5, 22, 0},
    {"gguf/llama-shakespeare-Q4_K_M.gguf", "llama", 2, 256, 256, 8, 2, 32, 1024, 512, -1, 1e4, 1e-5, 22, 0},
    {"gguf/llama-shakespeare-Q6_K.gguf", "llama", 2, 256, 256, 8, 2, 32, 1024, 512, -1, 1e4, 1e-5, 22, 0},
    {"gguf/llama-shakespeare-f16.gguf", "llama", 2, 256, 256, 8, 2, 32, 1024, 512, -1, 1e4, 1e-5, 22, 0},
    {"gguf/qwen2-shakespeare-Q5_0.gguf", "qwen2", 4, 64, 160, 4, 2, -1, -1, 512, -1, 1e6, 1e-6, 50, 0},
    {"gguf/qwen2-shakespeare-f16.gguf", "qwen2", 4, 64, 160, 4, 2, -1, -1, 512, -1, 1e6, 1e-6, 50, 0},
    {"gguf/qwen3-shakespeare-Q2_K.gguf", "qwen3", 2, 256, 256, 4, 2, 32, -1, 512, -1, 1e6, 1e-6, 24, 0},
    {"gguf/qwen3-shakespeare-Q3_K_S.gguf", "qwen3", 2, 256, 256, 4, 2, 32, -1, 512, -1, 1e6, 1e-6, 24, 0},
    {"gguf/qwen3-shakespeare-Q5_K_M.gguf", "qwen3", 2, 256, 256, 4, 2, 32, -1, 512, -1, 1e6, 1e-6, 24, 0},
    {"gguf/qwen3-shakespeare-bf16.gguf", "qwen3", 2, 256, 256, 4, 2, 32, -1, 512, -1, 1e6, 1e-6, 24, 0},
    {"gguf/stories260K-f32.gguf", "llama", 5, 64, 172, 8, 4, -1, 512, 512, -1, 1e4, 1e-5, 47, 0},
    {"models/gemma3-shakespeare", "gemma3", 8, 192, 256, 4, 1, 64, 2048, 1024, 32, 1e6, 1e-6, 106, 0},
    {"models/llama-shakespeare", "llama", 2, 256, 256, 8, 2, 32, 1024, 512, -1, 1e4, 1e-5, 21, 0},
    {"models/qwen2-shakespeare", "qwen2", 4, 64, 160, 4, 2, -1, 1024, 512, -1, 1e6, 1e-6, 50, 0},
    {"models/qwen3-shakespeare", "qwen3", 2, 256, 256, 4, 2, 32, 1024, 512, -1, 1e6, 1e-6, 24, 0},
    /* These only open, for now; some of their tensors have no canonical name yet. */
    {"models/gemma-shakespeare", "gemma", 3, 64, 160, 4, 1, 32, 1024, 512, -1, 1e4, 1e-6, 29, 0},
    {"models/gemma2-shakespeare", "gemma2", 4, 64, 160, 4, 2, 32, 1024, 512, 32, 1e4, 1e-6, 46, 0},
    {"models/mistral-shakespeare", "mistral", 3, 64, 160, 4, 2, 16, 1024, 512, 32, 1e4, 1e-5, 30, 0},
    {"models/olmo2-shakespeare", "olmo2", 3, 64, 160, 4, 2, -1, 1024, 512, -1, 5e5, 1e-6, 36, 0},
    {"models/granite-shakespeare", "granite", 3, 64, 160, 4, 2, -1, 1024, 512, -1, 1e4, 1e-5, 29, 0},
    {"models/smollm3-shakespeare", "smollm3", 4, 64, 160, 4, 2, -1, 1024, 512, -1, 2e6, 1e-6, 38, 0},
    {"models/mixtral-shakespeare", "mixtral", 3, 64, 64, 4, 2, -1, 1024, 512, -1, 1e6, 1e-5, 60, 39},
    {"models/phi3-shakespeare", "phi3", 3, 64, 160, 4, 2, -1, 1024, 512, -1, 1e4, 1e-5, 21, 6},
    {"models/qwen3moe-shakespeare", "qwen3_moe", 3, 64, 160, 4, 2, 32, 1024, 512, -1, 1e6, 1e-6, 102, 75},
    {"models/gpt-oss-shakespeare", "gpt_oss", 4, 64, 64, 4, 2, 32, 1024, 512, 32, 1.5e5, 1e-5, 71, 32},
};

static void check_facts(const facts *f) {
    container *c = open_shared(f->path);
    if (!c) return;
    const container_tensor *t;
    size_t n = container_tensors(c, &t);
    int unknown = 0;
    for (size_t i = 0; i < n; i++) unknown += !t[i].canonical;
    bool right = strcmp(container_architecture(c), f->architecture) == 0 && integer(c, "layers") == f->layers &&
                 integer(c, "width") == f->width && integer(c, "ffn") == f->ffn && integer(c, "heads") == f->heads &&
                 integer(c, "kv_heads") == f->kv_heads && integer(c, "head_dim") == f->head_dim &&
                 integer(c, "vocabulary") == f->vocabulary && integer(c, "context") == f->context &&
                 integer(c, "window") == f->window && number(c, "rope_base") == f->rope_base &&
                 fabs(number(c, "rms_eps") - f->rms_eps) < 1e-12 && (int)n == f->tensors && unknown == f->unknown;
    if (!right) printf("\n    %s: %s, %d tensors, %d unknown\n", f->path, container_architecture(c), (int)n, unknown);
    CU_ASSERT(right);
    CU_ASSERT_STRING_EQUAL(container_kind(c), strstr(f->path, ".gguf") ? "GGUF v3" : "Hugging Face");
    CU_ASSERT(strstr(container_path(c), f->path) != NULL);
    CU_ASSERT(container_walk(c) != 0);
    container_close(&c);
    CU_ASSERT_PTR_NULL(c);
}

static void test_known(void) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) check_facts(&known[i]);
}

static void test_shipped(void) {
    char path[1024];
    glint_error err;
    container *c = NULL;
    SUPPORT_OK(container_open(support_data(path, "gemma3-shakespeare-Q4_K_M.gguf"), &c, &err), &err);
    CU_ASSERT(text_is(c, "name", "Gemma3 Shakespeare") && text_is(c, "tokenizer.model", "llama"));
    CU_ASSERT_EQUAL(number(c, "rope_base_local"), 1e4);
    CU_ASSERT_EQUAL(integer(c, "tokenizer.bos"), 2);
    bool b = true;
    CU_ASSERT(container_bool(c, "tokenizer.add_space_prefix", &b) && !b);
    CU_ASSERT(container_bool(c, "tokenizer.add_bos", &b) && b);
    size_t n = 0;
    static container_text tokens[2048];
    static float scores[2048];
    static int64_t types[2048];
    CU_ASSERT(container_array(c, "tokenizer.tokens", &n) && n == 2048);
    CU_ASSERT(container_strings(c, "tokenizer.tokens", tokens) && container_floats(c, "tokenizer.scores", scores) &&
              container_ints(c, "tokenizer.types", types));
    CU_ASSERT(tokens[1].bytes == 5 && memcmp(tokens[1].data, "<eos>", 5) == 0);
    CU_ASSERT(scores[0] == -1000 && types[0] == 3);
    CU_ASSERT(!container_floats(c, "tokenizer.tokens", scores) && !container_ints(c, "tokenizer.scores", types) &&
              !container_array(c, "name", &n) && !container_array(c, "layer_types", &n));
    const container_tensor *e = tensor(c, "embed");
    CU_ASSERT(e && e->format == FORMAT_Q8_0 && e->n_dims == 2 && e->dims[0] == 192 && e->dims[1] == 2048);
    CU_ASSERT(e && e->bytes == 2048 * 192 / 32 * 34 && !strcmp(e->name, "token_embd.weight"));
    CU_ASSERT(tensor(c, "layers.7.post_ffn_norm") && !tensor(c, "layers.7.post_ffn_norm")->norm_minus_one);
    container_close(&c);
}

static void test_hugging_face_keys(void) {
    container *c = open_shared("models/gemma3-shakespeare");
    if (!c) return;
    bool tied = false;
    int64_t ids[2] = {0};
    size_t n = 0;
    CU_ASSERT(container_bool(c, "tied", &tied) && tied);
    CU_ASSERT(container_array(c, "eos_ids", &n) && n == 2 && container_ints(c, "eos_ids", ids));
    CU_ASSERT(ids[0] == 1 && ids[1] == 6);
    CU_ASSERT(integer(c, "window_pattern") == 6 && number(c, "query_scale_base") == 64);
    CU_ASSERT(number(c, "rope_base_local") == 1e4 && text_is(c, "activation", "gelu_pytorch_tanh"));
    CU_ASSERT(tensor(c, "layers.0.attn_q_norm")->norm_minus_one && tensor(c, "norm")->norm_minus_one);
    CU_ASSERT(tensor(c, "layers.0.post_ffn_norm")->norm_minus_one && tensor(c, "layers.0.ffn_norm")->norm_minus_one);
    container_close(&c);
    if (!(c = open_shared("models/llama-shakespeare"))) return;
    CU_ASSERT(text_is(c, "rope_scaling", "llama3") && number(c, "rope_factor") == 8 && number(c, "rope_low_freq") == 1);
    CU_ASSERT(number(c, "rope_high_freq") == 4 && integer(c, "rope_original_context") == 32);
    CU_ASSERT(container_bool(c, "tied", &tied) && !tied);
    CU_ASSERT(!tensor(c, "layers.0.attn_q")->rotary_adjacent && !tensor(c, "layers.0.ffn_norm")->norm_minus_one);
    container_close(&c);
    if (!(c = open_shared("models/qwen3-shakespeare"))) return;
    CU_ASSERT(text_is(c, "rope_scaling", "none") && container_array(c, "layer_types", &n) && n == 2);
    container_close(&c);
    if (!(c = open_shared("models/gemma2-shakespeare"))) return;
    container_text types[4];
    CU_ASSERT(number(c, "attention_cap") == 6 && number(c, "final_cap") == 10);
    CU_ASSERT(container_strings(c, "layer_types", types) && types[0].bytes == 17 && types[1].bytes == 14);
    container_close(&c);
}

static void test_unread(void) {
    char path[1024];
    container *c = NULL;
    glint_error err;
    if (support_shared(path, "models/gpt-oss-mxfp4-shakespeare")) {
        CU_ASSERT_EQUAL(container_open(path, &c, &err), GLINT_BAD_INPUT);
        CU_ASSERT(strstr(err.message, "down_proj_blocks: dtype U8 is not supported") != NULL);
    }
    if ((c = open_shared("models/gpt2-shakespeare"))) CU_ASSERT_STRING_EQUAL(container_architecture(c), "gpt2");
    container_close(&c);
}

/* ---- The same weights in both containers: what the flags say is exactly what differs ---- */

static float *decode(const container_tensor *t, size_t *n) {
    const format_row *f = &format_table[t->format];
    *n = (size_t)(t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3]);
    float *out = malloc(*n * sizeof *out);
    f->decode(t->data, out, *n / f->block_values);
    for (size_t i = 0; t->norm_minus_one && i < *n; i++) out[i] += 1;
    return out;
}

/* Row r of the canonical order: in files with adjacent pairs, rows j and j + half of a head are 2j and 2j + 1. */
static size_t file_row(const container_tensor *t, size_t r, size_t head_dim) {
    size_t in = r % head_dim, half = head_dim / 2;
    return t->rotary_adjacent ? r - in + (in < half ? 2 * in : 2 * (in - half) + 1) : r;
}

static void same_weights(const char *gguf, const char *directory, size_t head_dim, float limit) {
    container *a = open_shared(gguf), *b = open_shared(directory);
    const container_tensor *all;
    size_t n_all = a && b ? container_tensors(b, &all) : 0;
    for (size_t i = 0; i < n_all; i++) {
        const container_tensor *y = &all[i], *x = tensor(a, y->canonical);
        CU_ASSERT_FATAL(x != NULL && memcmp(x->dims, y->dims, sizeof x->dims) == 0);
        size_t n;
        float *p = decode(x, &n), *q = decode(y, &n);
        float worst = 0;
        for (size_t k = 0; k < n; k++) {
            size_t row = file_row(x, k / x->dims[0], head_dim);
            worst = fmaxf(worst, fabsf(p[row * x->dims[0] + k % x->dims[0]] - q[k]));
        }
        if (!(worst <= limit)) printf("\n    %s: %s differs by %g\n", gguf, y->canonical, (double)worst);
        CU_ASSERT(worst <= limit);
        free(p);
        free(q);
    }
    container_close(&a);
    container_close(&b);
}

static void test_same_weights(void) {
    same_weights("gguf/gemma3-shakespeare-bf16.gguf", "models/gemma3-shakespeare", 64, 0);
    same_weights("gguf/qwen3-shakespeare-bf16.gguf", "models/qwen3-shakespeare", 32, 0);
    same_weights("gguf/qwen2-shakespeare-f16.gguf", "models/qwen2-shakespeare", 16, 3e-8f);
    same_weights("gguf/llama-shakespeare-f16.gguf", "models/llama-shakespeare", 32, 3e-8f);
}

/* ---- Speed: a large vocabulary is indexed, not copied ---- */

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_large_vocabulary(void) {
    enum { TOKENS = 262144 };
    maker_gguf g = maker_gguf_open();
    maker_key_text(&g, "general.architecture", "gemma3");
    maker_key(&g, "tokenizer.ggml.tokens", MAKER_ARRAY);
    maker_number(&g.keys, MAKER_STRING, 4);
    maker_number(&g.keys, TOKENS, 8);
    for (int i = 0; i < TOKENS; i++) {
        char token[16];
        maker_string(&g.keys, token, (size_t)snprintf(token, sizeof token, "token%d", i));
    }
    maker_bytes file = maker_gguf_close(&g);
    char folder[1024], path[1100];
    maker_folder(folder);
    snprintf(path, sizeof path, "%s/vocabulary.gguf", folder);
    maker_write(path, file.data, file.n);
    container_text *tokens = calloc(TOKENS, sizeof *tokens);
    double best = 1;
    for (int i = 0; i < 3; i++) {
        container *c = NULL;
        glint_error err;
        double start = cpu_seconds();
        SUPPORT_OK(container_open(path, &c, &err), &err);
        CU_ASSERT(container_strings(c, "tokenizer.tokens", tokens));
        best = fmin(best, cpu_seconds() - start);
        CU_ASSERT(tokens[TOKENS - 1].bytes == 11 && memcmp(tokens[TOKENS - 1].data, "token262143", 11) == 0);
        container_close(&c);
    }
    if (best >= 0.1) printf("\n    %.3f s\n", best);
    CU_ASSERT(best < 0.1);
    free(tokens);
    free(file.data);
    maker_remove(folder);
}

int main(void) {
    static const support_case cases[] = {
        {"every reference model opens and is known", test_known},
        {"the shipped model", test_shipped},
        {"keys of Hugging Face configs", test_hugging_face_keys},
        {"models that are not read yet", test_unread},
        {"GGUF and Hugging Face hold the same weights", test_same_weights},
        {"262144 tokens in under 0.1 s", test_large_vocabulary},
    };
    return support_main("container", cases, sizeof cases / sizeof *cases);
}
