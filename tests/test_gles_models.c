/* Whole models on GPUs in other ways than usual: everything in storage blocks of 64 KiB; fused groups and single ops.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"
#include "core/session.h"
#include "glint.h"
#include "tests/support/support.h"

enum { DEVICES = 4, PROMPT = 40, NEW = 24 };

static const struct {
    const char *model, *reference; /* reference: with a prompt that the model knows how to go on from */
} models[] = {
    {"gemma3-shakespeare-Q4_K_M.gguf", "gguf/gemma3-shakespeare-Q4_K_M.reference.json"},
    {"gguf/llama-shakespeare-Q4_K_M.gguf", "gguf/llama-shakespeare-Q4_K_M.reference.json"},
    {"models/qwen2-shakespeare", "models/qwen2-shakespeare/reference.json"},
    {"gguf/qwen3-shakespeare-Q5_K_M.gguf", "gguf/qwen3-shakespeare-Q5_K_M.reference.json"},
};

/* ---- Opening and feeding ---- */

static glint_model *open_model(const char *name) {
    char path[1024];
    glint_error err;
    glint_model *m = NULL;
    SUPPORT_OK(glint_model_open(support_data(path, name), &m, &err), &err);
    return m;
}

static glint_session *open_session(glint_model *m, const char *device, glint_precision precision, int batch) {
    glint_error err;
    glint_session *s = NULL;
    glint_session_options o = {.device = device, .precision = precision, .context = 128, .batch = batch};
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    return s;
}

static void draw_prompt(const glint_model *m, int32_t ids[PROMPT]) {
    support_random r = support_seed(5);
    for (int i = 0; i < PROMPT; i++) ids[i] = support_below(&r, glint_model_vocabulary(m));
}

/* ---- Small storage blocks ---- */

/* Logits after a prompt in chunks and one more token. */
static void last_logits(glint_model *m, const char *device, float *out) {
    int32_t ids[PROMPT];
    const float *logits;
    glint_error err;
    glint_session *s = open_session(m, device, GLINT_EXACT, 4);
    draw_prompt(m, ids);
    SUPPORT_OK(glint_session_feed(s, 0, ids, PROMPT, &err), &err);
    SUPPORT_OK(glint_session_feed(s, 0, ids, 1, &err), &err);
    SUPPORT_OK(glint_session_logits(s, 0, &logits, &err), &err);
    memcpy(out, logits, (size_t)glint_model_vocabulary(m) * sizeof *out);
    glint_session_close(&s);
}

static void test_small_blocks(void) {
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    glint_model *m = open_model("gguf/llama-shakespeare-Q4_K_M.gguf");
    size_t words = (size_t)glint_model_vocabulary(m);
    float *want = malloc(words * sizeof *want), *got = malloc(words * sizeof *got);
    CU_ASSERT_FATAL(want && got);
    last_logits(m, "cpu:ref", want);
    setenv("GLINT_GLES_LIMITS", "block=65536", 1);
    setenv("GLINT_SELF_TEST", "0", 1); /* it observes all values of 70 rows at once, which no such block holds */
    for (int d = 0; d < n; d++) {
        last_logits(m, list[d].name, got);
        double nmse = support_nmse(got, want, words);
        printf("\n    %s: NMSE %.2g", list[d].name, nmse);
        CU_ASSERT(nmse <= 1e-9);
    }
    unsetenv("GLINT_GLES_LIMITS");
    unsetenv("GLINT_SELF_TEST");
    free(want);
    free(got);
    glint_model_close(&m);
}

/* Layers of the cache in two parts, one of each kv head, beside whole ones: the same bits. */
static void test_cache_in_parts(void) {
    enum { BATCH = 12, CHUNKS = 3 /* of the prompt, into the second page */ };
    static const int contexts[] = {[GLINT_FAST] = 420, [GLINT_EXACT] = 240}; /* two kv heads of 32: 114 and 131 kB */
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    glint_model *m = open_model("gguf/llama-shakespeare-Q4_K_M.gguf");
    size_t words = (size_t)glint_model_vocabulary(m);
    float *got[2] = {malloc(words * sizeof **got), malloc(words * sizeof **got)};
    int32_t ids[PROMPT];
    draw_prompt(m, ids);
    CU_ASSERT_FATAL(got[0] && got[1]);
    setenv("GLINT_SELF_TEST", "0", 1);
    support_fuse("0"); /* fused, whole ones would be read by another shader */
    for (int i = 0; i < 2 * n; i++) {
        glint_precision precision = i % 2 ? GLINT_EXACT : GLINT_FAST;
        for (int parts = 0; parts < 2; parts++) {
            glint_session *s = NULL;
            glint_session_options o = {
                .device = list[i / 2].name, .precision = precision, .context = contexts[precision], .batch = BATCH};
            const float *logits;
            glint_error err;
            if (parts) setenv("GLINT_GLES_LIMITS", "block=98304", 1);
            SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
            unsetenv("GLINT_GLES_LIMITS");
            for (int j = 0; j < CHUNKS; j++) SUPPORT_OK(glint_session_feed(s, 0, ids, PROMPT, &err), &err);
            SUPPORT_OK(glint_session_feed(s, 0, ids, 1, &err), &err);
            SUPPORT_OK(glint_session_logits(s, 0, &logits, &err), &err);
            memcpy(got[parts], logits, words * sizeof *logits);
            glint_session_close(&s);
        }
        CU_ASSERT(!memcmp(got[0], got[1], words * sizeof **got));
    }
    unsetenv("GLINT_SELF_TEST");
    support_fuse("1");
    free(got[0]);
    free(got[1]);
    glint_model_close(&m);
}

