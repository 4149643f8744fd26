/* The tape: a model as a straight list of operations over named values. Architectures write it, devices run it.
 *
 * A value is a matrix of float32 with a row for each token of the batch (or for each row that wants output) and a
 * width fixed when the tape is built. Values are written once. Row-major; row r begins at r * width. Ids are floats
 * too, exact because vocabularies stay under 2^24.
 *
 * Building: the tape_<op> functions append one op and return its result. The first mistake (a width that does not fit,
 * out of memory) is kept in t->failure and later calls do nothing, so that an architecture reads like its paper and
 * asks once, at the end. A finished tape is read-only and may be shared between threads. */
#ifndef CORE_TAPE_H
#define CORE_TAPE_H

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/status.h"

typedef int tape_value;  /* index into tape.values; TAPE_NONE: no such operand */
typedef int tape_weight; /* index into tape.weights; TAPE_NONE: no such operand */
enum { TAPE_NONE = -1, TAPE_PAGE = 64 /* positions in a cache page */, TAPE_MOST_TOP = 64 /* k of top_k */ };

typedef enum tape_kind {
    TAPE_EMBED,  /* out = scale * table[token] */
    TAPE_NORM,   /* out = x / sqrt(mean(x^2) + eps) * w                               (RMSNorm, arXiv 1910.07467) */
    TAPE_MATMUL, /* out[r][o] = sum_c w[o][c] x[r][c] (+ bias[o]) */
    TAPE_ADD,    /* out = a + b */
    TAPE_ROPE,   /* pairs (i, i + dims/2) of each head rotated by position * freq[i]     (RoFormer, arXiv 2104.09864) */
    TAPE_HEAD_NORM,   /* TAPE_NORM over each head by itself, one w of head_dim for all */
    TAPE_CACHE_WRITE, /* k, v of the row go to (sequence, position) of its cache; no result */
    TAPE_ATTEND,      /* softmax(scale q k^T) v over the cache: positions j <= i, and i - j < window */
    TAPE_GATE,        /* out = act(gate) * up                                                     (arXiv 2002.05202) */
    TAPE_SELECT_ROWS, /* the rows that want output, in batch order */
    TAPE_ARGMAX,      /* id of the largest, the smallest id where equal; NaN counts as -infinity; width 1 */
    TAPE_TOP_K,       /* the k largest, best first, in the same order: k ids, then k numbers; width 2 k */
    TAPE_KINDS
} tape_kind;

typedef enum tape_act { TAPE_SILU, TAPE_GELU_TANH, TAPE_GELU, TAPE_ACTS } tape_act;

/* How far two right devices may differ; docs/numerics.md gives the formula and the reason for each class. */
typedef enum tape_bound {
    TAPE_BOUND_SAME,
    TAPE_BOUND_ULP,
    TAPE_BOUND_DOT,
    TAPE_BOUND_NORM,
    TAPE_BOUND_SOFTMAX
} tape_bound;

/* Fields that a kind does not name are 0. */
typedef struct tape_params {
    float eps;    /* norm, head_norm */
    float scale;  /* embed: multiplier; attend: factor before the softmax */
    int heads;    /* rope, head_norm, attend: heads side by side in a row */
    int kv_heads; /* cache_write, attend */
    int head_dim; /* rope, head_norm, cache_write, attend; head h reads kv head h / (heads / kv_heads) */
    int rope;     /* rope: index into tape.ropes */
    int cache;    /* cache_write, attend: index into tape.caches */
    int k;        /* top_k: 1 .. TAPE_MOST_TOP, at most the operand's width */
    tape_act act; /* gate */
} tape_params;

typedef struct tape_op {
    tape_kind kind;
    int layer; /* TAPE_NONE: before or after the blocks */
    tape_value in[2];
    tape_value out;        /* TAPE_NONE for cache_write */
    tape_weight weight[2]; /* matmul: weight, bias; embed, norms: weight */
    tape_params p;
} tape_op;

typedef struct tape_value_info {
    const char *name; /* "layers.5.attn.q" */
    int width;
    int layer;
    int op;       /* the op that writes it */
    bool outputs; /* a row for each output row only */
} tape_value_info;

typedef struct tape_weight_info {
    const char *name; /* canonical: "layers.5.attn_q" */
    int rows, cols;   /* a vector is one row */
    int head_dim;     /* of q and k weights, for files that order their rows otherwise; else 0 */
} tape_weight_info;

/* Angles of position p: p * freq[i], computed in double, rounded once; cos and sin are multiplied by `scale`. */
typedef struct tape_rope_info {
    int dims;           /* the first dims of each head are rotated, in pairs (i, i + dims / 2) */
    const double *freq; /* dims / 2 */
    double scale;
} tape_rope_info;

/* The keys and values of one layer live in a cache; caches that forget alike share a group and its page tables. */
typedef struct tape_cache_info {
    int group, slot; /* its place among the caches of its group */
    int layer;
    int kv_heads, head_dim;
} tape_cache_info;

