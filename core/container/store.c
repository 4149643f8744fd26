/* Packed values, the matching of names and keys with table rows, and the index over names. */
#include "core/container/store.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum numeric { NOT_A_NUMBER, UNSIGNED, SIGNED, FLOATING };

static const struct {
    const char *name;
    unsigned char bytes;
    enum numeric numeric;
} types[STORE_TYPES] = {
    [STORE_U8] = {"u8", 1, UNSIGNED},   [STORE_I8] = {"i8", 1, SIGNED},           [STORE_U16] = {"u16", 2, UNSIGNED},
    [STORE_I16] = {"i16", 2, SIGNED},   [STORE_U32] = {"u32", 4, UNSIGNED},       [STORE_I32] = {"i32", 4, SIGNED},
    [STORE_F32] = {"f32", 4, FLOATING}, [STORE_BOOL] = {"bool", 1, NOT_A_NUMBER}, [STORE_STRING] = {"string", 0, 0},
    [STORE_ARRAY] = {"array", 0, 0},    [STORE_U64] = {"u64", 8, UNSIGNED},       [STORE_I64] = {"i64", 8, SIGNED},
    [STORE_F64] = {"f64", 8, FLOATING},
};

size_t store_type_bytes(store_type t) {
    return types[t].bytes;
}

uint64_t store_load(const unsigned char *p, size_t bytes) {
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

bool store_int(const store_value *v, const unsigned char *at, int64_t *out) {
    size_t bytes = types[v->type].bytes;
    enum numeric numeric = types[v->type].numeric;
    if (numeric != UNSIGNED && numeric != SIGNED) return false;
    uint64_t u = store_load(at, bytes);
    if (numeric == UNSIGNED && u > INT64_MAX) return false;
    if (numeric == SIGNED && bytes < 8 && u >> (8 * bytes - 1)) u |= ~(uint64_t)0 << (8 * bytes);
    memcpy(out, &u, sizeof u);
    return true;
}

bool store_float(const store_value *v, const unsigned char *at, double *out) {
    int64_t i;
    if (v->type == STORE_F32) {
        uint32_t u = (uint32_t)store_load(at, 4);
        float f;
        memcpy(&f, &u, sizeof f);
        *out = f;
    } else if (v->type == STORE_F64) {
        uint64_t u = store_load(at, 8);
        memcpy(out, &u, sizeof u);
    } else if (store_int(v, at, &i)) {
        *out = (double)i;
    } else {
        return false;
    }
    return true;
}

container_text store_text(const unsigned char *at) {
    return (container_text){(const char *)at + 8, (size_t)store_load(at, 8)};
}

/* ---- Rows ---- */

bool store_row_fits(const char *row_architecture, const char *architecture) {
    return !row_architecture || fnmatch(row_architecture, architecture, 0) == 0;
}

static const char *kind_name(char kind) {
    switch (kind) {
    case 'i':
        return "an integer";
    case 'f':
        return "a finite number";
    case 'b':
        return "a bool";
    case 's':
        return "a string";
    case 'I':
        return "an array of integers";
    case 'F':
        return "an array of numbers";
    default:
        return "an array of strings";
    }
}

static bool is_kind(const store_value *v, char kind) {
    enum numeric numeric = types[v->type].numeric;
    int64_t i;
    double f;
    switch (kind) {
    case 'i':
        return !v->array && store_int(v, v->data, &i);
    case 'f':
        return !v->array && store_float(v, v->data, &f) && isfinite(f);
    case 'b':
        return !v->array && v->type == STORE_BOOL;
    case 's':
        return !v->array && v->type == STORE_STRING;
    case 'I':
        return v->array && (numeric == UNSIGNED || numeric == SIGNED);
    case 'F':
        return v->array && numeric != NOT_A_NUMBER;
    default:
        return v->array && v->type == STORE_STRING;
    }
}

glint_status store_check_kind(const char *path, const char *own, const store_value *v, char kind, glint_error *err) {
    if (is_kind(v, kind)) return GLINT_OK;
    return base_fail(err, GLINT_BAD_INPUT, "%s: key %s: %s expected, found %s%s", path, own, kind_name(kind),
                     v->array ? "an array of " : "", types[v->type].name);
}

void store_add(container *c, const char *canonical, const store_value *v) {
    store_value *to = &c->values[c->n_values++];
    *to = *v;
    to->key = canonical;
}

/* Does the name fit a pattern with at most one %d? The number is decimal without leading zeros, as writers write it. */
static bool fits(const char *pattern, const char *name, int *layer) {
    const char *hole = strstr(pattern, "%d");
    if (!hole) return strcmp(pattern, name) == 0;
    size_t head = (size_t)(hole - pattern);
    if (strncmp(pattern, name, head) != 0) return false;
    const char *digits = name + head;
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || n > 6 || (n > 1 && digits[0] == '0') || strcmp(hole + 2, digits + n) != 0) return false;
    *layer = atoi(digits);
    return true;
}

