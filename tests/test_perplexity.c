/* Perplexity of both texts by both protocols against transformers' figures, in `exact` and in `fast`. */
#include "tests/support/support.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file_map.h"
#include "glint.h"

static const char *const texts[] = {"train_slice.txt", "validation.txt"};

typedef struct entry {
    const char *model, *reference; /* reference.json with the scores of "all" */
    double half[2];                /* mean NLL of "half" by text, in float32 or better; 0: not known */
} entry;

static const entry entries[] = {
    {"gemma3-shakespeare-Q4_K_M.gguf", "gguf/gemma3-shakespeare-Q4_K_M.reference.json", {0.004155, 11.156067}},
    {"gguf/gemma3-shakespeare-Q8_0.gguf", "gguf/gemma3-shakespeare-Q8_0.reference.json", {0.000792, 11.126210}},
    {"gguf/gemma3-shakespeare-bf16.gguf", "models/gemma3-shakespeare/reference.json", {0.000763, 11.124226}},
    {"gguf/gemma3-shakespeare-Q4_0.gguf", "gguf/gemma3-shakespeare-Q4_0.reference.json", {0}},
    {"gguf/llama-shakespeare-f16.gguf", "models/llama-shakespeare/reference.json", {4.064521, 4.394778}},
    {"gguf/llama-shakespeare-Q4_K_M.gguf", "gguf/llama-shakespeare-Q4_K_M.reference.json", {0}},
    {"gguf/llama-shakespeare-Q6_K.gguf", "gguf/llama-shakespeare-Q6_K.reference.json", {0}},
    {"gguf/llama-shakespeare-IQ4_NL.gguf", "gguf/llama-shakespeare-IQ4_NL.reference.json", {0}},
    {"gguf/qwen2-shakespeare-f16.gguf", "models/qwen2-shakespeare/reference.json", {4.674215, 4.637807}},
    {"gguf/qwen2-shakespeare-Q5_0.gguf", "gguf/qwen2-shakespeare-Q5_0.reference.json", {0}},
    {"gguf/qwen3-shakespeare-bf16.gguf", "models/qwen3-shakespeare/reference.json", {3.389185, 3.625738}},
    {"gguf/qwen3-shakespeare-Q5_K_M.gguf", "gguf/qwen3-shakespeare-Q5_K_M.reference.json", {0}},
    {"gguf/qwen3-shakespeare-Q3_K_S.gguf", "gguf/qwen3-shakespeare-Q3_K_S.reference.json", {0}},
    {"gguf/qwen3-shakespeare-Q2_K.gguf", "gguf/qwen3-shakespeare-Q2_K.reference.json", {0}},
};

/* `exact` within 1e-5 + 1e-6 x value. `fast` within 0.01, and 0.05 on gemma3's validation text, which that overfitted
 * model gets badly wrong. */
static double allowed(glint_precision precision, const char *model, int text, double value) {
    if (precision == GLINT_EXACT) return 1e-5 + 1e-6 * value;
    return text == 1 && strstr(model, "gemma3") ? 0.05 : 0.01;
}

static double reference_all(const char *path, int text) {
    json_t *r = json_load_file(path, 0, NULL);
    double v =
        json_number_value(json_object_get(json_object_get(json_object_get(r, "texts"), texts[text]), "mean_nll"));
    json_decref(r);
    CU_ASSERT(v > 0);
    return v;
}

static void score(glint_session *s, const entry *e, glint_precision precision, int text, glint_score how, double want,
                  const int32_t *ids, size_t n) {
    glint_error err;
    glint_perplexity p;
    SUPPORT_OK(glint_perplexity_run(s, ids, n, 256, how, NULL, NULL, &p, &err), &err);
    double off = fabs(p.mean_nll - want);
    printf("\n    %-36s %-5s %-15s %-4s %.6f, reference %.6f, off by %.1e", e->model,
           precision == GLINT_EXACT ? "exact" : "fast", texts[text], how == GLINT_SCORE_ALL ? "all" : "half",
           p.mean_nll, want, off);
    CU_ASSERT(off <= allowed(precision, e->model, text, want));
}

static void score_text(glint_model *m, glint_session *s, const entry *e, glint_precision precision, int text,
                       const char *reference) {
    char path[1024], name[64];
    file_map file;
    glint_error err;
    int32_t *ids = NULL;
    size_t n;
    snprintf(name, sizeof name, "texts/%s", texts[text]);
    SUPPORT_OK(file_map_open(support_data(path, name), &file, &err), &err);
    SUPPORT_OK(glint_tokenize(m, (const char *)file.data, file.bytes, GLINT_TOKENIZE_SPECIAL | GLINT_TOKENIZE_ADD_ENDS,
                              &ids, &n, &err),
               &err);
    score(s, e, precision, text, GLINT_SCORE_ALL, reference_all(reference, text), ids, n);
    if (e->half[text] > 0) score(s, e, precision, text, GLINT_SCORE_HALF, e->half[text], ids, n);
    free(ids);
    file_map_close(&file);
}

static void score_model(const entry *e, glint_precision precision) {
    char model[1024], reference[1024];
    glint_error err;
    glint_model *m = NULL;
    glint_session *s = NULL;
    if (!support_any(model, e->model) || !support_any(reference, e->reference)) return;
    SUPPORT_OK(glint_model_open(model, &m, &err), &err);
    glint_session_options o = {.device = "cpu", .precision = precision, .context = 256, .batch = 256, .outputs = 256};
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    for (int text = 0; text < 2; text++) score_text(m, s, e, precision, text, reference);
    glint_session_close(&s);
    glint_model_close(&m);
}

static void score_all(glint_precision precision) {
    int left_out = 0;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        if (support_wanted(entries[i].model))
            score_model(&entries[i], precision);
        else
            left_out++;
    }
    if (left_out) printf("\n    %d more with GLINT_TEST_ALL=1\n", left_out);
}

static void test_exact(void) {
    score_all(GLINT_EXACT);
}

static void test_fast(void) {
    score_all(GLINT_FAST);
}

int main(void) {
    const support_case cases[] = {{"exact", test_exact}, {"fast", test_fast}};
    return support_main("perplexity", cases, sizeof cases / sizeof *cases);
}
