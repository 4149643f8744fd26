/* Reading references: which tensors of a file stand for which values of a tape. A trace names them as the tape does;
 * what comes from Hugging Face has names of its own, mapped by the tables below. */
#include "core/instruments/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file_map.h"
#include "core/base/size.h"
#include "core/container/safetensors.h"
#include "core/formats/formats.h"

enum { MAX_RUNS = 1000, MAX_ROWS = 1 << 24, MAX_WIDTH = 1 << 24 }; /* tokens, and numbers of one of them */

struct reference {
    char *path;
    file_map file;
    safetensors_tensor *tensors;
    size_t n;
    bool *used; /* by tensor: an id list, or a value, or something else that is no mystery */
    reference_run *runs;
    int n_runs;
    const char **foreign;
    int n_foreign;
    const char *device;
    glint_precision precision;
    bool four_norms; /* blocks have a norm before the feed-forward beside one after attention */
    arena memory;
};

/* A run being read: `prefix` is that of its tensors, "p0.". */
typedef struct run_reader {
    reference *r;
    reference_run *run;
    reference_value *values;
    char prefix[16];
    glint_error *err;
} run_reader;

static glint_status no_memory(const char *path, glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "%s: out of memory for the reference", path);
}

/* ---- Names ---- */

/* Module paths inside a block, of gemma3, llama, qwen2 and qwen3, and the values that they make, in their order. Norms
 * of q and k come before the rotation in all of them. */
static const struct {
    const char *module, *value;
} module_names[] = {
    {"input_layernorm", "attn.norm"},
    {"self_attn.q_proj", "attn.q"},
    {"self_attn.k_proj", "attn.k"},
    {"self_attn.v_proj", "attn.v"},
    {"self_attn.q_norm", "attn.q_norm"},
    {"self_attn.k_norm", "attn.k_norm"},
    {"self_attn.o_proj", "attn.out"},
    {"pre_feedforward_layernorm", "ffn.norm"},
    {"mlp.gate_proj", "ffn.gate"},
    {"mlp.up_proj", "ffn.up"},
    {"mlp.down_proj", "ffn.down"},
    {"post_feedforward_layernorm", "ffn.post_norm"},
    {NULL, "out"},
};
enum { MODULE_NAMES = sizeof module_names / sizeof *module_names };

/* The one name that families use for different things. */
static const char shared_norm[] = "post_attention_layernorm", fourth_norm[] = "pre_feedforward_layernorm";

/* Names that are the tape's already. */
static const char *const plain_names[] = {"embed", "norm", "logits"};

static const char *value_of_module(const reference *r, const char *module) {
    if (!strcmp(module, shared_norm)) return r->four_norms ? "attn.post_norm" : "ffn.norm";
    for (int i = 0; i < MODULE_NAMES; i++)
        if (module_names[i].module && !strcmp(module_names[i].module, module)) return module_names[i].value;
    return NULL;
}

/* Reads "layers.12" at the start of `name`: the layer, and what follows it. */
static bool read_layer(const char *name, int *layer, const char **rest) {
    static const char word[] = "layers.";
    if (strncmp(name, word, sizeof word - 1)) return false;
    const char *digits = name + sizeof word - 1;
    size_t n = strspn(digits, "0123456789");
    if (n < 1 || n > 6) return false;
    *layer = (int)strtol(digits, NULL, 10);
    *rest = digits + n;
    return **rest == 0 || **rest == '.';
}

/* Where a value of a Hugging Face reference stands among all of them. */
static int place_of(const char *name) {
    enum { LAST = 1 << 30 };
    int layer;
    const char *rest;
    if (!read_layer(name, &layer, &rest)) return !strcmp(name, "embed") ? -1 : LAST + (name[0] == 'l');
    int i = 0;
    while (i < MODULE_NAMES && strcmp(module_names[i].value, rest + 1)) i++;
    return layer * (MODULE_NAMES + 1) + i;
}

static int by_place(const void *a, const void *b) {
    int x = place_of(((const reference_value *)a)->name), y = place_of(((const reference_value *)b)->name);
    return x < y ? -1 : x > y;
}

