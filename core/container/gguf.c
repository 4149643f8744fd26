/* A container from one GGUF file, or from all files of a split one: canonical keys and names by gguf_names.c. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/container/gguf_file.h"
#include "core/container/gguf_names.h"

enum { MAX_ARCHITECTURE = 63, MAX_PARTS = 99999 };

static glint_status out_of_memory(const container *c, glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "%s: out of memory", c->path);
}

static glint_status read_part(container *c, const char *path, gguf_file *f, glint_error *err) {
    file_map *m = &c->maps[c->n_maps];
    glint_status s = file_map_open(path, m, err);
    if (s) return s;
    c->n_maps++;
    *f = (gguf_file){.path = path, .data = m->data, .bytes = m->bytes};
    return gguf_file_read(f, &c->memory, err);
}

/* ---- Keys ---- */

static glint_status read_architecture(container *c, const gguf_file *f, glint_error *err) {
    static const char key[] = "general.architecture";
    const store_value *v = gguf_file_find(f, key);
    if (!v) return base_fail(err, GLINT_BAD_INPUT, "%s: key %s is missing", f->path, key);
    glint_status s = store_check_kind(f->path, key, v, 's', err);
    if (s) return s;
    container_text name = store_text(v->data);
    if (!name.bytes || name.bytes > MAX_ARCHITECTURE || memchr(name.data, 0, name.bytes))
        return base_fail(err, GLINT_BAD_INPUT, "%s: key %s: not a name", f->path, key);
    c->architecture = arena_text(&c->memory, name.data, name.bytes);
    return c->architecture ? GLINT_OK : out_of_memory(c, err);
}

static glint_status read_keys(container *c, const gguf_file *f, glint_error *err) {
    c->values = arena_array(&c->memory, gguf_n_keys, sizeof *c->values);
    if (!c->values) return out_of_memory(c, err);
    for (size_t i = 0; i < gguf_n_keys; i++) {
        const store_key_row *row = &gguf_keys[i];
        char own[128];
        const char *hole = strstr(row->file, "%s");
        snprintf(own, sizeof own, "%s%s", hole ? c->architecture : "", hole ? hole + 2 : row->file);
        const store_value *v = gguf_file_find(f, own);
        if (!v) continue;
        glint_status s = store_check_kind(f->path, own, v, row->kind, err);
        if (s) return s;
        store_add(c, row->canonical, v);
    }
    return GLINT_OK;
}

/* ---- Parts of a split model ---- */

/* Is this the key's value in the file? Missing keys are not. */
static glint_status check_part(const gguf_file *f, const char *key, uint64_t expected, glint_error *err) {
    const uint64_t missing = UINT64_MAX; /* no key's value: those fit int64 */
    uint64_t n = missing;
    glint_status s = gguf_file_count(f, key, &n, err);
    if (s || n == expected) return s;
    if (n == missing) return base_fail(err, GLINT_BAD_INPUT, "%s: key %s is missing", f->path, key);
    return base_fail(err, GLINT_BAD_INPUT, "%s: key %s: %" PRIu64 ", %" PRIu64 " expected", f->path, key, n, expected);
}

static glint_status read_other_parts(container *c, gguf_file *parts, size_t n, glint_error *err) {
    char ending[64];
    size_t tail = (size_t)snprintf(ending, sizeof ending, "-00001-of-%05zu.gguf", n), all = strlen(c->path);
    if (all < tail || strcmp(c->path + all - tail, ending) != 0)
        return base_fail(err, GLINT_BAD_INPUT, "%s: the first of %zu files, whose name must end in %s", c->path, n,
                         ending);
    for (size_t i = 1; i < n; i++) {
        char *path = arena_printf(&c->memory, "%.*s-%05zu-of-%05zu.gguf", (int)(all - tail), c->path, i + 1, n);
        if (!path) return out_of_memory(c, err);
        glint_status s = read_part(c, path, &parts[i], err);
        if (!s) s = check_part(&parts[i], "split.no", i, err);
        if (!s) s = check_part(&parts[i], "split.count", n, err);
        if (s) return s;
    }
    return GLINT_OK;
}

static glint_status count_parts(const gguf_file *f, uint64_t *n, glint_error *err) {
    uint64_t no = 0;
    *n = 1;
    glint_status s = gguf_file_count(f, "split.count", n, err);
    if (!s) s = gguf_file_count(f, "split.no", &no, err);
    if (s) return s;
    if (*n == 0 || *n > MAX_PARTS)
        return base_fail(err, GLINT_BAD_INPUT, "%s: key split.count: %" PRIu64 " files", f->path, *n);
    if (no != 0)
        return base_fail(err, GLINT_BAD_INPUT, "%s: file %" PRIu64 " of a split model: name the first one", f->path,
                         no + 1);
    return GLINT_OK;
}

/* ---- Tensors ---- */

static glint_status gather_tensors(container *c, const gguf_file *parts, size_t n, glint_error *err) {
    for (size_t i = 0; i < n; i++) c->n_tensors += parts[i].n_tensors;
    c->tensors = arena_array(&c->memory, c->n_tensors, sizeof *c->tensors);
    if (!c->tensors) return out_of_memory(c, err);
    container_tensor *to = c->tensors;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < parts[i].n_tensors; j++, to++) {
            *to = parts[i].tensors[j];
            if (!store_match_name(&c->memory, gguf_names, gguf_n_names, c->architecture, to->name, to))
                return out_of_memory(c, err);
        }
    glint_status s = n > 1 ? check_part(&parts[0], "split.tensors.count", c->n_tensors, err) : GLINT_OK;
    return s ? s : store_check_names(c, err);
}

glint_status gguf_read(container *c, glint_error *err) {
    gguf_file first;
    uint64_t n = 1;
    file_map *one = arena_array(&c->memory, 1, sizeof *one);
    if (!one) return out_of_memory(c, err);
    c->maps = one;
    glint_status s = read_part(c, c->path, &first, err);
    if (!s) s = count_parts(&first, &n, err);
    if (s) return s;
    gguf_file *parts = arena_array(&c->memory, n, sizeof *parts);
    file_map *maps = arena_array(&c->memory, n, sizeof *maps);
    if (!parts || !maps) return out_of_memory(c, err);
    parts[0] = first;
    maps[0] = one[0];
    c->maps = maps;
    if (n > 1) s = read_other_parts(c, parts, n, err);
    if (!s) s = read_architecture(c, &first, err);
    if (!s) s = read_keys(c, &first, err);
    if (!s) s = gather_tensors(c, parts, n, err);
    c->kind = first.version == 2 ? "GGUF v2" : "GGUF v3";
    return s;
}
