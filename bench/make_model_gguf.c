/* Writing the parts of a GGUF file. Errors of the stream are collected by it and seen when it is closed. */
#include <string.h>

#include "bench/make_model.h"

void make_u32(FILE *f, uint32_t v) {
    fwrite(&v, sizeof v, 1, f);
}

void make_u64(FILE *f, uint64_t v) {
    fwrite(&v, sizeof v, 1, f);
}

void make_f32(FILE *f, float v) {
    fwrite(&v, sizeof v, 1, f);
}

void make_text(FILE *f, const char *text) {
    make_u64(f, strlen(text));
    fputs(text, f);
}

static void begin(make_keys *k, const char *key, uint32_t type) {
    make_text(k->stream, key);
    make_u32(k->stream, type);
    k->count++;
}

void make_key_u32(make_keys *k, const char *key, uint32_t v) {
    begin(k, key, MAKE_U32);
    make_u32(k->stream, v);
}

void make_key_f32(make_keys *k, const char *key, float v) {
    begin(k, key, MAKE_F32);
    make_f32(k->stream, v);
}

void make_key_bool(make_keys *k, const char *key, bool v) {
    begin(k, key, MAKE_BOOL);
    fputc(v, k->stream);
}

void make_key_text(make_keys *k, const char *key, const char *text) {
    begin(k, key, MAKE_TEXT);
    make_text(k->stream, text);
}

void make_key_array(make_keys *k, const char *key, make_type type, uint64_t n) {
    enum { GGUF_ARRAY = 9 };
    begin(k, key, GGUF_ARRAY);
    make_u32(k->stream, type);
    make_u64(k->stream, n);
}