/* The tape's name for a tensor of a Hugging Face reference, its "p0." taken off; NULL: none. *failed: no memory. */
static const char *map_name(reference *r, const char *name, bool *failed) {
    int layer;
    const char *rest, *value = NULL, *out = NULL;
    for (size_t i = 0; i < sizeof plain_names / sizeof *plain_names; i++)
        if (!strcmp(plain_names[i], name)) return name;
    if (read_layer(name, &layer, &rest)) {
        if (!*rest) value = "out";
    } else if (!strncmp(name, "module.", 7)) {
        const char *block = strstr(name, ".layers.");
        if (block && read_layer(block + 1, &layer, &rest) && *rest) value = value_of_module(r, rest + 1);
    }
    if (value && !(out = arena_printf(&r->memory, "layers.%d.%s", layer, value))) *failed = true;
    return out;
}

/* ---- Tensors ---- */

static const safetensors_tensor *find_tensor(const reference *r, const char *name) {
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->tensors[i].name, name)) return &r->tensors[i];
    return NULL;
}

static format_id format_of(const safetensors_tensor *t) {
    format_id f = format_from_name(t->dtype);
    return f == FORMAT_F32 || f == FORMAT_F16 || f == FORMAT_BF16 ? f : FORMAT_COUNT;
}

static double rounding_of(format_id f) {
    return f == FORMAT_BF16 ? 0x1p-8 : f == FORMAT_F16 ? 0x1p-11 : 0;
}

/* [rows, width], where leading dimensions of 1 (a batch) do not count and a single dimension is that of the rows. */
static bool shape_of(const safetensors_tensor *t, uint64_t *rows, uint64_t *width) {
    int first = 0;
    while (t->n_dims - first > 2 && t->dims[first] == 1) first++;
    if (t->n_dims - first > 2 || t->n_dims == first) return false;
    *rows = t->dims[first];
    *width = t->n_dims - first == 2 ? t->dims[first + 1] : 1;
    return *rows > 0 && *rows <= MAX_ROWS && *width > 0 && *width <= MAX_WIDTH;
}

static glint_status bad(const reference *r, const char *name, const char *why, glint_error *err) {
    return base_fail(err, GLINT_BAD_INPUT, "%s: %s: %s", r->path, name, why);
}

/* Element i of an int32 or int64 tensor. */
static int64_t whole_number(const safetensors_tensor *t, uint64_t i, bool wide) {
    int32_t narrow;
    int64_t out;
    if (wide) return memcpy(&out, (const char *)t->data + 8 * i, 8), out;
    return memcpy(&narrow, (const char *)t->data + 4 * i, 4), narrow;
}

/* A list of whole numbers, [n] or [1, n], that fit int32. */
static glint_status read_ids(reference *r, const safetensors_tensor *t, int32_t **ids, int *n, glint_error *err) {
    uint64_t rows, width;
    bool wide = !strcmp(t->dtype, "I64");
    if ((!wide && strcmp(t->dtype, "I32")) || !shape_of(t, &rows, &width) || (rows > 1 && width > 1))
        return bad(r, t->name, "no list of ids", err);
    *n = (int)(rows * width);
    *ids = arena_array(&r->memory, (size_t)*n, sizeof **ids);
    if (!*ids) return no_memory(r->path, err);
    for (int i = 0; i < *n; i++) {
        int64_t id = whole_number(t, (uint64_t)i, wide);
        if (id < INT32_MIN || id > INT32_MAX) return bad(r, t->name, "an id that does not fit", err);
        (*ids)[i] = (int32_t)id;
    }
    r->used[t - r->tensors] = true;
    return GLINT_OK;
}

/* ---- Runs ---- */

const reference_value *reference_find(const reference_run *run, const char *name) {
    for (int i = 0; i < run->n_values; i++)
        if (!strcmp(run->values[i].name, name)) return &run->values[i];
    return NULL;
}

/* Where the rows of a value begin: logits may be of the last positions only. */
static glint_status first_row(run_reader *b, const char *name, int rows, int *out) {
    char key[64];
    int32_t *from;
    int n;
    *out = b->run->n - rows;
    snprintf(key, sizeof key, "%s%s_from", b->prefix, name);
    const safetensors_tensor *t = find_tensor(b->r, key);
    if (!t) return GLINT_OK;
    glint_status s = read_ids(b->r, t, &from, &n, b->err);
    if (s) return s;
    if (n != 1 || from[0] < 0 || from[0] != b->run->n - rows)
        return base_fail(b->err, GLINT_BAD_INPUT, "%s: %s: %d rows from %d are not the last ones of %d", b->r->path,
                         key, rows, n ? from[0] : 0, b->run->n);
    return GLINT_OK;
}

