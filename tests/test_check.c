/* glint check: healthy devices pass beside the oracle and beside files; faults that are put into a device or a weight
 * are found where they are, and nowhere else. This program has a table of backends of its own, with a device that is
 * the CPU but for a fault. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "core/base/file_map.h"
#include "tests/support/maker.h"
#include "tests/support/support.h"

/* ---- A device with a fault ---- */

extern const backend gles_backend, cpu_backend, ref_backend;

typedef enum fault_kind { CHANGED, UNWRITTEN, BY_CHANCE, STRAY } fault_kind;

static struct {
    const char *value[2]; /* whose results are spoiled; NULL: none. STRAY: the keys of a cache write */
    fault_kind kind;
    int runs;
    /* of the program under test */
    const tape *tape;
    backend_cache *cache;
} fault;

static backend faulty_backend; /* the CPU's, but for what is below */

static glint_status faulty_open(const char *name, const backend_options *options, backend_device **out,
                                glint_error *err) {
    (void)name;
    return cpu_backend.open("cpu", options, out, err);
}

static glint_status faulty_compile(backend_device *d, const backend_compile_request *r, backend_program **out,
                                   glint_error *err) {
    fault.tape = r->tape;
    fault.cache = r->cache;
    return cpu_backend.compile(d, r, out, err);
}

/* The second number of the last row, or the last 5 numbers of the last row. */
static glint_status spoil_value(backend_program *p, const backend_batch *b, backend_ticket ticket, tape_value v,
                                glint_error *err) {
    float row[4096];
    int last = (fault.tape->values[v].outputs ? b->n_outputs : b->n_rows) - 1, width = fault.tape->values[v].width;
    glint_status status = cpu_backend.read(p, ticket, v, last, 1, row, err);
    if (fault.kind == CHANGED) row[1] += 1;
    if (fault.kind == BY_CHANCE) row[1] += (float)++fault.runs;
    const uint32_t poison = 0x7FCA5EEDu;
    for (int i = width - 5; fault.kind == UNWRITTEN && i < width; i++) memcpy(&row[i], &poison, sizeof poison);
    return status ? status : cpu_backend.write(p, v, last, 1, row, err);
}

/* The last position of the page changes, which small prompts do not reach. */
static glint_status spoil_page(const tape_op *op, const backend_batch *b, glint_error *err) {
    static float page[1 << 20];
    int group = fault.tape->caches[op->p.cache].group, id = b->pages[group].table[0];
    glint_status status = cpu_backend.cache_read(fault.cache, group, id, page, err);
    size_t before = 0, width = 0;
    for (int i = 0; i <= op->p.cache; i++) {
        before += 2 * TAPE_PAGE * width;
        bool same = fault.tape->caches[i].group == group;
        width = same ? (size_t)fault.tape->caches[i].kv_heads * (size_t)fault.tape->caches[i].head_dim : 0;
    }
    page[before + (TAPE_PAGE - 1) * width] = 7;
    return status ? status : cpu_backend.cache_write(fault.cache, group, id, page, err);
}

static glint_status run_group(backend_program *p, const backend_batch *b, int number, backend_ticket *ticket,
                              glint_error *err) {
    const backend_group *groups;
    cpu_backend.groups(p, &groups);
    glint_status status = cpu_backend.run_groups(p, b, number, 1, ticket, err);
    for (int i = groups[number].first_op; i <= groups[number].last_op && !status; i++) {
        const tape_op *op = &fault.tape->ops[i];
        tape_value v = op->out >= 0 ? op->out : op->in[0];
        for (int k = 0; k < 2 && !status; k++) {
            if (!fault.value[k] || strcmp(fault.value[k], fault.tape->values[v].name)) continue;
            if ((fault.kind == STRAY) != (op->out < 0)) continue;
            status = op->out < 0 ? spoil_page(op, b, err) : spoil_value(p, b, *ticket, v, err);
        }
    }
    return status;
}

static glint_status faulty_run_groups(backend_program *p, const backend_batch *b, int first, int n,
                                      backend_ticket *ticket, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = first; i < first + n && !status; i++) status = run_group(p, b, i, ticket, err);
    return status;
}

static glint_status faulty_step(backend_program *p, const backend_batch *b, backend_ticket *ticket, glint_error *err) {
    const backend_group *groups;
    return faulty_run_groups(p, b, 0, cpu_backend.groups(p, &groups), ticket, err);
}

