#include "tests/support/safetensors_view.h"

#include <string.h>

#include "core/base/size.h"
#include "tests/support/support.h"

bool safetensors_view_open(const char *path, safetensors_view *out) {
    glint_error err;
    safetensors_view v = {0};
    uint64_t header_bytes;
    SUPPORT_OK(file_map_open(path, &v.file, &err), &err);
    if (v.file.bytes >= sizeof header_bytes) {
        memcpy(&header_bytes, v.file.data, sizeof header_bytes);
        if (size_inside(sizeof header_bytes, header_bytes, v.file.bytes)) {
            v.header = json_loadb((const char *)v.file.data + sizeof header_bytes, header_bytes, 0, NULL);
            v.data = v.file.data + sizeof header_bytes + header_bytes;
        }
    }
    CU_ASSERT_PTR_NOT_NULL(v.header);
    if (!v.header) safetensors_view_close(&v);
    *out = v;
    return v.header != NULL;
}

bool safetensors_view_find(const safetensors_view *v, const char *name, safetensors_entry *out) {
    json_t *entry = json_object_get(v->header, name), *shape, *size;
    size_t i, end = (size_t)(v->file.data + v->file.bytes - v->data);
    json_int_t from, to;
    *out = (safetensors_entry){.dims = {1, 1, 1, 1}};
    if (!entry ||
        json_unpack(entry, "{s:s, s:o, s:[I, I]}", "dtype", &out->dtype, "shape", &shape, "data_offsets", &from, &to))
        return false;
    if (json_array_size(shape) > 4 || from < 0 || to < from || (size_t)to > end) return false;
    json_array_foreach(shape, i, size) out->dims[i] = (size_t)json_integer_value(size);
    out->n_dims = (int)json_array_size(shape);
    out->data = v->data + from;
    out->bytes = (size_t)(to - from);
    return true;
}

void safetensors_view_close(safetensors_view *v) {
    json_decref(v->header);
    file_map_close(&v->file);
    *v = (safetensors_view){0};
}
