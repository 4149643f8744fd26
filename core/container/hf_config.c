/* Metadata of a Hugging Face directory: config.json and generation_config.json to canonical keys by hf_names.c. */
#include "core/container/hf.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/size.h"
#include "core/container/hf_names.h"

enum { OBJECTS = 3 };

/* Where a key is looked for, in this order; absent ones are NULL. */
typedef struct config {
    const char *path;         /* of config.json */
    json_t *objects[OBJECTS]; /* generation_config.json, text_config of a multimodal wrapper, config.json */
} config;

/* The value at a path "a/b"; NULL where there is none. */
static json_t *walk(json_t *object, const char *key) {
    char part[64]; /* keys are those of hf_keys */
    size_t n = strcspn(key, "/");
    snprintf(part, sizeof part, "%.*s", (int)n, key);
    json_t *v = json_object_get(object, part);
    return key[n] ? walk(v, key + n + 1) : v;
}

/* null says as much as no key at all */
static json_t *look(const config *g, const char *key) {
    for (int i = 0; i < OBJECTS; i++) {
        json_t *v = walk(g->objects[i], key);
        if (v && !json_is_null(v)) return v;
    }
    return NULL;
}

static const char *translate(const char *canonical_key, const char *word) {
    for (size_t i = 0; i < hf_n_words; i++)
        if (strcmp(hf_words[i].canonical_key, canonical_key) == 0 && strcmp(hf_words[i].own, word) == 0)
            return hf_words[i].canonical;
    return word;
}

/* ---- Packing: the same bytes that GGUF would have ---- */

static void put(unsigned char *to, uint64_t v) {
    for (int i = 0; i < 8; i++) to[i] = (unsigned char)(v >> (8 * i));
}

static store_type type_of(const json_t *v) {
    switch (json_typeof(v)) {
    case JSON_INTEGER:
        return STORE_I64;
    case JSON_REAL:
        return STORE_F64;
    case JSON_STRING:
        return STORE_STRING;
    case JSON_TRUE:
    case JSON_FALSE:
        return STORE_BOOL;
    default:
        return STORE_ARRAY; /* of no use here */
    }
}

/* Packed bytes of a scalar; writes them where `to` is not NULL. */
static size_t pack(const char *canonical, const json_t *v, unsigned char *to) {
    uint64_t bits;
    double f;
    const char *word;
    size_t n;
    switch (type_of(v)) {
    case STORE_I64:
        if (to) put(to, (uint64_t)json_integer_value(v));
        return 8;
    case STORE_F64:
        f = json_real_value(v);
        memcpy(&bits, &f, sizeof bits);
        if (to) put(to, bits);
        return 8;
    case STORE_STRING:
        word = translate(canonical, json_string_value(v));
        n = strlen(word);
        if (to) {
            put(to, n);
            memcpy(to + 8, word, n);
        }
        return 8 + n;
    default:
        if (to) to[0] = json_is_true(v);
        return 1;
    }
}

/* False: not a scalar, nor an array of scalars of one type. *memory_out: out of memory. */
static bool pack_value(const store_key_row *row, json_t *v, arena *memory, store_value *out, bool *memory_out) {
    bool many = json_is_array(v);
    size_t n = many ? json_array_size(v) : 1, bytes = 0;
    out->type = STORE_STRING; /* of an empty array */
    for (size_t i = 0; i < n; i++) {
        json_t *e = many ? json_array_get(v, i) : v;
        store_type t = type_of(e);
        if (t == STORE_ARRAY || (i > 0 && t != out->type)) return false;
        out->type = t;
        if (!size_add(bytes, pack(row->canonical, e, NULL), &bytes)) return false;
    }
    unsigned char *to = arena_array(memory, bytes, 1);
    *memory_out = !to;
    if (!to) return false;
    out->data = to;
    out->count = n;
    out->array = many || row->kind == 'I'; /* one id is a list of one */
    for (size_t i = 0; i < n; i++) to += pack(row->canonical, many ? json_array_get(v, i) : v, to);
    return true;
}

static glint_status read_key(container *c, const config *g, const store_key_row *row, json_t *v, glint_error *err) {
    store_value packed = {0};
    bool memory_out = false;
    if (!pack_value(row, v, &c->memory, &packed, &memory_out))
        return memory_out ? base_fail(err, GLINT_INTERNAL, "%s: out of memory", g->path)
                          : base_fail(err, GLINT_BAD_INPUT, "%s: key %s: neither one value nor a list of one type",
                                      g->path, row->file);
    glint_status s = store_check_kind(g->path, row->file, &packed, row->kind, err);
    if (!s) store_add(c, row->canonical, &packed);
    return s;
}

static glint_status read_keys(container *c, const config *g, glint_error *err) {
    c->values = arena_array(&c->memory, hf_n_keys, sizeof *c->values);
    if (!c->values) return base_fail(err, GLINT_INTERNAL, "%s: out of memory", g->path);
    const char *decided = "";
    for (size_t i = 0; i < hf_n_keys; i++) {
        const store_key_row *row = &hf_keys[i];
        if (strcmp(decided, row->canonical) == 0 || !store_row_fits(row->architecture, c->architecture)) continue;
        json_t *v = look(g, row->file);
        if (!v) continue;
        decided = row->canonical;
        if (row->only_if && !json_is_true(look(g, row->only_if))) continue;
        glint_status s = read_key(c, g, row, v, err);
        if (s) return s;
    }
    return GLINT_OK;
}

static glint_status read_architecture(container *c, const config *g, glint_error *err) {
    const char *type = json_string_value(look(g, "model_type"));
    if (!type || !type[0]) return base_fail(err, GLINT_BAD_INPUT, "%s: key model_type is missing", g->path);
    type = translate("architecture", type);
    c->architecture = arena_text(&c->memory, type, strlen(type));
    return c->architecture ? GLINT_OK : base_fail(err, GLINT_INTERNAL, "%s: out of memory", g->path);
}

glint_status hf_config_take(container *c, const char *path, json_t *root, json_t *generation, glint_error *err) {
    if (!json_is_object(root)) return base_fail(err, GLINT_BAD_INPUT, "%s: no object", path);
    config g = {path, {generation, json_object_get(root, "text_config"), root}};
    glint_status s = read_architecture(c, &g, err);
    return s ? s : read_keys(c, &g, err);
}

glint_status hf_config_read(container *c, glint_error *err) {
    char *path = arena_printf(&c->memory, "%s/config.json", c->path);
    char *generation_path = arena_printf(&c->memory, "%s/generation_config.json", c->path);
    if (!path || !generation_path) return base_fail(err, GLINT_INTERNAL, "%s: out of memory", c->path);
    json_t *root = NULL, *generation = NULL;
    struct stat st;
    glint_status s = base_json_open(path, &root, err);
    if (!s && stat(generation_path, &st) == 0) s = base_json_open(generation_path, &generation, err);
    if (!s) s = hf_config_take(c, path, root, generation, err);
    json_decref(generation);
    json_decref(root);
    return s;
}
