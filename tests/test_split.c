/* Splits: wherever a model is cut, the logits are those of one device; when a device fails, the text goes on as if it
 * had not. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/failing/failing.h"
#include "core/session.h"
#include "glint.h"

enum { PROMPT = 21, BATCH = 8, STEPS = 10, SPLIT = 256, TEXT = 200 };

/* ---- A run, and the same one on one device ---- */

static const char *const models[] = {"gemma3-shakespeare-Q4_K_M.gguf", "gguf/llama-shakespeare-Q4_K_M.gguf",
                                     "models/qwen2-shakespeare", "gguf/qwen3-shakespeare-Q5_K_M.gguf"};
enum { MODELS = sizeof models / sizeof *models };

typedef struct bench {
    glint_model *model;
    size_t words;
    int32_t ids[PROMPT + STEPS]; /* the prompt, then what one device chose */
    float margin[STEPS + 1];     /* between its likeliest and the next */
    float *want;                 /* [step][word] its logits after the prompt and after each step */
    double worst;
} bench;

static glint_model *open_model(const char *name) {
    char path[1024];
    glint_error err;
    glint_model *m = NULL;
    SUPPORT_OK(glint_model_open(support_data(path, name), &m, &err), &err);
    return m;
}

static glint_session *open_session(glint_model *m, const char *where) {
    glint_error err;
    glint_session *s = NULL;
    bool cuts = strchr(where, '=') != NULL;
    glint_session_options o = {.device = cuts ? NULL : where,
                               .split = cuts ? where : NULL,
                               .precision = GLINT_EXACT,
                               .threads = 1, /* the models are tiny */
                               .context = 256,
                               .batch = BATCH};
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    return s;
}

static const float *logits_of(glint_session *s) {
    const float *logits = NULL;
    glint_error err;
    SUPPORT_OK(glint_session_logits(s, 0, &logits, &err), &err);
    return logits;
}

/* Feeds the prompt, then ids one by one; `look` sees the session after each. */
static void run(const bench *b, glint_session *s, void (*look)(bench *b, glint_session *s, int step)) {
    glint_error err;
    SUPPORT_OK(glint_session_feed(s, 0, b->ids, PROMPT, &err), &err);
    for (int step = 0;; step++) {
        look((bench *)b, s, step);
        if (step == STEPS) return;
        SUPPORT_OK(glint_session_step(s, &(glint_row){.token = b->ids[PROMPT + step], .output = true}, 1, &err), &err);
    }
}

static void record(bench *b, glint_session *s, int step) {
    glint_candidate best[2];
    memcpy(b->want + (size_t)step * b->words, logits_of(s), b->words * sizeof(float));
    glint_top(b->want + (size_t)step * b->words, (int)b->words, 2, best);
    b->margin[step] = best[0].logit - best[1].logit;
    if (step < STEPS) b->ids[PROMPT + step] = best[0].id;
}

static void compare(bench *b, glint_session *s, int step) {
    int32_t id;
    glint_error err;
    double nmse = support_nmse(logits_of(s), b->want + (size_t)step * b->words, b->words);
    if (!(nmse <= b->worst)) b->worst = nmse; /* NaN stays */
    SUPPORT_OK(glint_session_argmax(s, 0, &id, &err), &err);
    if (step < STEPS && b->margin[step] > 1e-3f) CU_ASSERT_EQUAL(id, b->ids[PROMPT + step]);
}

static void open_bench(bench *b, const char *model) {
    *b = (bench){.model = open_model(model)};
    b->words = (size_t)glint_model_vocabulary(b->model);
    b->want = malloc((STEPS + 1) * b->words * sizeof(float));
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->want);
    support_random r = support_seed(12);
    for (int i = 0; i < PROMPT; i++) b->ids[i] = support_below(&r, (int)b->words);
    glint_session *s = open_session(b->model, "cpu");
    run(b, s, record);
    glint_session_close(&s);
}

static void close_bench(bench *b) {
    free(b->want);
    glint_model_close(&b->model);
}

static void check_split(bench *b, const char *model, const char *where) {
    glint_session *s = open_session(b->model, where);
    b->worst = 0;
    run(b, s, compare);
    glint_session_close(&s);
    if (!(b->worst <= 1e-9)) printf("\n    %s, %s: NMSE %.3g", model, where, b->worst);
    CU_ASSERT(b->worst <= 1e-9);
}

/* ---- Cuts ---- */

