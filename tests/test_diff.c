/* glint_diff: right devices agree with references and with each other, a fault is found at its value and named, by
 * values and with the model, and files that cannot be compared are refused in one line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "tests/support/maker.h"
#include "tests/support/safetensors_view.h"
#include "tests/support/support.h"

static char folder[1024];

typedef struct file {
    char path[1100];
} file;

static file named(const char *name) {
    file f;
    snprintf(f.path, sizeof f.path, "%s/%s", folder, name);
    return f;
}

enum { ROWS = 40 };

/* A prompt that is no text: both sides get the same. */
static void prompt(const glint_model *m, int32_t *ids) {
    support_random r = support_seed(5);
    for (int i = 0; i < ROWS; i++) ids[i] = support_below(&r, glint_model_vocabulary(m));
}

static file trace(glint_model *m, const char *device, glint_precision precision, const int32_t *ids, int n,
                  const char *name) {
    glint_error err;
    glint_session *s = NULL;
    file f = named(name);
    glint_session_options so = {
        .device = device, .precision = precision, .observe = "*", .outputs = ROWS, .batch = ROWS, .context = 128};
    SUPPORT_OK(glint_session_open(m, &so, &s, &err), &err);
    glint_trace_options o = {.prompt = ids, .n_prompt = (size_t)n, .path = f.path};
    SUPPORT_OK(glint_trace(s, &o, NULL, NULL, &err), &err);
    glint_session_close(&s);
    return f;
}

/* The first failure of a diff, and how many there were. */
typedef struct outcome {
    glint_status status;
    glint_verdict verdict;
    int failed, carried;
    char value[64], kind[64], reason[300];
    glint_error err;
} outcome;

static void on_value(const glint_comparison *c, void *user) {
    outcome *o = user;
    if (c->pass && c->share > 1) o->carried++;
    if (c->pass || o->failed++) return;
    snprintf(o->value, sizeof o->value, "%s", c->value);
    snprintf(o->kind, sizeof o->kind, "%s", c->kind);
    snprintf(o->reason, sizeof o->reason, "%s", c->reason);
}

static outcome diff(const char *a, const char *b, const glint_model *m) {
    outcome o = {0};
    glint_diff_options options = {.tested = a, .reference = b, .model = m, .compared = on_value, .user = &o};
    o.status = glint_diff(&options, &o.verdict, &o.err);
    CU_ASSERT(!strchr(o.verdict.line, '\n') && !strchr(o.reason, '\n'));
    return o;
}

static void want_same(const char *a, const char *b, const glint_model *m, int least) {
    outcome o = diff(a, b, m);
    if (o.status) printf("\n    %s: %s (%s: %s)", o.value, o.err.message, o.kind, o.reason);
    CU_ASSERT(o.status == GLINT_OK && !o.failed && o.verdict.compared >= least);
}

static outcome want_fault(const char *a, const char *b, const glint_model *m, const char *value, const char *kind) {
    outcome o = diff(a, b, m);
    bool good = o.status == GLINT_MISMATCH && !strcmp(o.value, value) && !strcmp(o.kind, kind);
    if (!good) printf("\n    %s (%s wanted): %s (%s wanted): %s", o.value, value, o.kind, kind, o.reason);
    CU_ASSERT(good && strstr(o.verdict.line, value));
    return o;
}

static void want_refused(const char *a, const char *b, const glint_model *m, const char *part) {
    outcome o = diff(a, b, m);
    bool good = o.status == GLINT_BAD_INPUT && strstr(o.err.message, part) && !strchr(o.err.message, '\n');
    if (!good) printf("\n    %d: %s (%s wanted)", o.status, o.err.message, part);
    CU_ASSERT(good);
}

/* ---- Right devices ---- */

static const struct {
    const char *model, *reference;
} models[] = {
    {"gemma3-shakespeare-Q4_K_M.gguf", "gguf/gemma3-shakespeare-Q4_K_M.reference.safetensors"},
    {"gguf/llama-shakespeare-Q4_K_M.gguf", "gguf/llama-shakespeare-Q4_K_M.reference.safetensors"},
    {"gguf/qwen3-shakespeare-Q5_K_M.gguf", "gguf/qwen3-shakespeare-Q5_K_M.reference.safetensors"},
    {"models/qwen2-shakespeare", "models/qwen2-shakespeare/reference.safetensors"},
    {"models/gemma3-shakespeare", "models/gemma3-shakespeare/reference.safetensors"},
    {"models/llama-shakespeare", "models/llama-shakespeare/reference.safetensors"},
    {"models/qwen3-shakespeare", "models/qwen3-shakespeare/reference.safetensors"},
    {"gguf/gemma3-shakespeare-Q4_0.gguf", "gguf/gemma3-shakespeare-Q4_0.reference.safetensors"},
    {"gguf/gemma3-shakespeare-Q8_0.gguf", "gguf/gemma3-shakespeare-Q8_0.reference.safetensors"},
    {"gguf/llama-shakespeare-IQ4_NL.gguf", "gguf/llama-shakespeare-IQ4_NL.reference.safetensors"},
    {"gguf/llama-shakespeare-Q6_K.gguf", "gguf/llama-shakespeare-Q6_K.reference.safetensors"},
    {"gguf/qwen2-shakespeare-Q5_0.gguf", "gguf/qwen2-shakespeare-Q5_0.reference.safetensors"},
    {"gguf/qwen3-shakespeare-Q2_K.gguf", "gguf/qwen3-shakespeare-Q2_K.reference.safetensors"},
    {"gguf/qwen3-shakespeare-Q3_K_S.gguf", "gguf/qwen3-shakespeare-Q3_K_S.reference.safetensors"},
};