/* A cache that no storage block holds is refused in words. */
static void test_long_context(void) {
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    glint_model *m = open_model("gguf/llama-shakespeare-Q4_K_M.gguf");
    setenv("GLINT_GLES_LIMITS", "block=65536", 1);
    setenv("GLINT_SELF_TEST", "0", 1);
    for (int d = 0; d < n; d++) {
        glint_error err = {""};
        glint_session *s = NULL;
        glint_session_options o = {.device = list[d].name, .context = 4096, .batch = 2};
        CU_ASSERT_EQUAL(glint_session_open(m, &o, &s, &err), GLINT_DEVICE);
        CU_ASSERT_PTR_NULL(s);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "ask for a shorter context"));
    }
    unsetenv("GLINT_GLES_LIMITS");
    unsetenv("GLINT_SELF_TEST");
    glint_model_close(&m);
}

/* ---- Fused or not ---- */

static bool keep(const glint_generated *g, void *user) {
    ((int32_t *)user)[g->index] = g->id;
    return true;
}

static int read_prompt(const char *reference, int32_t ids[PROMPT]) {
    char path[1024];
    json_t *r = json_load_file(support_data(path, reference), 0, NULL);
    json_t *prompt = json_object_get(json_array_get(json_object_get(r, "prompts"), 0), "ids");
    int n = (int)json_array_size(prompt) < PROMPT ? (int)json_array_size(prompt) : PROMPT;
    for (int i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(prompt, (size_t)i));
    json_decref(r);
    CU_ASSERT_FATAL(n > 0);
    return n;
}

static void greedy(glint_model *m, const char *reference, const char *device, glint_precision precision,
                   int32_t out[NEW]) {
    int32_t ids[PROMPT];
    glint_error err;
    glint_session *s = open_session(m, device, precision, 0);
    glint_generate_options o = {.prompt = ids,
                                .n_prompt = (size_t)read_prompt(reference, ids),
                                .n = NEW,
                                .ignore_end = true,
                                .token = keep,
                                .user = out};
    SUPPORT_OK(glint_generate(s, NULL, &o, NULL, &err), &err);
    glint_session_close(&s);
}

static void expect_text(glint_model *m, int model, const char *device, const char *fuse, const int32_t want[NEW]) {
    int32_t got[NEW] = {0};
    support_fuse(fuse);
    greedy(m, models[model].reference, device, GLINT_FAST, got);
    support_fuse("1");
    bool same = !memcmp(got, want, sizeof got);
    if (!same) printf("\n    %s, %s, GLINT_GLES_FUSE=%s: another text", models[model].model, device, fuse);
    CU_ASSERT(same);
}

/* GLINT_GLES_FUSE leads to what tests mean by it, and GPUs are fused without. */
static void expect_fused(glint_model *m, const char *device, const char *fuse, bool fused, bool meets) {
    support_fuse(fuse);
    glint_session *s = open_session(m, device, GLINT_FAST, 0);
    support_fuse("1");
    const backend_program *p = s->split.parts[0].programs[0];
    bool software = p->device->c.software;
    CU_ASSERT_EQUAL(p->fused, fused || (!software && !fuse));
    CU_ASSERT(!software || p->meets == meets);
    glint_session_close(&s);
}

static void test_fused(void) {
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    for (int i = 0; i < (int)(sizeof models / sizeof *models) && n; i++) {
        glint_model *m = open_model(models[i].model);
        int32_t want[NEW] = {0};
        greedy(m, models[i].reference, "cpu:ref", GLINT_EXACT, want);
        for (int d = 0; d < n; d++) {
            const char *name = list[d].name;
            expect_fused(m, name, NULL, false, false);
            expect_fused(m, name, "0", false, false);
            expect_fused(m, name, "1", true, false);
            expect_fused(m, name, "2", true, true);
            expect_text(m, i, name, "0", want);
            expect_text(m, i, name, "1", want); /* a dispatch a phase where work groups do not meet */
            expect_text(m, i, name, "2", want); /* all phases in one */
        }
        glint_model_close(&m);
    }
}