static glint_status add_value(run_reader *b, const safetensors_tensor *t, const char *name) {
    uint64_t rows, width;
    int first;
    if (format_of(t) == FORMAT_COUNT || !shape_of(t, &rows, &width)) return GLINT_OK; /* stays foreign */
    if (reference_find(b->run, name)) return GLINT_OK;
    if (rows > (uint64_t)b->run->n)
        return base_fail(b->err, GLINT_BAD_INPUT, "%s: %s: %llu rows, but the prompt has %d tokens", b->r->path,
                         t->name, (unsigned long long)rows, b->run->n);
    glint_status s = first_row(b, name, (int)rows, &first);
    if (s) return s;
    b->values[b->run->n_values++] =
        (reference_value){name, t->name, (int)rows, (int)width, first, rounding_of(format_of(t))};
    b->r->used[t - b->r->tensors] = true;
    return GLINT_OK;
}

/* All values whose tensors begin with the prefix. */
static glint_status add_values(run_reader *b, bool trace) {
    reference *r = b->r;
    size_t length = strlen(b->prefix);
    bool failed = false;
    b->run->values = b->values = arena_array(&r->memory, r->n, sizeof *b->values);
    if (!b->values) return no_memory(r->path, b->err);
    for (size_t i = 0; i < r->n; i++) {
        const char *own = r->tensors[i].name, *name;
        if (r->used[i] || strncmp(own, b->prefix, length)) continue;
        name = trace ? own : map_name(r, own + length, &failed);
        if (failed) return no_memory(r->path, b->err);
        glint_status s = name ? add_value(b, &r->tensors[i], name) : GLINT_OK;
        if (s) return s;
    }
    if (!trace) qsort(b->values, (size_t)b->run->n_values, sizeof *b->values, by_place);
    return GLINT_OK;
}

static glint_status add_run(reference *r, const char *prefix, const safetensors_tensor *ids, bool trace,
                            glint_error *err) {
    run_reader b = {.r = r, .run = &r->runs[r->n_runs], .err = err};
    int32_t *list;
    snprintf(b.prefix, sizeof b.prefix, "%s", prefix);
    glint_status s = read_ids(r, ids, &list, &b.run->n, err);
    if (s) return s;
    b.run->ids = list;
    b.run->n_prompt = b.run->n;
    r->n_runs++;
    return add_values(&b, trace);
}

/* ---- Kinds of files ---- */

static glint_status read_trace(reference *r, glint_error *err) {
    const char *rows, *precision;
    const safetensors_tensor *ids = find_tensor(r, "ids");
    if (!ids) return bad(r, "ids", "missing from the trace", err);
    glint_status s = add_run(r, "", ids, true, err);
    if (!s) s = safetensors_metadata(r->path, r->file.data, "prompt_tokens", &r->memory, &rows, err);
    if (!s) s = safetensors_metadata(r->path, r->file.data, "precision", &r->memory, &precision, err);
    if (!s) s = safetensors_metadata(r->path, r->file.data, "device", &r->memory, &r->device, err);
    if (s) return s;
    if (!r->device) r->device = "unknown";
    r->precision = precision && !strcmp(precision, "fast") ? GLINT_FAST : GLINT_EXACT;
    long n = rows ? strtol(rows, NULL, 10) : 0;
    if (n < 1 || n > r->runs[0].n) return bad(r, "prompt_tokens", "not a number of rows of the trace", err);
    r->runs[0].n_prompt = (int)n;
    return GLINT_OK;
}

static glint_status read_hugging_face(reference *r, glint_error *err) {
    char prefix[16], name[32];
    glint_status s = GLINT_OK;
    r->device = "Hugging Face";
    r->precision = GLINT_EXACT;
    for (size_t i = 0; i < r->n; i++)
        if (strstr(r->tensors[i].name, fourth_norm)) r->four_norms = true;
    for (int p = 0; p < MAX_RUNS && !s; p++) {
        snprintf(prefix, sizeof prefix, "p%d.", p);
        snprintf(name, sizeof name, "p%d.input_ids", p);
        const safetensors_tensor *ids = find_tensor(r, name);
        if (!ids) break;
        s = add_run(r, prefix, ids, false, err);
    }
    return s;
}

static glint_status list_foreign(reference *r, glint_error *err) {
    r->foreign = arena_array(&r->memory, r->n, sizeof *r->foreign);
    if (!r->foreign) return no_memory(r->path, err);
    for (size_t i = 0; i < r->n; i++)
        if (!r->used[i]) r->foreign[r->n_foreign++] = r->tensors[i].name;
    return GLINT_OK;
}