/* The ids of the file's prompt 1. */
static int prompt_of_file(const char *path, int32_t *ids) {
    safetensors_view v;
    safetensors_entry e;
    CU_ASSERT_FATAL(safetensors_view_open(path, &v) && safetensors_view_find(&v, "p1.input_ids", &e));
    CU_ASSERT_FATAL(e.dims[0] <= ROWS);
    memcpy(ids, e.data, e.bytes);
    int n = (int)e.dims[0];
    safetensors_view_close(&v);
    return n;
}

static void test_right(void) {
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[1024], reference[1024];
        glint_error err;
        glint_model *m = NULL;
        int32_t ids[ROWS];
        if (!support_wanted(models[i].model)) continue;
        if (!support_any(path, models[i].model) || !support_any(reference, models[i].reference)) continue;
        SUPPORT_OK(glint_model_open(path, &m, &err), &err);
        int n = prompt_of_file(reference, ids);
        file exact = trace(m, "cpu", GLINT_EXACT, ids, n, "exact"), fast = trace(m, "cpu", GLINT_FAST, ids, n, "fast");
        file oracle = trace(m, "cpu:ref", GLINT_EXACT, ids, n, "oracle");
        want_same(exact.path, reference, m, 4);
        want_same(fast.path, reference, m, 4);
        want_same(exact.path, oracle.path, NULL, 30);
        want_same(fast.path, oracle.path, NULL, 30);
        glint_model_close(&m);
    }
}

static void test_right_gles(void) {
    glint_device_info list[4];
    int n = support_gles(list, 4);
    for (int d = 0; d < n; d++) {
        char path[1024];
        glint_error err;
        glint_model *m = NULL;
        int32_t ids[ROWS];
        SUPPORT_OK(glint_model_open(support_data(path, models[0].model), &m, &err), &err);
        prompt(m, ids);
        file oracle = trace(m, "cpu:ref", GLINT_EXACT, ids, ROWS, "oracle");
        file exact = trace(m, list[d].name, GLINT_EXACT, ids, ROWS, "exact");
        file fast = trace(m, list[d].name, GLINT_FAST, ids, ROWS, "fast");
        want_same(exact.path, oracle.path, NULL, 100);
        want_same(fast.path, oracle.path, NULL, 100);
        glint_model_close(&m);
    }
}

/* ---- Faults ---- */

typedef void fault(tape *t, const char *value);

static tape_op *op_of(tape *t, const char *value) {
    return &t->ops[t->values[tape_find(t, value)].op];
}

static void act(tape *t, const char *value) {
    op_of(t, value)->p.act = TAPE_SILU;
}
static void swap(tape *t, const char *value) {
    tape_op *op = op_of(t, value);
    tape_value a = op->in[0];
    op->in[0] = op->in[1];
    op->in[1] = a;
}
static void scale(tape *t, const char *value) {
    op_of(t, value)->p.scale *= 2;
}
static void window(tape *t, const char *value) {
    t->groups[t->caches[op_of(t, value)->p.cache].group].window++;
}

static const struct {
    const char *value;
    fault *make;
    const char *alone, *with_model; /* kinds */
} faults[] = {
    {"embed", scale, "constant factor", "constant factor"}, {"layers.4.ffn.act", act, "", "activation function"},
    {"layers.4.ffn.act", swap, "", "swapped operands"},     {"layers.3.attn.mix", scale, "", "attention scale"},
    {"layers.0.attn.mix", window, "", "window off by one"},
};

