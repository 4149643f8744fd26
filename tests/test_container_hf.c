/* Hugging Face directories: configs of all styles, safetensors in one file or several, and hostile ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/container/container.h"
#include "tests/support/container_walk.h"
#include "tests/support/hostile.h"
#include "tests/support/maker.h"
#include "tests/support/support.h"

static char folder[1024];

static const char *in_folder(const char *name) {
    static char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put_file(const char *name, const char *text) {
    maker_write_text(in_folder(name), text);
}

static void put_tensors(const char *name, const char *header, size_t data_bytes) {
    maker_safetensors(in_folder(name), header, data_bytes);
}

static void remove_file(const char *name) {
    unlink(in_folder(name));
}

/* The folder is refused with these words; `file` is part of them. */
static void refuse(const char *file, const char *cause) {
    char words[512];
    snprintf(words, sizeof words, "%s: %s", file, cause);
    hostile_refused(folder, words);
}

static container *accept(void) {
    container *c = NULL;
    glint_error err;
    SUPPORT_OK(container_open(folder, &c, &err), &err);
    return c;
}

static const char one_tensor[] =
    "{\"model.embed_tokens.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]}}";

/* A folder with this config and one right tensor. */
static void put_config(const char *config) {
    put_file("config.json", config);
    put_tensors("model.safetensors", one_tensor, 24);
}

static bool is_int(const container *c, const char *key, int64_t expected) {
    int64_t v;
    return container_int(c, key, &v) && v == expected;
}

static bool is_float(const container *c, const char *key, double expected) {
    double v;
    return container_float(c, key, &v) && v == expected;
}

static bool is_text(const container *c, const char *key, const char *expected) {
    container_text t;
    return container_string(c, key, &t) && t.bytes == strlen(expected) && memcmp(t.data, expected, t.bytes) == 0;
}

static bool has(const container *c, const char *key) {
    int64_t i;
    double f;
    bool b;
    container_text t;
    size_t n;
    return container_int(c, key, &i) || container_float(c, key, &f) || container_bool(c, key, &b) ||
           container_string(c, key, &t) || container_array(c, key, &n);
}

/* ---- Configs ---- */

static void test_new_style(void) {
    put_config("{\"model_type\":\"gemma3_text\",\"rope_parameters\":{"
               "\"full_attention\":{\"rope_type\":\"linear\",\"factor\":8.0,\"rope_theta\":1000000.0},"
               "\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":10000.0}},"
               "\"layer_types\":[\"sliding_attention\",\"full_attention\"],\"head_dim\":null}");
    container *c = accept();
    container_text types[2];
    CU_ASSERT_STRING_EQUAL(container_architecture(c), "gemma3");
    CU_ASSERT(is_float(c, "rope_base", 1e6) && is_float(c, "rope_base_local", 1e4));
    CU_ASSERT(is_text(c, "rope_scaling", "linear") && is_float(c, "rope_factor", 8) && !has(c, "head_dim"));
    CU_ASSERT(container_strings(c, "layer_types", types) && types[1].bytes == 14 &&
              memcmp(types[1].data, "full_attention", 14) == 0);
    container_close(&c);
    put_config("{\"model_type\":\"llama\",\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":500000,"
               "\"factor\":32,\"low_freq_factor\":1.5,\"high_freq_factor\":4.0,"
               "\"original_max_position_embeddings\":8192}}");
    c = accept();
    CU_ASSERT(is_float(c, "rope_base", 500000) && is_text(c, "rope_scaling", "llama3") &&
              is_float(c, "rope_factor", 32));
    CU_ASSERT(is_float(c, "rope_low_freq", 1.5) && is_float(c, "rope_high_freq", 4));
    CU_ASSERT(is_int(c, "rope_original_context", 8192) && !has(c, "rope_base_local"));
    container_close(&c);
}

static void test_old_style(void) {
    put_config("{\"model_type\":\"gemma3_text\",\"rope_theta\":1e6,\"rope_local_base_freq\":10000,"
               "\"rope_scaling\":{\"type\":\"linear\",\"factor\":8},\"_sliding_window_pattern\":6,"
               "\"query_pre_attn_scalar\":168}");
    container *c = accept();
    CU_ASSERT(is_float(c, "rope_base", 1e6) && is_float(c, "rope_base_local", 1e4) && is_float(c, "rope_factor", 8));
    CU_ASSERT(is_text(c, "rope_scaling", "linear") && is_int(c, "window_pattern", 6));
    CU_ASSERT(is_float(c, "query_scale_base", 168));
    container_close(&c);
    put_config("{\"model_type\":\"llama\",\"rope_scaling\":null,\"rope_theta\":1e4}");
    c = accept();
    CU_ASSERT(!has(c, "rope_scaling") && !has(c, "rope_factor") && !has(c, "eos_ids") && !has(c, "tied"));
    container_close(&c);
}

