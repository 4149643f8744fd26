/* The oracle itself, against answers worked out by hand: it judges every other device, so it may not judge itself. */
#include <math.h>
#include <string.h>

#include "core/instruments/rig.h"
#include "tests/support/support.h"

enum { ROWS = 4, POSITIONS = 2 * TAPE_PAGE };

/* One tape on cpu:ref. The operands are made by embed ops that are left out of the range. */
typedef struct bench {
    tape t;
    backend_view views[16];
    int first_op;
    int32_t token[ROWS], position[ROWS], sequence[ROWS], output[ROWS];
    int n_rows, n_outputs;
    bool cache_f32;
    const float *operand[16]; /* by value */
} bench;

static void bench_open(bench *b, int rows) {
    *b = (bench){.n_rows = rows, .n_outputs = rows, .cache_f32 = true};
    tape_open(&b->t);
    for (int r = 0; r < ROWS; r++) b->output[r] = b->position[r] = r;
}

/* A float32 weight; numbers are borrowed. */
static tape_weight weight(bench *b, const float *numbers, int rows, int cols) {
    tape_weight w = tape_add_weight(&b->t, "w", rows, cols, 0);
    b->views[w] = (backend_view){.name = "w",
                                 .format = FORMAT_F32,
                                 .data = numbers,
                                 .row_bytes = (size_t)cols * sizeof(float),
                                 .rows = rows,
                                 .cols = cols};
    return w;
}

/* Before every op that is tested. */
static tape_value operand(bench *b, const float *numbers, int width) {
    tape_value v = tape_embed(&b->t, "x", tape_add_weight(&b->t, "none", 1, width, 0), 1);
    b->operand[v] = numbers;
    b->first_op = b->t.n_ops;
    return v;
}

static void write_operands(bench *b, rig *g) {
    glint_error err;
    for (int v = 0; v < b->t.n_values; v++)
        if (b->operand[v]) SUPPORT_OK(g->backend->write(g->program, v, 0, b->n_rows, b->operand[v], &err), &err);
}

/* Runs the tape and asserts the rows of `result`, to half a unit of the seventh digit. */
static void expect(bench *b, tape_value result, int rows, const float *want) {
    static const int32_t table[] = {3, 1, 0, 2}; /* two sequences of two pages */
    glint_error err = {""};
    rig g;
    backend_ticket ticket;
    float got[64] = {0};
    if (b->t.failure) printf("\n    %s\n", b->t.error.message);
    CU_ASSERT_EQUAL_FATAL(b->t.failure, GLINT_OK);
    rig_setup setup = {.tape = &b->t,
                       .first_op = b->first_op,
                       .n_ops = b->t.n_ops - b->first_op,
                       .views = b->views,
                       .max_rows = ROWS,
                       .max_outputs = ROWS,
                       .pages = 4,
                       .slots = 2,
                       .cache_f32 = b->cache_f32};
    backend_batch batch = {b->n_rows, b->n_outputs, b->token, b->position, b->sequence, b->output, {{table, 2}}};
    SUPPORT_OK(rig_open(&g, "cpu:ref", &(backend_options){0}, &setup, &err), &err);
    write_operands(b, &g);
    SUPPORT_OK(g.backend->step(g.program, &batch, &ticket, &err), &err);
    SUPPORT_OK(g.backend->read(g.program, ticket, result, 0, rows, got, &err), &err);
    for (int i = 0; i < rows * b->t.values[result].width; i++) {
        if (!(fabs((double)got[i] - want[i]) <= 6e-8 * fmax(1, fabs((double)want[i]))))
            printf("\n    number %d is %.9g, not %.9g\n", i, (double)got[i], (double)want[i]);
        CU_ASSERT(fabs((double)got[i] - want[i]) <= 6e-8 * fmax(1, fabs((double)want[i])));
    }
    rig_close(&g);
    tape_close(&b->t);
}

static void embeds(void) {
    bench b;
    bench_open(&b, 2);
    b.token[0] = 2;
    b.token[1] = 0;
    tape_weight table = weight(&b, (float[]){1, 2, 3, 4, 5, -6}, 3, 2);
    expect(&b, tape_embed(&b.t, "y", table, 2), 2, (float[]){10, -12, 2, 4});
}

static void norms_rows(void) {
    bench b;
    bench_open(&b, 2);
    tape_value x = operand(&b, (float[]){3, 4, 0, 0}, 2); /* mean of squares 12.5 */
    tape_weight w = weight(&b, (float[]){1, 2}, 1, 2);
    expect(&b, tape_norm(&b.t, "y", x, w, 12.5f), 2, (float[]){0.6f, 1.6f, 0, 0});
}

