#include "core/base/json.h"

#include "core/base/file_map.h"

glint_status base_json_parse(const char *path, const void *text, size_t bytes, json_t **out, glint_error *err) {
    if (!bytes) return base_fail(err, GLINT_BAD_INPUT, "%s: no JSON: empty", path);
    json_error_t why;
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &why);
    if (!root) {
        if (json_error_code(&why) == json_error_out_of_memory)
            return base_fail(err, GLINT_INTERNAL, "%s: out of memory", path);
        return base_fail(err, GLINT_BAD_INPUT, "%s: line %d: no JSON: %s", path, why.line, why.text);
    }
    *out = root;
    return GLINT_OK;
}

glint_status base_json_open(const char *path, json_t **out, glint_error *err) {
    file_map m = {0};
    glint_status s = file_map_open(path, &m, err);
    if (!s) s = base_json_parse(path, m.data, m.bytes, out, err);
    file_map_close(&m);
    return s;
}
