/* The door: chooses the reader by what the path is, and answers questions from the store that it filled. */
#include "core/container/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/container/store.h"

glint_status container_open(const char *path, container **out, glint_error *err) {
    struct stat st;
    if (stat(path, &st) != 0) return base_fail(err, GLINT_BAD_INPUT, "%s: %s", path, strerror(errno));
    container *c = calloc(1, sizeof *c);
    if (c) c->path = arena_text(&c->memory, path, strlen(path));
    glint_status s;
    if (!c || !c->path)
        s = base_fail(err, GLINT_INTERNAL, "%s: out of memory", path);
    else
        s = S_ISDIR(st.st_mode) ? hf_read(c, err) : gguf_read(c, err);
    if (s)
        container_close(&c);
    else
        *out = c;
    return s;
}

void container_close(container **c) {
    if (!c || !*c) return;
    for (size_t i = 0; i < (*c)->n_maps; i++) file_map_close(&(*c)->maps[i]);
    arena_free(&(*c)->memory);
    free(*c);
    *c = NULL;
}

const char *container_path(const container *c) {
    return c->path;
}

const char *container_kind(const container *c) {
    return c->kind;
}

const char *container_architecture(const container *c) {
    return c->architecture;
}

size_t container_tensors(const container *c, const container_tensor **out) {
    *out = c->tensors;
    return c->n_tensors;
}

static const store_value *find(const container *c, const char *key, bool array) {
    for (size_t i = 0; i < c->n_values; i++)
        if (strcmp(c->values[i].key, key) == 0) return c->values[i].array == array ? &c->values[i] : NULL;
    return NULL;
}

bool container_int(const container *c, const char *key, int64_t *out) {
    const store_value *v = find(c, key, false);
    return v && store_int(v, v->data, out);
}

bool container_float(const container *c, const char *key, double *out) {
    const store_value *v = find(c, key, false);
    return v && store_float(v, v->data, out);
}

bool container_bool(const container *c, const char *key, bool *out) {
    const store_value *v = find(c, key, false);
    if (!v || v->type != STORE_BOOL) return false;
    *out = v->data[0] != 0;
    return true;
}

bool container_string(const container *c, const char *key, container_text *out) {
    const store_value *v = find(c, key, false);
    if (!v || v->type != STORE_STRING) return false;
    *out = store_text(v->data);
    return true;
}

bool container_array(const container *c, const char *key, size_t *length) {
    const store_value *v = find(c, key, true);
    if (!v) return false;
    *length = v->count;
    return true;
}

bool container_strings(const container *c, const char *key, container_text *out) {
    const store_value *v = find(c, key, true);
    if (!v || v->type != STORE_STRING) return false;
    const unsigned char *at = v->data;
    for (size_t i = 0; i < v->count; i++) {
        out[i] = store_text(at);
        at += 8 + out[i].bytes;
    }
    return true;
}

bool container_ints(const container *c, const char *key, int64_t *out) {
    const store_value *v = find(c, key, true);
    if (!v) return false;
    size_t step = store_type_bytes(v->type);
    for (size_t i = 0; i < v->count; i++)
        if (!store_int(v, v->data + i * step, &out[i])) return false;
    return true;
}

bool container_floats(const container *c, const char *key, float *out) {
    const store_value *v = find(c, key, true);
    if (!v) return false;
    size_t step = store_type_bytes(v->type);
    for (size_t i = 0; i < v->count; i++) {
        double f;
        if (!store_float(v, v->data + i * step, &f)) return false;
        out[i] = (float)f;
    }
    return true;
}
