/* Diagnosis by hypotheses on real models: a range of ops is computed with a fault, the diagnosis gets the right inputs
 * and the wrong result, and must name the op and the kind; with the right result it must say nothing. Faults are made
 * here by other means than the hypotheses' own: an edited tape, edited bytes of a weight, or a formula. */
#include "core/instruments/diagnose.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/model.h"
#include "tests/support/support.h"

enum { ROWS = 40, SLOTS = 2 };

/* A model, a prompt, and every value that the oracle makes of it. */
typedef struct bench {
    glint_model *model;
    const tape *tape;
    backend_view *views;
    backend_batch batch;
    int32_t token[ROWS], position[ROWS], sequence[ROWS], output[ROWS], pages[SLOTS];
    float **value;
    arena memory;
} bench;

static bench *bench_at;

/* Runs ops [first, first + n) on the oracle; reads `out` from the run, all others from the bench. */
static float *run_range(const bench *b, const tape *t, const backend_view *views, const backend_batch *batch, int first,
                        int n, tape_value out) {
    rig g;
    glint_error err;
    backend_ticket ticket;
    rig_setup setup = {.tape = t,
                       .first_op = first,
                       .n_ops = n,
                       .views = views,
                       .max_rows = ROWS,
                       .max_outputs = ROWS,
                       .pages = SLOTS,
                       .slots = SLOTS,
                       .cache_f32 = true};
    SUPPORT_OK(rig_open(&g, "cpu:ref", &(backend_options){.precision = GLINT_EXACT}, &setup, &err), &err);
    tape_value *in = arena_array(&bench_at->memory, (size_t)t->n_values, sizeof *in);
    int n_in = tape_inputs(t, first, n, in);
    for (int i = 0; i < n_in; i++) SUPPORT_OK(g.backend->write(g.program, in[i], 0, ROWS, b->value[in[i]], &err), &err);
    SUPPORT_OK(g.backend->step(g.program, batch, &ticket, &err), &err);
    for (int i = first; i < first + n && out < 0; i++) {
        tape_value v = t->ops[i].out;
        if (v < 0) continue;
        b->value[v] = arena_array(&bench_at->memory, ROWS, (size_t)t->values[v].width * sizeof(float));
        SUPPORT_OK(g.backend->read(g.program, ticket, v, 0, ROWS, b->value[v], &err), &err);
    }
    float *x = NULL;
    if (out >= 0) {
        x = arena_array(&bench_at->memory, ROWS, (size_t)t->values[out].width * sizeof(float));
        SUPPORT_OK(g.backend->read(g.program, ticket, out, 0, ROWS, x, &err), &err);
    }
    rig_close(&g);
    return x;
}

static bool open_bench(bench *b, const char *name) {
    char path[1024];
    glint_error err;
    *b = (bench){0};
    bench_at = b;
    if (!support_any(path, name)) return false;
    SUPPORT_OK(glint_model_open(path, &b->model, &err), &err);
    b->tape = &b->model->tape;
    b->views = model_views(b->model, &b->memory);
    support_random r = support_seed(77);
    for (int i = 0; i < ROWS; i++) {
        b->token[i] = support_below(&r, b->tape->vocabulary);
        b->position[i] = b->output[i] = i;
    }
    for (int i = 0; i < SLOTS; i++) b->pages[i] = i;
    b->batch = (backend_batch){ROWS, ROWS, b->token, b->position, b->sequence, b->output, {{0}}};
    for (int g = 0; g < b->tape->n_groups; g++) b->batch.pages[g] = (backend_pages){b->pages, SLOTS};
    b->value = arena_array(&b->memory, (size_t)b->tape->n_values, sizeof *b->value);
    int first = b->tape->values[b->tape->logits].op;
    run_range(b, b->tape, b->views, &b->batch, 0, first + 1, TAPE_NONE);
    return true;
}

static void close_bench(bench *b) {
    glint_model_close(&b->model);
    arena_free(&b->memory);
}

static int op_of(const bench *b, const char *value) {
    tape_value v = tape_find(b->tape, value);
    CU_ASSERT_FATAL(v >= 0);
    return b->tape->values[v].op;
}

/* ---- Faults ---- */

/* A copy of everything that a fault may change. */
typedef struct broken {
    tape tape;
    backend_view *views;
    backend_batch batch;
    int32_t position[ROWS];
    int op;
} broken;

typedef void fault(broken *x);

static tape_op *op_at(broken *x) {
    return &x->tape.ops[x->op];
}

