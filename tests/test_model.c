/* What architectures make of metadata: defaults where a config leaves them out, refusals of what they do not know. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "glint.h"
#include "tests/support/maker.h"
#include "tests/support/support.h"

static char folder[1024];

enum { WIDTH = 16, FFN = 32, VOCABULARY = 10, HEADS = 8, KV_HEADS = 4, HEAD_DIM = 256 };

/* One layer of a Gemma 3, in Hugging Face's names. */
static const struct {
    const char *name;
    int rows, cols; /* rows 0: a vector */
} gemma3_tensors[] = {
    {"embed_tokens", VOCABULARY, WIDTH},
    {"layers.0.input_layernorm", 0, WIDTH},
    {"layers.0.self_attn.q_proj", HEADS *HEAD_DIM, WIDTH},
    {"layers.0.self_attn.k_proj", KV_HEADS *HEAD_DIM, WIDTH},
    {"layers.0.self_attn.v_proj", KV_HEADS *HEAD_DIM, WIDTH},
    {"layers.0.self_attn.o_proj", WIDTH, HEADS *HEAD_DIM},
    {"layers.0.self_attn.q_norm", 0, HEAD_DIM},
    {"layers.0.self_attn.k_norm", 0, HEAD_DIM},
    {"layers.0.post_attention_layernorm", 0, WIDTH},
    {"layers.0.pre_feedforward_layernorm", 0, WIDTH},
    {"layers.0.post_feedforward_layernorm", 0, WIDTH},
    {"layers.0.mlp.gate_proj", FFN, WIDTH},
    {"layers.0.mlp.up_proj", FFN, WIDTH},
    {"layers.0.mlp.down_proj", WIDTH, FFN},
    {"norm", 0, WIDTH},
};

static void put(const char *name, const char *config) {
    char path[1100], header[4096] = "{";
    size_t at = 0;
    for (size_t i = 0; i < sizeof gemma3_tensors / sizeof *gemma3_tensors; i++) {
        int rows = gemma3_tensors[i].rows, cols = gemma3_tensors[i].cols;
        size_t n = strlen(header), end = at + 4 * (size_t)(rows ? rows : 1) * (size_t)cols;
        char shape[32];
        if (rows)
            snprintf(shape, sizeof shape, "%d,%d", rows, cols);
        else
            snprintf(shape, sizeof shape, "%d", cols);
        snprintf(header + n, sizeof header - n,
                 "%s\"model.%s.weight\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", i ? "," : "",
                 gemma3_tensors[i].name, shape, at, end);
        at = end;
    }
    strcat(header, "}");
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    maker_safetensors(path, header, at);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    maker_write_text(path, config);
}

static const char *card(const glint_model *m, const char *key) {
    const glint_card_entry *e;
    int n = glint_model_card(m, &e);
    for (int i = 0; i < n; i++)
        if (!strcmp(e[i].key, key)) return e[i].value;
    return "";
}

#define SHAPE "\"model_type\":\"gemma3_text\",\"hidden_size\":16,\"intermediate_size\":32,\"num_hidden_layers\":1"

/* The published 4B has no more than this, inside its text_config. */
static void test_published_gemma3(void) {
    static const struct {
        const char *key, *value;
    } want[] = {{"heads", "8"},        {"kv_heads", "4"},  {"head_dim", "256"},        {"rms_eps", "1e-06"},
                {"context", "131072"}, {"window", "1024"}, {"rope_scaling", "linear"}, {"rope_factor", "8"}};
    glint_model *m = NULL;
    glint_error err;
    put("config.json", "{\"model_type\":\"gemma3\",\"text_config\":{" SHAPE ",\"rope_scaling\":{\"factor\":8.0,"
                       "\"rope_type\":\"linear\"},\"sliding_window\":1024}}");
    SUPPORT_OK(glint_model_open(folder, &m, &err), &err);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        CU_ASSERT_STRING_EQUAL(card(m, want[i].key), want[i].value);
        if (strcmp(card(m, want[i].key), want[i].value)) printf("\n    %s: %s", want[i].key, card(m, want[i].key));
    }
    glint_model_close(&m);
}

static void refuse(const char *config, const char *words) {
    glint_model *m = NULL;
    glint_error err = {""};
    put("config.json", config);
    CU_ASSERT_EQUAL(glint_model_open(folder, &m, &err), GLINT_BAD_INPUT);
    if (!strstr(err.message, words)) printf("\n    %s\n", err.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
}

static void test_rope_scaling(void) {
    refuse("{" SHAPE ",\"rope_scaling\":{\"factor\":8.0,\"rope_type\":\"llama3\"}}",
           "metadata: \"rope_scaling\" is \"llama3\", which is not supported (none, linear are)");
    refuse("{" SHAPE ",\"rope_scaling\":{\"rope_type\":\"linear\"}}", "rope_factor");
    for (int i = 0; i < 3; i++) {
        static const char *const types[] = {"llama", "qwen2", "qwen3"};
        char config[512];
        snprintf(config, sizeof config,
                 "{\"model_type\":\"%s\",\"hidden_size\":16,\"intermediate_size\":32,\"num_hidden_layers\":1,"
                 "\"num_attention_heads\":8,\"head_dim\":256,\"rms_norm_eps\":1e-6,\"rope_scaling\":{\"type\":\"%s\"}}",
                 types[i], i ? "yarn" : "longrope");
        refuse(config, i ? "\"yarn\", which is not supported (none, linear, llama3 are)" : "\"longrope\", which");
    }
}

int main(void) {
    const support_case cases[] = {{"published gemma3", test_published_gemma3}, {"rope scaling", test_rope_scaling}};
    maker_folder(folder);
    int status = support_main("model", cases, sizeof cases / sizeof *cases);
    maker_remove(folder);
    return status;
}