/* A multimodal wrapper: the text model's values are inside, ties and end tokens may be outside. */
static void test_wrapper(void) {
    put_config("{\"model_type\":\"gemma3\",\"tie_word_embeddings\":true,\"eos_token_id\":[1,106],\"hidden_size\":7,"
               "\"text_config\":{\"model_type\":\"gemma3_text\",\"hidden_size\":2560,\"num_hidden_layers\":34},"
               "\"vision_config\":{\"num_attention_heads\":16}}");
    container *c = accept();
    bool tied = false;
    size_t n = 0;
    CU_ASSERT_STRING_EQUAL(container_architecture(c), "gemma3");
    CU_ASSERT(is_int(c, "width", 2560) && is_int(c, "layers", 34) && !has(c, "heads"));
    CU_ASSERT(container_bool(c, "tied", &tied) && tied && container_array(c, "eos_ids", &n) && n == 2);
    container_close(&c);
}

static void test_window(void) {
    static const struct {
        const char *config;
        bool has;
    } cases[] = {
        {"{\"model_type\":\"mistral\",\"sliding_window\":4096}", true},
        {"{\"model_type\":\"qwen2\",\"sliding_window\":4096,\"use_sliding_window\":true}", true},
        {"{\"model_type\":\"qwen2\",\"sliding_window\":4096,\"use_sliding_window\":false}", false},
        {"{\"model_type\":\"qwen3\",\"sliding_window\":4096}", false},
        {"{\"model_type\":\"mistral\",\"sliding_window\":null}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_config(cases[i].config);
        container *c = accept();
        CU_ASSERT_EQUAL(is_int(c, "window", 4096), cases[i].has);
        CU_ASSERT_EQUAL(has(c, "window"), cases[i].has);
        container_close(&c);
    }
}

static void check_ends(const char *config, const char *generation, size_t expected, int64_t last) {
    put_config(config);
    remove_file("generation_config.json");
    if (generation) put_file("generation_config.json", generation);
    container *c = accept();
    size_t n = 0;
    int64_t ids[4] = {0};
    CU_ASSERT(container_array(c, "eos_ids", &n) && n == expected && container_ints(c, "eos_ids", ids));
    CU_ASSERT(ids[expected - 1] == last);
    container_close(&c);
    remove_file("generation_config.json");
}

static void test_ends(void) {
    check_ends("{\"model_type\":\"llama\",\"eos_token_id\":5}", NULL, 1, 5);
    check_ends("{\"model_type\":\"llama\",\"eos_token_id\":[5,6,7]}", NULL, 3, 7);
    check_ends("{\"model_type\":\"llama\",\"eos_token_id\":5}", "{\"eos_token_id\":[8,9]}", 2, 9);
    check_ends("{\"model_type\":\"llama\",\"eos_token_id\":5}", "{\"eos_token_id\":4}", 1, 4);
    check_ends("{\"model_type\":\"llama\",\"eos_token_id\":5}", "{\"eos_token_id\":null}", 1, 5);
}

static void test_bad_configs(void) {
    static const struct {
        const char *config, *cause;
    } cases[] = {
        {"", "no JSON: empty"},
        {"{\"model_type\":\"llama\"", "line 1: no JSON: "},
        {"{\n\"model_type\":\"llama\",\n\"a\":\n}", "line 4: no JSON: "},
        {"{\"model_type\":\"llama\",\"head_dim\":1,\"head_dim\":2}", "line 1: no JSON: duplicate object key"},
        {"{\"model_type\":\"ll\xFF\"}", "line 1: no JSON: unable to decode byte 0xff"},
        {"{\"model_type\":\"ll\\u0000\"}", "line 1: no JSON: \\u0000 is not allowed"},
        {"{\"model_type\":\"llama\"} x", "line 1: no JSON: end of file expected"},
        {"[]", "no object"},
        {"{}", "key model_type is missing"},
        {"{\"model_type\":3}", "key model_type is missing"},
        {"{\"model_type\":\"llama\",\"hidden_size\":\"wide\"}", "key hidden_size: an integer expected, found string"},
        {"{\"model_type\":\"llama\",\"hidden_size\":64.5}", "key hidden_size: an integer expected, found f64"},
        {"{\"model_type\":\"llama\",\"hidden_size\":[64]}",
         "key hidden_size: an integer expected, found an array of i64"},
        {"{\"model_type\":\"llama\",\"hidden_size\":{}}", "key hidden_size: neither one value nor a list of one type"},
        {"{\"model_type\":\"llama\",\"hidden_size\":99999999999999999999}", "line 1: no JSON: too big integer"},
        {"{\"model_type\":\"llama\",\"rms_norm_eps\":true}", "key rms_norm_eps: a finite number expected, found bool"},
        {"{\"model_type\":\"llama\",\"rms_norm_eps\":1e999}", "line 1: no JSON: real number overflow"},
        {"{\"model_type\":\"llama\",\"eos_token_id\":[1,\"a\"]}", "key eos_token_id: neither one value nor a list"},
        {"{\"model_type\":\"llama\",\"layer_types\":[1]}", "key layer_types: an array of strings expected"},
        {"{\"model_type\":\"llama\",\"tie_word_embeddings\":1}", "key tie_word_embeddings: a bool expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_config(cases[i].config);
        refuse("config.json", cases[i].cause);
    }
    remove_file("config.json");
    refuse("config.json", "No such file");
    put_config("{\"model_type\":\"llama\"}");
    put_file("generation_config.json", "{");
    refuse("generation_config.json", "line 1: no JSON");
    remove_file("generation_config.json");
    remove_file("model.safetensors");
    refuse("model.safetensors", "No such file");
}

static void test_deep(void) {
    enum { DEPTH = 100000 };
    char *deep = malloc(DEPTH + 1);
    memset(deep, '[', DEPTH);
    deep[DEPTH] = 0;
    put_config(deep);
    refuse("config.json", "line 1: no JSON: maximum parsing depth reached");
    free(deep);
}

/* ---- Tensors ---- */

static void test_tensors(void) {
    put_file("config.json", "{\"model_type\":\"gemma3_text\"}");
    put_tensors(
        "model.safetensors",
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"model.norm.weight\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]},"
        "\"language_model.model.embed_tokens.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]},"
        "\"model.language_model.layers.12.mlp.up_proj.weight\":{\"dtype\":\"F16\",\"shape\":[2,1,3],"
        "\"data_offsets\":[32,44]},"
        "\"language_model.lm_head.weight\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[44,46]},"
        "\"vision_tower.layers.0.mlp.up_proj.weight\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[46,48]}}",
        48);
    container *c = accept();
    const container_tensor *t;
    CU_ASSERT_FATAL(container_tensors(c, &t) == 5);
    CU_ASSERT(!strcmp(t[0].canonical, "norm") && t[0].norm_minus_one && t[0].format == FORMAT_BF16);
    CU_ASSERT(t[0].bytes == 8 && *(const unsigned char *)t[0].data == 24);
    CU_ASSERT(!strcmp(t[1].canonical, "embed") && !t[1].norm_minus_one && t[1].format == FORMAT_F32);
    CU_ASSERT(t[1].n_dims == 2 && t[1].dims[0] == 2 && t[1].dims[1] == 3 && *(const unsigned char *)t[1].data == 0);
    CU_ASSERT(!strcmp(t[2].canonical, "layers.12.ffn_up") && t[2].n_dims == 3 && t[2].dims[0] == 3 &&
              t[2].dims[1] == 1 && t[2].dims[2] == 2 && t[2].dims[3] == 1 && t[2].format == FORMAT_F16);
    CU_ASSERT(!strcmp(t[3].canonical, "output") && t[3].n_dims == 1 && t[3].dims[0] == 1);
    CU_ASSERT(!t[4].canonical && !strcmp(t[4].name, "vision_tower.layers.0.mlp.up_proj.weight"));
    CU_ASSERT(container_walk(c) != 0);
    container_close(&c);
}

static const char weights[] = "model.safetensors";

#define TENSOR(name, dtype, shape, begin, end)                                                                         \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void test_bad_tensors(void) {
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *cause;
    } cases[] = {
        {"{" TENSOR("a", "F32", "[2]", "0", "8") "," TENSOR("b", "F32", "[2]", "4", "12") "}", 12,
         "tensor b: overlaps tensor a"},
        {"{" TENSOR("a", "F32", "[2]", "0", "8") "," TENSOR("b", "F32", "[2]", "0", "8") "}", 8, "overlaps tensor"},
        {"{" TENSOR("a", "F32", "[2]", "0", "8") "," TENSOR("b", "F32", "[2]", "12", "20") "}", 20,
         "tensor b: a hole of 4 bytes before it"},
        {"{" TENSOR("a", "F32", "[2]", "8", "16") "}", 16, "tensor a: a hole of 8 bytes before it"},
        {"{" TENSOR("a", "F32", "[2]", "0", "8") "}", 9, "1 bytes of no tensor at the end"},
        {"{" TENSOR("a", "F32", "[2]", "0", "8") "}", 7, "tensor a: 8 bytes needed, file ends after 7"},
        {"{" TENSOR("a", "F32", "[2]", "1000", "1008") "}", 8, "tensor a: 8 bytes needed, file ends after 0"},
        {"{" TENSOR("a", "F32", "[2]", "0", "4") "}", 4, "tensor a: shape and dtype need 8 bytes, data_offsets give 4"},
        {"{" TENSOR("a", "BF16", "[2]", "0", "8") "}", 8, "tensor a: shape and dtype need 4 bytes"},
        {"{" TENSOR("a", "F32", "[2]", "8", "0") "}", 8, "tensor a: data_offsets begin after they end"},
        {"{" TENSOR("a", "F32", "[2]", "-8", "0") "}", 8, "tensor a: data_offsets are no pair of counts"},
        {"{" TENSOR("a", "F32", "[2]", "0", "8.0") "}", 8, "tensor a: data_offsets are no pair of counts"},
        {"{" TENSOR("a", "F32", "[2]", "0", "8,8") "}", 8, "tensor a: data_offsets are no pair of counts"},
        {"{" TENSOR("a", "F33", "[2]", "0", "8") "}", 8, "tensor a: unknown dtype F33"},
        {"{" TENSOR("a", "I64", "[1]", "0", "8") "}", 8, "tensor a: dtype I64 is not supported"},
        {"{" TENSOR("a", "F32", "[-2]", "0", "8") "}", 8, "tensor a: a dimension is no count"},
        {"{" TENSOR("a", "F32", "[4611686018427387904,4]", "0", "8") "}", 8, "tensor a: its size does not fit"},
        {"{" TENSOR("a", "F32", "[9223372036854775807]", "0", "8") "}", 8, "tensor a: its size does not fit"},
        {"{" TENSOR("a", "F32", "[0]", "0", "0") "}", 0, "tensor a: dimension 0 is 0"},
        {"{" TENSOR("a", "F32", "[1,1,1,1,2]", "0", "8") "}", 8, "tensor a: 5 dimensions"},
        {"{" TENSOR("a", "F32", "[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8, "tensor a: more than 8 dimensions"},
        {"{" TENSOR("a", "F32", "2", "0", "8") "}", 8, "tensor a: no shape"},
        {"{" TENSOR("", "F32", "[2]", "0", "8") "}", 8, "a tensor without a name"},
        {"{" TENSOR("a\\n\x7f", "F33", "[2]", "0", "8") "}", 8, "tensor a??: unknown dtype"},
        {"{" TENSOR("a", "F32", "[2]", "0", "8") "," TENSOR("a", "F32", "[2]", "8", "16") "}", 16,
         "line 1: no JSON: duplicate object key"},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "tensor a: no dtype"},
        {"{\"a\":[]}", 8, "tensor a: no object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: a is no string"},
        {"{\"__metadata__\":[]}", 0, "__metadata__: no object"},
        {"[]", 0, "the header is no object"},
        {"{\"\xC3\x28\":1}", 0, "line 1: no JSON: "},
        {"{" TENSOR("model.norm.weight", "F32", "[2]", "0", "8") "," TENSOR("norm.weight", "F32", "[2]", "8", "16") "}",
         16, "two tensors mean norm"},
    };
    put_file("config.json", "{\"model_type\":\"llama\"}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_tensors("model.safetensors", cases[i].header, cases[i].data_bytes);
        hostile_refused(folder, cases[i].cause);
    }
}

static void test_header_length(void) {
    static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, 200000000, 25};
    put_file("config.json", "{\"model_type\":\"llama\"}");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        maker_bytes file = {0};
        maker_number(&file, lengths[i], 8);
        for (int k = 0; k < 24; k++) maker_put(&file, " ", 1);
        maker_write(in_folder(weights), file.data, file.n);
        refuse(weights, "not a safetensors file: a header of");
        free(file.data);
    }
    put_file(weights, "1234567");
    refuse(weights, "not a safetensors file: 7 bytes");
}