const backend *const backend_table[] = {
#ifdef GLINT_GLES
    &gles_backend,
#endif
    &faulty_backend, &cpu_backend, &ref_backend, NULL};

const backend *backend_of_device(const char *name) {
    for (const backend *const *b = backend_table; *b; b++)
        if (!strcmp(name, (*b)->name)) return *b;
    return !strncmp(name, "gles:", 5) ? backend_table[0] : !strncmp(name, "cpu:", 4) ? &cpu_backend : NULL;
}

/* ---- Checking ---- */

enum { MOST_FAILED = 64 };

typedef struct outcome {
    glint_status status;
    glint_verdict verdict;
    glint_error err;
    int n; /* comparisons told of */
    int failed;
    glint_comparison first; /* of those that failed; its strings below */
    char names[MOST_FAILED][64], device[64], kind[64], reason[256], last_layer_name[64];
    int layers;   /* bits of the layers that were compared */
    int together; /* of those told of, made by a group of several ops */
} outcome;

static void note(const glint_comparison *c, void *user) {
    outcome *o = user;
    o->n++;
    if (c->layer >= 0) o->layers |= 1 << c->layer;
    if (strchr(c->group, '+')) o->together++;
    if (c->pass) return;
    if (!o->failed) {
        o->first = *c;
        snprintf(o->device, sizeof o->device, "%s", c->device);
        snprintf(o->kind, sizeof o->kind, "%s", c->kind);
        snprintf(o->reason, sizeof o->reason, "%s", c->reason);
    }
    if (o->failed < MOST_FAILED) snprintf(o->names[o->failed], sizeof o->names[0], "%s", c->value);
    o->failed++;
}

static outcome check_model(glint_model *m, glint_check_options options) {
    outcome o = {.err = {""}};
    options.compared = note;
    options.user = &o;
    o.status = glint_check(m, &options, &o.verdict, &o.err);
    if (!o.status || o.status == GLINT_MISMATCH) {
        CU_ASSERT_EQUAL(o.n, o.verdict.compared);
        CU_ASSERT_EQUAL(o.failed, o.verdict.failed);
        CU_ASSERT_EQUAL(o.status == GLINT_MISMATCH, o.failed > 0);
    }
    return o;
}

static glint_model *open_model(const char *path) {
    glint_model *m = NULL;
    glint_error err;
    SUPPORT_OK(glint_model_open(path, &m, &err), &err);
    return m;
}

enum { MOST_PROMPT = 128 };

static void draw_prompt(const glint_model *m, int32_t ids[MOST_PROMPT]) {
    support_random r = support_seed(11);
    for (int i = 0; i < MOST_PROMPT; i++) ids[i] = support_below(&r, glint_model_vocabulary(m));
}

/* ---- What is right ---- */

