#include "core/container/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/size.h"
#include "core/container/store.h"

enum { MAX_HEADER = 100000000 }; /* what the format's own reader allows */

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"I64", 8},
    {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U64", 8},  {"U32", 4},     {"U16", 2},     {"U8", 1},      {"BOOL", 1},
};

typedef struct reader {
    const char *path;
    const unsigned char *data; /* the first byte after the header */
    size_t bytes;              /* of data */
    arena *memory;
    glint_error *err;
} reader;

static glint_status bad(const reader *r, const char *name, const char *why) {
    return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: %s", r->path, name, why);
}

static glint_status read_dtype(const reader *r, json_t *entry, safetensors_tensor *t, size_t *each) {
    const char *name = json_string_value(json_object_get(entry, "dtype"));
    if (!name) return bad(r, t->name, "no dtype");
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            t->dtype = dtypes[i].name;
            *each = dtypes[i].bytes;
            return GLINT_OK;
        }
    return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: unknown dtype %.20s", r->path, t->name, name);
}

/* An array's element i as a count. */
static bool get_count(json_t *array, size_t i, uint64_t *out) {
    json_t *v = json_array_get(array, i);
    if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

/* *bytes: what the shape needs. */
static glint_status read_shape(const reader *r, json_t *entry, safetensors_tensor *t, size_t each, size_t *bytes) {
    json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape)) return bad(r, t->name, "no shape");
    if (json_array_size(shape) > SAFETENSORS_MAX_DIMS) return bad(r, t->name, "more than 8 dimensions");
    t->n_dims = (int)json_array_size(shape);
    *bytes = each;
    for (int d = 0; d < t->n_dims; d++) {
        if (!get_count(shape, (size_t)d, &t->dims[d])) return bad(r, t->name, "a dimension is no count");
        if (!size_mul(*bytes, t->dims[d], bytes)) return bad(r, t->name, "its size does not fit 64 bits");
    }
    return GLINT_OK;
}

static glint_status read_place(const reader *r, json_t *entry, safetensors_tensor *t, size_t needed) {
    json_t *offsets = json_object_get(entry, "data_offsets");
    uint64_t begin, end;
    if (json_array_size(offsets) != 2 || !get_count(offsets, 0, &begin) || !get_count(offsets, 1, &end))
        return bad(r, t->name, "data_offsets are no pair of counts");
    if (begin > end) return bad(r, t->name, "data_offsets begin after they end");
    if (end - begin != needed)
        return base_fail(r->err, GLINT_BAD_INPUT,
                         "%s: tensor %.100s: shape and dtype need %zu bytes, data_offsets give %" PRIu64, r->path,
                         t->name, needed, end - begin);
    if (end > r->bytes)
        return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: %zu bytes needed, file ends after %zu", r->path,
                         t->name, needed, begin < r->bytes ? r->bytes - (size_t)begin : 0);
    t->data = r->data + begin;
    t->bytes = needed;
    return GLINT_OK;
}

static glint_status read_tensor(const reader *r, const char *name, json_t *entry, safetensors_tensor *t) {
    size_t each = 0, needed = 0;
    if (!name[0]) return base_fail(r->err, GLINT_BAD_INPUT, "%s: a tensor without a name", r->path);
    if (!json_is_object(entry)) return bad(r, name, "no object");
    if (!(t->name = arena_text(r->memory, name, strlen(name))))
        return base_fail(r->err, GLINT_INTERNAL, "%s: out of memory", r->path);
    glint_status s = read_dtype(r, entry, t, &each);
    if (!s) s = read_shape(r, entry, t, each, &needed);
    return s ? s : read_place(r, entry, t, needed);
}

static glint_status check_metadata(const reader *r, json_t *metadata) {
    const char *key;
    json_t *value;
    if (!json_is_object(metadata)) return base_fail(r->err, GLINT_BAD_INPUT, "%s: __metadata__: no object", r->path);
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value))
            return base_fail(r->err, GLINT_BAD_INPUT, "%s: __metadata__: %.100s is no string", r->path, key);
    }
    return GLINT_OK;
}