static glint_status read_file(reference *r, glint_error *err) {
    const char *format;
    glint_status s = file_map_open(r->path, &r->file, err);
    if (!s) s = safetensors_read(r->path, r->file.data, r->file.bytes, &r->memory, &r->tensors, &r->n, err);
    if (!s) s = safetensors_metadata(r->path, r->file.data, "format", &r->memory, &format, err);
    if (s) return s;
    r->used = arena_array(&r->memory, r->n, sizeof *r->used);
    r->runs = arena_array(&r->memory, MAX_RUNS, sizeof *r->runs);
    if (!r->used || !r->runs) return no_memory(r->path, err);
    s = format && !strcmp(format, "glint-trace-1") ? read_trace(r, err) : read_hugging_face(r, err);
    if (s) return s;
    int values = 0;
    for (int i = 0; i < r->n_runs; i++) values += r->runs[i].n_values;
    if (!values)
        return base_fail(err, GLINT_BAD_INPUT, "%s: neither a trace nor a Hugging Face reference: no value %s", r->path,
                         r->n_runs ? "has a known name" : "belongs to a prompt (p0.input_ids)");
    return list_foreign(r, err);
}

glint_status reference_open(const char *path, reference **out, glint_error *err) {
    reference *r = calloc(1, sizeof *r);
    if (!r) return no_memory(path, err);
    r->path = arena_text(&r->memory, path, strlen(path));
    glint_status s = r->path ? read_file(r, err) : no_memory(path, err);
    if (s)
        reference_close(&r);
    else
        *out = r;
    return s;
}

void reference_close(reference **r) {
    if (!r || !*r) return;
    file_map_close(&(*r)->file);
    arena_free(&(*r)->memory);
    free(*r);
    *r = NULL;
}

/* ---- Asking ---- */

const char *reference_path(const reference *r) {
    return r->path;
}

const char *reference_device(const reference *r) {
    return r->device;
}

glint_precision reference_precision(const reference *r) {
    return r->precision;
}

int reference_runs(const reference *r, const reference_run **out) {
    *out = r->runs;
    return r->n_runs;
}

int reference_foreign(const reference *r, const char *const **names) {
    *names = r->foreign;
    return r->n_foreign;
}

glint_status reference_read(const reference *r, const reference_value *v, int first, int n, float *out,
                            glint_error *err) {
    const safetensors_tensor *t = find_tensor(r, v->file_name);
    size_t from, numbers;
    if (!t || first < 0 || n < 0 || first > v->rows - n)
        return base_fail(err, GLINT_USAGE, "%s: %s has no rows %d to %d", r->path, v->name, first, first + n - 1);
    const format_row *f = &format_table[format_of(t)];
    if (!size_mul((uint64_t)first, (uint64_t)v->width, &from) || !size_mul(from, f->block_bytes, &from) ||
        !size_mul((uint64_t)n, (uint64_t)v->width, &numbers))
        return base_fail(err, GLINT_BAD_INPUT, "%s: %s is too large", r->path, v->name);
    f->decode((const char *)t->data + from, out, numbers);
    return GLINT_OK;
}

/* ---- Fitting a model ---- */

static glint_status run_fits(const reference *r, const reference_run *run, const tape *t, glint_error *err) {
    for (int i = 0; i < run->n; i++)
        if (run->ids[i] < 0 || run->ids[i] >= t->vocabulary)
            return base_fail(err, GLINT_BAD_INPUT, "%s: token %d of the prompt is not one of the model's %d", r->path,
                             run->ids[i], t->vocabulary);
    for (int i = 0; i < run->n_values; i++) {
        const reference_value *v = &run->values[i];
        tape_value there = tape_find(t, v->name);
        if (there < 0)
            return base_fail(err, GLINT_BAD_INPUT, "%s: %s: this model has no value %s", r->path, v->file_name,
                             v->name);
        if (t->values[there].width != v->width)
            return base_fail(err, GLINT_BAD_INPUT, "%s: %s: %d numbers a row, but this model's %s has %d", r->path,
                             v->file_name, v->width, v->name, t->values[there].width);
    }
    return GLINT_OK;
}

glint_status reference_fits(const reference *r, const tape *t, glint_error *err) {
    glint_status s = GLINT_OK;
    for (int i = 0; i < r->n_runs && !s; i++) s = run_fits(r, &r->runs[i], t, err);
    return s;
}
