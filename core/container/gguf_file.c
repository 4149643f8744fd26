#include "core/container/gguf_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

enum {
    DEFAULT_ALIGNMENT = 32,
    LEAST_KEY_BYTES = 8 + 1 + 4 + 1,            /* key, type, a bool */
    LEAST_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8, /* name, dims, one dim, type, offset */
    MAX_DIMS = 4
};

typedef struct cursor {
    gguf_file *f;
    size_t at;
    arena *memory;
    glint_error *err;
} cursor;

static bool take(cursor *r, size_t bytes, const unsigned char **out) {
    if (!size_inside(r->at, bytes, r->f->bytes)) return false;
    *out = r->f->data + r->at;
    r->at += bytes;
    return true;
}

static bool take_number(cursor *r, size_t bytes, uint64_t *out) {
    const unsigned char *p;
    if (!take(r, bytes, &p)) return false;
    *out = store_load(p, bytes);
    return true;
}

static bool take_u32(cursor *r, uint32_t *out) {
    uint64_t v;
    if (!take_number(r, 4, &v)) return false;
    *out = (uint32_t)v;
    return true;
}

static bool take_text(cursor *r, container_text *out) {
    uint64_t n;
    const unsigned char *p;
    if (!take_number(r, 8, &n) || !take(r, n, &p)) return false;
    *out = (container_text){(const char *)p, n};
    return true;
}

static glint_status out_of_memory(cursor *r) {
    return base_fail(r->err, GLINT_INTERNAL, "%s: out of memory", r->f->path);
}

/* The file ends inside entry i of n keys or tensors. */
static glint_status ends_inside(cursor *r, const char *what, size_t i, size_t n) {
    return base_fail(r->err, GLINT_BAD_INPUT, "%s: the file ends inside %s %zu of %zu (at byte %zu)", r->f->path, what,
                     i + 1, n, r->at);
}

/* Keys and names: not empty, no NUL byte, so that they can be C strings. */
static bool is_name(container_text t) {
    return t.bytes && !memchr(t.data, 0, t.bytes);
}

/* A name from the file, as long as a message can bear. */
#define SHOWN(t) (int)((t).bytes < 100 ? (t).bytes : 100), (t).data

/* ---- Keys ---- */

typedef enum taken { TAKEN, TAKEN_END, TAKEN_BAD } taken;

static taken take_packed(cursor *r, store_value *v) {
    size_t each = store_type_bytes(v->type), bytes;
    const unsigned char *p;
    v->data = r->f->data + r->at;
    if (each) {
        if (!size_mul(v->count, each, &bytes) || !take(r, bytes, &p)) return TAKEN_END;
        for (size_t i = 0; v->type == STORE_BOOL && i < v->count; i++)
            if (p[i] > 1) return TAKEN_BAD;
        return TAKEN;
    }
    if (!v->array && v->type == STORE_STRING) v->count = 1;
    container_text text;
    for (size_t i = 0; i < v->count; i++)
        if (!take_text(r, &text)) return TAKEN_END;
    return TAKEN;
}

static glint_status read_value(cursor *r, container_text key, store_value *v) {
    const char *path = r->f->path;
    uint32_t type;
    uint64_t count = 1;
    if (!take_u32(r, &type)) goto ends;
    if (type == STORE_ARRAY) {
        v->array = true;
        if (!take_u32(r, &type) || !take_number(r, 8, &count)) goto ends;
        if (type == STORE_ARRAY)
            return base_fail(r->err, GLINT_BAD_INPUT, "%s: key %.*s: an array of arrays", path, SHOWN(key));
    }
    if (type >= STORE_TYPES)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: key %.*s: unknown type %" PRIu32, path, SHOWN(key), type);
    v->type = (store_type)type;
    v->count = count;
    switch (take_packed(r, v)) {
    case TAKEN:
        return GLINT_OK;
    case TAKEN_BAD:
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: key %.*s: a bool is 0 or 1", path, SHOWN(key));
    case TAKEN_END:
        break;
    }
    if (v->array)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: key %.*s: the file ends inside its array of %" PRIu64, path,
                         SHOWN(key), count);
ends:
    return base_fail(r->err, GLINT_BAD_INPUT, "%s: key %.*s: the file ends inside its value", path, SHOWN(key));
}