/* Pieces [first, end) of embed, the layers, head. */
static void add_pieces(const glint_model *m, const char *device, int first, int end, char *out) {
    int layers = glint_model_layers(m);
    size_t n = strlen(out);
    n += (size_t)snprintf(out + n, SPLIT - n, "%s%s=", n ? "," : "", device);
    for (int i = first; i < end; i++) {
        const char *gap = i > first ? "," : "";
        if (i == 0 || i == layers + 1)
            n += (size_t)snprintf(out + n, SPLIT - n, "%s%s", gap, i ? "head" : "embed");
        else
            n += (size_t)snprintf(out + n, SPLIT - n, "%s%d", gap, i - 1);
    }
}

/* All cuts in two and in three where everything is tested, else a few: beside embed and head, and inside. */
static void check_cuts(const char *model, const char *outer, const char *inner, bool all) {
    bench b;
    open_bench(&b, model);
    int pieces = glint_model_layers(b.model) + 2;
    for (int i = 1; i < pieces; i++) {
        char cuts[SPLIT] = "";
        if (!all && i != 1 && i != 3 && i != pieces - 1) continue;
        add_pieces(b.model, inner, 0, i, cuts);
        add_pieces(b.model, outer, i, pieces, cuts);
        check_split(&b, model, cuts);
        for (int k = i + 1; k < pieces; k++) {
            if (!all && (i != 3 || k != 4)) continue;
            cuts[0] = 0;
            add_pieces(b.model, outer, 0, i, cuts);
            add_pieces(b.model, inner, i, k, cuts);
            add_pieces(b.model, outer, k, pieces, cuts);
            check_split(&b, model, cuts);
        }
    }
    close_bench(&b);
}

static void test_cuts(void) {
    for (int m = 0; m < MODELS; m++) check_cuts(models[m], "cpu:ref", "cpu", true);
}

static void test_cuts_gles(void) {
    glint_device_info list[4];
    bool all = getenv("GLINT_TEST_ALL") != NULL;
    int n = support_gles(list, 4);
    for (int d = 0; d < n; d++)
        for (int m = 0; m < (all ? MODELS : 1); m++) check_cuts(models[m], list[d].name, "cpu", all);
}

/* A name of its own gives a device a context of its own: as two GPUs, where the chunks of a prompt overlap. */
static void test_two_contexts(void) {
    bench b;
    glint_device_info list[4];
    int n = support_gles(list, 4);
    open_bench(&b, models[0]);
    for (int d = 0; d < n; d++) {
        char cuts[SPLIT];
        const char *name = list[d].name;
        snprintf(cuts, sizeof cuts, "%.60s=0-1,failing:step9999@%.60s=2-4,%.60s=5-7", name, name, name);
        check_split(&b, models[0], cuts);
    }
    close_bench(&b);
}

/* ---- Failures ---- */

typedef struct text {
    int32_t ids[TEXT];
    int n;
    char notice[1024];
    int notices;
} text;

static bool keep(const glint_generated *g, void *user) {
    text *t = user;
    t->ids[t->n++] = g->id;
    return true;
}

static void on_notice(const char *line, void *user) {
    text *t = user;
    t->notices++;
    snprintf(t->notice, sizeof t->notice, "%s", line);
}

/* TEXT greedy tokens. by_host: the host chooses each, else the device may run ahead. */
static void write_text(glint_model *m, const char *where, bool by_host, text *out) {
    static const int32_t prompt[] = {1, 403, 407, 261, 378, 300, 310, 290, 320, 280, 17};
    glint_error err;
    glint_session *s = NULL;
    bool cuts = strchr(where, '=') != NULL;
    *out = (text){.n = 0};
    glint_session_options o = {.device = cuts ? NULL : where,
                               .split = cuts ? where : NULL,
                               .precision = GLINT_EXACT,
                               .threads = 1,
                               .context = 256,
                               .batch = 4,
                               .notice = on_notice,
                               .notice_user = out};
    glint_generate_options g = {.prompt = prompt,
                                .n_prompt = sizeof prompt / sizeof *prompt,
                                .n = TEXT,
                                .ignore_end = true,
                                .need_logits = by_host,
                                .token = keep,
                                .user = out};
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    SUPPORT_OK(glint_generate(s, NULL, &g, NULL, &err), &err);
    CU_ASSERT_EQUAL(glint_session_length(s, 0), (int)g.n_prompt + TEXT - 1);
    glint_session_close(&s);
}

