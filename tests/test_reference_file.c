/* References as files: what a trace and a Hugging Face reference hold under the tape's names, and the files that must
 * be refused in one line. */
#include "core/instruments/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "tests/support/maker.h"
#include "tests/support/safetensors_view.h"
#include "tests/support/support.h"

static char folder[1024];

static reference *open_good(const char *path) {
    reference *r = NULL;
    glint_error err;
    SUPPORT_OK(reference_open(path, &r, &err), &err);
    return r;
}

static const char *in_folder(const char *name) {
    static char path[1100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Writes a file of this header; its data are bytes 0, 1, 2 ... */
static const char *put(const char *header, size_t bytes) {
    maker_safetensors(in_folder("x.safetensors"), header, bytes);
    return in_folder("x.safetensors");
}

static void want_refused(const char *path, const char *part) {
    reference *r = NULL;
    glint_error err = {""};
    glint_status s = reference_open(path, &r, &err);
    if (s != GLINT_BAD_INPUT || !strstr(err.message, part)) printf("\n    %d: %s (wanted: %s)", s, err.message, part);
    CU_ASSERT(s == GLINT_BAD_INPUT && strstr(err.message, part) && !strchr(err.message, '\n'));
    reference_close(&r);
}

/* ---- Hugging Face ---- */

/* Every tensor of the file but ids, offsets and activations is a value with the same numbers. */
static void check_numbers(const reference *r, const safetensors_view *file) {
    const reference_run *runs;
    glint_error err;
    for (int i = 0, n = reference_runs(r, &runs); i < n; i++)
        for (int k = 0; k < runs[i].n_values; k++) {
            const reference_value *v = &runs[i].values[k];
            safetensors_entry e;
            CU_ASSERT_FATAL(safetensors_view_find(file, v->file_name, &e));
            CU_ASSERT(e.dims[0] == (size_t)v->rows && e.dims[1] == (size_t)v->width);
            CU_ASSERT(v->first_row == runs[i].n - v->rows);
            float *x = malloc(e.bytes);
            int half = v->rows / 2;
            SUPPORT_OK(reference_read(r, v, half, v->rows - half, x + (size_t)half * (size_t)v->width, &err), &err);
            SUPPORT_OK(reference_read(r, v, 0, half, x, &err), &err);
            CU_ASSERT(memcmp(x, e.data, e.bytes) == 0);
            free(x);
        }
}

static const struct {
    const char *model, *value, *file_name;
} mapped[] = {
    {"gemma3", "embed", "p0.embed"},
    {"gemma3", "layers.7.out", "p0.layers.7"},
    {"gemma3", "layers.5.attn.norm", "p0.module.model.layers.5.input_layernorm"},
    {"gemma3", "layers.5.attn.q", "p0.module.model.layers.5.self_attn.q_proj"},
    {"gemma3", "layers.0.attn.k_norm", "p0.module.model.layers.0.self_attn.k_norm"},
    {"gemma3", "layers.0.attn.out", "p0.module.model.layers.0.self_attn.o_proj"},
    {"gemma3", "layers.0.attn.post_norm", "p0.module.model.layers.0.post_attention_layernorm"},
    {"gemma3", "layers.0.ffn.norm", "p0.module.model.layers.0.pre_feedforward_layernorm"},
    {"gemma3", "layers.0.ffn.post_norm", "p0.module.model.layers.0.post_feedforward_layernorm"},
    {"llama", "layers.1.ffn.norm", "p0.module.model.layers.1.post_attention_layernorm"},
    {"llama", "layers.1.ffn.gate", "p0.module.model.layers.1.mlp.gate_proj"},
    {"llama", "logits", "p0.logits"},
    {"qwen2", "layers.3.ffn.down", "p0.module.model.layers.3.mlp.down_proj"},
    {"qwen2", "layers.3.attn.v", "p0.module.model.layers.3.self_attn.v_proj"},
    {"qwen3", "layers.0.attn.q_norm", "p0.module.model.layers.0.self_attn.q_norm"},
    {"qwen3", "norm", "p0.norm"},
};

static void test_names(void) {
    for (size_t i = 0; i < sizeof mapped / sizeof *mapped; i++) {
        char path[1024], name[64];
        const reference_run *runs;
        snprintf(name, sizeof name, "models/%s-shakespeare/reference.safetensors", mapped[i].model);
        if (!support_any(path, name)) continue;
        reference *r = open_good(path);
        reference_runs(r, &runs);
        const reference_value *v = reference_find(&runs[0], mapped[i].value);
        CU_ASSERT(v && !strcmp(v->file_name, mapped[i].file_name));
        CU_ASSERT_PTR_NULL(reference_find(&runs[0], "layers.0.ffn.act"));
        reference_close(&r);
    }
}

static void test_models(void) {
    static const char *const families[] = {"gemma3", "llama", "qwen2", "qwen3"};
    static const int foreign[] = {2, 2, 4, 2}; /* the activations, whose product with up is what the tape has */
    for (int i = 0; i < 4; i++) {
        char path[1024], name[64];
        glint_error err;
        glint_model *m = NULL;
        safetensors_view file;
        const reference_run *runs;
        const char *const *others;
        snprintf(name, sizeof name, "models/%s-shakespeare/reference.safetensors", families[i]);
        if (!support_any(path, name)) continue;
        CU_ASSERT_FATAL(safetensors_view_open(path, &file));
        reference *r = open_good(path);
        check_numbers(r, &file);
        CU_ASSERT_EQUAL_FATAL(reference_runs(r, &runs), 3);
        CU_ASSERT(runs[1].n_prompt == runs[1].n && runs[2].n > 80);
        CU_ASSERT_STRING_EQUAL(runs[0].values[0].name, "embed");
        CU_ASSERT_STRING_EQUAL(runs[0].values[1].name, "layers.0.attn.norm");
        CU_ASSERT_STRING_EQUAL(runs[0].values[runs[0].n_values - 2].name, "norm");
        CU_ASSERT_STRING_EQUAL(runs[0].values[runs[0].n_values - 1].name, "logits");
        CU_ASSERT(reference_find(&runs[2], "logits")->rows == 3);
        CU_ASSERT_EQUAL(reference_foreign(r, &others), foreign[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(others[0], "act_fn"));
        *strrchr(path, '/') = 0;
        SUPPORT_OK(glint_model_open(path, &m, &err), &err);
        SUPPORT_OK(reference_fits(r, &m->tape, &err), &err);
        glint_model_close(&m);
        reference_close(&r);
        safetensors_view_close(&file);
    }
}

/* ---- Traces ---- */

static void test_trace(void) {
    char model_path[1024];
    glint_error err;
    glint_model *m = NULL;
    glint_session *s = NULL;
    const int32_t prompt[] = {2, 100, 101, 102};
    const reference_run *runs;
    const char *const *others;
    SUPPORT_OK(glint_model_open(support_data(model_path, "gemma3-shakespeare-Q4_K_M.gguf"), &m, &err), &err);
    glint_session_options so = {.device = "cpu", .observe = "*", .outputs = 8, .context = 64};
    SUPPORT_OK(glint_session_open(m, &so, &s, &err), &err);
    glint_trace_options o = {.prompt = prompt, .n_prompt = 4, .n = 2, .path = in_folder("t.safetensors")};
    SUPPORT_OK(glint_trace(s, &o, NULL, NULL, &err), &err);
    reference *r = open_good(o.path);
    CU_ASSERT_EQUAL_FATAL(reference_runs(r, &runs), 1);
    CU_ASSERT(runs[0].n_prompt == 4 && runs[0].n == 6 && memcmp(runs[0].ids, prompt, sizeof prompt) == 0);
    CU_ASSERT_EQUAL(reference_foreign(r, &others), 0);
    const glint_value_info *values;
    CU_ASSERT_EQUAL(runs[0].n_values, glint_session_values(s, &values));
    CU_ASSERT(runs[0].n_values > 100 && !strcmp(runs[0].values[0].name, "embed"));
    CU_ASSERT(!strcmp(reference_device(r), "cpu") && reference_precision(r) == GLINT_FAST);
    SUPPORT_OK(reference_fits(r, &m->tape, &err), &err);
    reference_close(&r);
    glint_session_close(&s);
    glint_model_close(&m);
}

/* ---- Types and shapes ---- */

/* Bytes 0, 1, 2 ... as halves, and a batch of one in front; ids as int64. */
static void test_types(void) {
    const reference_run *runs;
    const char *const *others;
    float x[4];
    glint_error err;
    reference *r = open_good(put("{\"p0.input_ids\":{\"dtype\":\"I32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                                 "\"p0.embed\":{\"dtype\":\"BF16\",\"shape\":[1,2,2],\"data_offsets\":[8,16]},"
                                 "\"p0.norm\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[16,20]},"
                                 "\"p0.layers.0\":{\"dtype\":\"F64\",\"shape\":[1,1],\"data_offsets\":[20,28]},"
                                 "\"other\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[28,29]}}",
                                 29));
    CU_ASSERT_EQUAL_FATAL(reference_runs(r, &runs), 1);
    CU_ASSERT_EQUAL(runs[0].n_values, 2);
    const reference_value *v = reference_find(&runs[0], "embed");
    CU_ASSERT_FATAL(v && v->rows == 2 && v->width == 2 && v->first_row == 0);
    SUPPORT_OK(reference_read(r, v, 0, 2, x, &err), &err);
    uint32_t bits;
    memcpy(&bits, &x[3], 4);
    CU_ASSERT_EQUAL(bits, 0x0F0E0000);
    v = reference_find(&runs[0], "norm");
    CU_ASSERT_FATAL(v && v->rows == 1 && v->first_row == 1);
    SUPPORT_OK(reference_read(r, v, 0, 1, x, &err), &err);
    CU_ASSERT_EQUAL(x[1], format_f16_to_f32(0x1312));
    CU_ASSERT_EQUAL(reference_read(r, v, 0, 2, x, &err), GLINT_USAGE);
    CU_ASSERT_EQUAL(reference_foreign(r, &others), 2);
    reference_close(&r);
}

static void test_refused(void) {
    want_refused(in_folder("nowhere"), "nowhere");
    want_refused(put("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4), "p0.input_ids");
    want_refused(put("{\"p0.input_ids\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4), "known name");
    want_refused(put("{\"p0.input_ids\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4), "no list");
    want_refused(put("{\"p0.input_ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8), "not fit");
    want_refused(put("{\"p0.input_ids\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                     "\"p0.embed\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[4,12]}}",
                     12),
                 "2 rows");
    want_refused(put("{\"p0.input_ids\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                     "\"p0.logits\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[8,12]},"
                     "\"p0.logits_from\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[12,16]}}",
                     16),
                 "logits_from");
    want_refused(put("{\"__metadata__\":{\"format\":\"glint-trace-1\"},"
                     "\"embed\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                     4),
                 "ids");
    want_refused(put("{\"__metadata__\":{\"format\":\"glint-trace-1\",\"prompt_tokens\":\"2\"},"
                     "\"ids\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                     4),
                 "prompt_tokens");
}

/* Cut anywhere, a file is refused. */
static void test_cut(void) {
    char path[1024];
    file_map m;
    glint_error err;
    if (!support_any(path, "models/qwen2-shakespeare/reference.safetensors")) return;
    SUPPORT_OK(file_map_open(path, &m, &err), &err);
    support_random r = support_seed(31);
    for (int i = 0; i < 40; i++) {
        size_t n = i < 10 ? (size_t)i : support_bits(&r) % m.bytes;
        maker_write(in_folder("cut.safetensors"), m.data, n);
        want_refused(in_folder("cut.safetensors"), "cut.safetensors");
    }
    file_map_close(&m);
}

static void test_other_model(void) {
    char path[1024], model_path[1024];
    glint_error err;
    glint_model *m = NULL;
    if (!support_any(path, "models/qwen2-shakespeare/reference.safetensors")) return;
    SUPPORT_OK(glint_model_open(support_data(model_path, "gemma3-shakespeare-Q4_K_M.gguf"), &m, &err), &err);
    reference *r = open_good(path);
    CU_ASSERT_EQUAL(reference_fits(r, &m->tape, &err), GLINT_BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "p0.embed: 64 numbers a row"));
    reference_close(&r);
    r = open_good(put("{\"p0.input_ids\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                      "\"p0.layers.8\":{\"dtype\":\"F32\",\"shape\":[1,192],\"data_offsets\":[4,772]}}",
                      772));
    CU_ASSERT_EQUAL(reference_fits(r, &m->tape, &err), GLINT_BAD_INPUT); /* ids 0x03020100 */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "token 50462976"));
    reference_close(&r);
    glint_model_close(&m);
}

int main(void) {
    const support_case cases[] = {{"names of modules", test_names},
                                  {"references of models", test_models},
                                  {"a trace", test_trace},
                                  {"types and shapes", test_types},
                                  {"refused", test_refused},
                                  {"cut anywhere", test_cut},
                                  {"another model", test_other_model}};
    maker_folder(folder);
    int status = support_main("reference files", cases, sizeof cases / sizeof *cases);
    maker_remove(folder);
    return status;
}
