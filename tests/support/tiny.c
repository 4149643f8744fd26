#include "tests/support/tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/maker.h"
#include "tests/support/op_cases.h"

typedef struct writer {
    const tiny_model *t;
    maker_gguf file;
    support_random random;
} writer;

static void *room(size_t bytes) {
    void *p = malloc(bytes);
    if (!p) exit(2);
    return p;
}

static void tensor(writer *w, const char *name, format_id format, int rows, int cols, const void *data, size_t bytes) {
    static const unsigned char zeros[32];
    const uint64_t dims[2] = {(uint64_t)cols, (uint64_t)rows};
    maker_tensor(&w->file, name, rows ? 2 : 1, dims, format_table[format].gguf_id, w->file.data.n);
    maker_put(&w->file.data, data, bytes);
    maker_put(&w->file.data, zeros, -w->file.data.n % 32);
}

/* rows x cols numbers up to `size` as float32. rows 0: a vector. */
static void floats(writer *w, const char *name, int rows, int cols, float size) {
    size_t n = (size_t)(rows ? rows : 1) * (size_t)cols;
    float *x = room(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = support_uniform(&w->random, rows ? -size : size / 2, size);
    tensor(w, name, FORMAT_F32, rows, cols, x, n * sizeof *x);
    free(x);
}

static void matrix(writer *w, const char *name, int rows, int cols, float size) {
    const format_row *f = &format_table[w->t->format];
    size_t n = (size_t)rows * (size_t)cols / f->block_values, bytes = n * f->block_bytes;
    if (size > 0) {
        floats(w, name, rows, cols, size);
        return;
    }
    unsigned char *blocks = room(bytes);
    op_random_blocks(&w->random, w->t->format, blocks, n);
    tensor(w, name, w->t->format, rows, cols, blocks, bytes);
    free(blocks);
}

static void layer(writer *w, int l) {
    const tiny_model *t = w->t;
    int q = t->heads * t->head_dim, kv = t->kv_heads * t->head_dim;
    float norm = t->norm > 0 ? t->norm : 1;
    const struct {
        const char *name;
        int rows, cols;
        float size;
    } list[] = {
        {"attn_norm", 0, t->width, norm},      {"ffn_norm", 0, t->width, norm},      {"attn_q", q, t->width, 0},
        {"attn_k", kv, t->width, t->key},      {"attn_v", kv, t->width, 0},          {"attn_output", t->width, q, 0},
        {"ffn_gate", t->ffn, t->width, 0},     {"ffn_up", t->ffn, t->width, 0},      {"ffn_down", t->width, t->ffn, 0},
        {"attn_q_norm", 0, t->head_dim, norm}, {"attn_k_norm", 0, t->head_dim, norm}};
    size_t n = sizeof list / sizeof *list - (strcmp(t->architecture, "qwen3") ? 2 : 0);
    for (size_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%d.%s.weight", l, list[i].name);
        if (list[i].rows)
            matrix(w, name, list[i].rows, list[i].cols, list[i].size);
        else
            floats(w, name, 0, list[i].cols, list[i].size);
    }
}

static void keys(writer *w) {
    const tiny_model *t = w->t;
    const struct {
        const char *key;
        int value;
    } list[] = {{"block_count", t->layers},
                {"embedding_length", t->width},
                {"feed_forward_length", t->ffn},
                {"attention.head_count", t->heads},
                {"attention.head_count_kv", t->kv_heads},
                {"attention.key_length", t->head_dim},
                {"context_length", 256}};
    char key[96];
    maker_key_text(&w->file, "general.architecture", t->architecture);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        snprintf(key, sizeof key, "%s.%s", t->architecture, list[i].key);
        maker_key_u32(&w->file, key, (uint32_t)list[i].value);
    }
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", t->architecture);
    maker_key_f32(&w->file, key, 1e-6f);
}

void tiny_write(const tiny_model *t, const char *path) {
    writer w = {.t = t, .file = maker_gguf_open(), .random = support_seed(4)};
    keys(&w);
    matrix(&w, "token_embd.weight", t->vocabulary, t->width, t->embed);
    matrix(&w, "output.weight", t->vocabulary, t->width, 0);
    floats(&w, "output_norm.weight", 0, t->width, 1);
    for (int l = 0; l < t->layers; l++) layer(&w, l);
    maker_bytes file = maker_gguf_close(&w.file);
    maker_write(path, file.data, file.n);
    free(file.data);
}