static void expect_text(glint_model *m, const char *where, bool by_host, const text *want, int notices) {
    text got;
    write_text(m, where, by_host, &got);
    bool same = got.n == want->n && !memcmp(got.ids, want->ids, sizeof got.ids);
    if (!same || got.notices != notices)
        printf("\n    %s: %s text, %d notices %s", where, same ? "the same" : "another", got.notices, got.notice);
    CU_ASSERT(same);
    CU_ASSERT_EQUAL(got.notices, notices);
    if (notices) CU_ASSERT_PTR_NOT_NULL(strstr(got.notice, "lost on purpose; going on with "));
    CU_ASSERT_EQUAL(failing_devices_open(), 0);
}

/* A device that waits for another one rests: once for each token, and once behind the prompt, whose chunks overlap. */
static void test_rests(void) {
    glint_model *m = open_model("gguf/stories260K-f32.gguf");
    text want;
    int before = failing_rests();
    write_text(m, "cpu", false, &want);
    CU_ASSERT_EQUAL(failing_rests(), before);
    expect_text(m, "failing:step9999@cpu=0-1,cpu=2-4", false, &want, 0);
    CU_ASSERT_EQUAL(failing_rests(), before + TEXT);
    setenv("GLINT_GLES_AWAKE", "1", 1); /* awake while it rests */
    glint_device_info gles[4];
    char where[SPLIT];
    if (support_gles(gles, 4)) {
        snprintf(where, sizeof where, "cpu=0,%s=1-2,cpu=3-4", gles[0].name);
        expect_text(m, where, false, &want, 0);
    }
    unsetenv("GLINT_GLES_AWAKE");
    glint_model_close(&m);
}

/* A fault at every 7th step, in the step or in what is read of it; of a part among three, of the only device while the
 * host chooses each token, of the only device while it runs ahead. */
static void test_faults(void) {
    glint_model *m = open_model("gguf/stories260K-f32.gguf");
    text want;
    char where[SPLIT];
    write_text(m, "cpu", false, &want);
    for (int step = 7, i = 0; step <= TEXT; step += 7, i++) {
        const char *event = i % 2 ? "read" : "step";
        if (i % 3 == 0)
            snprintf(where, sizeof where, "cpu=0-1,failing:%s%d@cpu=2-3,cpu=4", event, step);
        else
            snprintf(where, sizeof where, "failing:%s%d@cpu", event, step);
        expect_text(m, where, i % 3 == 1, &want, 1);
    }
    glint_model_close(&m);
}

/* While the prompt's chunks follow each other through the parts; several devices one after the other, also one that
 * fails while the others take over; loading. */
static void test_faults_elsewhere(void) {
    static const struct {
        const char *where; /* %s: a GPU */
        int notices;
    } cases[] = {
        {"failing:step1@cpu", 1},
        {"failing:read1@cpu", 1},
        {"failing:step2@cpu=0-1,cpu=2-4", 1},
        {"cpu=0-1,failing:step2@cpu=2-4", 1},
        {"failing:step9@cpu=0-1,failing:step9@cpu=2-4", 1}, /* all parts of the one that is lost */
        {"failing:read2@cpu=0,failing:step9@cpu=1-2,failing:step40@cpu=3-4", 2},
        {"failing:step20@cpu=0,failing:step22@cpu=1-2,failing:step24@cpu=3-4", 2},
        {"failing:step20@cpu=0,failing:adopt43@cpu=1-4", 2},
        {"cpu=0,failing:step30@%s=1-2,cpu=3-4", 1},
        {"failing:read30@%s", 1},
    };
    glint_device_info gles[4];
    bool has_gles = support_gles(gles, 4) > 0;
    glint_model *m = open_model("gguf/stories260K-f32.gguf");
    text want;
    write_text(m, "cpu", false, &want);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char where[SPLIT];
        snprintf(where, sizeof where, cases[i].where, has_gles ? gles[0].name : "no GPU");
        if (has_gles || !strchr(cases[i].where, '%')) expect_text(m, where, i % 2, &want, cases[i].notices);
    }
    glint_model_close(&m);
}