/* ---- Shards ---- */

static void put_shards(const char *index) {
    remove_file("model.safetensors");
    put_file("config.json", "{\"model_type\":\"llama\"}");
    put_file("model.safetensors.index.json", index);
    put_tensors("a.safetensors", "{" TENSOR("model.norm.weight", "F32", "[2]", "0", "8") "}", 8);
    put_tensors("b.safetensors",
                "{" TENSOR("lm_head.weight", "F32", "[1]", "0", "4") "," TENSOR("other", "F32", "[1]", "4", "8") "}",
                8);
}

#define INDEX(map)    "{\"metadata\":{\"total_size\":16},\"weight_map\":{" map "}}"
#define NORM_IN(file) "\"model.norm.weight\":\"" file "\""
#define REST          "\"lm_head.weight\":\"b.safetensors\",\"other\":\"b.safetensors\""

static void test_shards(void) {
    put_shards(INDEX(REST "," NORM_IN("a.safetensors")));
    container *c = accept();
    const container_tensor *t;
    CU_ASSERT_FATAL(container_tensors(c, &t) == 3);
    CU_ASSERT(!strcmp(t[0].canonical, "output") && !t[1].canonical && !strcmp(t[2].canonical, "norm"));
    CU_ASSERT(*(const unsigned char *)t[1].data == 4 && container_walk(c) != 0);
    container_close(&c);
    remove_file("model.safetensors.index.json");
}