static glint_status read_keys(cursor *r) {
    gguf_file *f = r->f;
    f->keys = arena_array(r->memory, f->n_keys, sizeof *f->keys);
    f->values = arena_array(r->memory, f->n_keys, sizeof *f->values);
    if (!f->keys || !f->values) return out_of_memory(r);
    for (size_t i = 0; i < f->n_keys; i++) {
        if (!take_text(r, &f->keys[i])) return ends_inside(r, "key", i, f->n_keys);
        if (!is_name(f->keys[i]))
            return base_fail(r->err, GLINT_BAD_INPUT, "%s: key %zu of %zu is empty or has a NUL byte", f->path, i + 1,
                             f->n_keys);
        glint_status s = read_value(r, f->keys[i], &f->values[i]);
        if (s) return s;
    }
    if (!store_index_build(r->memory, f->keys, f->n_keys, &f->index)) return out_of_memory(r);
    const container_text *twice = store_index_duplicate(&f->index);
    if (twice) return base_fail(r->err, GLINT_BAD_INPUT, "%s: key %.*s: given twice", f->path, SHOWN(*twice));
    return GLINT_OK;
}

/* ---- Tensors ---- */

static glint_status read_dims(cursor *r, container_tensor *t) {
    const char *path = r->f->path;
    uint32_t n;
    if (!take_u32(r, &n)) goto ends;
    if (n == 0 || n > MAX_DIMS)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: %" PRIu32 " dimensions, 1 to 4 expected", path,
                         t->name, n);
    t->n_dims = (int)n;
    for (uint32_t d = 0; d < MAX_DIMS; d++) {
        t->dims[d] = 1;
        if (d < n && !take_number(r, 8, &t->dims[d])) goto ends;
        if (t->dims[d] == 0)
            return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: dimension %" PRIu32 " is 0", path, t->name,
                             d);
    }
    return GLINT_OK;
ends:
    return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: the file ends inside its description", path, t->name);
}

static glint_status size_tensor(cursor *r, container_tensor *t, uint32_t type) {
    const char *path = r->f->path;
    t->format = format_from_gguf(type);
    if (t->format == FORMAT_COUNT)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: unknown type %" PRIu32, path, t->name, type);
    const format_row *row = &format_table[t->format];
    if (t->dims[0] % row->block_values)
        return base_fail(r->err, GLINT_BAD_INPUT,
                         "%s: tensor %.100s: rows of %" PRIu64 " values are no whole number of %s blocks of %d", path,
                         t->name, t->dims[0], row->name, (int)row->block_values);
    if (!format_row_bytes(t->format, t->dims[0], &t->bytes) || !size_mul(t->bytes, t->dims[1], &t->bytes) ||
        !size_mul(t->bytes, t->dims[2], &t->bytes) || !size_mul(t->bytes, t->dims[3], &t->bytes))
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: its size does not fit 64 bits", path, t->name);
    return GLINT_OK;
}

static glint_status read_tensor(cursor *r, size_t i, uint64_t *offset) {
    gguf_file *f = r->f;
    container_tensor *t = &f->tensors[i];
    container_text name;
    uint32_t type;
    if (!take_text(r, &name)) return ends_inside(r, "tensor", i, f->n_tensors);
    if (!is_name(name))
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %zu of %zu: its name is empty or has a NUL byte", f->path,
                         i + 1, f->n_tensors);
    if (!(t->name = arena_text(r->memory, name.data, name.bytes))) return out_of_memory(r);
    glint_status s = read_dims(r, t);
    if (s) return s;
    if (!take_u32(r, &type) || !take_number(r, 8, offset))
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: the file ends inside its description", f->path,
                         t->name);
    if (*offset % f->alignment)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: offset %" PRIu64 " is no multiple of %zu",
                         f->path, t->name, *offset, f->alignment);
    return size_tensor(r, t, type);
}

static glint_status place_tensor(cursor *r, container_tensor *t, uint64_t offset, size_t start) {
    gguf_file *f = r->f;
    size_t there = f->bytes > start ? f->bytes - start : 0;
    if (!size_inside(offset, t->bytes, there)) {
        size_t left = offset < there ? there - offset : 0;
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: %zu bytes needed, file ends after %zu", f->path,
                         t->name, t->bytes, left);
    }
    t->data = f->data + start + offset;
    return GLINT_OK;
}

static int by_place(const void *a, const void *b) {
    const container_tensor *x = *(const container_tensor *const *)a, *y = *(const container_tensor *const *)b;
    return x->data < y->data ? -1 : x->data > y->data;
}