/* In the order of the data; an empty tensor comes before the one that begins at the same place. */
static int by_place(const void *a, const void *b) {
    const safetensors_tensor *x = *(const safetensors_tensor *const *)a, *y = *(const safetensors_tensor *const *)b;
    if (x->data != y->data) return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static glint_status check_cover(const reader *r, const safetensors_tensor *tensors, size_t n) {
    const safetensors_tensor **order = arena_array(r->memory, n, sizeof *order);
    if (!order) return base_fail(r->err, GLINT_INTERNAL, "%s: out of memory", r->path);
    for (size_t i = 0; i < n; i++) order[i] = &tensors[i];
    qsort(order, n, sizeof *order, by_place);
    size_t covered = 0;
    for (size_t i = 0; i < n; i++) {
        size_t begin = (size_t)((const unsigned char *)order[i]->data - r->data);
        if (begin < covered)
            return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: overlaps tensor %.100s", r->path,
                             order[i]->name, order[i - 1]->name);
        if (begin > covered)
            return base_fail(r->err, GLINT_BAD_INPUT, "%s: tensor %.100s: a hole of %zu bytes before it", r->path,
                             order[i]->name, begin - covered);
        covered += order[i]->bytes;
    }
    if (covered == r->bytes) return GLINT_OK;
    return base_fail(r->err, GLINT_BAD_INPUT, "%s: %zu bytes of no tensor at the end", r->path, r->bytes - covered);
}

static glint_status read_header(const reader *r, json_t *header, safetensors_tensor **out, size_t *n) {
    if (!json_is_object(header)) return base_fail(r->err, GLINT_BAD_INPUT, "%s: the header is no object", r->path);
    safetensors_tensor *tensors = arena_array(r->memory, json_object_size(header), sizeof *tensors);
    if (!tensors) return base_fail(r->err, GLINT_INTERNAL, "%s: out of memory", r->path);
    size_t count = 0;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        glint_status s = strcmp(name, "__metadata__") == 0 ? check_metadata(r, entry)
                                                           : read_tensor(r, name, entry, &tensors[count++]);
        if (s) return s;
    }
    *out = tensors;
    *n = count;
    return check_cover(r, tensors, count);
}

glint_status safetensors_read(const char *path, const void *data, size_t bytes, arena *memory, safetensors_tensor **out,
                              size_t *n, glint_error *err) {
    if (bytes < 8) return base_fail(err, GLINT_BAD_INPUT, "%s: not a safetensors file: %zu bytes", path, bytes);
    uint64_t header_bytes = store_load(data, 8);
    if (header_bytes > bytes - 8 || header_bytes > MAX_HEADER)
        return base_fail(err, GLINT_BAD_INPUT, "%s: not a safetensors file: a header of %" PRIu64 " bytes in %zu", path,
                         header_bytes, bytes);
    const unsigned char *text = (const unsigned char *)data + 8;
    reader r = {path, text + header_bytes, bytes - 8 - header_bytes, memory, err};
    json_t *header;
    glint_status s = base_json_parse(path, text, header_bytes, &header, err);
    if (s) return s;
    s = read_header(&r, header, out, n);
    json_decref(header);
    return s;
}

glint_status safetensors_metadata(const char *path, const void *data, const char *key, arena *memory, const char **out,
                                  glint_error *err) {
    json_t *header;
    glint_status s = base_json_parse(path, (const unsigned char *)data + 8, store_load(data, 8), &header, err);
    if (s) return s;
    const char *text = json_string_value(json_object_get(json_object_get(header, "__metadata__"), key));
    *out = text ? arena_text(memory, text, strlen(text)) : NULL;
    if (text && !*out) s = base_fail(err, GLINT_INTERNAL, "%s: out of memory", path);
    json_decref(header);
    return s;
}