typedef struct tape_group_info {
    int window; /* 0: nothing is forgotten */
    int caches;
} tape_group_info;

enum { TAPE_MAX_GROUPS = 4, TAPE_MAX_ROPES = 4 };

typedef struct tape {
    tape_op *ops;
    tape_value_info *values;
    tape_weight_info *weights;
    tape_cache_info *caches;
    tape_rope_info ropes[TAPE_MAX_ROPES];
    tape_group_info groups[TAPE_MAX_GROUPS];
    int n_ops, n_values, n_weights, n_caches, n_ropes, n_groups;
    int layers, vocabulary;
    tape_value logits, argmax, top; /* what a session reads */
    glint_status failure;
    glint_error error; /* words for `failure` */
    int layer;         /* building: the layer of the next ops */
    int room[4];       /* building: capacities of ops, values, weights, caches */
    arena memory;
} tape;

/* One row a kind. */
typedef struct tape_cost {
    double bytes; /* weights and cache read */
    double flops;
} tape_cost;

typedef struct tape_kind_info {
    const char *name;      /* "matmul" */
    int operands, weights; /* weights: the most it may have */
    tape_bound bound;
    /* Work of one op over `rows` rows that each see `context` cached positions. Weight bytes as float32; the caller
     * scales by the real format. */
    tape_cost (*cost)(const tape *t, const tape_op *op, double rows, double context);
} tape_kind_info;

extern const tape_kind_info tape_kinds[TAPE_KINDS];
extern const char *const tape_act_names[TAPE_ACTS]; /* as Hugging Face says: "silu", "gelu_pytorch_tanh", "gelu" */

/* ---- Building ---- */

void tape_open(tape *t); /* makes *t an empty tape */
void tape_close(tape *t);
/* Keeps the first mistake; the words are for the user. */
void tape_fail(tape *t, glint_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Ops and values that follow belong to this layer: a name "attn.q" becomes "layers.5.attn.q". TAPE_NONE: to none. */
void tape_set_layer(tape *t, int layer);

tape_weight tape_add_weight(tape *t, const char *canonical, int rows, int cols, int head_dim);
int tape_add_rope(tape *t, int dims, const double *freq, double scale); /* freq is copied */
/* A cache for the present layer. Equal windows share a group. */
int tape_add_cache(tape *t, int window, int kv_heads, int head_dim);

tape_value tape_embed(tape *t, const char *name, tape_weight table, float scale);
tape_value tape_norm(tape *t, const char *name, tape_value x, tape_weight w, float eps);
tape_value tape_matmul(tape *t, const char *name, tape_value x, tape_weight w, tape_weight bias);
tape_value tape_add(tape *t, const char *name, tape_value a, tape_value b);
tape_value tape_rope(tape *t, const char *name, tape_value x, int rope, int head_dim);
tape_value tape_head_norm(tape *t, const char *name, tape_value x, tape_weight w, int head_dim, float eps);
void tape_cache_write(tape *t, tape_value k, tape_value v, int cache);
tape_value tape_attend(tape *t, const char *name, tape_value q, int cache, float scale);
tape_value tape_gate(tape *t, const char *name, tape_value gate, tape_value up, tape_act act);
tape_value tape_select_rows(tape *t, const char *name, tape_value x);
tape_value tape_argmax(tape *t, const char *name, tape_value x);
tape_value tape_top_k(tape *t, const char *name, tape_value x, int k);

/* ---- Asking ---- */

tape_value tape_find(const tape *t, const char *name); /* TAPE_NONE: no such value */
int tape_window(const tape *t, const tape_op *op);     /* of an attend op; 0: none */
/* Values made before op `first` that ops of [first, first + n) read, and values made inside that are read after it,
 * in tape order. `out` has room for t->n_values; returns how many. */
int tape_inputs(const tape *t, int first, int n, tape_value *out);
int tape_outputs(const tape *t, int first, int n, tape_value *out);

/* ---- Memory of a range ---- */

typedef struct tape_plan {
    size_t *offset;     /* by value: its first byte in the scratch, SIZE_MAX where it has no place */
    size_t total_bytes; /* of the scratch */
} tape_plan;

/* Gives every value of ops [first, first + n), and every input of it, a place in one scratch buffer; places are used
 * again once the last reader's group is over. group_of[i] is the group of op first + i (rising; NULL: an op a group).
 * keep[v] true: the place of value v is its own to the end. row_values(v) rows of width(v) floats are counted as
 * rows, or outs for values of output rows; rows are padded to `row_align` bytes, places to `align` bytes (powers of
 * two). Memory comes from `a`. */
glint_status tape_plan_memory(const tape *t, int first, int n, const int *group_of, const bool *keep, int rows,
                              int outs, size_t row_align, size_t align, arena *a, tape_plan *out, glint_error *err);

#endif
