/* Which ops run as one group, and the commands of a group. Decoding one row in `fast` is fused into five groups a
 * layer:
 *
 *   [post norm, add,] norm, q, k, v  |  q and k norms, ropes, cache write, attention  |  output
 *   [post norm,] add, norm, gate, up, activation  |  down
 *
 * Everything else, and `exact` (where the order of a sum must not depend on the number of rows), runs op by op. */
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"

/* ---- Finding groups: how many ops from op i on are one ---- */

static const tape_op *op_at(const backend_program *p, int i) { /* i counts from the range's first op */
    return i >= 0 && i < p->request.n_ops ? &p->request.tape->ops[p->request.first_op + i] : NULL;
}

static bool is_kind(const backend_program *p, int i, tape_kind kind) {
    const tape_op *op = op_at(p, i);
    return op && op->kind == kind;
}

static const backend_weight *weight_of(const backend_program *p, const tape_op *op, int i) {
    return op->weight[i] < 0 ? NULL : p->request.weights[op->weight[i]];
}

/* [norm, add,] or [add,] norm in front of matrix products: ops before the first product; 0: none. */
typedef struct front {
    int post, add, norm; /* ops of the range; GLES_NONE where there is none */
    int ops;
} front;

static bool fits(const backend_program *p, const tape_op *norm) {
    uint32_t blocks = gles_blocks(p->request.tape->values[norm->out].width);
    return gles_chunk(p->device, blocks) == blocks;
}

static front find_front(const backend_program *p, int i) {
    front f = {GLES_NONE, GLES_NONE, GLES_NONE, 0};
    int at = i;
    if (is_kind(p, at, TAPE_NORM) && is_kind(p, at + 1, TAPE_ADD) && op_at(p, at + 1)->in[1] == op_at(p, at)->out)
        f.post = at++;
    if (is_kind(p, at, TAPE_ADD)) f.add = at++;
    if (!is_kind(p, at, TAPE_NORM) || !is_kind(p, at + 1, TAPE_MATMUL)) return (front){.ops = 0};
    const tape_op *norm = op_at(p, at), *product = op_at(p, at + 1);
    if (product->in[0] != norm->out || !fits(p, norm)) return (front){.ops = 0};
    if (f.add >= 0 && norm->in[0] != op_at(p, f.add)->out) return (front){.ops = 0};
    f.norm = at++;
    f.ops = at - i;
    return f;
}

/* Products of the same x from op i on. */
static int count_products(const backend_program *p, int i, tape_value x) {
    int n = 0;
    while (is_kind(p, i + n, TAPE_MATMUL) && op_at(p, i + n)->in[0] == x) n++;
    return n;
}

/* Is op i the gate over the two products before it, which lie alike and nobody else reads? */
static bool is_gated_pair(const backend_program *p, int first, int n) {
    if (n != 2 || !is_kind(p, first + 2, TAPE_GATE)) return false;
    const tape_op *a = op_at(p, first), *b = op_at(p, first + 1), *g = op_at(p, first + 2);
    const backend_weight *wa = weight_of(p, a, 0), *wb = weight_of(p, b, 0);
    return g->in[0] == a->out && g->in[1] == b->out && !p->kept[a->out] && !p->kept[b->out] && a->weight[1] < 0 &&
           b->weight[1] < 0 && wa->layout == wb->layout && wa->n_slices == 1 && wb->n_slices == 1 &&
           wa->slices[0].arena == wb->slices[0].arena;
}

static int products_group(const backend_program *p, int i) {
    front f = find_front(p, i);
    if (!f.ops) return 0;
    int n = count_products(p, i + f.ops, op_at(p, f.norm)->out);
    return f.ops + n + is_gated_pair(p, i + f.ops, n);
}

/* [q norm, k norm,] q rope, k rope, cache write, attention. */
typedef struct attention {
    const tape_op *q_norm, *k_norm, *q_rope, *k_rope, *write, *attend;
    int ops;
} attention;

