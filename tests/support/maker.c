#include "tests/support/maker.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void maker_put(maker_bytes *b, const void *data, size_t bytes) {
    if (b->n + bytes > b->room) {
        b->room = 2 * (b->n + bytes) + 64;
        b->data = realloc(b->data, b->room);
        if (!b->data) exit(2);
    }
    if (bytes) memcpy(b->data + b->n, data, bytes);
    b->n += bytes;
}

void maker_number(maker_bytes *b, uint64_t v, size_t bytes) {
    unsigned char le[8];
    for (size_t i = 0; i < 8; i++) le[i] = (unsigned char)(v >> (8 * i));
    maker_put(b, le, bytes);
}

void maker_string(maker_bytes *b, const char *s, size_t n) {
    maker_number(b, n, 8);
    maker_put(b, s, n);
}

maker_gguf maker_gguf_open(void) {
    return (maker_gguf){.version = 3, .alignment = 32};
}

void maker_key(maker_gguf *g, const char *key, uint32_t type) {
    maker_string(&g->keys, key, strlen(key));
    maker_number(&g->keys, type, 4);
    g->n_keys++;
}

void maker_key_u32(maker_gguf *g, const char *key, uint32_t v) {
    maker_key(g, key, MAKER_U32);
    maker_number(&g->keys, v, 4);
}

void maker_key_f32(maker_gguf *g, const char *key, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    maker_key(g, key, MAKER_F32);
    maker_number(&g->keys, bits, 4);
}

void maker_key_text(maker_gguf *g, const char *key, const char *v) {
    maker_key(g, key, MAKER_STRING);
    maker_string(&g->keys, v, strlen(v));
}

void maker_tensor(maker_gguf *g, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type,
                  uint64_t offset) {
    maker_string(&g->tensors, name, strlen(name));
    maker_number(&g->tensors, n_dims, 4);
    for (uint32_t i = 0; i < n_dims; i++) maker_number(&g->tensors, dims[i], 8);
    maker_number(&g->tensors, type, 4);
    maker_number(&g->tensors, offset, 8);
    g->n_tensors++;
}

maker_bytes maker_gguf_close(maker_gguf *g) {
    maker_bytes file = {0};
    maker_put(&file, "GGUF", 4);
    maker_number(&file, g->version, 4);
    maker_number(&file, g->n_tensors, 8);
    maker_number(&file, g->n_keys, 8);
    maker_put(&file, g->keys.data, g->keys.n);
    maker_put(&file, g->tensors.data, g->tensors.n);
    while (g->data.n && file.n % g->alignment) maker_number(&file, 0, 1);
    maker_put(&file, g->data.data, g->data.n);
    free(g->keys.data);
    free(g->tensors.data);
    free(g->data.data);
    *g = (maker_gguf){0};
    return file;
}

void maker_write(const char *path, const void *data, size_t bytes) {
    remove(path); /* a file that is replaced in place may be flushed to the disk each time */
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f) != 0) exit(2);
}

void maker_write_text(const char *path, const char *text) {
    maker_write(path, text, strlen(text));
}

void maker_safetensors(const char *path, const char *header, size_t data_bytes) {
    maker_bytes file = {0};
    maker_string(&file, header, strlen(header));
    for (size_t i = 0; i < data_bytes; i++) maker_number(&file, i & 0x3F, 1); /* finite as numbers of any format */
    maker_write(path, file.data, file.n);
    free(file.data);
}

void maker_folder(char *path) {
    const char *base = getenv("TMPDIR");
    snprintf(path, 1024, "%s/glint-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path)) exit(2);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st, (void)type, (void)where;
    return remove(path);
}

void maker_remove(const char *path) {
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
