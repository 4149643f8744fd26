/* Inside the case list: what a case is made from. op_cases.c has the list and the tapes, op_batch.c the rows, page
 * tables and pages. */
#ifndef TESTS_SUPPORT_OP_MAKER_H
#define TESTS_SUPPORT_OP_MAKER_H

#include "tests/support/op_cases.h"

enum { EACH = FORMAT_COUNT, MODEL = TAPE_KINDS };

/* One case, or one for each format. Fields that a kind does not name are 0. */
typedef struct op_spec {
    int kind;       /* tape_kind, or MODEL: two whole layers and a head */
    int batch;      /* rows */
    int width;      /* of the operand; matmul, embed: blocks of at least 32 columns where format is EACH */
    int rows;       /* matmul, embed: of the weight */
    int format;     /* matmul, embed, MODEL; EACH: all of them */
    int heads;      /* rope, head_norm, attend */
    int kv_heads;   /* attend */
    int head_dim;   /* rope, head_norm, attend; matmul: weight and bias have rows in adjacent rotary order */
    int dims;       /* rope */
    int length;     /* attend: positions of the first sequence after the batch; rope: the last position */
    int window;     /* attend */
    int sequences;  /* attend; 0: 1 */
    int run;        /* attend: rows of a sequence that follow one another before the next one's turn; 0: 1 */
    int step;       /* attend: positions from row to row of a sequence; 0: 1 */
    float scale;    /* embed, attend */
    tape_act act;   /* gate */
    int outputs;    /* select_rows */
    bool f32;       /* attend: the cache's type */
    bool minus_one; /* norms */
    bool bias;      /* matmul */
    bool one_sign;  /* matmul: no operand is negative */
    bool unaligned; /* weights begin at an odd address */
    op_where where; /* matmul: enough for the large tiles of GPUs, and too much for others */
    int k;          /* top_k */
    bool equal;     /* argmax, top_k: a few different numbers only */
    bool odd;       /* argmax, top_k: NaN, infinities and both zeros among the numbers */
} op_spec;

enum { MODEL_WIDTH = 256, MODEL_HEADS = 4, MODEL_HEAD_DIM = 64, MODEL_FFN = 512, MODEL_VOCABULARY = 301 };

typedef struct op_maker {
    op_case *c;
    op_spec s;
    support_random random;
    int positions[8]; /* by sequence: length after the batch */
} op_maker;

/* A case that the list does not have (op_random.c). */
op_spec op_draw(support_random *r);

/* Room in the case's memory. */
void *op_take(op_maker *m, size_t n, size_t size);
float *op_random_floats(op_maker *m, size_t n, float size);

/* Fill in the case's batch, its page tables and the content of its pages; in this order, after the tape. */
void op_make_rows(op_maker *m);
void op_make_tables(op_maker *m);
void op_make_pages(op_maker *m, int group);

#endif