static backend_view *weight_at(broken *x) {
    return &x->views[op_at(x)->weight[0]];
}

static unsigned char *own_bytes(broken *x) {
    backend_view *v = weight_at(x);
    v->data = arena_copy(&bench_at->memory, v->data, (size_t)v->rows * v->row_bytes);
    return (unsigned char *)(uintptr_t)v->data;
}

static void flip_minus_one(broken *x) {
    weight_at(x)->minus_one = !weight_at(x)->minus_one;
}
static void larger_eps(broken *x) {
    op_at(x)->p.eps *= 1000;
}
static void no_bias(broken *x) {
    op_at(x)->weight[1] = TAPE_NONE;
}
static void other_act(broken *x) {
    op_at(x)->p.act = op_at(x)->p.act == TAPE_SILU ? TAPE_GELU : TAPE_SILU;
}
static void erf_gelu(broken *x) {
    op_at(x)->p.act = TAPE_GELU;
}
static void swap(broken *x) {
    tape_value a = op_at(x)->in[0];
    op_at(x)->in[0] = op_at(x)->in[1];
    op_at(x)->in[1] = a;
}
static void unscaled(broken *x) {
    op_at(x)->p.scale = 1;
}
static void set_base(broken *x, double base) {
    tape_rope_info *r = &x->tape.ropes[op_at(x)->p.rope];
    double *freq = arena_array(&bench_at->memory, (size_t)r->dims / 2, sizeof *freq);
    for (int i = 0; i < r->dims / 2; i++) freq[i] = pow(base, -2.0 * i / r->dims);
    r->freq = freq;
}
static void base_1e6(broken *x) {
    set_base(x, 1e6);
}
static void base_1e4(broken *x) {
    set_base(x, 1e4);
}
static void later_position(broken *x) {
    for (int i = 0; i < ROWS; i++) x->position[i]++;
}
static void chunked_position(broken *x) {
    for (int i = 0; i < ROWS; i++) x->position[i] %= 16;
}
static void wide_scale(broken *x) {
    op_at(x)->p.scale /= sqrtf((float)op_at(x)->p.heads);
}
static void double_scale(broken *x) {
    op_at(x)->p.scale *= 2;
}
static int *window_at(broken *x) {
    return &x->tape.groups[x->tape.caches[op_at(x)->p.cache].group].window;
}
static void longer_window(broken *x) {
    ++*window_at(x);
}
static void no_window(broken *x) {
    *window_at(x) = 0;
}
static void some_window(broken *x) {
    *window_at(x) = 32;
}
static void see_next(broken *x) {
    for (int i = 0; i < ROWS - 1; i++) x->position[i]++;
}
static void skip_first(broken *x) { /* of an add: what it adds to */
    for (int i = x->op + 1; i < x->tape.n_ops; i++)
        for (int k = 0; k < 2; k++)
            if (x->tape.ops[i].in[k] == op_at(x)->out) x->tape.ops[i].in[k] = op_at(x)->in[0];
}
static void norm_late(broken *x) {
    tape_op *norm = op_at(x), *add = norm + 1, was = *norm;
    norm->kind = TAPE_ADD;
    norm->in[0] = add->in[0];
    norm->in[1] = was.in[0];
    norm->weight[0] = TAPE_NONE;
    add->kind = TAPE_NORM;
    add->in[0] = was.out;
    add->in[1] = TAPE_NONE;
    add->weight[0] = was.weight[0];
    add->p = was.p;
}
static void flip_rows(broken *x) {
    weight_at(x)->rotary_adjacent = !weight_at(x)->rotary_adjacent;
}
static void blocks_in_columns(broken *x) {
    backend_view *v = weight_at(x);
    const unsigned char *from = v->data;
    unsigned char *to = own_bytes(x);
    size_t bytes = format_table[v->format].block_bytes, n = v->row_bytes / bytes, rows = (size_t)v->rows;
    for (size_t r = 0; r < rows; r++)
        for (size_t b = 0; b < n; b++) memcpy(to + (r * n + b) * bytes, from + (b * rows + r) * bytes, bytes);
}
static void edit_blocks(broken *x, size_t first, size_t n, int what) {
    backend_view *v = weight_at(x);
    unsigned char *p = own_bytes(x);
    for (size_t at = 0; at < (size_t)v->rows * v->row_bytes; at += format_table[v->format].block_bytes)
        for (size_t i = at + first; i < at + first + n; i++)
            p[i] = (unsigned char)(what == 0 ? p[i] << 4 | p[i] >> 4 : what == 1 ? p[i] & 63 : p[i] ^ 0x80);
}
static void k_nibbles(broken *x) {
    edit_blocks(x, 16, 128, 0);
}
static void k_scales(broken *x) {
    edit_blocks(x, 4, 8, 1);
}
static void k_minimum(broken *x) {
    edit_blocks(x, 3, 1, 2);
}
static void other_half(broken *x) {
    weight_at(x)->format = weight_at(x)->format == FORMAT_F16 ? FORMAT_BF16 : FORMAT_F16;
}
static void wrapped(broken *x) {
    backend_view *v = weight_at(x);
    unsigned char *p = own_bytes(x);
    size_t half = ((size_t)v->rows + 1) / 2;
    for (size_t r = half; r < (size_t)v->rows; r++)
        memcpy(p + r * v->row_bytes, p + (r - half) * v->row_bytes, v->row_bytes);
}
static void transposed(broken *x) {
    backend_view *v = weight_at(x);
    size_t rows = (size_t)v->rows, cols = (size_t)v->cols, n = rows * cols;
    float *flat = arena_array(&bench_at->memory, n, sizeof *flat),
          *out = arena_array(&bench_at->memory, n, sizeof *out);
    format_table[v->format].decode(v->data, flat, n / format_table[v->format].block_values);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) out[r * cols + c] = flat[c * rows + r];
    v->format = FORMAT_F32;
    v->data = out;
    v->row_bytes = cols * sizeof *out;
}