static void adds_one_to_norms_stored_minus_one(void) {
    bench b;
    bench_open(&b, 1);
    tape_value x = operand(&b, (float[]){3, 4}, 2);
    tape_weight w = weight(&b, (float[]){0, 1}, 1, 2);
    b.views[w].minus_one = true;
    expect(&b, tape_norm(&b.t, "y", x, w, 12.5f), 1, (float[]){0.6f, 1.6f});
}

static void norms_heads(void) {
    bench b;
    bench_open(&b, 1);
    tape_value x = operand(&b, (float[]){1, 7, -3, 3}, 4); /* means of squares 25 and 9 */
    tape_weight w = weight(&b, (float[]){1, 2}, 1, 2);
    expect(&b, tape_head_norm(&b.t, "y", x, w, 2, 0), 1, (float[]){0.2f, 2.8f, -1, 2});
}

static void multiplies(void) {
    bench b;
    bench_open(&b, 2);
    tape_value x = operand(&b, (float[]){1, -1, 2, 0.5f}, 2);
    tape_weight w = weight(&b, (float[]){1, 2, 3, 4, 5, 6}, 3, 2), bias = weight(&b, (float[]){10, 20, 30}, 1, 3);
    expect(&b, tape_matmul(&b.t, "y", x, w, bias), 2, (float[]){9, 19, 29, 13, 28, 43});
}

/* File rows 0 1 2 3 of a head of four are rows 0 2 1 3: even ones are its first half. */
static void reorders_adjacent_rows(void) {
    bench b;
    bench_open(&b, 1);
    tape_value x = operand(&b, (float[]){1}, 1);
    tape_weight w = weight(&b, (float[]){1, 2, 3, 4, 5, 6, 7, 8}, 8, 1);
    tape_weight bias = weight(&b, (float[]){10, 20, 30, 40, 50, 60, 70, 80}, 1, 8);
    for (tape_weight i = w; i <= bias; i++) {
        b.views[i].rotary_adjacent = true;
        b.views[i].head_dim = 4;
    }
    expect(&b, tape_matmul(&b.t, "y", x, w, bias), 1, (float[]){11, 33, 22, 44, 55, 77, 66, 88});
}

static void adds(void) {
    bench b;
    bench_open(&b, 1);
    tape_value x = operand(&b, (float[]){1, 2}, 2), y = operand(&b, (float[]){0.5f, -2}, 2);
    expect(&b, tape_add(&b.t, "y", x, y), 1, (float[]){1.5f, 0});
}

/* Quarter and half turns: (a, b) becomes (-b, a) and (-a, -b). Position 0 turns nothing. */
static void rotates(void) {
    bench b;
    bench_open(&b, 2);
    tape_value x = operand(&b, (float[]){1, 2, 3, 4, 1, 2, 3, 4}, 4);
    int rope = tape_add_rope(&b.t, 4, (double[]){M_PI / 2, M_PI}, 1);
    expect(&b, tape_rope(&b.t, "y", x, rope, 4), 2, (float[]){1, 2, 3, 4, -3, -2, 1, -4});
}

/* Two of three dimensions, three quarter turns, both parts doubled. */
static void rotates_a_part_of_the_head(void) {
    bench b;
    bench_open(&b, 1);
    b.position[0] = 3;
    tape_value x = operand(&b, (float[]){1, 2, 5, 3, 4, 6}, 6);
    int rope = tape_add_rope(&b.t, 2, (double[]){M_PI / 2}, 2);
    expect(&b, tape_rope(&b.t, "y", x, rope, 3), 1, (float[]){4, -2, 5, 8, -6, 6});
}

/* Scores 0 and ln 3: weights 1/4 and 3/4. The first position sees itself only. */
static void attends(void) {
    static const float k[] = {0, 0, 1, 0}, v[] = {4, 8, 0, 16};
    bench b;
    bench_open(&b, 2);
    tape_value key = operand(&b, k, 2), value = operand(&b, v, 2);
    tape_value q = operand(&b, (float[]){7, 7, 2 * 1.0986122887f, 5}, 2);
    int cache = tape_add_cache(&b.t, 0, 1, 2);
    tape_cache_write(&b.t, key, value, cache);
    expect(&b, tape_attend(&b.t, "y", q, cache, 0.5f), 2, (float[]){4, 8, 1, 14});
}

/* Four heads on two: 0 and 1 read the first, 2 and 3 the second. Sequences keep their own pages; a position of the
 * second page is attended to by the row after it, with equal weights where q is 0. */