/* Work groups that have not met leave anything: whoever reads what a step made is told, at the end of a model and where
 * it is split. */
static bool is_told(glint_session *s, int rows, bool output) {
    glint_error err;
    int32_t id;
    float value[64];
    glint_row row[3] = {{.token = 5}, {.token = 6}, {.token = 7}};
    row[rows - 1].output = output;
    SUPPORT_OK(glint_session_step(s, row, rows, &err), &err);
    if (output) SUPPORT_OK(glint_session_argmax(s, 0, &id, &err), &err);
    if (!output) SUPPORT_OK(glint_session_value(s, 0, 0, 1, value, &err), &err);
    return strstr(glint_session_reason(s), "did not meet") != NULL;
}

/* The next step has so many rows: also those in which nothing has to meet read what was left in the cache. */
static void expect_told(glint_model *m, const char *device, const char *parts, int rows, bool output) {
    glint_error err;
    glint_session *s = NULL;
    glint_session_options o = {.device = device, .split = parts, .context = 64, .observe = "layers.1.out"};
    support_fuse("2");
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    support_fuse("1");
    backend_device *d = s->split.parts[0].device;
    bool meets = s->split.parts[0].programs[0]->meets;
    CU_ASSERT(!is_told(s, rows, output));
    SUPPORT_OK(gles_use(d, &err), &err);
    SUPPORT_OK(gles_write(d, &d->grid, sizeof(uint32_t), sizeof(uint32_t), &(uint32_t){1}, &err), &err);
    CU_ASSERT_EQUAL(is_told(s, rows, output), meets); /* and goes on elsewhere */
    glint_session_close(&s);
}

static void test_not_met(void) {
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    glint_model *m = open_model("gguf/stories260K-f32.gguf");
    for (int d = 0; d < n; d++) {
        char parts[96];
        snprintf(parts, sizeof parts, "%.63s=0-2,cpu=3-4", list[d].name);
        for (int rows = 1; rows <= 3; rows += 2)
            for (int output = 0; output < 2; output++) {
                expect_told(m, list[d].name, NULL, rows, output);
                expect_told(m, NULL, parts, rows, output);
            }
    }
    glint_model_close(&m);
}

/* A cache so long that attention of one row goes through it in pieces, which the product behind joins; in a context of
 * more than 8,192 a work group takes all heads that share keys. */
static void test_pieces(void) {
    enum { LONG = 600, WAYS = 3 };
    static const struct {
        const char *fuse;
        int context;
    } ways[WAYS] = {{"0", LONG + 1}, {"1", LONG + 1}, {"1", 8300}};
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    glint_model *m = open_model("gemma3-shakespeare-Q4_K_M.gguf");
    size_t words = (size_t)glint_model_vocabulary(m);
    float *got[WAYS];
    int32_t ids[LONG + 1];
    support_random r = support_seed(6);
    for (int w = 0; w < WAYS; w++) CU_ASSERT_FATAL((got[w] = malloc(words * sizeof **got)) != NULL);
    for (int i = 0; i <= LONG; i++) ids[i] = support_below(&r, (int)words);
    for (int d = 0; d < n; d++) {
        for (int w = 0; w < WAYS; w++) {
            glint_session *s = NULL;
            glint_session_options o = {.device = list[d].name, .context = ways[w].context};
            const float *logits;
            glint_error err;
            support_fuse(ways[w].fuse);
            SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
            support_fuse("1");
            SUPPORT_OK(glint_session_feed(s, 0, ids, LONG, &err), &err);
            SUPPORT_OK(glint_session_feed(s, 0, ids + LONG, 1, &err), &err);
            SUPPORT_OK(glint_session_logits(s, 0, &logits, &err), &err);
            memcpy(got[w], logits, words * sizeof *logits);
            glint_session_close(&s);
            double nmse = support_nmse(got[w], got[0], words);
            printf("\n    %s, context of %d: NMSE %.2g", list[d].name, ways[w].context, nmse);
            CU_ASSERT(nmse <= 1e-8); /* the same keys in half precision, other orders of sums */
        }
    }
    for (int w = 0; w < WAYS; w++) free(got[w]);
    glint_model_close(&m);
}

int main(void) {
    const support_case cases[] = {
        {"storage blocks of 64 KiB", test_small_blocks}, {"a cache in parts", test_cache_in_parts},
        {"a context too long", test_long_context},       {"fused or op by op", test_fused},
        {"work groups that do not meet", test_not_met},  {"a long cache in pieces", test_pieces}};
    return support_main("gles models", cases, sizeof cases / sizeof *cases);
}
