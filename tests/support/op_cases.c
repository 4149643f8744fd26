/* The list of cases and the tape of each. */
#include "tests/support/op_maker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- The list ---- */

static const op_spec specs[] = {
    {TAPE_EMBED, .batch = 5, .width = 2, .rows = 40, .format = EACH, .scale = 3.5f},
    {TAPE_EMBED, .batch = 1, .width = 7, .rows = 3, .format = FORMAT_F32, .scale = 1},
    {TAPE_EMBED, .batch = 70, .width = 33, .rows = 1, .format = FORMAT_BF16, .scale = 1, .unaligned = true},

    {TAPE_NORM, .batch = 1, .width = 1},
    {TAPE_NORM, .batch = 3, .width = 5},
    {TAPE_NORM, .batch = 33, .width = 64, .minus_one = true},
    {TAPE_NORM, .batch = 2, .width = 1152, .minus_one = true, .unaligned = true},
    {TAPE_NORM, .batch = 1, .width = 2049},

    {TAPE_MATMUL, .batch = 1, .width = 3, .rows = 37, .format = EACH},
    {TAPE_MATMUL, .batch = 7, .width = 1, .rows = 5, .format = EACH, .unaligned = true},
    {TAPE_MATMUL, .batch = 33, .width = 2, .rows = 67, .format = EACH, .bias = true},
    {TAPE_MATMUL, .batch = 3, .width = 1, .rows = 32, .format = EACH, .head_dim = 16, .bias = true},
    {TAPE_MATMUL, .batch = 1, .width = 1, .rows = 1, .format = EACH},
    {TAPE_MATMUL, .batch = 1, .width = 1, .rows = 1, .format = FORMAT_F32},
    {TAPE_MATMUL, .batch = 2, .width = 67, .rows = 3, .format = FORMAT_F32, .bias = true},
    {TAPE_MATMUL, .batch = 5, .width = 33, .rows = 6, .format = FORMAT_F16, .head_dim = 6, .unaligned = true},
    {TAPE_MATMUL, .batch = 70, .width = 31, .rows = 9, .format = FORMAT_BF16, .unaligned = true},
    {TAPE_MATMUL, .batch = 130, .width = 96, .rows = 96, .format = FORMAT_F32},
    {TAPE_MATMUL, .batch = 130, .width = 768, .rows = 130, .format = FORMAT_Q4_K, .bias = true},
    {TAPE_MATMUL, .batch = 70, .width = 1152, .rows = 65, .format = FORMAT_Q8_0},
    {TAPE_MATMUL, .batch = 450, .width = 40, .rows = 900, .format = FORMAT_F16, .bias = true, .where = OP_GPUS},
    {TAPE_MATMUL, .batch = 509, .width = 160, .rows = 4099, .format = FORMAT_Q4_1, .where = OP_HARDWARE},
    {TAPE_MATMUL, .batch = 1, .width = 96, .rows = 4099, .format = FORMAT_Q5_0}, /* a vocabulary with a tail */
    {TAPE_MATMUL, .batch = 2, .width = 256, .rows = 2051, .format = FORMAT_Q6_K},
    {TAPE_MATMUL, .batch = 1, .width = 6912, .rows = 11, .format = FORMAT_Q4_K},
    /* Rows of 64 to 80 blocks: alone and several at once they are added up by different paths of matvec.comp. */
    {TAPE_MATMUL, .batch = 4, .width = 2048, .rows = 65, .format = FORMAT_Q8_0},
    {TAPE_MATMUL, .batch = 9, .width = 2560, .rows = 65, .format = FORMAT_Q6_K},
    {TAPE_MATMUL, .batch = 3, .width = 2176, .rows = 33, .format = FORMAT_F16},
    /* 420 blocks do not go into 26 parts, each of whole blocks. */
    {TAPE_MATMUL, .batch = 40, .width = 13440, .rows = 37, .format = FORMAT_Q8_0},
    {TAPE_MATMUL, .batch = 40, .width = 3, .rows = 37, .format = EACH, .one_sign = true},
    {TAPE_MATMUL, .batch = 40, .width = 6912, .rows = 37, .format = FORMAT_Q2_K, .one_sign = true},
    {TAPE_MATMUL, .batch = 40, .width = 6912, .rows = 37, .format = FORMAT_Q5_K, .one_sign = true},
    {TAPE_MATMUL, .batch = 2, .width = 6912, .rows = 37, .format = FORMAT_Q4_K, .one_sign = true},
    {TAPE_MATMUL, .batch = 1, .width = 6912, .rows = 37, .format = FORMAT_Q4_K, .one_sign = true},

    {TAPE_ADD, .batch = 1, .width = 1},
    {TAPE_ADD, .batch = 5, .width = 37},
    {TAPE_ADD, .batch = 33, .width = 1152},

    {TAPE_ROPE, .batch = 1, .heads = 1, .head_dim = 16, .dims = 16, .length = 1},
    {TAPE_ROPE, .batch = 5, .heads = 3, .head_dim = 64, .dims = 64, .length = 500},
    {TAPE_ROPE, .batch = 2, .heads = 2, .head_dim = 80, .dims = 32, .length = 4000, .scale = 1.25f},
    {TAPE_ROPE, .batch = 7, .heads = 8, .head_dim = 128, .dims = 128, .length = 131072},
    {TAPE_ROPE, .batch = 33, .heads = 4, .head_dim = 256, .dims = 256, .length = 40},
    {TAPE_ROPE, .batch = 3, .heads = 5, .head_dim = 6, .dims = 2, .length = 9},

    {TAPE_HEAD_NORM, .batch = 1, .heads = 1, .head_dim = 16},
    {TAPE_HEAD_NORM, .batch = 3, .heads = 14, .head_dim = 64},
    {TAPE_HEAD_NORM, .batch = 2, .heads = 3, .head_dim = 80, .minus_one = true},
    {TAPE_HEAD_NORM, .batch = 33, .heads = 8, .head_dim = 128},
    {TAPE_HEAD_NORM, .batch = 1, .heads = 4, .head_dim = 256, .minus_one = true},

    {TAPE_ATTEND, .batch = 1, .length = 1, .heads = 1, .kv_heads = 1, .head_dim = 16},
    {TAPE_ATTEND, .batch = 1, .length = 31, .heads = 4, .kv_heads = 1, .head_dim = 256, .f32 = true},
    {TAPE_ATTEND, .batch = 1, .length = 32, .heads = 14, .kv_heads = 2, .head_dim = 64},
    {TAPE_ATTEND, .batch = 1, .length = 33, .heads = 3, .kv_heads = 3, .head_dim = 80, .f32 = true},
    {TAPE_ATTEND, .batch = 1, .length = 513, .heads = 4, .kv_heads = 1, .head_dim = 256},
    {TAPE_ATTEND, .batch = 1, .length = 513, .heads = 8, .kv_heads = 2, .head_dim = 128, .window = 512, .f32 = true},
    {TAPE_ATTEND, .batch = 1, .length = 700, .heads = 2, .kv_heads = 1, .head_dim = 64, .window = 65},
    {TAPE_ATTEND, .batch = 33, .length = 33, .heads = 6, .kv_heads = 3, .head_dim = 64, .f32 = true},
    {TAPE_ATTEND, .batch = 33, .length = 130, .heads = 4, .kv_heads = 1, .head_dim = 80, .window = 32},
    {TAPE_ATTEND, .batch = 5, .length = 68, .heads = 2, .kv_heads = 2, .head_dim = 16, .window = 1},
    {TAPE_ATTEND, .batch = 7, .length = 513, .heads = 2, .kv_heads = 1, .head_dim = 16, .window = 512, .f32 = true},
    {TAPE_ATTEND, .batch = 100, .length = 300, .heads = 2, .kv_heads = 1, .head_dim = 32, .window = 64},
    {TAPE_ATTEND, .batch = 5, .length = 70, .heads = 4, .kv_heads = 2, .head_dim = 64, .sequences = 5},
    {TAPE_ATTEND, .batch = 9, .length = 200, .heads = 4, .kv_heads = 4, .head_dim = 16, .sequences = 3, .f32 = true},
    {TAPE_ATTEND, .batch = 8, .length = 90, .heads = 4, .kv_heads = 1, .head_dim = 128, .sequences = 2, .window = 33},
    {TAPE_ATTEND, .batch = 2, .length = 513, .heads = 4, .kv_heads = 1, .head_dim = 256, .scale = 4, .f32 = true},
    {TAPE_ATTEND, .batch = 40, .length = 600, .heads = 2, .kv_heads = 1, .head_dim = 256},
    {TAPE_ATTEND, .batch = 17, .length = 513, .heads = 2, .kv_heads = 2, .head_dim = 128, .scale = 4, .f32 = true},
    {TAPE_ATTEND, .batch = 70, .length = 520, .heads = 4, .kv_heads = 2, .head_dim = 64, .window = 33, .f32 = true},
    {TAPE_ATTEND, .batch = 130, .length = 200, .heads = 3, .kv_heads = 1, .head_dim = 48, .window = 100},
    {TAPE_ATTEND, .batch = 50, .length = 300, .heads = 4, .kv_heads = 2, .head_dim = 32, .sequences = 3, .run = 17},
    /* row 22 of the first sequence follows the position of row 21, which is of the second */
    {TAPE_ATTEND, .batch = 33, .length = 90, .heads = 2, .kv_heads = 1, .head_dim = 16, .sequences = 2, .run = 11},
    {TAPE_ATTEND, .batch = 19, .length = 100, .heads = 2, .kv_heads = 1, .head_dim = 32, .step = 3},
    {TAPE_ATTEND, .batch = 12, .length = 70, .heads = 2, .kv_heads = 1, .head_dim = 6, .f32 = true},

    {TAPE_GATE, .batch = 1, .width = 1, .act = TAPE_SILU},
    {TAPE_GATE, .batch = 5, .width = 37, .act = TAPE_SILU},
    {TAPE_GATE, .batch = 33, .width = 320, .act = TAPE_SILU},
    {TAPE_GATE, .batch = 5, .width = 37, .act = TAPE_GELU_TANH},
    {TAPE_GATE, .batch = 1, .width = 6912, .act = TAPE_GELU_TANH},
    {TAPE_GATE, .batch = 5, .width = 37, .act = TAPE_GELU},
    {TAPE_GATE, .batch = 3, .width = 1000, .act = TAPE_GELU},

    {TAPE_SELECT_ROWS, .batch = 9, .width = 37, .outputs = 4},
    {TAPE_SELECT_ROWS, .batch = 1, .width = 64, .outputs = 1},
    {TAPE_SELECT_ROWS, .batch = 6, .width = 1, .outputs = 6},

    {TAPE_ARGMAX, .batch = 1, .width = 1},
    {TAPE_ARGMAX, .batch = 5, .width = 37, .equal = true},
    {TAPE_ARGMAX, .batch = 2, .width = 4099, .equal = true},
    {TAPE_ARGMAX, .batch = 3, .width = 32003},
    {TAPE_ARGMAX, .batch = 1, .width = 262144},
    {TAPE_ARGMAX, .batch = 3, .width = 700, .odd = true},

    /* On every GPU these run top_k.comp without MEETS, with the driver's limits and in test_ops_es31: without a product
     * there are no phases, and nothing has to meet. With MEETS it runs in a MODEL of one row, in `fast`, where work
     * groups meet; on llvmpipe they do so only with GLINT_GLES_FUSE=2, which test_ops sets for those. */
    {TAPE_TOP_K, .batch = 1, .width = 1, .k = 1},
    {TAPE_TOP_K, .batch = 2, .width = 2, .k = 1},
    {TAPE_TOP_K, .batch = 3, .width = 63, .k = 63},
    {TAPE_TOP_K, .batch = 2, .width = 64, .k = 64, .equal = true},
    {TAPE_TOP_K, .batch = 3, .width = 65, .k = 64, .odd = true},
    {TAPE_TOP_K, .batch = 5, .width = 1000, .k = 40},
    {TAPE_TOP_K, .batch = 1, .width = 1024, .k = 64, .odd = true},
    {TAPE_TOP_K, .batch = 1, .width = 1025, .k = 2},
    {TAPE_TOP_K, .batch = 3, .width = 4097, .k = 64, .equal = true},
    {TAPE_TOP_K, .batch = 2, .width = 4097, .k = 64, .odd = true},
    {TAPE_TOP_K, .batch = 2, .width = 32003, .k = 64},
    {TAPE_TOP_K, .batch = 3, .width = 70001, .k = 64, .odd = true},
    {TAPE_TOP_K, .batch = 1, .width = 262147, .k = 64},

    {MODEL, .batch = 7, .length = 7, .format = FORMAT_F32},
    {MODEL, .batch = 1, .length = 1, .format = FORMAT_BF16},
    {MODEL, .batch = 9, .length = 70, .format = FORMAT_Q4_K, .sequences = 3},
    {MODEL, .batch = 40, .length = 90, .format = FORMAT_Q8_0, .f32 = true},
    {MODEL, .batch = 1, .length = 130, .format = FORMAT_Q4_0},
};
enum { SPECS = sizeof specs / sizeof *specs };