static attention find_attention(const backend_program *p, int i) {
    attention a = {0};
    int at = i;
    if (is_kind(p, at, TAPE_HEAD_NORM) && is_kind(p, at + 1, TAPE_HEAD_NORM)) {
        a.q_norm = op_at(p, at++);
        a.k_norm = op_at(p, at++);
    }
    static const tape_kind rest[] = {TAPE_ROPE, TAPE_ROPE, TAPE_CACHE_WRITE, TAPE_ATTEND};
    for (int j = 0; j < 4; j++)
        if (!is_kind(p, at + j, rest[j])) return (attention){0};
    a.q_rope = op_at(p, at);
    a.k_rope = op_at(p, at + 1);
    a.write = op_at(p, at + 2);
    a.attend = op_at(p, at + 3);
    bool chained = a.write->in[0] == a.k_rope->out && a.attend->in[0] == a.q_rope->out &&
                   a.write->p.cache == a.attend->p.cache && a.q_rope->p.rope == a.k_rope->p.rope &&
                   (!a.q_norm || (a.q_rope->in[0] == a.q_norm->out && a.k_rope->in[0] == a.k_norm->out));
    const tape_op *inside[] = {a.q_norm, a.k_norm, a.q_rope, a.k_rope};
    for (int j = 0; j < 4; j++) chained &= !inside[j] || !p->kept[inside[j]->out];
    int pairs = a.attend->p.head_dim / 2;
    if (!chained || a.attend->p.head_dim % 2 || pairs > p->device->attend_threads) return (attention){0};
    a.ops = at + 4 - i;
    return a;
}

static bool fuses(const backend_program *p) {
    const char *mask = getenv("GLINT_GLES_FUSE");
    return p->request.max_rows == 1 && p->device->options.precision == GLINT_FAST && !(mask && !strcmp(mask, "0"));
}

void gles_choose_groups(const backend_program *p, int *group_of) {
    bool fused = fuses(p);
    for (int i = 0, n, group = 0; i < p->request.n_ops; i += n, group++) {
        n = fused ? products_group(p, i) : 0;
        if (!n && fused) n = find_attention(p, i).ops;
        if (!n) n = 1;
        for (int j = 0; j < n; j++) group_of[i + j] = group;
    }
}

/* ---- Commands of the products ---- */

static void front_params(const backend_program *p, const front *f, gles_params *q) {
    const tape_op *norm = op_at(p, f->norm);
    q->norm = (uint32_t)weight_of(p, norm, 0)->vector;
    q->eps = norm->p.eps;
    q->in0 = p->offset[norm->in[0]];
    q->in0_stride = p->stride[norm->in[0]];
    if (p->kept[norm->out]) q->norm_out = p->offset[norm->out];
    if (f->add < 0) return;
    const tape_op *add = op_at(p, f->add);
    q->sum_out = p->offset[add->out];
    q->in0 = p->offset[add->in[0]];
    q->in1 = p->offset[add->in[1]];
    if (f->post < 0) return;
    const tape_op *post = op_at(p, f->post);
    q->in1 = p->offset[post->in[0]];
    q->post = (uint32_t)weight_of(p, post, 0)->vector;
    q->post_eps = post->p.eps;
    if (p->kept[post->out]) q->post_out = p->offset[post->out];
}

/* One dispatch takes as many of the parts as lie alike. */
typedef struct product {
    const backend_weight *w;
    int slice;
    gles_part part;
} product;

static bool alike(const product *a, const product *b) {
    return a->w->layout == b->w->layout && a->w->slices[a->slice].arena == b->w->slices[b->slice].arena;
}

enum { MOST_PRODUCTS = 16 };

static glint_status record_products(backend_program *p, int i, int n, glint_error *err) {
    front f = find_front(p, i);
    product all[MOST_PRODUCTS];
    const tape_op *last = op_at(p, i + n - 1), *gate = last->kind == TAPE_GATE ? last : NULL;
    int count = 0, prologue = f.post >= 0 ? 3 : f.add >= 0 ? 2 : 1;
    gles_params q = {
        .norm = UINT32_MAX, .post = UINT32_MAX, .sum_out = UINT32_MAX, .post_out = UINT32_MAX, .norm_out = UINT32_MAX};
    front_params(p, &f, &q);
    for (int j = i + f.ops; j < i + n && op_at(p, j)->kind == TAPE_MATMUL; j++) {
        const tape_op *op = op_at(p, j);
        const backend_weight *w = weight_of(p, op, 0), *bias = weight_of(p, op, 1);
        q.width = (uint32_t)w->cols;
        for (int s = 0; s < w->n_slices && count < MOST_PRODUCTS; s++)
            all[count++] =
                (product){w, s, gles_part_of(w, s, p->offset[op->out], bias ? (uint32_t)bias->vector : UINT32_MAX)};
    }
    if (gate) all[0].part.out = p->offset[gate->out];
    for (int first = 0, taken; first < count; first += taken) {
        for (taken = 1; taken < GLES_PARTS && first + taken < count && alike(&all[first], &all[first + taken]);)
            taken++;
        for (int j = 0; j < taken; j++) q.part[j] = all[first + j].part;
        q.parts = (uint32_t)taken;
        gles_command c = {.barrier = first == 0};
        glint_status s = gles_add_product(p, q, all[first].w, all[first].slice, prologue, gate, c, err);
        if (s) return s;
        q.sum_out = q.post_out = q.norm_out = UINT32_MAX; /* written once */
    }
    return GLINT_OK;
}

