/* Whole models against references computed by others (tests/data, ../shared): every hidden state and the logits, and
 * greedy continuations, on cpu:ref, cpu and GPUs, in `exact`. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "glint.h"
#include "tests/support/safetensors_view.h"

/* NMSE. The references' own noise is 1e-12. */
static const double host_bound = 1e-11, gles_bound = 1e-9;

typedef struct pair {
    const char *model, *reference; /* reference: without .safetensors and .json */
} pair;

static const pair pairs[] = {
    {"gemma3-shakespeare-Q4_K_M.gguf", "gguf/gemma3-shakespeare-Q4_K_M.reference"},
    {"gguf/gemma3-shakespeare-bf16.gguf", "models/gemma3-shakespeare/reference"},
    {"gguf/gemma3-shakespeare-Q8_0.gguf", "gguf/gemma3-shakespeare-Q8_0.reference"},
    {"gguf/gemma3-shakespeare-Q4_0.gguf", "gguf/gemma3-shakespeare-Q4_0.reference"},
    {"gguf/llama-shakespeare-Q4_K_M.gguf", "gguf/llama-shakespeare-Q4_K_M.reference"},
    {"gguf/llama-shakespeare-Q6_K.gguf", "gguf/llama-shakespeare-Q6_K.reference"},
    {"gguf/llama-shakespeare-IQ4_NL.gguf", "gguf/llama-shakespeare-IQ4_NL.reference"},
    {"gguf/llama-shakespeare-f16.gguf", "models/llama-shakespeare/reference"},
    {"gguf/qwen2-shakespeare-Q5_0.gguf", "gguf/qwen2-shakespeare-Q5_0.reference"},
    {"gguf/qwen2-shakespeare-f16.gguf", "models/qwen2-shakespeare/reference"},
    {"gguf/qwen3-shakespeare-Q5_K_M.gguf", "gguf/qwen3-shakespeare-Q5_K_M.reference"},
    {"gguf/qwen3-shakespeare-Q2_K.gguf", "gguf/qwen3-shakespeare-Q2_K.reference"},
    {"gguf/qwen3-shakespeare-Q3_K_S.gguf", "gguf/qwen3-shakespeare-Q3_K_S.reference"},
    {"gguf/qwen3-shakespeare-bf16.gguf", "models/qwen3-shakespeare/reference"},
    {"models/gemma3-shakespeare", "models/gemma3-shakespeare/reference"},
    {"models/llama-shakespeare", "models/llama-shakespeare/reference"},
    {"models/qwen2-shakespeare", "models/qwen2-shakespeare/reference"},
    {"models/qwen3-shakespeare", "models/qwen3-shakespeare/reference"},
};
static const pair stories = {"gguf/stories260K-f32.gguf", "gguf/stories260K-f32.reference"};
enum { PAIRS = sizeof pairs / sizeof *pairs, MAX_ROWS = 512 };

/* ---- Hidden states and logits ---- */

/* The reference's name for one of Glint's values; NULL: it has none. */
static const char *reference_name(char *buffer, int prompt, const glint_value_info *v) {
    const char *last = strrchr(v->name, '.');
    if (v->layer >= 0) {
        if (strcmp(last, ".out") || strchr(v->name, '.') == NULL) return NULL;
        char own[64];
        snprintf(own, sizeof own, "layers.%d.out", v->layer);
        if (strcmp(own, v->name)) return NULL;
        snprintf(buffer, 64, "p%d.layers.%d", prompt, v->layer);
        return buffer;
    }
    if (strcmp(v->name, "embed") && strcmp(v->name, "norm") && strcmp(v->name, "logits")) return NULL;
    snprintf(buffer, 64, "p%d.%s", prompt, v->name);
    return buffer;
}

/* Compares the rows that the reference has of value v (for logits: its last ones). Returns 1 where it has any. */
static int compare_value(glint_session *s, const safetensors_view *r, int prompt, int v, const glint_value_info *info,
                         int rows, double bound, double *worst) {
    char name[64];
    safetensors_entry e;
    glint_error err;
    if (!reference_name(name, prompt, info) || !safetensors_view_find(r, name, &e)) return 0;
    int have = (int)e.dims[0];
    CU_ASSERT_FATAL(e.n_dims == 2 && (int)e.dims[1] == info->width && have <= rows);
    float *got = malloc(e.bytes);
    float *want = malloc(e.bytes);
    memcpy(want, e.data, e.bytes);
    memset(got, 0xFF, e.bytes);
    SUPPORT_OK(glint_session_value(s, v, rows - have, have, got, &err), &err);
    double nmse = support_nmse(got, want, e.bytes / sizeof(float));
    if (!(nmse <= bound)) printf("\n    %s: NMSE %.3g", name, nmse);
    CU_ASSERT(nmse <= bound);
    if (nmse > *worst) *worst = nmse;
    free(got);
    free(want);
    return 1;
}

static int compare_prompt(glint_session *s, const safetensors_view *r, int prompt, double bound, double *worst) {
    char name[64];
    safetensors_entry ids;
    glint_error err;
    glint_row rows[MAX_ROWS];
    snprintf(name, sizeof name, "p%d.input_ids", prompt);
    if (!safetensors_view_find(r, name, &ids)) return 0;
    int n = (int)ids.dims[0], compared = 0;
    for (int i = 0; i < n; i++) rows[i] = (glint_row){.token = ((const int32_t *)ids.data)[i], .output = true};
    SUPPORT_OK(glint_session_cut(s, 0, 0, &err), &err);
    SUPPORT_OK(glint_session_step(s, rows, n, &err), &err);
    const glint_value_info *values;
    int n_values = glint_session_values(s, &values);
    for (int v = 0; v < n_values; v++) compared += compare_value(s, r, prompt, v, &values[v], n, bound, worst);
    CU_ASSERT(compared >= 1);
    return compared;
}