/* Where nothing can take a device's place the failure is told, and nothing runs any more. */
static void test_nothing_left(void) {
    static const int32_t ids[] = {1, 403, 407};
    glint_model *m = open_model("gguf/stories260K-f32.gguf");
    glint_session *s = NULL;
    glint_error err;
    const float *logits;
    glint_session_options o = {.device = "failing:step2@cpu", .memory = "cpu=1K", .threads = 1};
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    SUPPORT_OK(glint_session_feed(s, 0, ids, 3, &err), &err);
    CU_ASSERT_EQUAL(glint_session_step(s, &(glint_row){.token = 5, .output = true}, 1, &err), GLINT_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "lost on purpose"));
    CU_ASSERT_EQUAL(glint_session_logits(s, 0, &logits, &err), GLINT_DEVICE);
    CU_ASSERT_EQUAL(glint_session_step(s, &(glint_row){.token = 5}, 1, &err), GLINT_DEVICE);
    CU_ASSERT_EQUAL(glint_session_feed(s, 0, ids, 3, &err), GLINT_DEVICE);
    glint_session_close(&s);
    CU_ASSERT_EQUAL(failing_devices_open(), 0);
    glint_model_close(&m);
}

/* What takes over from a device that ran ahead fails while it is loaded, and so does what is left then. */
typedef struct taken {
    glint_session *session;
    text told;
} taken;

static bool spoil(const glint_generated *g, void *user) {
    taken *t = user;
    placement *w = &t->session->where;
    if (g->index != 2) return true;
    w->parts[w->n] = w->parts[0]; /* the next one to be opened */
    snprintf(w->parts[w->n++].device, PLACEMENT_NAME, "failing:adopt1@cpu");
    return true;
}

static void test_nobody_takes_over(void) {
    static const int32_t ids[] = {1, 403, 407};
    glint_model *m = open_model("gguf/stories260K-f32.gguf");
    taken t = {0};
    glint_error err;
    const float *logits;
    int32_t id;
    int n;
    float value[64];
    glint_token_logit top[GLINT_TOP];
    glint_session_options o = {.device = "failing:step5@cpu",
                               .memory = "cpu=1K",
                               .threads = 1,
                               .top = true,
                               .observe = "layers.1.out",
                               .notice = on_notice,
                               .notice_user = &t.told};
    glint_generate_options g = {.prompt = ids, .n_prompt = 3, .n = 20, .token = spoil, .user = &t};
    SUPPORT_OK(glint_session_open(m, &o, &t.session, &err), &err);
    CU_ASSERT_EQUAL(glint_generate(t.session, NULL, &g, NULL, &err), GLINT_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "lost on purpose"));
    CU_ASSERT_EQUAL(t.told.notices, 1);
    CU_ASSERT_STRING_EQUAL(t.told.notice, "failing:step5@cpu failed: the device was lost on purpose");
    CU_ASSERT_EQUAL(glint_session_argmax(t.session, 0, &id, &err), GLINT_DEVICE);
    CU_ASSERT_EQUAL(glint_session_logits(t.session, 0, &logits, &err), GLINT_DEVICE);
    CU_ASSERT_EQUAL(glint_session_top(t.session, 0, top, &n, &err), GLINT_DEVICE);
    CU_ASSERT_EQUAL(glint_session_value(t.session, 0, 0, 1, value, &err), GLINT_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "lost its device"));
    CU_ASSERT_EQUAL(glint_generate(t.session, NULL, &g, NULL, &err), GLINT_DEVICE);
    glint_session_close(&t.session);
    CU_ASSERT_EQUAL(failing_devices_open(), 0);
    glint_model_close(&m);
}

/* ---- Several sequences ---- */

enum { SEQUENCES = 3, LONG = 90 /* past the window of 32 */ };

static void feed(glint_session *s, int sequence, const int32_t *ids, int n) {
    glint_error err;
    SUPPORT_OK(glint_session_feed(s, sequence, ids, (size_t)n, &err), &err);
}

/* Feeds, forks and cuts; the last step, of a row for each sequence, is step 27 of a device. Logits of its outputs. */
static void use_sequences(const bench *b, const char *where, float *out, text *told) {
    glint_error err;
    glint_session *s = NULL;
    int32_t ids[LONG];
    *told = (text){.n = 0};
    glint_session_options o = {.split = where,
                               .precision = GLINT_EXACT,
                               .threads = 1,
                               .context = 128,
                               .batch = BATCH,
                               .sequences = SEQUENCES,
                               .notice = on_notice,
                               .notice_user = told};
    support_random r = support_seed(14);
    for (int i = 0; i < LONG; i++) ids[i] = support_below(&r, (int)b->words);
    SUPPORT_OK(glint_session_open(b->model, &o, &s, &err), &err);
    feed(s, 1, ids, LONG); /* 12 steps */
    SUPPORT_OK(glint_session_fork(s, 1, 0, LONG - 2, &err), &err);
    feed(s, 0, ids + 5, 20); /* 3 */
    feed(s, 2, ids + 9, 70); /* 9 */
    SUPPORT_OK(glint_session_cut(s, 2, 66, &err), &err);
    feed(s, 2, ids, 9); /* 2 */
    glint_row rows[SEQUENCES];
    for (int q = 0; q < SEQUENCES; q++) rows[q] = (glint_row){ids[q], q, true};
    SUPPORT_OK(glint_session_step(s, rows, SEQUENCES, &err), &err);
    CU_ASSERT_EQUAL(glint_session_length(s, 0), LONG - 2 + 20 + 1);
    CU_ASSERT_EQUAL(glint_session_length(s, 1), LONG + 1);
    CU_ASSERT_EQUAL(glint_session_length(s, 2), 66 + 9 + 1);
    for (int k = 0; k < SEQUENCES; k++) {
        const float *logits = NULL;
        SUPPORT_OK(glint_session_logits(s, k, &logits, &err), &err);
        memcpy(out + (size_t)k * b->words, logits, b->words * sizeof *out);
    }
    glint_session_close(&s);
}