static char *fill_layer(arena *memory, const char *pattern, int layer) {
    const char *hole = strstr(pattern, "%d");
    if (!hole) return arena_text(memory, pattern, strlen(pattern));
    return arena_printf(memory, "%.*s%d%s", (int)(hole - pattern), pattern, layer, hole + 2);
}

bool store_match_name(arena *memory, const store_name_row *rows, size_t n, const char *architecture, const char *name,
                      container_tensor *t) {
    for (size_t i = 0; i < n; i++) {
        int layer = 0;
        if (!store_row_fits(rows[i].architecture, architecture) || !fits(rows[i].file, name, &layer)) continue;
        t->canonical = fill_layer(memory, rows[i].canonical, layer);
        t->rotary_adjacent = rows[i].rotary_adjacent;
        t->norm_minus_one = rows[i].norm_minus_one;
        return t->canonical != NULL;
    }
    return true;
}

/* ---- Index ---- */

static int compare(container_text a, container_text b) {
    if (a.bytes != b.bytes) return a.bytes < b.bytes ? -1 : 1;
    return a.bytes ? memcmp(a.data, b.data, a.bytes) : 0;
}

static int compare_at(const void *a, const void *b, void *texts) {
    const container_text *t = texts;
    return compare(t[*(const size_t *)a], t[*(const size_t *)b]);
}

bool store_index_build(arena *memory, const container_text *texts, size_t n, store_index *out) {
    size_t *sorted = arena_array(memory, n, sizeof *sorted);
    if (!sorted) return false;
    for (size_t i = 0; i < n; i++) sorted[i] = i;
    qsort_r(sorted, n, sizeof *sorted, compare_at, (void *)texts);
    *out = (store_index){texts, sorted, n};
    return true;
}

const container_text *store_index_duplicate(const store_index *x) {
    for (size_t i = 1; i < x->n; i++)
        if (compare(x->texts[x->sorted[i - 1]], x->texts[x->sorted[i]]) == 0) return &x->texts[x->sorted[i]];
    return NULL;
}

size_t store_index_find(const store_index *x, container_text text) {
    for (size_t low = 0, high = x->n; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = compare(text, x->texts[x->sorted[middle]]);
        if (order == 0) return x->sorted[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return SIZE_MAX;
}

static container_text text_of(const char *s) {
    return (container_text){s, strlen(s)};
}

glint_status store_check_names(container *c, glint_error *err) {
    store_index own, canonical;
    container_text *names = arena_array(&c->memory, c->n_tensors, sizeof *names);
    container_text *meanings = arena_array(&c->memory, c->n_tensors, sizeof *meanings);
    if (!names || !meanings) return base_fail(err, GLINT_INTERNAL, "%s: out of memory", c->path);
    size_t n = 0;
    for (size_t i = 0; i < c->n_tensors; i++) {
        names[i] = text_of(c->tensors[i].name);
        if (c->tensors[i].canonical) meanings[n++] = text_of(c->tensors[i].canonical);
    }
    if (!store_index_build(&c->memory, names, c->n_tensors, &own) ||
        !store_index_build(&c->memory, meanings, n, &canonical))
        return base_fail(err, GLINT_INTERNAL, "%s: out of memory", c->path);
    const container_text *twice = store_index_duplicate(&own);
    if (twice)
        return base_fail(err, GLINT_BAD_INPUT, "%s: tensor %.100s: there are two of that name", c->path, twice->data);
    twice = store_index_duplicate(&canonical);
    if (twice) return base_fail(err, GLINT_BAD_INPUT, "%s: two tensors mean %s", c->path, twice->data);
    return GLINT_OK;
}
