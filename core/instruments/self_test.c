/* glint_self_test: a small model of made-up weights with every op in it, 70 positions at once (two cache pages) and
 * then one more, the token that the device chose itself; in both precisions, each op against the oracle. */
#include "core/instruments/self_test.h"

#include <math.h>
#include <string.h>

#include "core/instruments/rig.h"

enum { WIDTH = 64, HEADS = 4, KV_HEADS = 2, HEAD_DIM = 32, FFN = 96, VOCABULARY = 300, PROMPT = 70 };

/* ---- Made-up weights ---- */

typedef struct stream {
    uint64_t state; /* splitmix64 */
} stream;

static float next_number(stream *s, float size) {
    uint64_t z = s->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return size * ((float)((z ^ (z >> 31)) >> 40) * 0x1p-23f - 1);
}

static void fill_f32(stream *s, unsigned char *out, int n) {
    for (int i = 0; i < n; i++) {
        float x = next_number(s, 1);
        memcpy(out + sizeof x * (size_t)i, &x, sizeof x);
    }
}

/* Blocks of a half-precision scale and 32 signed bytes. */
static void fill_q8_0(stream *s, unsigned char *out, int n) {
    for (int b = 0; b < n / 32; b++, out += 34) {
        uint16_t d = format_f32_to_f16(next_number(s, 0.002f));
        memcpy(out, &d, sizeof d);
        for (int i = 0; i < 32; i++) out[2 + i] = (unsigned char)(int)next_number(s, 127);
    }
}

static glint_status fill_views(const tape *t, arena *a, backend_view *views, glint_error *err) {
    stream s = {1};
    for (int w = 0; w < t->n_weights; w++) {
        const tape_weight_info *i = &t->weights[w];
        backend_view *v = &views[w];
        *v = (backend_view){.name = i->name, .rows = i->rows, .cols = i->cols, .head_dim = i->head_dim};
        v->format = i->rows == 1 ? FORMAT_F32 : FORMAT_Q8_0;
        unsigned char *data = NULL;
        if (format_row_bytes(v->format, (uint64_t)i->cols, &v->row_bytes))
            data = arena_array(a, (size_t)i->rows, v->row_bytes);
        if (!data) return base_fail(err, GLINT_INTERNAL, "out of memory for the self-test");
        (v->format == FORMAT_F32 ? fill_f32 : fill_q8_0)(&s, data, i->rows * i->cols);
        v->data = data;
    }
    return GLINT_OK;
}

/* ---- The model ---- */

static tape_weight vector(tape *t, const char *name, int cols) {
    return tape_add_weight(t, name, 1, cols, 0);
}

static tape_value matmul(tape *t, const char *name, tape_value x, int rows, int cols, tape_weight bias) {
    return tape_matmul(t, name, x, tape_add_weight(t, name, rows, cols, 0), bias);
}

static tape_value attention(tape *t, tape_value x) {
    double freq[HEAD_DIM / 2];
    for (int i = 0; i < HEAD_DIM / 2; i++) freq[i] = pow(10000, -2.0 * i / HEAD_DIM);
    int rope = tape_add_rope(t, HEAD_DIM, freq, 1), cache = tape_add_cache(t, 48, KV_HEADS, HEAD_DIM);
    tape_value q = matmul(t, "q", x, HEADS * HEAD_DIM, WIDTH, vector(t, "q_bias", HEADS * HEAD_DIM));
    tape_value k = matmul(t, "k", x, KV_HEADS * HEAD_DIM, WIDTH, TAPE_NONE);
    tape_value v = matmul(t, "v", x, KV_HEADS * HEAD_DIM, WIDTH, TAPE_NONE);
    q = tape_head_norm(t, "q_norm", q, vector(t, "q_norm", HEAD_DIM), HEAD_DIM, 1e-6f);
    q = tape_rope(t, "q_rope", q, rope, HEAD_DIM);
    k = tape_rope(t, "k_rope", k, rope, HEAD_DIM);
    tape_cache_write(t, k, v, cache);
    tape_value o = tape_attend(t, "mix", q, cache, 0.2f);
    return matmul(t, "out", o, WIDTH, HEADS * HEAD_DIM, TAPE_NONE);
}

static void build(tape *t) {
    tape_value h = tape_embed(t, "embed", tape_add_weight(t, "embed", VOCABULARY, WIDTH, 0), 8);
    h = tape_add(t, "mid", h, attention(t, tape_norm(t, "norm", h, vector(t, "norm", WIDTH), 1e-6f)));
    for (tape_act act = 0; act < TAPE_ACTS; act++) {
        tape_value gate = matmul(t, "gate", h, FFN, WIDTH, TAPE_NONE);
        tape_value up = matmul(t, "up", h, FFN, WIDTH, TAPE_NONE);
        tape_value x = tape_gate(t, "act", gate, up, act);
        h = tape_add(t, "layer", h, matmul(t, "down", x, WIDTH, FFN, TAPE_NONE));
    }
    tape_value x = tape_select_rows(t, "last", h);
    t->logits = matmul(t, "logits", x, VOCABULARY, WIDTH, TAPE_NONE);
    t->top = tape_top_k(t, "top", t->logits, TAPE_MOST_TOP);
    t->argmax = tape_argmax(t, "argmax", t->logits);
}

