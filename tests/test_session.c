/* Sessions: in `exact` the logits are the same bits however the prompt is fed; sequences do not disturb each other;
 * cutting and forking give what a fresh session gives; limits are refused before anything changes. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "glint.h"

enum { TOKENS = 150, SEQUENCES = 3 };

static const char *const models[] = {"gemma3-shakespeare-Q4_K_M.gguf", "gguf/llama-shakespeare-Q4_K_M.gguf",
                                     "models/qwen2-shakespeare", "gguf/qwen3-shakespeare-Q5_K_M.gguf"};
enum { MODELS = sizeof models / sizeof *models };

typedef struct bench {
    glint_model *model;
    const char *device;
    int n;         /* ids that are fed to a sequence */
    bool thorough; /* all sizes of chunks */
    int32_t ids[SEQUENCES][TOKENS];
    float *want; /* logits after the last id of sequence 0, fed at once to a fresh session of one thread */
    size_t bytes;
} bench;

static glint_session *open_session(const bench *b, int batch, int threads) {
    glint_session *s = NULL;
    glint_error err;
    bool split = strchr(b->device, '=') != NULL;
    glint_session_options o = {.device = split ? NULL : b->device,
                               .split = split ? b->device : NULL,
                               .precision = GLINT_EXACT,
                               .batch = batch,
                               .threads = threads,
                               .context = TOKENS + 8,
                               .sequences = SEQUENCES,
                               .outputs = SEQUENCES};
    SUPPORT_OK(glint_session_open(b->model, &o, &s, &err), &err);
    return s;
}

static void feed(glint_session *s, int sequence, const int32_t *ids, int n) {
    glint_error err;
    SUPPORT_OK(glint_session_feed(s, sequence, ids, (size_t)n, &err), &err);
}

static void expect_same(const bench *b, glint_session *s, int output, const char *what) {
    const float *got;
    glint_error err;
    SUPPORT_OK(glint_session_logits(s, output, &got, &err), &err);
    bool same = !memcmp(got, b->want, b->bytes);
    if (!same) printf("\n    %s, %s: other bits", b->device, what);
    CU_ASSERT(same);
}

/* ---- Ways to feed sequence 0 ---- */

static void one_at_a_time(const bench *b) {
    glint_session *s = open_session(b, 64, 2);
    for (int i = 0; i < b->n; i++) feed(s, 0, &b->ids[0][i], 1);
    expect_same(b, s, 0, "token by token");
    glint_session_close(&s);
}

static void in_chunks(const bench *b) {
    static const int chunks[] = {9, 64, 2, 7, 8, 33, 149};
    int n = b->thorough ? (int)(sizeof chunks / sizeof *chunks) : 2;
    for (int i = 0; i < n; i++) {
        glint_session *s = open_session(b, chunks[i], 1 + i % 2);
        feed(s, 0, b->ids[0], b->n);
        expect_same(b, s, 0, "in chunks");
        glint_session_close(&s);
    }
}

/* Rows of all sequences in turn, several to a batch. */
static void beside_others(const bench *b) {
    glint_session *s = open_session(b, 60, 2);
    glint_row rows[60];
    glint_error err;
    for (int at = 0; at < b->n;) {
        int n = 0;
        for (; at < b->n && n + SEQUENCES <= 60; at++)
            for (int q = SEQUENCES - 1; q >= 0; q--) rows[n++] = (glint_row){b->ids[q][at], q, at + 1 == b->n};
        SUPPORT_OK(glint_session_step(s, rows, n, &err), &err);
    }
    expect_same(b, s, SEQUENCES - 1, "beside other sequences"); /* sequence 0 came last */
    glint_session_close(&s);
}

static void cut_and_forked(const bench *b) {
    int common = b->n * 3 / 5; /* in the second page */
    glint_session *s = open_session(b, 50, 2);
    glint_error err;
    feed(s, 1, b->ids[0], b->n * 2 / 3);
    feed(s, 2, b->ids[2], b->n / 2);
    SUPPORT_OK(glint_session_fork(s, 1, 0, common, &err), &err);
    feed(s, 1, b->ids[1], b->n / 5); /* the donor goes on in pages that were shared */
    feed(s, 0, &b->ids[0][common], b->n - common);
    expect_same(b, s, 0, "forked");
    SUPPORT_OK(glint_session_cut(s, 0, b->n - 3, &err), &err);
    feed(s, 0, &b->ids[0][b->n - 3], 3);
    expect_same(b, s, 0, "cut and fed again");
    SUPPORT_OK(glint_session_cut(s, 0, 0, &err), &err);
    feed(s, 0, b->ids[0], b->n);
    expect_same(b, s, 0, "cleared and fed again");
    glint_session_close(&s);
}