/* A device that fails in any of these steps, or in what is read of the last one: the same bits. */
static void test_sequences_come_back(void) {
    bench b;
    text told;
    open_bench(&b, models[0]);
    size_t n = SEQUENCES * b.words;
    float *want = malloc(n * sizeof *want), *got = malloc(n * sizeof *got);
    CU_ASSERT_FATAL(want && got);
    use_sequences(&b, "cpu=0-3,cpu=4-7", want, &told);
    for (int step = 1; step <= 27; step += 2) {
        char where[SPLIT];
        snprintf(where, sizeof where, "cpu=0-3,failing:step%d@cpu=4-7", step);
        use_sequences(&b, where, got, &told);
        CU_ASSERT(told.notices == 1 && !memcmp(got, want, n * sizeof *got));
    }
    for (int read = 1; read <= SEQUENCES; read++) {
        char where[SPLIT];
        snprintf(where, sizeof where, "cpu=0-3,failing:read%d@cpu=4-7", read);
        use_sequences(&b, where, got, &told);
        CU_ASSERT(told.notices == 1 && !memcmp(got, want, n * sizeof *got));
    }
    CU_ASSERT_EQUAL(failing_devices_open(), 0);
    free(want);
    free(got);
    close_bench(&b);
}

/* A later chunk takes over a page table entry that a chunk on its way still needs, where the ring of a window comes
 * round onto pages shared with another sequence: at 94 + 60 + 60 positions, for this window and chunks of 60. */
static void test_rings_come_round(void) {
    enum { COMMON = 94, CHUNK = 60, ALL = COMMON + 2 * CHUNK };
    static const char *const places[] = {"cpu=0-7", "cpu=0-3,cpu=4-7"};
    int32_t ids[ALL];
    float *logits[2];
    bench b;
    glint_error err;
    open_bench(&b, models[0]);
    support_random r = support_seed(15);
    for (int i = 0; i < ALL; i++) ids[i] = support_below(&r, (int)b.words);
    for (int i = 0; i < 2; i++) {
        glint_session *s = NULL;
        glint_session_options o = {
            .split = places[i], .precision = GLINT_EXACT, .threads = 1, .context = 256, .batch = CHUNK, .sequences = 2};
        SUPPORT_OK(glint_session_open(b.model, &o, &s, &err), &err);
        feed(s, 1, ids, COMMON);
        SUPPORT_OK(glint_session_fork(s, 1, 0, COMMON, &err), &err);
        feed(s, 0, ids + COMMON, ALL - COMMON);
        logits[i] = malloc(b.words * sizeof(float));
        CU_ASSERT_PTR_NOT_NULL_FATAL(logits[i]);
        memcpy(logits[i], logits_of(s), b.words * sizeof(float));
        glint_session_close(&s);
    }
    CU_ASSERT(!memcmp(logits[0], logits[1], b.words * sizeof(float)));
    free(logits[0]);
    free(logits[1]);
    close_bench(&b);
}

int main(void) {
    const support_case cases[] = {{"cuts", test_cuts},
                                  {"cuts with gles", test_cuts_gles},
                                  {"two contexts", test_two_contexts},
                                  {"devices rest", test_rests},
                                  {"a device fails at every 7th step", test_faults},
                                  {"devices fail at other times", test_faults_elsewhere},
                                  {"nothing is left", test_nothing_left},
                                  {"nobody takes over", test_nobody_takes_over},
                                  {"sequences come back", test_sequences_come_back},
                                  {"rings come round", test_rings_come_round}};
    return support_main("split", cases, sizeof cases / sizeof *cases);
}