/* ---- Commands of attention ---- */

/* Heads that one work group takes: see attend_one.comp. */
static int heads_of_unit(const backend_program *p, const tape_op *attend) {
    enum { LONG_CONTEXT = 8192 };
    int group = p->request.tape->caches[attend->p.cache].group;
    bool is_long = p->request.max_slots[group] * TAPE_PAGE > LONG_CONTEXT;
    return is_long ? attend->p.heads / attend->p.kv_heads : 1;
}

static glint_status record_attention(backend_program *p, int i, glint_error *err) {
    attention f = find_attention(p, i);
    const tape_op *attend = f.attend;
    const tape *t = p->request.tape;
    const backend_cache *cache = p->request.cache;
    tape_value q_in = f.q_norm ? f.q_norm->in[0] : f.q_rope->in[0], k_in = f.k_norm ? f.k_norm->in[0] : f.k_rope->in[0];
    int group = heads_of_unit(p, attend), threads = p->device->attend_threads;
    gles_params q = {.in0 = p->offset[q_in],
                     .in1 = p->offset[k_in],
                     .out0 = p->offset[attend->out],
                     .heads = (uint32_t)attend->p.heads,
                     .kv_heads = (uint32_t)attend->p.kv_heads,
                     .head_dim = (uint32_t)attend->p.head_dim,
                     .dims = (uint32_t)t->ropes[f.q_rope->p.rope].dims,
                     .rope = p->at.rope[f.q_rope->p.rope],
                     .part = {{.out = p->offset[f.write->in[1]]}},
                     .norm = UINT32_MAX,
                     .post = UINT32_MAX,
                     .scale = attend->p.scale,
                     .window = (uint32_t)tape_window(t, attend),
                     .sum_out = p->spare + 1,
                     .post_out = p->spare};
    if (f.q_norm) {
        q.norm = (uint32_t)weight_of(p, f.q_norm, 0)->vector;
        q.eps = f.q_norm->p.eps;
        q.post = (uint32_t)weight_of(p, f.k_norm, 0)->vector;
        q.post_eps = f.k_norm->p.eps;
    }
    gles_cache_params(p, attend, &q);
    const gles_define defines[] = {{"CACHE_F32", NULL, cache->f32},
                                   {"HEAD_DIM", NULL, attend->p.head_dim},
                                   {"GROUP", NULL, group},
                                   {"THREADS", NULL, threads},
                                   {"BLOCK", NULL, threads >= 512 ? 256 : TAPE_PAGE}};
    gles_command c = {.storage = {gles_cache_buffer(cache, attend->p.cache), GLES_STEP_BUFFER, p->device->vectors.id},
                      .fixed = q.heads / (uint32_t)group,
                      .units = q.heads / (uint32_t)group,
                      .pieces = GLES_PIECES_TIMES,
                      .window = q.window,
                      .barrier = true};
    glint_status s = gles_add_command(p, "attend_one.comp", defines, GLES_COUNT(defines), c, &q, err);
    if (s) return s;
    c = (gles_command){.fixed = q.heads,
                       .pieces = GLES_PIECES_MERGE,
                       .window = q.window,
                       .units = q.heads / (uint32_t)group,
                       .barrier = true};
    return gles_add_command(p, "attend_merge.comp", NULL, 0, c, &q, err);
}

glint_status gles_record_group(backend_program *p, int first, int n, glint_error *err) {
    int i = first - p->request.first_op;
    if (n > 1) return find_attention(p, i).ops == n ? record_attention(p, i, err) : record_products(p, i, n, err);
    return gles_record_op(p, first, err);
}