static const struct {
    const char *model, *reference;
} pairs[] = {
    {"gemma3-shakespeare-Q4_K_M.gguf", "gguf/gemma3-shakespeare-Q4_K_M.reference.safetensors"},
    {"gguf/llama-shakespeare-Q4_K_M.gguf", "gguf/llama-shakespeare-Q4_K_M.reference.safetensors"},
    {"gguf/qwen3-shakespeare-Q5_K_M.gguf", "gguf/qwen3-shakespeare-Q5_K_M.reference.safetensors"},
    {"gguf/stories260K-f32.gguf", "gguf/stories260K-f32.reference.safetensors"},
    {"models/qwen2-shakespeare", "models/qwen2-shakespeare/reference.safetensors"},
    {"models/gemma3-shakespeare", "models/gemma3-shakespeare/reference.safetensors"},
    {"models/llama-shakespeare", "models/llama-shakespeare/reference.safetensors"},
    {"models/qwen3-shakespeare", "models/qwen3-shakespeare/reference.safetensors"},
    {"gguf/gemma3-shakespeare-Q4_0.gguf", "gguf/gemma3-shakespeare-Q4_0.reference.safetensors"},
    {"gguf/gemma3-shakespeare-Q8_0.gguf", "gguf/gemma3-shakespeare-Q8_0.reference.safetensors"},
    {"gguf/gemma3-shakespeare-bf16.gguf", "models/gemma3-shakespeare/reference.safetensors"},
    {"gguf/llama-shakespeare-IQ4_NL.gguf", "gguf/llama-shakespeare-IQ4_NL.reference.safetensors"},
    {"gguf/llama-shakespeare-Q6_K.gguf", "gguf/llama-shakespeare-Q6_K.reference.safetensors"},
    {"gguf/llama-shakespeare-f16.gguf", "models/llama-shakespeare/reference.safetensors"},
    {"gguf/qwen2-shakespeare-Q5_0.gguf", "gguf/qwen2-shakespeare-Q5_0.reference.safetensors"},
    {"gguf/qwen2-shakespeare-f16.gguf", "models/qwen2-shakespeare/reference.safetensors"},
    {"gguf/qwen3-shakespeare-Q2_K.gguf", "gguf/qwen3-shakespeare-Q2_K.reference.safetensors"},
    {"gguf/qwen3-shakespeare-Q3_K_S.gguf", "gguf/qwen3-shakespeare-Q3_K_S.reference.safetensors"},
    {"gguf/qwen3-shakespeare-bf16.gguf", "models/qwen3-shakespeare/reference.safetensors"},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

static void expect_right(glint_model *m, const glint_check_options *options) {
    outcome o = check_model(m, *options);
    if (o.status) printf("\n    %s: %s; %s %s", glint_model_path(m), o.err.message, o.verdict.line, o.reason);
    CU_ASSERT_EQUAL(o.status, GLINT_OK);
    CU_ASSERT(o.verdict.compared > 0);
}

/* Beside the oracle in chunks, with a few rows left over, and steps of one token; free; and beside the file. */
static void check_pair(int i, const char *device, bool all) {
    char path[1024], reference[1024];
    int32_t ids[MOST_PROMPT];
    if (!support_any(path, pairs[i].model) || !support_any(reference, pairs[i].reference)) return;
    glint_model *m = open_model(path);
    draw_prompt(m, ids);
    for (int precision = GLINT_FAST; precision <= GLINT_EXACT; precision++) {
        glint_check_options o = {.device = device,
                                 .precision = (glint_precision)precision,
                                 .prompt = ids,
                                 .n_prompt = 34, /* past the window of gemma3 */
                                 .n = 2,
                                 .batch = 31};
        expect_right(m, &o);
        o.free_run = true;
        if (all) expect_right(m, &o);
        o = (glint_check_options){.device = device, .precision = (glint_precision)precision, .against = reference};
        expect_right(m, &o);
        o.free_run = true;
        if (all) expect_right(m, &o);
    }
    glint_model_close(&m);
}

static void test_cpu(void) {
    for (int i = 0; i < PAIRS; i++)
        if (support_wanted(pairs[i].model)) check_pair(i, "cpu", true);
}

static void test_gles(void) {
    glint_device_info list[4];
    int n = support_gles(list, 4);
    bool all = getenv("GLINT_TEST_ALL") != NULL;
    for (int d = 0; d < n; d++)
        for (int i = 0; i < PAIRS; i++)
            if (all || i < 2) check_pair(i, list[d].name, all);
}

static void note_blocks(const glint_device_fact *fact, void *user) {
    if (!strcmp(fact->name, "storage blocks of a shader")) *(double *)user = fact->number;
}

/* Decoding takes 8 storage blocks where it is fused; the 4 that OpenGL ES promises are for op by op. */
static bool must_fuse(const char *device) {
    double blocks = 0;
    glint_error err;
    SUPPORT_OK(glint_device_facts(device, note_blocks, &blocks, &err), &err);
    CU_ASSERT(blocks >= 4);
    return blocks >= 8;
}

/* Fused, there is less to compare than where everything is watched; op by op, the same. */
static void check_groups(glint_model *m, const char *device, const int32_t *ids) {
    glint_check_options o = {.device = device, .prompt = ids, .n_prompt = 1, .n = 1};
    outcome usual = check_model(m, o);
    o.unfused = true;
    outcome unfused = check_model(m, o);
    int more = unfused.verdict.compared - usual.verdict.compared;
    bool fuses = must_fuse(device);
    CU_ASSERT(!usual.status && !unfused.status);
    CU_ASSERT_EQUAL(usual.together > 0, fuses);
    CU_ASSERT(fuses ? more > 0 : more == 0);
}

/* Two devices beside each other; watching everything where that breaks up groups. */
static void test_other_ways(void) {
    char path[1024];
    int32_t ids[MOST_PROMPT];
    glint_device_info list[1];
    glint_model *m = open_model(support_data(path, "gemma3-shakespeare-Q4_K_M.gguf"));
    draw_prompt(m, ids);
    glint_check_options o = {.device = "cpu:ref", .against = "cpu", .prompt = ids, .n_prompt = 9, .n = 1};
    expect_right(m, &o);
    o.layers = (const int[]){2, 5};
    o.n_layers = 2;
    outcome some = check_model(m, o);
    CU_ASSERT_EQUAL(some.status, GLINT_OK);
    CU_ASSERT_EQUAL(some.layers, 1 << 2 | 1 << 5);
    if (support_gles(list, 1)) check_groups(m, list[0].name, ids);
    glint_model_close(&m);
}

/* ---- What is wrong ---- */

typedef enum way { FORCED, FREE, BISECT, SPLIT } way;

static outcome check_fault(fault_kind kind, const char *first, const char *second, way w) {
    char path[1024];
    int32_t ids[MOST_PROMPT];
    glint_model *m = open_model(support_data(path, "gguf/llama-shakespeare-Q4_K_M.gguf"));
    draw_prompt(m, ids);
    fault.kind = kind;
    fault.value[0] = first;
    fault.value[1] = second;
    outcome o = check_model(m, (glint_check_options){.device = "faulty",
                                                     .precision = GLINT_EXACT,
                                                     .prompt = ids,
                                                     .n_prompt = 7,
                                                     .n = w == SPLIT,
                                                     .split = w == SPLIT ? "cpu=embed,0,faulty=1,cpu=head" : NULL,
                                                     .free_run = w == FREE,
                                                     .bisect = w == BISECT});
    glint_model_close(&m);
    return o;
}

/* Forced, a fault shows where it is and nowhere else, and two faults show both. */
static void test_changed(void) {
    outcome o = check_fault(CHANGED, "layers.1.attn.q", NULL, FORCED);
    CU_ASSERT(o.failed == 1 && !strcmp(o.names[0], "layers.1.attn.q") && strstr(o.verdict.line, "layers.1.attn.q"));
    CU_ASSERT(o.first.row == 6 && o.first.index == 1 && o.first.share > 1 && o.first.layer == 1);
    CU_ASSERT(fabs(o.first.largest - 1) < 1e-3 && o.first.nmse > 0);
    o = check_fault(CHANGED, "layers.0.ffn.down", "layers.1.attn.mix", FORCED);
    CU_ASSERT(o.failed == 2 && !strcmp(o.names[0], "layers.0.ffn.down") && !strcmp(o.names[1], "layers.1.attn.mix"));
    o = check_fault(CHANGED, "embed", "logits", FORCED);
    CU_ASSERT(o.failed == 2 && !strcmp(o.names[0], "embed") && !strcmp(o.names[1], "logits"));
}

/* Across a split, the device of a bad op is named, and only its own stretch is run there. */
static void test_split(void) {
    outcome o = check_fault(CHANGED, "layers.1.attn.q", NULL, SPLIT);
    CU_ASSERT(o.failed == 2 && !strcmp(o.names[0], "layers.1.attn.q")); /* in the prompt and in the step behind it */
    CU_ASSERT_STRING_EQUAL(o.device, "faulty");
    CU_ASSERT_PTR_NOT_NULL(strstr(o.verdict.line, "faulty=1"));
    CU_ASSERT(o.layers == 3);
    o = check_fault(CHANGED, "layers.0.attn.q", "logits", SPLIT);
    CU_ASSERT(o.status == GLINT_OK && o.n > 40);
}

/* Free, it goes on; where it began is where it grows most. */
static void test_changed_free(void) {
    outcome o = check_fault(CHANGED, "layers.0.ffn.down", NULL, FREE);
    CU_ASSERT(o.failed > 10 && !strcmp(o.names[0], "layers.0.ffn.down"));
    CU_ASSERT_PTR_NOT_NULL(strstr(o.verdict.line, "grows most at layers.0.ffn.down"));
}

/* From logits that are wrong to the op. */
static void test_bisect(void) {
    outcome o = check_fault(CHANGED, "layers.1.attn.out", NULL, BISECT);
    CU_ASSERT(o.failed == 2 && !strcmp(o.names[0], "logits") && !strcmp(o.names[1], "layers.1.attn.out"));
    CU_ASSERT_PTR_NOT_NULL(strstr(o.verdict.line, "layers.1.attn.out"));
    o = check_fault(STRAY, "layers.0.attn.k_rope", "layers.1.ffn.act", BISECT);
    CU_ASSERT(o.failed == 0);
}

static void test_unwritten(void) {
    outcome o = check_fault(UNWRITTEN, "layers.1.mid", NULL, FORCED);
    CU_ASSERT(!strcmp(o.names[0], "layers.1.mid") && o.first.unwritten == 5 && o.first.nan == 5);
    CU_ASSERT_STRING_EQUAL(o.kind, "unwritten tail");
}

static void test_by_chance(void) {
    outcome o = check_fault(BY_CHANCE, "layers.0.attn.out", NULL, FORCED);
    CU_ASSERT(o.failed == 1 && o.first.differs_from_itself);
    CU_ASSERT_STRING_EQUAL(o.kind, "not reproducible");
}

static void test_stray(void) {
    outcome o = check_fault(STRAY, "layers.1.attn.k_rope", NULL, FORCED);
    CU_ASSERT(o.failed == 1 && !strcmp(o.names[0], "layers.1.attn.cache"));
    CU_ASSERT_STRING_EQUAL(o.kind, "shifted position");
}

/* A copy of the model in which norm weights of layer 3 are doubled: only a file can tell, and it does so at the layer's
 * output and nowhere else. */
static void test_changed_weight(void) {
    char path[1024], folder[1024], copy[1100], reference[1024];
    file_map file;
    glint_error err;
    glint_model *m = open_model(support_data(path, "gguf/stories260K-f32.gguf"));
    SUPPORT_OK(file_map_open(path, &file, &err), &err);
    unsigned char *bytes = malloc(file.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    memcpy(bytes, file.data, file.bytes);
    const glint_tensor_info *tensors;
    int n = glint_model_tensors(m, &tensors);
    /* tensors lie in the file in their order, each at a multiple of 32, the last one up to its end */
    size_t at = file.bytes, length = 0;
    for (int i = n - 1; i >= 0; i--) {
        at -= (tensors[i].bytes + 31) / 32 * 32;
        length = tensors[i].bytes;
        if (tensors[i].canonical && !strcmp(tensors[i].canonical, "layers.3.ffn_norm")) break;
    }
    for (size_t i = 0; i < length; i += sizeof(float)) {
        float w;
        memcpy(&w, bytes + at + i, sizeof w);
        w *= 2;
        memcpy(bytes + at + i, &w, sizeof w);
    }
    maker_folder(folder);
    snprintf(copy, sizeof copy, "%s/changed.gguf", folder);
    maker_write(copy, bytes, file.bytes);
    glint_model_close(&m);
    m = open_model(copy);
    const char *against = support_data(reference, "gguf/stories260K-f32.reference.safetensors");
    outcome o = check_model(m, (glint_check_options){.against = against, .precision = GLINT_EXACT});
    CU_ASSERT_EQUAL(o.status, GLINT_MISMATCH);
    for (int i = 0; i < o.failed && i < MOST_FAILED; i++) CU_ASSERT_STRING_EQUAL(o.names[i], "layers.3.out");
    glint_model_close(&m);
    maker_remove(folder);
    file_map_close(&file);
    free(bytes);
}

/* ---- Other ways through the engine ---- */

static void count_path(const glint_path *path, void *user) {
    int *counts = user;
    counts[0]++;
    counts[1] += path->same_bits;
    counts[2] += !path->pass;
}

/* counts: ways, those with the same bits, failures. */
static glint_status go_all_ways(const char *device, glint_precision precision, int counts[3], glint_verdict *v) {
    char path[1024];
    int32_t ids[MOST_PROMPT];
    glint_error err;
    glint_model *m = open_model(support_data(path, "gemma3-shakespeare-Q4_K_M.gguf"));
    draw_prompt(m, ids);
    memset(counts, 0, 3 * sizeof *counts);
    glint_status status = glint_check_paths(
        m, &(glint_check_options){.device = device, .precision = precision, .prompt = ids, .n_prompt = 40, .n = 2},
        count_path, counts, v, &err);
    glint_model_close(&m);
    CU_ASSERT_EQUAL(counts[0], v->compared);
    CU_ASSERT_EQUAL(counts[2], v->failed);
    return status;
}

static void test_paths(void) {
    int counts[3];
    glint_verdict v;
    CU_ASSERT_EQUAL(go_all_ways("cpu", GLINT_EXACT, counts, &v), GLINT_OK);
    CU_ASSERT(counts[0] >= 10 && counts[1] >= 9); /* all but kernels of other levels */
    CU_ASSERT_EQUAL(go_all_ways("cpu", GLINT_FAST, counts, &v), GLINT_OK);
    CU_ASSERT(counts[0] >= 10);
    fault.kind = BY_CHANCE;
    fault.value[0] = "logits";
    fault.value[1] = NULL;
    CU_ASSERT_EQUAL(go_all_ways("faulty", GLINT_EXACT, counts, &v), GLINT_MISMATCH);
    CU_ASSERT_PTR_NOT_NULL(strstr(v.line, "the same once more"));
}

/* ---- What is refused ---- */

static void expect_refused(glint_model *m, glint_check_options options, glint_status status, const char *words) {
    outcome o = check_model(m, options);
    if (o.status != status || !strstr(o.err.message, words)) printf("\n    %d %s", o.status, o.err.message);
    CU_ASSERT(o.status == status && strstr(o.err.message, words));
}

static void test_refused(void) {
    char path[1024], reference[1024];
    int32_t ids[3] = {1, 2, 3}, far[1] = {1 << 20};
    glint_model *m = open_model(support_data(path, "gguf/llama-shakespeare-Q4_K_M.gguf"));
    glint_check_options o = {.prompt = ids, .n_prompt = 3};
    support_data(reference, "gguf/llama-shakespeare-Q4_K_M.reference.safetensors");
    expect_refused(m, (glint_check_options){0}, GLINT_USAGE, "prompt");
    o.layers = (const int[]){2};
    o.n_layers = 1;
    expect_refused(m, o, GLINT_USAGE, "no layer 2");
    o.n_layers = 0;
    o.layers = NULL;
    o.device = "gpu";
    expect_refused(m, o, GLINT_USAGE, "gpu");
    o.device = NULL;
    o.against = "nowhere.safetensors";
    expect_refused(m, o, GLINT_BAD_INPUT, "nowhere.safetensors");
    o.against = reference;
    expect_refused(m, o, GLINT_BAD_INPUT, "other prompts");
    o.against = support_data(path, "gguf/gemma3-shakespeare-Q4_K_M.reference.safetensors");
    o.prompt = NULL;
    o.n_prompt = 0;
    expect_refused(m, o, GLINT_BAD_INPUT, "gemma3-shakespeare");
    o.against = NULL;
    o.split = "cpu=0";
    expect_refused(m, o, GLINT_USAGE, "layer 1");
    o.split = "cpu=0,faulty=1";
    o.free_run = true;
    expect_refused(m, o, GLINT_USAGE, "op by op");
    o.split = NULL;
    o.free_run = false;
    o.prompt = far;
    o.n_prompt = 1;
    expect_refused(m, o, GLINT_BAD_INPUT, "1048576");
    glint_model_close(&m);
}

int main(void) {
    faulty_backend = cpu_backend;
    faulty_backend.name = "faulty";
    faulty_backend.open = faulty_open;
    faulty_backend.compile = faulty_compile;
    faulty_backend.run_groups = faulty_run_groups;
    faulty_backend.step = faulty_step;
    const support_case cases[] = {{"cpu", test_cpu},
                                  {"gles", test_gles},
                                  {"other ways", test_other_ways},
                                  {"a changed number", test_changed},
                                  {"a changed number, split", test_split},
                                  {"a changed number, free", test_changed_free},
                                  {"a changed number, bisected", test_bisect},
                                  {"numbers not written", test_unwritten},
                                  {"numbers by chance", test_by_chance},
                                  {"a stray write to the cache", test_stray},
                                  {"a changed weight", test_changed_weight},
                                  {"other ways through the engine", test_paths},
                                  {"refuses", test_refused}};
    return support_main("check", cases, sizeof cases / sizeof *cases);
}