/* With `observe`: every row of a step may have logits. */
static glint_session *open_session(glint_model *m, const char *device, const char *observe) {
    glint_session *s = NULL;
    glint_error err;
    glint_session_options o = {.device = device,
                               .precision = GLINT_EXACT,
                               .batch = observe ? MAX_ROWS : 0,
                               .outputs = observe ? MAX_ROWS : 0,
                               .observe = observe};
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    return s;
}

/* ---- Greedy continuation ---- */

static bool append(const glint_generated *g, void *user) {
    json_array_append_new(user, json_integer(g->id));
    return true;
}

static void compare_greedy(glint_session *s, const json_t *prompt, const json_t *want, const json_t *margins) {
    int32_t ids[MAX_ROWS];
    size_t n = json_array_size(prompt);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(prompt, i));
    json_t *got = json_array();
    glint_error err;
    glint_generate_options o = {.prompt = ids,
                                .n_prompt = n,
                                .n = (int)json_array_size(want),
                                .ignore_end = true,
                                .token = append,
                                .user = got};
    SUPPORT_OK(glint_session_cut(s, 0, 0, &err), &err);
    SUPPORT_OK(glint_generate(s, NULL, &o, NULL, &err), &err);
    CU_ASSERT_EQUAL(json_array_size(got), json_array_size(want));
    for (size_t i = 0; i < json_array_size(want); i++) {
        if (json_number_value(json_array_get(margins, i)) <= 1e-3)
            break; /* another right engine may differ from here */
        CU_ASSERT_EQUAL(json_integer_value(json_array_get(got, i)), json_integer_value(json_array_get(want, i)));
    }
    json_decref(got);
}

static void compare_all_greedy(glint_session *s, const char *path) {
    json_t *r = json_load_file(path, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    const json_t *prompt;
    size_t i;
    json_array_foreach(json_object_get(r, "prompts"), i, prompt) {
        const json_t *g = json_object_get(prompt, "greedy");
        compare_greedy(s, json_object_get(prompt, "ids"), json_object_get(g, "ids"), json_object_get(g, "margins"));
    }
    json_decref(r);
}

/* ---- Tests ---- */

static void compare_model(const pair *p, const char *device, double bound, bool greedy) {
    char model_path[1024], reference_path[1024], name[256];
    glint_error err;
    glint_model *m = NULL;
    safetensors_view r;
    snprintf(name, sizeof name, "%s.safetensors", p->reference);
    if (!support_any(model_path, p->model) || !support_any(reference_path, name)) return;
    SUPPORT_OK(glint_model_open(model_path, &m, &err), &err);
    CU_ASSERT_FATAL(safetensors_view_open(reference_path, &r));
    glint_session *s = open_session(m, device, "*");
    double worst = 0;
    int compared = 0;
    for (int prompt = 0; prompt < 3; prompt++) compared += compare_prompt(s, &r, prompt, bound, &worst);
    glint_session_close(&s);
    s = open_session(m, device, NULL);
    snprintf(name, sizeof name, "%s.json", p->reference);
    if (greedy) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(support_any(reference_path, name));
        compare_all_greedy(s, reference_path);
    }
    printf("\n    %-36s %-8s %3d values, worst NMSE %.2g", p->model, device, compared, worst);
    glint_session_close(&s);
    safetensors_view_close(&r);
    glint_model_close(&m);
}

static void test_oracle(void) {
    for (int i = 0; i < PAIRS; i++) compare_model(&pairs[i], "cpu:ref", host_bound, true);
}

static void test_cpu(void) {
    for (int i = 0; i < PAIRS; i++) compare_model(&pairs[i], "cpu", host_bound, true);
}

static void test_gles(void) {
    glint_device_info list[4];
    int n = support_gles(list, 4);
    for (int d = 0; d < n; d++)
        for (int i = 0; i < PAIRS; i++)
            if (support_wanted(pairs[i].model)) compare_model(&pairs[i], list[d].name, gles_bound, true);
}

static void test_real_model(void) {
    char path[1024];
    glint_error err;
    glint_model *m = NULL;
    json_t *r = json_load_file(support_data(path, "gguf/stories260K.json"), 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    SUPPORT_OK(glint_model_open(support_data(path, "gguf/stories260K-f32.gguf"), &m, &err), &err);
    const char *devices[] = {"cpu:ref", "cpu"};
    for (int d = 0; d < 2; d++) {
        compare_model(&stories, devices[d], host_bound, false);
        glint_session *s = open_session(m, devices[d], NULL);
        compare_greedy(s, json_object_get(r, "prompt_ids"), json_object_get(r, "greedy_ids"),
                       json_object_get(r, "margins"));
        glint_session_close(&s);
    }
    glint_model_close(&m);
    json_decref(r);
}

int main(void) {
    const support_case cases[] = {{"cpu:ref in exact", test_oracle},
                                  {"cpu in exact", test_cpu},
                                  {"gles in exact", test_gles},
                                  {"stories260K", test_real_model}};
    return support_main("reference", cases, sizeof cases / sizeof *cases);
}
