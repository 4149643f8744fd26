/* Cases of random shapes: sizes at edges more often than not, for what nobody thought of. */
#include <math.h>

#include "tests/support/op_maker.h"

/* Multiply-adds of a case: a fraction of a second for a software renderer. */
static const double MOST_WORK = 3e7;

/* 1 to `most`: every other one a power of two or beside one, the others of any magnitude. */
static int draw_size(support_random *r, int most) {
    int n = support_below(r, 2) ? (1 << support_below(r, 15)) + support_below(r, 3) - 1
                                : (int)expf(support_uniform(r, 0, logf((float)most)));
    return n < 1 ? 1 : n > most ? most : n;
}

static bool draw_bool(support_random *r) {
    return support_below(r, 4) == 0;
}

static int draw_head_dim(support_random *r) {
    static const int sizes[] = {6, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 256};
    return sizes[support_below(r, sizeof sizes / sizeof *sizes)];
}

static op_spec draw_matmul(support_random *r) {
    op_spec s = {TAPE_MATMUL, .format = support_below(r, FORMAT_COUNT)};
    int block = format_table[s.format].block_values;
    do {
        s.width = (draw_size(r, 20000) + block - 1) / block * block;
        s.rows = draw_size(r, 5000);
        s.batch = draw_size(r, 300);
    } while ((double)s.width * s.rows * s.batch > MOST_WORK || (double)s.width * s.rows > MOST_WORK / 4);
    s.bias = draw_bool(r);
    s.unaligned = draw_bool(r);
    s.one_sign = draw_bool(r);
    return s;
}

static op_spec draw_attend(support_random *r) {
    op_spec s = {TAPE_ATTEND, .kv_heads = 1 + support_below(r, 4), .head_dim = draw_head_dim(r), .f32 = draw_bool(r)};
    s.heads = s.kv_heads * (1 + support_below(r, 8));
    do {
        s.batch = support_below(r, 2) ? 1 : draw_size(r, 130);
        s.length = s.batch + draw_size(r, 3000) - 1;
    } while ((double)s.heads * s.head_dim * s.length * s.batch > MOST_WORK);
    s.window = support_below(r, 2) ? draw_size(r, 600) : 0;
    s.sequences = draw_bool(r) && s.batch > 5 ? 2 + support_below(r, 4) : 0;
    s.run = draw_bool(r) ? draw_size(r, 20) : 0;
    return s;
}

static op_spec draw_choice(support_random *r) {
    op_spec s = {support_below(r, 2) ? TAPE_TOP_K : TAPE_ARGMAX, .batch = 1 + support_below(r, 4)};
    s.width = draw_size(r, 300000);
    s.k = 1 + support_below(r, s.width < TAPE_MOST_TOP ? s.width : TAPE_MOST_TOP);
    s.equal = draw_bool(r);
    s.odd = draw_bool(r);
    return s;
}

static op_spec draw_heads(support_random *r) {
    op_spec s = {support_below(r, 2) ? TAPE_ROPE : TAPE_HEAD_NORM, .batch = draw_size(r, 130)};
    s.heads = 1 + support_below(r, 20);
    s.head_dim = draw_head_dim(r);
    s.dims = draw_bool(r) ? 2 : s.head_dim;
    s.length = s.batch + draw_size(r, 10000);
    s.minus_one = draw_bool(r);
    return s;
}

static op_spec draw_rows(support_random *r) {
    static const int kinds[] = {TAPE_NORM, TAPE_ADD, TAPE_GATE};
    static const tape_act acts[] = {TAPE_SILU, TAPE_GELU_TANH, TAPE_GELU};
    op_spec s = {kinds[support_below(r, 3)], .batch = draw_size(r, 130), .width = draw_size(r, 8000)};
    s.act = acts[support_below(r, 3)];
    s.minus_one = draw_bool(r);
    return s;
}

op_spec op_draw(support_random *r) {
    static op_spec (*const draws[])(support_random * r) = {draw_matmul, draw_matmul, draw_matmul,
                                                           draw_matmul, draw_attend, draw_attend,
                                                           draw_choice, draw_heads,  draw_rows};
    return draws[support_below(r, sizeof draws / sizeof *draws)](r);
}