static void shares_heads_and_separates_sequences(void) {
    static const float k[8] = {0}, v[] = {1, 10, 3, 30, 2, 20, 4, 40};
    bench b;
    bench_open(&b, 4);
    memcpy(b.position, (int32_t[]){0, 0, 1, 1}, sizeof b.position);
    memcpy(b.sequence, (int32_t[]){0, 1, 0, 1}, sizeof b.sequence);
    tape_value key = operand(&b, k, 2), value = operand(&b, v, 2);
    tape_value q = operand(&b, (float[16]){0}, 4);
    int cache = tape_add_cache(&b.t, 0, 2, 1);
    tape_cache_write(&b.t, key, value, cache);
    expect(&b, tape_attend(&b.t, "y", q, cache, 1), 4,
           (float[]){1, 1, 10, 10, 3, 3, 30, 30, 1.5f, 1.5f, 15, 15, 3.5f, 3.5f, 35, 35});
}

/* A window of two: itself and the one before. Slots are used in a ring: position 128 lies where 0 did. */
static void forgets_behind_the_window(void) {
    static const float k[4] = {0}, v[] = {1, 2, 4, 8};
    bench b;
    bench_open(&b, 4);
    for (int r = 0; r < 4; r++) b.position[r] = POSITIONS - 2 + r;
    tape_value key = operand(&b, k, 1), value = operand(&b, v, 1), q = operand(&b, k, 1);
    int cache = tape_add_cache(&b.t, 2, 1, 1);
    tape_cache_write(&b.t, key, value, cache);
    tape_value y = tape_attend(&b.t, "y", q, cache, 1);
    expect(&b, tape_select_rows(&b.t, "z", y), 4, (float[]){0.5f, 1.5f, 3, 6}); /* the first sees a zero before it */
}

/* Positions 0 and 64 have the same place in different pages; the 63 between them hold zeros. */
static void finds_pages(void) {
    bench b;
    bench_open(&b, 2);
    b.position[1] = TAPE_PAGE;
    tape_value key = operand(&b, (float[]){0, 0}, 1), value = operand(&b, (float[]){65, 130}, 1);
    int cache = tape_add_cache(&b.t, 0, 1, 1);
    tape_cache_write(&b.t, key, value, cache);
    expect(&b, tape_attend(&b.t, "y", key, cache, 1), 2, (float[]){65, 3});
}

static void keeps_halves(void) {
    bench b;
    bench_open(&b, 1);
    b.cache_f32 = false;
    tape_value x = operand(&b, (float[]){1.0f / 3}, 1);
    int cache = tape_add_cache(&b.t, 0, 1, 1);
    tape_cache_write(&b.t, x, x, cache);
    expect(&b, tape_attend(&b.t, "y", x, cache, 1), 1, (float[]){0.333251953125f});
}

static void gates(void) {
    static const float want[TAPE_ACTS][3] = {
        [TAPE_SILU] = {2 * 0.7310585786f, -0.2384058440f, 0},
        [TAPE_GELU_TANH] = {2 * 0.8411919906f, -0.0454023060f, 0},
        [TAPE_GELU] = {2 * 0.8413447461f, -0.0455002639f, 0},
    };
    for (tape_act act = 0; act < TAPE_ACTS; act++) {
        bench b;
        bench_open(&b, 1);
        tape_value g = operand(&b, (float[]){1, -2, 0}, 3), up = operand(&b, (float[]){2, 1, 5}, 3);
        expect(&b, tape_gate(&b.t, "y", g, up, act), 1, want[act]);
    }
}

static void selects_and_picks(void) {
    static const float x[] = {1, 3, 3, 9, 9, 9, -5, -2, -3, -4, -7, -6};
    bench b;
    bench_open(&b, 4);
    b.n_outputs = 3;
    memcpy(b.output, (int32_t[]){0, 2, 3}, 3 * sizeof *b.output);
    tape_value v = operand(&b, x, 3);
    tape_value rows = tape_select_rows(&b.t, "y", v);
    expect(&b, tape_argmax(&b.t, "z", rows), 3, (float[]){1, 1, 0});
    bench_open(&b, 4);
    b.n_outputs = 2;
    memcpy(b.output, (int32_t[]){1, 3}, 2 * sizeof *b.output);
    v = operand(&b, x, 3);
    expect(&b, tape_select_rows(&b.t, "y", v), 2, (float[]){9, 9, 9, -4, -7, -6});
}

int main(void) {
    static const support_case cases[] = {
        {"embeds", embeds},
        {"norms rows", norms_rows},
        {"adds one to norms stored minus one", adds_one_to_norms_stored_minus_one},
        {"norms heads", norms_heads},
        {"multiplies", multiplies},
        {"reorders adjacent rows", reorders_adjacent_rows},
        {"adds", adds},
        {"rotates", rotates},
        {"rotates a part of the head", rotates_a_part_of_the_head},
        {"attends", attends},
        {"shares heads and separates sequences", shares_heads_and_separates_sequences},
        {"forgets behind the window", forgets_behind_the_window},
        {"finds pages", finds_pages},
        {"keeps halves", keeps_halves},
        {"gates", gates},
        {"selects and picks", selects_and_picks},
    };
    return support_main("ref", cases, sizeof cases / sizeof *cases);
}