static const struct {
    const char *model, *op, *first, *last; /* the range: from the op that makes `first` to the one that makes `last` */
    fault *make;
    const char *kind;
    bool device; /* a tape cannot be wrong in this way */
} faults[] = {
#define GEMMA "gemma3-shakespeare-Q4_K_M.gguf"
#define LLAMA "gguf/llama-shakespeare-Q4_K_M.gguf"
#define QWEN2 "models/qwen2-shakespeare"
#define QWEN3 "gguf/qwen3-shakespeare-Q5_K_M.gguf"
    {GEMMA, "embed", "embed", "embed", unscaled, "constant factor", false},
    {GEMMA, "layers.2.attn.norm", "layers.2.attn.norm", "layers.2.attn.norm", flip_minus_one, "weight offset", false},
    {GEMMA, "layers.2.ffn.norm", "layers.2.attn.norm", "layers.2.out", flip_minus_one, "weight offset", false},
    {GEMMA, "layers.0.attn.q_norm", "layers.0.attn.q_norm", "layers.0.attn.q_norm", flip_minus_one, "weight offset",
     false},
    {GEMMA, "layers.0.attn.k_norm", "layers.0.attn.norm", "layers.0.out", flip_minus_one, "weight offset", false},
    {GEMMA, "layers.1.attn.norm", "layers.1.attn.norm", "layers.1.attn.norm", larger_eps, "eps", false},
    {GEMMA, "layers.0.attn.q_rope", "layers.0.attn.q_rope", "layers.0.attn.q_rope", base_1e6, "rotary base", false},
    {GEMMA, "layers.0.attn.q_rope", "layers.0.attn.norm", "layers.0.out", base_1e6, "rotary base", false},
    {GEMMA, "layers.5.attn.q_rope", "layers.5.attn.norm", "layers.5.out", base_1e4, "rotary base", false},
    {GEMMA, "layers.0.attn.k_rope", "layers.0.attn.k_rope", "layers.0.attn.k_rope", later_position, "shifted position",
     true},
    {GEMMA, "layers.0.attn.k_rope", "layers.0.attn.k_rope", "layers.0.attn.k_rope", chunked_position, "position reset",
     true},
    {GEMMA, "layers.3.attn.mix", "layers.3.attn.q", "layers.3.attn.mix", wide_scale, "attention scale", false},
    {GEMMA, "layers.3.attn.mix", "layers.3.attn.norm", "layers.3.out", double_scale, "attention scale", false},
    {GEMMA, "layers.3.attn.mix", "layers.3.attn.q", "layers.3.attn.mix", longer_window, "window off by one", true},
    {GEMMA, "layers.3.attn.mix", "layers.3.attn.norm", "layers.3.out", no_window, "window", false},
    {GEMMA, "layers.5.attn.mix", "layers.5.attn.norm", "layers.5.out", some_window, "window", false},
    {GEMMA, "layers.3.attn.post_norm", "layers.3.attn.post_norm", "layers.3.mid", norm_late, "order of norm and add",
     false},
    {GEMMA, "layers.3.attn.post_norm", "layers.3.attn.norm", "layers.3.out", norm_late, "order of norm and add", false},
    {GEMMA, "layers.3.attn.post_norm", "layers.3.attn.norm", "layers.3.out", skip_first, "op missing", false},
    {GEMMA, "layers.3.mid", "layers.3.attn.norm", "layers.3.out", skip_first, "op missing", false},
    {GEMMA, "layers.4.ffn.act", "layers.4.ffn.act", "layers.4.ffn.act", erf_gelu, "activation function", false},
    {GEMMA, "layers.4.ffn.act", "layers.4.attn.norm", "layers.4.out", other_act, "activation function", false},
    {GEMMA, "layers.4.ffn.act", "layers.4.ffn.gate", "layers.4.ffn.down", swap, "swapped operands", false},
    {GEMMA, "layers.2.attn.out", "layers.2.attn.out", "layers.2.attn.out", k_nibbles, "permutation inside a block",
     true},
    {GEMMA, "layers.2.attn.out", "layers.2.attn.norm", "layers.2.out", k_scales, "factor by sub-block", true},
    {GEMMA, "layers.2.attn.out", "layers.2.attn.out", "layers.2.attn.out", k_minimum, "offset by block", true},
    {GEMMA, "layers.2.attn.v", "layers.2.attn.v", "layers.2.attn.v", blocks_in_columns, "row/block permutation", true},
    {GEMMA, "logits", "logits", "logits", transposed, "transpose", true},
    {GEMMA, "logits", "logits", "logits", wrapped, "periodic rows", true},
    {GEMMA, "layers.0.ffn.down", "layers.0.ffn.down", "layers.0.ffn.down", wrapped, "periodic rows", true},
    {LLAMA, "layers.0.attn.q_rope", "layers.0.attn.norm", "layers.0.out", base_1e4, "rotary frequencies", false},
    {LLAMA, "layers.0.attn.q", "layers.0.attn.norm", "layers.0.out", flip_rows, "half/adjacent permutation", false},
    {QWEN2, "layers.1.attn.k", "layers.1.attn.k", "layers.1.attn.k", no_bias, "missing bias", false},
    {QWEN2, "layers.1.attn.q", "layers.1.attn.norm", "layers.1.out", no_bias, "missing bias", false},
    {QWEN2, "layers.1.attn.mix", "layers.1.attn.q", "layers.1.attn.mix", see_next, "mask", true},
    {QWEN2, "layers.1.ffn.up", "layers.1.ffn.up", "layers.1.ffn.up", other_half, "type read as another", true},
    {QWEN3, "layers.1.attn.mix", "layers.1.attn.q", "layers.1.attn.mix", double_scale, "attention scale", false},
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static diagnose_finding diagnose(const bench *b, const tape *t, const backend_view *views, int first, int n,
                                 tape_value out, const float *tested, const float *reference, bool tape_suspected) {
    diagnose_finding f;
    glint_error err;
    tape_value *in = arena_array(&bench_at->memory, (size_t)t->n_values, sizeof *in);
    const float **rows = arena_array(&bench_at->memory, (size_t)t->n_values, sizeof *rows);
    int n_in = tape_inputs(t, first, n, in);
    for (int i = 0; i < n_in; i++) rows[i] = b->value[in[i]];
    diagnose_case c = {.tape = t,
                       .first_op = first,
                       .n_ops = n,
                       .views = views,
                       .batch = &b->batch,
                       .in = in,
                       .in_rows = rows,
                       .out = out,
                       .tested = tested,
                       .reference = reference,
                       .tape_suspected = tape_suspected};
    SUPPORT_OK(diagnose_range(&c, &f, &err), &err);
    return f;
}

static broken *break_it(const bench *b, fault *make, int op) {
    broken *x = arena_array(&bench_at->memory, 1, sizeof *x);
    x->tape = *b->tape;
    x->tape.ops = arena_copy(&bench_at->memory, b->tape->ops, (size_t)b->tape->n_ops * sizeof *b->tape->ops);
    x->views = arena_copy(&bench_at->memory, b->views, (size_t)b->tape->n_weights * sizeof *b->views);
    x->batch = b->batch;
    memcpy(x->position, b->position, sizeof x->position);
    x->batch.position = x->position;
    x->op = op;
    make(x);
    return x;
}

/* A position that is wrong for one op is right for the others. */
static float *run_broken(const bench *b, broken *x, int first, int n, tape_value out) {
    bool moved = memcmp(x->position, b->position, sizeof x->position) != 0;
    if (!moved || n == 1) return run_range(b, &x->tape, x->views, &x->batch, first, n, out);
    /* Run the op alone, after what comes before it: only the last op of such a range may be the one that is moved. */
    CU_ASSERT_EQUAL_FATAL(x->op, first + n - 1);
    rig g;
    glint_error err;
    backend_ticket ticket;
    rig_setup setup = {&x->tape, first, n, x->views, ROWS, ROWS, SLOTS, SLOTS, {0}, true, NULL, 0};
    SUPPORT_OK(rig_open(&g, "cpu:ref", &(backend_options){.precision = GLINT_EXACT}, &setup, &err), &err);
    tape_value in[64];
    int n_in = tape_inputs(&x->tape, first, n, in);
    for (int i = 0; i < n_in; i++) SUPPORT_OK(g.backend->write(g.program, in[i], 0, ROWS, b->value[in[i]], &err), &err);
    SUPPORT_OK(g.backend->run_groups(g.program, &b->batch, 0, n - 1, &ticket, &err), &err);
    SUPPORT_OK(g.backend->run_groups(g.program, &x->batch, n - 1, 1, &ticket, &err), &err);
    float *out_rows = arena_array(&bench_at->memory, ROWS, (size_t)x->tape.values[out].width * sizeof(float));
    SUPPORT_OK(g.backend->read(g.program, ticket, out, 0, ROWS, out_rows, &err), &err);
    rig_close(&g);
    return out_rows;
}

static void check_finding(size_t f, const bench *b, const diagnose_finding *got, const char *side, double took) {
    tape_value v = tape_find(b->tape, faults[f].op);
    bool good = !strcmp(got->kind, faults[f].kind) && got->value >= 0 &&
                b->tape->values[got->value].layer == b->tape->values[v].layer &&
                b->tape->ops[b->tape->values[got->value].op].kind == b->tape->ops[b->tape->values[v].op].kind;
    if (!good || getenv("GLINT_TEST_VERBOSE"))
        printf("\n    %s %s of %s..%s: \"%s\": %s, %.2f s", side, faults[f].kind, faults[f].first, faults[f].last,
               got->kind, got->reason, took);
    CU_ASSERT(good && !strchr(got->reason, '\n'));
}

static const float *zeros_like(const bench *b, tape_value v) {
    return arena_array(&bench_at->memory, ROWS, (size_t)b->tape->values[v].width * sizeof(float));
}

static void test_model(const char *model) {
    bench b;
    if (!open_bench(&b, model)) return;
    for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
        if (strcmp(faults[f].model, model)) continue;
        int first = op_of(&b, faults[f].first), last = op_of(&b, faults[f].last);
        tape_value out = tape_find(b.tape, faults[f].last);
        broken *x = break_it(&b, faults[f].make, op_of(&b, faults[f].op));
        float *tested = run_broken(&b, x, first, last - first + 1, out);
        double start = seconds();
        diagnose_finding got = diagnose(&b, b.tape, b.views, first, last - first + 1, out, tested, b.value[out], false);
        check_finding(f, &b, &got, "device", seconds() - start);
        got = diagnose(&b, b.tape, b.views, first, last - first + 1, out, b.value[out], b.value[out], false);
        CU_ASSERT_STRING_EQUAL(got.kind, "");
        got = diagnose(&b, b.tape, b.views, first, last - first + 1, out, zeros_like(&b, out), b.value[out], false);
        CU_ASSERT_STRING_EQUAL(got.kind, "unwritten");
        if (faults[f].device) continue;
        start = seconds();
        got = diagnose(&b, &x->tape, x->views, first, last - first + 1, out, tested, b.value[out], true);
        check_finding(f, &b, &got, "tape", seconds() - start);
    }
    close_bench(&b);
}

static void test_gemma3(void) {
    test_model(GEMMA);
}
static void test_llama(void) {
    test_model(LLAMA);
}
static void test_qwen2(void) {
    test_model(QWEN2);
}
static void test_qwen3(void) {
    test_model(QWEN3);
}

int main(void) {
    const support_case cases[] = {
        {"gemma3", test_gemma3}, {"llama", test_llama}, {"qwen2", test_qwen2}, {"qwen3", test_qwen3}};
    return support_main("suspect", cases, sizeof cases / sizeof *cases);
}