/* The model's own tape is wrong while a trace is made: every device follows it. */
static void test_faults(void) {
    char path[1024];
    glint_error err;
    int32_t ids[ROWS];
    for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
        glint_model *good = NULL, *bad = NULL;
        SUPPORT_OK(glint_model_open(support_data(path, models[0].model), &good, &err), &err);
        SUPPORT_OK(glint_model_open(path, &bad, &err), &err);
        prompt(good, ids);
        faults[f].make(&bad->tape, faults[f].value);
        file right = trace(good, "cpu:ref", GLINT_EXACT, ids, ROWS, "right");
        file wrong = trace(bad, "cpu", GLINT_EXACT, ids, ROWS, "wrong");
        want_fault(wrong.path, right.path, NULL, faults[f].value, faults[f].alone);
        outcome o = want_fault(wrong.path, right.path, good, faults[f].value, faults[f].with_model);
        bool everywhere = faults[f].make == window; /* all layers of the group */
        CU_ASSERT(everywhere || (o.failed == 1 && o.carried > 10));
        want_fault(wrong.path, right.path, bad, faults[f].value, faults[f].with_model); /* now the tape is at fault */
        glint_model_close(&bad);
        glint_model_close(&good);
    }
}

/* ---- Numbers changed in the file ---- */

static file edited(const file *from, const char *value, float factor) {
    file_map m;
    glint_error err;
    safetensors_view v;
    safetensors_entry e;
    file to = named("edited");
    SUPPORT_OK(file_map_open(from->path, &m, &err), &err);
    CU_ASSERT_FATAL(safetensors_view_open(from->path, &v) && safetensors_view_find(&v, value, &e));
    unsigned char *copy = malloc(m.bytes);
    memcpy(copy, m.data, m.bytes);
    size_t at = (size_t)((const unsigned char *)e.data - v.file.data);
    for (size_t i = 0; i < e.bytes; i += sizeof(float)) {
        float x;
        memcpy(&x, copy + at + i, sizeof x);
        x *= factor;
        memcpy(copy + at + i, &x, sizeof x);
    }
    maker_write(to.path, copy, m.bytes);
    free(copy);
    safetensors_view_close(&v);
    file_map_close(&m);
    return to;
}

static void test_edited(void) {
    char path[1024];
    glint_error err;
    glint_model *m = NULL;
    int32_t ids[ROWS];
    SUPPORT_OK(glint_model_open(support_data(path, models[0].model), &m, &err), &err);
    prompt(m, ids);
    file right = trace(m, "cpu", GLINT_EXACT, ids, 20, "right");
    file wrong = edited(&right, "layers.7.mid", 0.5f);
    want_fault(wrong.path, right.path, NULL, "layers.7.mid", "constant factor");
    want_fault(wrong.path, right.path, m, "layers.7.mid", "constant factor");
    wrong = edited(&right, "logits", -1);
    want_fault(wrong.path, right.path, NULL, "logits", "constant factor");
    file shorter = trace(m, "cpu", GLINT_EXACT, ids, 12, "shorter"); /* the prompt's beginning */
    want_same(shorter.path, right.path, m, 100);
    glint_model_close(&m);
}

/* ---- Files that do not fit ---- */

static void test_refused(void) {
    char path[1024], other_path[1024];
    glint_error err;
    glint_model *m = NULL, *other = NULL;
    int32_t ids[ROWS] = {1, 5, 6, 7};
    file_map map;
    SUPPORT_OK(glint_model_open(support_data(path, models[0].model), &m, &err), &err);
    SUPPORT_OK(glint_model_open(support_data(other_path, models[1].model), &other, &err), &err);
    file a = trace(m, "cpu", GLINT_EXACT, ids, 4, "a"), b = trace(other, "cpu", GLINT_EXACT, ids, 4, "b");
    ids[1] = 9;
    file c = trace(m, "cpu", GLINT_EXACT, ids, 4, "c");
    want_refused(a.path, named("nowhere").path, NULL, "nowhere");
    want_refused(a.path, c.path, NULL, "other prompts");
    want_refused(a.path, b.path, NULL, "another model");
    want_refused(a.path, a.path, other, "192 numbers a row");
    SUPPORT_OK(file_map_open(a.path, &map, &err), &err);
    file cut = named("cut");
    maker_write(cut.path, map.data, map.bytes - 100);
    file_map_close(&map);
    want_refused(cut.path, a.path, NULL, "cut");
    file few = named("few");
    maker_safetensors(few.path,
                      "{\"p0.input_ids\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                      "\"p0.layers.99\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[4,8]}}",
                      8);
    want_refused(a.path, few.path, NULL, "other prompts");
    want_refused(few.path, few.path, m, "token 50462976");
    glint_model_close(&other);
    glint_model_close(&m);
}

int main(void) {
    const support_case cases[] = {{"right devices", test_right},
                                  {"right devices, gles", test_right_gles},
                                  {"faults", test_faults},
                                  {"numbers changed in a file", test_edited},
                                  {"refused", test_refused}};
    maker_folder(folder);
    int status = support_main("diff", cases, sizeof cases / sizeof *cases);
    maker_remove(folder);
    return status;
}