static glint_status check_overlaps(cursor *r) {
    gguf_file *f = r->f;
    const container_tensor **order = arena_array(r->memory, f->n_tensors, sizeof *order);
    if (!order) return out_of_memory(r);
    for (size_t i = 0; i < f->n_tensors; i++) order[i] = &f->tensors[i];
    qsort(order, f->n_tensors, sizeof *order, by_place);
    for (size_t i = 1; i < f->n_tensors; i++)
        if ((const char *)order[i - 1]->data + order[i - 1]->bytes > (const char *)order[i]->data)
            return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: overlaps tensor %.100s", f->path,
                             order[i]->name, order[i - 1]->name);
    return GLINT_OK;
}

static glint_status read_tensors(cursor *r) {
    gguf_file *f = r->f;
    f->tensors = arena_array(r->memory, f->n_tensors, sizeof *f->tensors);
    uint64_t *offsets = arena_array(r->memory, f->n_tensors, sizeof *offsets);
    if (!f->tensors || !offsets) return out_of_memory(r);
    glint_status s = GLINT_OK;
    for (size_t i = 0; !s && i < f->n_tensors; i++) s = read_tensor(r, i, &offsets[i]);
    if (s) return s;
    size_t start;
    if (!size_align(r->at, f->alignment, &start))
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: the data does not fit 64 bits", f->path);
    for (size_t i = 0; !s && i < f->n_tensors; i++) s = place_tensor(r, &f->tensors[i], offsets[i], start);
    return s ? s : check_overlaps(r);
}

/* ---- The file ---- */

/* A count whose entries could not even fit at their smallest is refused before anything is allocated for it. */
static glint_status take_count(cursor *r, const char *what, size_t least, size_t *out) {
    uint64_t n;
    if (!take_number(r, 8, &n))
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: the file ends inside its header", r->f->path);
    if (n > r->f->bytes / least)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: %" PRIu64 " %s declared in a file of %zu bytes", r->f->path, n,
                         what, r->f->bytes);
    *out = n;
    return GLINT_OK;
}

static glint_status read_version(cursor *r) {
    gguf_file *f = r->f;
    const unsigned char *magic;
    if (!take(r, 4, &magic) || memcmp(magic, "GGUF", 4) != 0)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: not a GGUF file (a Hugging Face model is a directory)", f->path);
    if (!take_u32(r, &f->version))
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: the file ends inside its header", f->path);
    if (f->version && (f->version & 0xFFFF) == 0)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: big-endian GGUF is not supported", f->path);
    if (f->version < 2 || f->version > 3)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: GGUF version %" PRIu32 " is not supported (2 and 3 are)",
                         f->path, f->version);
    return GLINT_OK;
}

static glint_status read_alignment(cursor *r) {
    gguf_file *f = r->f;
    uint64_t align = DEFAULT_ALIGNMENT;
    glint_status s = gguf_file_count(f, "general.alignment", &align, r->err);
    if (s) return s;
    if (align == 0 || (align & (align - 1)) || align > UINT32_MAX)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: key general.alignment: %" PRIu64 " is no power of two", f->path,
                         align);
    f->alignment = align;
    return GLINT_OK;
}

glint_status gguf_file_read(gguf_file *f, arena *memory, glint_error *err) {
    cursor r = {.f = f, .memory = memory, .err = err};
    glint_status s = read_version(&r);
    if (!s) s = take_count(&r, "tensors", LEAST_TENSOR_BYTES, &f->n_tensors);
    if (!s) s = take_count(&r, "keys", LEAST_KEY_BYTES, &f->n_keys);
    if (!s) s = read_keys(&r);
    if (!s) s = read_alignment(&r);
    return s ? s : read_tensors(&r);
}

const store_value *gguf_file_find(const gguf_file *f, const char *key) {
    size_t i = store_index_find(&f->index, (container_text){key, strlen(key)});
    return i == SIZE_MAX ? NULL : &f->values[i];
}

glint_status gguf_file_count(const gguf_file *f, const char *key, uint64_t *out, glint_error *err) {
    const store_value *v = gguf_file_find(f, key);
    int64_t i;
    if (!v) return GLINT_OK;
    glint_status s = store_check_kind(f->path, key, v, 'i', err);
    if (s) return s;
    store_int(v, v->data, &i);
    if (i < 0) return base_fail(err, GLINT_BAD_INPUT, "%s: key %s: %" PRId64 " is negative", f->path, key, i);
    *out = (uint64_t)i;
    return GLINT_OK;
}