static void open_bench(bench *b, const char *model, const char *device, int n) {
    char path[1024];
    glint_error err;
    *b = (bench){.device = device, .n = n};
    SUPPORT_OK(glint_model_open(support_data(path, model), &b->model, &err), &err);
    support_random r = support_seed(11);
    int words = glint_model_vocabulary(b->model);
    for (int q = 0; q < SEQUENCES; q++)
        for (int i = 0; i < TOKENS; i++) b->ids[q][i] = support_below(&r, words);
    glint_session *s = open_session(b, TOKENS, 1);
    const float *logits;
    feed(s, 0, b->ids[0], b->n);
    SUPPORT_OK(glint_session_logits(s, 0, &logits, &err), &err);
    b->bytes = (size_t)words * sizeof(float);
    b->want = malloc(b->bytes);
    memcpy(b->want, logits, b->bytes);
    glint_session_close(&s);
}

static void keeps_bits(const char *model, const char *device, int n, bool thorough) {
    bench b;
    open_bench(&b, model, device, n);
    b.thorough = thorough;
    one_at_a_time(&b);
    in_chunks(&b);
    beside_others(&b);
    cut_and_forked(&b);
    free(b.want);
    glint_model_close(&b.model);
}

static void test_bits(void) {
    for (int m = 0; m < MODELS; m++) {
        keeps_bits(models[m], "cpu:ref", TOKENS, true);
        keeps_bits(models[m], "cpu", TOKENS, true);
    }
    keeps_bits(models[0], "cpu=embed,0-1,cpu:ref=2-4,cpu=5-7", TOKENS, true); /* chunks overlap, windows come round */
}

/* Software renderers are slow: fewer tokens and one model there, all models where GLINT_TEST_ALL is set. */
static void test_bits_gles(void) {
    glint_device_info list[4];
    bool all = getenv("GLINT_TEST_ALL") != NULL;
    int n = support_gles(list, 4);
    for (int d = 0; d < n; d++) {
        bool fast = !list[d].software;
        for (int m = 0; m < (all || fast ? MODELS : 1); m++)
            keeps_bits(models[m], list[d].name, fast ? TOKENS : 110, fast);
    }
}

/* ---- Refusals ---- */

static void test_refusals(void) {
    bench b;
    glint_error err;
    const float *logits;
    open_bench(&b, models[0], "cpu", TOKENS);
    glint_session *s = open_session(&b, 32, 2);
    CU_ASSERT_EQUAL(glint_session_logits(s, 0, &logits, &err), GLINT_USAGE);
    glint_row bad = {.token = glint_model_vocabulary(b.model)};
    CU_ASSERT_EQUAL(glint_session_step(s, &bad, 1, &err), GLINT_BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "token id 2048"));
    CU_ASSERT_EQUAL(glint_session_step(s, &(glint_row){.token = -1}, 1, &err), GLINT_BAD_INPUT);
    CU_ASSERT_EQUAL(glint_session_step(s, &(glint_row){.sequence = SEQUENCES}, 1, &err), GLINT_USAGE);
    CU_ASSERT_EQUAL(glint_session_step(s, &(glint_row){.token = 1}, 33, &err), GLINT_USAGE);
    feed(s, 0, b.ids[0], TOKENS);
    CU_ASSERT_EQUAL(glint_session_feed(s, 0, b.ids[1], 9, &err), GLINT_BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "context of 158"));
    CU_ASSERT_EQUAL(glint_session_length(s, 0), TOKENS);
    expect_same(&b, s, 0, "after refusals");
    CU_ASSERT_EQUAL(glint_session_cut(s, 0, 20, &err), GLINT_USAGE); /* gemma3's window of 32 is past it */
    CU_ASSERT_EQUAL(glint_session_cut(s, 0, TOKENS + 1, &err), GLINT_USAGE);
    CU_ASSERT_EQUAL(glint_session_fork(s, 0, SEQUENCES, 1, &err), GLINT_USAGE);
    glint_session_close(&s);
    glint_session_options o = {.device = "gpu9"};
    CU_ASSERT_EQUAL(glint_session_open(b.model, &o, &s, &err), GLINT_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "gpu9"));
    o = (glint_session_options){.observe = "layers.9.nothing"};
    CU_ASSERT_EQUAL(glint_session_open(b.model, &o, &s, &err), GLINT_USAGE);
    free(b.want);
    glint_model_close(&b.model);
}

int main(void) {
    const support_case cases[] = {
        {"same bits however fed", test_bits}, {"and on gles", test_bits_gles}, {"refusals", test_refusals}};
    return support_main("session", cases, sizeof cases / sizeof *cases);
}