static int cases_of(const op_spec *s) {
    return s->format == EACH ? FORMAT_COUNT : 1;
}

static int count_listed(void) {
    int n = 0;
    for (int i = 0; i < SPECS; i++) n += cases_of(&specs[i]);
    return n;
}

/* Behind those of the list come as many of random shapes. Under a sanitizer there are fewer: each has a shader or two.
 */
int op_cases(void) {
#ifdef __SANITIZE_ADDRESS__
    enum { RANDOM = 8 };
#else
    enum { RANDOM = 40 };
#endif
    return count_listed() + RANDOM;
}

/* ---- Random parts ---- */

void *op_take(op_maker *m, size_t n, size_t size) {
    void *p = arena_array(&m->c->memory, n, size);
    CU_ASSERT_FATAL(p != NULL);
    return p;
}

float *op_random_floats(op_maker *m, size_t n, float size) {
    float *x = op_take(m, n, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = support_uniform(&m->random, -size, size);
    return x;
}

/* One past a multiple of 64 bytes where the case wants unaligned weights. */
static tape_weight add_weight(op_maker *m, const char *name, format_id f, int rows, int cols) {
    int head_dim = m->s.kind == TAPE_MATMUL ? m->s.head_dim : 0;
    tape_weight w = tape_add_weight(&m->c->tape, name, rows, cols, head_dim);
    backend_view *v = &m->c->views[w];
    *v = (backend_view){.name = "weight", .format = f, .rows = rows, .cols = cols, .head_dim = head_dim};
    v->rotary_adjacent = head_dim > 0;
    v->minus_one = m->s.minus_one;
    CU_ASSERT_FATAL(format_row_bytes(f, (uint64_t)cols, &v->row_bytes));
    unsigned char *data = op_take(m, (size_t)rows * v->row_bytes + 1, 1);
    v->data = data += m->s.unaligned;
    op_random_blocks(&m->random, f, data, (size_t)rows * (size_t)(cols / format_table[f].block_values));
    return w;
}

static tape_weight add_vector(op_maker *m, const char *name, int cols) {
    return add_weight(m, name, FORMAT_F32, 1, cols);
}

/* A value that the range takes as input: made by an embed op before it. */
static tape_value add_operand(op_maker *m, const char *name, int width, float size) {
    tape *t = &m->c->tape;
    tape_value v = tape_embed(t, name, tape_add_weight(t, "none", 1, width, 0), 1);
    m->c->operand[v] = op_random_floats(m, (size_t)m->s.batch * (size_t)width, size);
    m->c->setup.first_op = t->n_ops;
    return v;
}

/* ---- A builder a kind ---- */

static void make_embed(op_maker *m) {
    tape_weight w = add_weight(m, "table", (format_id)m->s.format, m->s.rows, m->s.width);
    tape_embed(&m->c->tape, "y", w, m->s.scale);
}

static void make_norm(op_maker *m) {
    tape_value x = add_operand(m, "x", m->s.width, 3);
    tape_norm(&m->c->tape, "y", x, add_vector(m, "w", m->s.width), 1e-6f);
}

static void make_head_norm(op_maker *m) {
    tape_value x = add_operand(m, "x", m->s.heads * m->s.head_dim, 3);
    tape_head_norm(&m->c->tape, "y", x, add_vector(m, "w", m->s.head_dim), m->s.head_dim, 1e-5f);
}

static void make_matmul(op_maker *m) {
    tape_value x = add_operand(m, "x", m->s.width, 2);
    float *numbers = (float *)m->c->operand[x];
    for (int i = 0; m->s.one_sign && i < m->s.batch * m->s.width; i++) numbers[i] = fabsf(numbers[i]);
    tape_weight w = add_weight(m, "w", (format_id)m->s.format, m->s.rows, m->s.width);
    tape_matmul(&m->c->tape, "y", x, w, m->s.bias ? add_vector(m, "bias", m->s.rows) : TAPE_NONE);
}

static void make_add(op_maker *m) {
    tape_value a = add_operand(m, "a", m->s.width, 3), b = add_operand(m, "b", m->s.width, 300);
    tape_add(&m->c->tape, "y", a, b);
}

static int add_rope(op_maker *m, int dims, double scale) {
    double freq[128];
    for (int i = 0; i < dims / 2; i++) freq[i] = pow(10000, -2.0 * i / dims);
    return tape_add_rope(&m->c->tape, dims, freq, scale);
}

static void make_rope(op_maker *m) {
    tape_value x = add_operand(m, "x", m->s.heads * m->s.head_dim, 3);
    tape_rope(&m->c->tape, "y", x, add_rope(m, m->s.dims, m->s.scale > 0 ? (double)m->s.scale : 1), m->s.head_dim);
}

static void make_attend(op_maker *m) {
    int width = m->s.kv_heads * m->s.head_dim;
    tape_value k = add_operand(m, "k", width, 2), v = add_operand(m, "v", width, 2);
    tape_value q = add_operand(m, "q", m->s.heads * m->s.head_dim, 2);
    int cache = tape_add_cache(&m->c->tape, m->s.window, m->s.kv_heads, m->s.head_dim);
    float scale = m->s.scale > 0 ? m->s.scale : (float)(1 / sqrt(m->s.head_dim));
    tape_cache_write(&m->c->tape, k, v, cache);
    tape_attend(&m->c->tape, "y", q, cache, scale);
}

static void make_gate(op_maker *m) {
    tape_value gate = add_operand(m, "gate", m->s.width, 8), up = add_operand(m, "up", m->s.width, 3);
    float *edges = (float *)m->c->operand[gate];
    for (int i = 0; i < m->s.width && i < 8; i++) edges[i] = (float[]){-100, 100, 0, -20, 20, -5, 1e-5f, -1e30f}[i];
    tape_gate(&m->c->tape, "y", gate, up, m->s.act);
}

static void make_select_rows(op_maker *m) {
    tape_select_rows(&m->c->tape, "y", add_operand(m, "x", m->s.width, 3));
}

/* What picks the largest has to get along with: equal numbers, and in half of the places what is not quite a number. */
static tape_value add_ranked(op_maker *m) {
    static const float odd[] = {NAN, -INFINITY, INFINITY, 0.0f, -0.0f, -NAN, 3e38f, -3.4028235e38f, 1e-40f, -1e-40f};
    tape_value x = add_operand(m, "x", m->s.width, 3);
    float *numbers = (float *)m->c->operand[x];
    for (int i = 0; i < m->s.batch * m->s.width; i++) {
        if (m->s.equal) numbers[i] = truncf(numbers[i]);
        if (m->s.odd && support_below(&m->random, 2))
            numbers[i] = odd[support_below(&m->random, (int)(sizeof odd / sizeof *odd))];
    }
    for (int i = 0; m->s.odd && m->s.batch > 1 && i < m->s.width; i++)
        numbers[i] = i % 3 ? NAN : -INFINITY; /* one row of nothing else */
    for (int i = 0; m->s.odd && m->s.batch > 2 && i < m->s.width; i++)
        numbers[m->s.width + i] = i % 2 ? 0.0f : -0.0f; /* and one of zeros */
    return x;
}

static void make_argmax(op_maker *m) {
    m->c->tape.argmax = tape_argmax(&m->c->tape, "y", add_ranked(m));
}

static void make_top_k(op_maker *m) {
    m->c->tape.top = tape_top_k(&m->c->tape, "y", add_ranked(m), m->s.k);
}

static tape_value model_matmul(op_maker *m, const char *name, tape_value x, int rows, int cols) {
    tape_value y =
        tape_matmul(&m->c->tape, name, x, add_weight(m, name, (format_id)m->s.format, rows, cols), TAPE_NONE);
    return y;
}

static void make_layer(op_maker *m, tape_value *h, int window, int kv_heads) {
    tape *t = &m->c->tape;
    int rope = add_rope(m, MODEL_HEAD_DIM, 1), cache = tape_add_cache(t, window, kv_heads, MODEL_HEAD_DIM);
    tape_value x = tape_norm(t, "attn.norm", *h, add_vector(m, "attn_norm", MODEL_WIDTH), 1e-6f);
    tape_value q = model_matmul(m, "attn.q", x, MODEL_HEADS * MODEL_HEAD_DIM, MODEL_WIDTH);
    tape_value k = model_matmul(m, "attn.k", x, kv_heads * MODEL_HEAD_DIM, MODEL_WIDTH);
    tape_value v = model_matmul(m, "attn.v", x, kv_heads * MODEL_HEAD_DIM, MODEL_WIDTH);
    q = tape_head_norm(t, "attn.q_norm", q, add_vector(m, "q_norm", MODEL_HEAD_DIM), MODEL_HEAD_DIM, 1e-6f);
    k = tape_head_norm(t, "attn.k_norm", k, add_vector(m, "k_norm", MODEL_HEAD_DIM), MODEL_HEAD_DIM, 1e-6f);
    q = tape_rope(t, "attn.q_rope", q, rope, MODEL_HEAD_DIM);
    k = tape_rope(t, "attn.k_rope", k, rope, MODEL_HEAD_DIM);
    tape_cache_write(t, k, v, cache);
    x = model_matmul(m, "attn.out", tape_attend(t, "attn.mix", q, cache, 0.125f), MODEL_WIDTH, MODEL_WIDTH);
    x = tape_norm(t, "attn.post_norm", x, add_vector(m, "post_norm", MODEL_WIDTH), 1e-6f);
    *h = tape_add(t, "mid", *h, x);
    x = tape_norm(t, "ffn.norm", *h, add_vector(m, "ffn_norm", MODEL_WIDTH), 1e-6f);
    tape_value gate = model_matmul(m, "ffn.gate", x, MODEL_FFN, MODEL_WIDTH);
    tape_value up = model_matmul(m, "ffn.up", x, MODEL_FFN, MODEL_WIDTH);
    x = model_matmul(m, "ffn.down", tape_gate(t, "ffn.act", gate, up, TAPE_SILU), MODEL_WIDTH, MODEL_FFN);
    *h = tape_add(t, "out", *h, x);
}

static void make_model(op_maker *m) {
    tape *t = &m->c->tape;
    tape_value h = tape_embed(t, "embed", add_weight(m, "embed", FORMAT_Q6_K, MODEL_VOCABULARY, MODEL_WIDTH), 4);
    for (int l = 0; l < 2; l++) {
        tape_set_layer(t, l);
        make_layer(m, &h, l ? 0 : 48, l ? 4 : 1);
    }
    tape_set_layer(t, TAPE_NONE);
    h = tape_norm(t, "norm", h, add_vector(m, "norm", MODEL_WIDTH), 1e-6f);
    t->logits = model_matmul(m, "logits", tape_select_rows(t, "last", h), MODEL_VOCABULARY, MODEL_WIDTH);
    t->top = tape_top_k(t, "top", t->logits, TAPE_MOST_TOP);
    t->argmax = tape_argmax(t, "argmax", t->logits);
}

static void (*const makers[])(op_maker *m) = {
    [TAPE_EMBED] = make_embed,   [TAPE_NORM] = make_norm,   [TAPE_MATMUL] = make_matmul,
    [TAPE_ADD] = make_add,       [TAPE_ROPE] = make_rope,   [TAPE_HEAD_NORM] = make_head_norm,
    [TAPE_ATTEND] = make_attend, [TAPE_GATE] = make_gate,   [TAPE_SELECT_ROWS] = make_select_rows,
    [TAPE_ARGMAX] = make_argmax, [TAPE_TOP_K] = make_top_k, [MODEL] = make_model,
};

/* ---- Opening ---- */

static void name_case(op_maker *m) {
    const op_spec *s = &m->s;
    snprintf(m->c->name, sizeof m->c->name,
             "%s %s batch %d width %d rows %d heads %d/%d x %d length %d window %d sequences %d run %d step %d%s%s%s%s",
             s->kind == MODEL ? "model" : tape_kinds[s->kind].name, format_table[s->format].name, s->batch, s->width,
             s->rows, s->heads, s->kv_heads, s->head_dim, s->length, s->window, s->sequences, s->run, s->step,
             s->f32 ? " f32" : "", s->minus_one ? " minus one" : "", s->bias ? " bias" : "",
             s->unaligned ? " unaligned" : "");
}

/* Of case i; `format` is one that only a row of cases of the list tells apart from the next, or FORMAT_COUNT. */
static op_spec spec_of(int i, support_random *r, format_id *format) {
    const op_spec *row = specs;
    *format = FORMAT_COUNT;
    if (i >= count_listed()) return op_draw(r);
    while (i >= cases_of(row)) i -= cases_of(row++);
    op_spec s = *row;
    if (s.format != EACH) return s;
    int block = format_table[i].block_values;
    *format = (format_id)i;
    s.format = i;
    s.width *= block < 32 ? 32 : block;
    return s;
}

op_where op_case_where(int i) {
    support_random r = support_seed((uint64_t)i);
    format_id format;
    return spec_of(i, &r, &format).where;
}

void op_case_open(op_case *c, int i) {
    op_maker m = {.c = c, .random = support_seed((uint64_t)i)};
    format_id format;
    m.s = spec_of(i, &m.random, &format);
    *c = (op_case){.format = format};
    tape_open(&c->tape);
    c->views = op_take(&m, 64, sizeof *c->views);
    c->operand = op_take(&m, 64, sizeof *c->operand);
    name_case(&m);
    makers[m.s.kind](&m);
    if (c->tape.failure) printf("\n    %s: %s\n", c->name, c->tape.error.message);
    CU_ASSERT_EQUAL_FATAL(c->tape.failure, GLINT_OK);
    c->setup.tape = &c->tape;
    c->setup.views = c->views;
    c->setup.n_ops = c->tape.n_ops - c->setup.first_op;
    op_make_rows(&m);
    op_make_tables(&m);
    for (int g = 0; g < c->tape.n_groups; g++) op_make_pages(&m, g);
}

void op_case_close(op_case *c) {
    tape_close(&c->tape);
    arena_free(&c->memory);
}