static void test_bad_shards(void) {
    static const char index[] = "model.safetensors.index.json";
    static const struct {
        const char *index, *file, *cause;
    } cases[] = {
        {"{}", index, "key weight_map is missing"},
        {"[1]", index, "key weight_map is missing"},
        {INDEX(""), index, "names no files"},
        {INDEX(NORM_IN("../a.safetensors")), index, "tensor model.norm.weight: its file is not named"},
        {INDEX(NORM_IN("/etc/passwd")), index, "tensor model.norm.weight: its file is not named"},
        {INDEX(NORM_IN("")), index, "tensor model.norm.weight: its file is not named"},
        {INDEX("\"a\":1"), index, "tensor a: its file is not named"},
        {INDEX(NORM_IN("c.safetensors")), "c.safetensors", "No such file"},
        {INDEX(NORM_IN("b.safetensors") "," REST), index, "3 tensors named, the files have 2"},
        {INDEX(NORM_IN("a.safetensors") ",\"other\":\"b.safetensors\""), "b.safetensors",
         "tensor lm_head.weight: the index has it in no file"},
        {INDEX("\"lm_head.weight\":\"a.safetensors\"," NORM_IN("a.safetensors") ",\"other\":\"b.safetensors\""),
         "b.safetensors", "tensor lm_head.weight: the index has it in a.safetensors"},
        {"{", index, "line 1: no JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_shards(cases[i].index);
        refuse(cases[i].file, cases[i].cause);
    }
    remove_file(index);
}

/* ---- Cut off, flipped ---- */

static void test_cut(void) {
    put_config("{\"model_type\":\"llama\"}");
    container *c = accept();
    container_close(&c);
    hostile_cut(in_folder(weights), folder, 8 + strlen(one_tensor) + 24, 1);
}

static void test_flipped(void) {
    static const char config[] = "{\"model_type\":\"qwen2\",\"hidden_size\":64,\"rope_scaling\":{\"type\":\"yarn\"},"
                                 "\"eos_token_id\":[1,2],\"layer_types\":[\"full_attention\"]}";
    put_config(config);
    maker_bytes file = {0};
    maker_string(&file, one_tensor, strlen(one_tensor));
    for (int i = 0; i < 24; i++) maker_number(&file, 0, 1);
    int opened = hostile_flip(in_folder(weights), folder, file.data, file.n, file.n, 3000, 1);
    CU_ASSERT(opened > 50 && opened < 2900);
    put_config(config);
    opened = hostile_flip(in_folder("config.json"), folder, config, strlen(config), strlen(config), 3000, 2);
    CU_ASSERT(opened > 50 && opened < 2900);
    free(file.data);
}

int main(void) {
    static const support_case cases[] = {
        {"configs as transformers 5 writes them", test_new_style},
        {"older configs", test_old_style},
        {"multimodal wrappers", test_wrapper},
        {"sliding windows", test_window},
        {"end tokens", test_ends},
        {"configs that are refused", test_bad_configs},
        {"deep nesting", test_deep},
        {"tensors", test_tensors},
        {"tensors that are refused", test_bad_tensors},
        {"length of the header", test_header_length},
        {"shards", test_shards},
        {"shards that are refused", test_bad_shards},
        {"cut off at every byte", test_cut},
        {"flipped bytes", test_flipped},
    };
    maker_folder(folder);
    int status = support_main("container_hf", cases, sizeof cases / sizeof *cases);
    maker_remove(folder);
    return status;
}