/* ---- Running it ---- */

typedef struct tally {
    double worst[TAPE_KINDS];
} tally;

static void note(const rig_result *r, void *user) {
    tally *t = user;
    t->worst[r->op->kind] = fmax(t->worst[r->op->kind], r->share);
}

static glint_status run_steps(rig *g, rig *oracle, tally *t, glint_error *err) {
    int32_t token[PROMPT], position[PROMPT], sequence[PROMPT] = {0}, last = PROMPT - 1, table[2] = {1, 0};
    for (int i = 0; i < PROMPT; i++) {
        token[i] = (i * 37 + 11) % VOCABULARY;
        position[i] = i;
    }
    backend_batch b = {PROMPT, 1, token, position, sequence, &last, {{table, 2}}};
    backend_ticket ticket;
    glint_status status = rig_poison(g, err);
    if (!status) status = rig_compare(g, oracle, &b, note, t, &ticket, err);
    int32_t previous = BACKEND_PREVIOUS(0), next = PROMPT, first = 0;
    backend_batch decode = {1, 1, &previous, &next, sequence, &first, {{table, 2}}};
    if (!status) status = rig_compare(g, oracle, &decode, note, t, &ticket, err);
    return status;
}

static glint_status run(const backend *b, backend_device *d, const backend_options *options, const rig_setup *setup,
                        tally *t, glint_error *err) {
    rig g = {0}, oracle = {0};
    glint_status status = rig_open_on(&g, b, d, options, setup, err);
    if (!status) status = rig_open(&oracle, "cpu:ref", options, setup, err);
    if (!status) status = run_steps(&g, &oracle, t, err);
    rig_close(&oracle);
    rig_close(&g);
    return status;
}

/* The worst of each op in the precision that the device is open for. */
static glint_status test_open(const backend *b, backend_device *d, const backend_options *options, tally *worst,
                              glint_error *err) {
    tape t;
    tape_open(&t);
    build(&t);
    glint_status status = t.failure ? base_fail(err, t.failure, "%s", t.error.message) : GLINT_OK;
    backend_view *views = arena_array(&t.memory, (size_t)t.n_weights, sizeof *views);
    if (!status && !views) status = base_fail(err, GLINT_INTERNAL, "out of memory for the self-test");
    if (!status) status = fill_views(&t, &t.memory, views, err);
    rig_setup setup = {.tape = &t,
                       .n_ops = t.n_ops,
                       .views = views,
                       .max_rows = PROMPT,
                       .max_outputs = 1,
                       .pages = 2,
                       .slots = 2,
                       .cache_f32 = options->precision == GLINT_EXACT};
    if (!status) status = run(b, d, options, &setup, worst, err);
    tape_close(&t);
    return status;
}

/* GLINT_MISMATCH names the first op that is beyond its bound. */
static glint_status judge(const tally *worst, glint_error *err) {
    for (int kind = 0; kind < TAPE_KINDS; kind++)
        if (!(worst->worst[kind] <= 1))
            return base_fail(err, GLINT_MISMATCH, "%s differs from the oracle by %.3g times its bound",
                             tape_kinds[kind].name, worst->worst[kind]);
    return GLINT_OK;
}

/* The backend remembers the verdict. */
static glint_status test_and_keep(const backend *b, backend_device *d, const backend_options *options, tally *worst,
                                  glint_error *err) {
    glint_error words = {""};
    glint_status status = test_open(b, d, options, worst, err);
    if (status) return status;
    status = judge(worst, &words);
    if (b->keep_verdict) b->keep_verdict(d, status ? BACKEND_WRONG : BACKEND_SOUND, words.message);
    if (status && err) *err = words;
    return status;
}

glint_status self_test_device(const backend *b, backend_device *d, const backend_options *options, glint_error *err) {
    tally worst = {{0}};
    return test_and_keep(b, d, options, &worst, err);
}

static glint_status test_precision(const char *name, const backend_options *options, tally *worst, glint_error *err) {
    const backend *b = backend_of_device(name);
    backend_device *d;
    if (!b) return base_fail(err, GLINT_USAGE, "there is no device \"%s\"", name);
    glint_status status = b->open(name, options, &d, err);
    if (status) return status;
    status = test_and_keep(b, d, options, worst, err);
    b->close(d);
    return status;
}

glint_status glint_self_test(const char *device, int threads, glint_self_test_report *report, void *user,
                             glint_error *err) {
    tally worst = {{0}};
    glint_error words;
    for (int precision = GLINT_FAST; precision <= GLINT_EXACT; precision++) {
        tally t = {{0}};
        backend_options options = {.threads = threads, .precision = (glint_precision)precision};
        glint_status status = test_precision(device, &options, &t, err);
        if (status && status != GLINT_MISMATCH) return status;
        for (int kind = 0; kind < TAPE_KINDS; kind++) worst.worst[kind] = fmax(worst.worst[kind], t.worst[kind]);
    }
    for (int kind = 0; kind < TAPE_KINDS && report; kind++) report(tape_kinds[kind].name, worst.worst[kind], user);
    if (!judge(&worst, &words)) return GLINT_OK;
    return base_fail(err, GLINT_MISMATCH, "%s: %s", device, words.message);
}
