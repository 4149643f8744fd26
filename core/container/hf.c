/* A container from a Hugging Face directory: model.safetensors, or the shards that its index names. */
#include "core/container/hf.h"

#include <string.h>
#include <sys/stat.h>

#include "core/container/hf_names.h"
#include "core/container/safetensors.h"

typedef struct shard {
    const char *name, *path;
    safetensors_tensor *tensors;
    size_t n;
} shard;

static glint_status out_of_memory(const container *c, glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "%s: out of memory", c->path);
}

static glint_status read_shard(container *c, shard *h, glint_error *err) {
    h->path = arena_printf(&c->memory, "%s/%s", c->path, h->name);
    if (!h->path) return out_of_memory(c, err);
    file_map *m = &c->maps[c->n_maps];
    glint_status s = file_map_open(h->path, m, err);
    if (s) return s;
    c->n_maps++;
    return safetensors_read(h->path, m->data, m->bytes, &c->memory, &h->tensors, &h->n, err);
}

/* ---- Tensors ---- */

static format_id format_of(const char *dtype) {
    static const format_id read[] = {FORMAT_F32, FORMAT_F16, FORMAT_BF16};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        if (strcmp(format_table[read[i]].name, dtype) == 0) return read[i];
    return FORMAT_COUNT;
}

static const char *without_prefix(const char *name) {
    for (size_t i = 0; i < hf_n_prefixes; i++) {
        size_t n = strlen(hf_prefixes[i]);
        if (strncmp(name, hf_prefixes[i], n) == 0) return name + n;
    }
    return name;
}

static glint_status take_tensor(container *c, const shard *h, const safetensors_tensor *from, glint_error *err) {
    container_tensor *t = &c->tensors[c->n_tensors];
    *t = (container_tensor){.name = from->name, .data = from->data, .bytes = from->bytes, .dims = {1, 1, 1, 1}};
    t->format = format_of(from->dtype);
    if (t->format == FORMAT_COUNT)
        return base_fail(err, GLINT_BAD_INPUT, "%s: tensor %.100s: dtype %s is not supported (F32, F16 and BF16 are)",
                         h->path, t->name, from->dtype);
    if (from->n_dims > 4)
        return base_fail(err, GLINT_BAD_INPUT, "%s: tensor %.100s: %d dimensions, at most 4 expected", h->path, t->name,
                         from->n_dims);
    t->n_dims = from->n_dims ? from->n_dims : 1; /* a single value is a row of one */
    for (int d = 0; d < from->n_dims; d++) {
        t->dims[d] = from->dims[from->n_dims - 1 - d];
        if (t->dims[d] == 0)
            return base_fail(err, GLINT_BAD_INPUT, "%s: tensor %.100s: dimension %d is 0", h->path, t->name,
                             from->n_dims - 1 - d);
    }
    const char *name = without_prefix(t->name);
    if (!store_match_name(&c->memory, hf_names, hf_n_names, c->architecture, name, t)) return out_of_memory(c, err);
    c->n_tensors++;
    return GLINT_OK;
}

static glint_status gather_tensors(container *c, const shard *shards, size_t n, glint_error *err) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) total += shards[i].n;
    c->tensors = arena_array(&c->memory, total, sizeof *c->tensors);
    if (!c->tensors) return out_of_memory(c, err);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < shards[i].n; j++) {
            glint_status s = take_tensor(c, &shards[i], &shards[i].tensors[j], err);
            if (s) return s;
        }
    return store_check_names(c, err);
}

/* ---- The index of a sharded model ---- */

/* File names only: an index does not lead out of its directory. */
static bool is_file_name(const char *s) {
    return s && s[0] && s[0] != '.' && !strchr(s, '/');
}

/* The shards that the index names, each once, in the order of their first tensors; `seen` has their names as keys. */
static glint_status list_shards(container *c, const char *index, json_t *map, json_t *seen, shard *shards, size_t *n,
                                glint_error *err) {
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value) {
        const char *name = json_string_value(value);
        if (!is_file_name(name))
            return base_fail(err, GLINT_BAD_INPUT, "%s: tensor %.100s: its file is not named", index, tensor);
        if (json_object_get(seen, name)) continue;
        if (json_object_set_new(seen, name, json_true()) != 0 ||
            !(shards[*n].name = arena_text(&c->memory, name, strlen(name))))
            return out_of_memory(c, err);
        (*n)++;
    }
    return *n ? GLINT_OK : base_fail(err, GLINT_BAD_INPUT, "%s: names no files", index);
}

/* Is every tensor of the shards where the index says, and every tensor of the index in a shard? */
static glint_status check_index(const char *index, json_t *map, const shard *shards, size_t n, glint_error *err) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < shards[i].n; j++, total++) {
            const char *name = shards[i].tensors[j].name, *file = json_string_value(json_object_get(map, name));
            if (!file || strcmp(file, shards[i].name) != 0)
                return base_fail(err, GLINT_BAD_INPUT, "%s: tensor %.100s: the index has it in %.100s", shards[i].path,
                                 name, file ? file : "no file");
        }
    if (total == json_object_size(map)) return GLINT_OK;
    return base_fail(err, GLINT_BAD_INPUT, "%s: %zu tensors named, the files have %zu", index, json_object_size(map),
                     total);
}

static glint_status read_shards(container *c, const char *index, json_t *root, glint_error *err) {
    json_t *map = json_object_get(root, "weight_map"), *seen = json_object();
    if (!json_is_object(map)) {
        json_decref(seen);
        return base_fail(err, GLINT_BAD_INPUT, "%s: key weight_map is missing", index);
    }
    size_t n = 0;
    shard *shards = arena_array(&c->memory, json_object_size(map), sizeof *shards);
    glint_status s = shards && seen ? list_shards(c, index, map, seen, shards, &n, err) : out_of_memory(c, err);
    json_decref(seen);
    if (!s && !(c->maps = arena_array(&c->memory, n, sizeof *c->maps))) s = out_of_memory(c, err);
    for (size_t i = 0; !s && i < n; i++) s = read_shard(c, &shards[i], err);
    if (!s) s = check_index(index, map, shards, n, err);
    return s ? s : gather_tensors(c, shards, n, err);
}

static glint_status read_sharded(container *c, const char *index, glint_error *err) {
    json_t *root;
    glint_status s = base_json_open(index, &root, err);
    if (s) return s;
    s = read_shards(c, index, root, err);
    json_decref(root);
    return s;
}

glint_status hf_read(container *c, glint_error *err) {
    shard one = {.name = "model.safetensors"};
    struct stat st;
    char *single = arena_printf(&c->memory, "%s/%s", c->path, one.name);
    char *index = arena_printf(&c->memory, "%s/model.safetensors.index.json", c->path);
    if (!single || !index || !(c->maps = arena_array(&c->memory, 1, sizeof *c->maps))) return out_of_memory(c, err);
    glint_status s = hf_config_read(c, err);
    if (s) return s;
    c->kind = "Hugging Face";
    if (stat(single, &st) != 0 && stat(index, &st) == 0) return read_sharded(c, index, err);
    s = read_shard(c, &one, err);
    return s ? s : gather_tensors(c, &one, 1, err);
}
