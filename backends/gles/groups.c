/* Which ops run as one group. Decoding one row in `fast` is fused into five groups a layer:
 *
 *   [post norm, add,] norm, q, k, v  |  q and k norms, ropes, cache write, attention  |  output
 *   [post norm,] add, norm, gate, up, activation  |  down
 *
 * and the end of a step into one: [post norm, add, select rows,] norm, logits, argmax; where the likeliest are wanted
 * too, top_k and argmax are another. Everything else, and `exact` (where the order of a sum must not depend on the
 * number of rows), runs op by op. */
#include "backends/gles/phases.h"

const tape_op *gles_op_at(const backend_program *p, int i) {
    return i >= 0 && i < p->request.n_ops ? &p->request.tape->ops[p->request.first_op + i] : NULL;
}

const backend_weight *gles_weight_of(const backend_program *p, const tape_op *op, int i) {
    return op->weight[i] < 0 ? NULL : p->request.weights[op->weight[i]];
}

static bool is_kind(const backend_program *p, int i, tape_kind kind) {
    const tape_op *op = gles_op_at(p, i);
    return op && op->kind == kind;
}

/* Is op i of that kind and does it read what op `before` makes (GLES_NONE: any)? */
static bool follows(const backend_program *p, int i, tape_kind kind, int before) {
    return is_kind(p, i, kind) && (before < 0 || gles_op_at(p, i)->in[0] == gles_op_at(p, before)->out);
}

gles_front gles_find_front(const backend_program *p, int i) {
    gles_front f = {GLES_NONE, GLES_NONE, GLES_NONE, GLES_NONE, 0};
    int at = i;
    if (is_kind(p, at, TAPE_NORM) && is_kind(p, at + 1, TAPE_ADD) &&
        gles_op_at(p, at + 1)->in[1] == gles_op_at(p, at)->out)
        f.post = at++;
    if (is_kind(p, at, TAPE_ADD)) f.add = at++;
    if (f.add >= 0 && follows(p, at, TAPE_SELECT_ROWS, f.add) && !p->kept[gles_op_at(p, at)->out]) f.select = at++;
    f.norm = at;
    bool chained =
        follows(p, f.norm, TAPE_NORM, f.select >= 0 ? f.select : f.add) && follows(p, at + 1, TAPE_MATMUL, f.norm);
    f.ops = chained ? at + 1 - i : 0;
    return f;
}

/* Products of the same x from op i on. */
static int count_products(const backend_program *p, int i, tape_value x) {
    int n = 0;
    while (is_kind(p, i + n, TAPE_MATMUL) && gles_op_at(p, i + n)->in[0] == x) n++;
    return n;
}

/* Is op first + 2 the gate over the two products before it, which lie in one arena and nobody else reads? */
static bool is_gated_pair(const backend_program *p, int first, int n) {
    if (n != 2 || !is_kind(p, first + 2, TAPE_GATE)) return false;
    const tape_op *a = gles_op_at(p, first), *b = gles_op_at(p, first + 1), *g = gles_op_at(p, first + 2);
    const backend_weight *wa = gles_weight_of(p, a, 0), *wb = gles_weight_of(p, b, 0);
    return g->in[0] == a->out && g->in[1] == b->out && !p->kept[a->out] && !p->kept[b->out] && a->weight[1] < 0 &&
           b->weight[1] < 0 && wa->layout == wb->layout && wa->n_slices == 1 && wb->n_slices == 1 &&
           wa->slices[0].arena == wb->slices[0].arena;
}

int gles_products_group(const backend_program *p, int i) {
    gles_front f = gles_find_front(p, i);
    const tape_op *first = gles_op_at(p, i + f.ops);
    if (!first || first->kind != TAPE_MATMUL) return 0;
    int n = f.ops ? count_products(p, i + f.ops, first->in[0]) : 1, last = i + f.ops + n - 1;
    if (is_gated_pair(p, i + f.ops, n)) return f.ops + n + 1;
    int skip = is_kind(p, last + 1, TAPE_TOP_K) && !p->kept[gles_op_at(p, last + 1)->out];
    bool picks = n == 1 && follows(p, last + 1 + skip, TAPE_ARGMAX, last);
    return f.ops + n + (picks ? 1 + skip : 0);
}

int gles_picks_group(const backend_program *p, int i) {
    const tape_op *top = gles_op_at(p, i), *argmax = gles_op_at(p, i + 1);
    bool both = top->kind == TAPE_TOP_K && p->kept[top->out] && argmax && argmax->kind == TAPE_ARGMAX;
    return both && top->in[0] == argmax->in[0] ? 2 : 0;
}

gles_attention gles_find_attention(const backend_program *p, int i) {
    gles_attention a = {0};
    int at = i;
    if (is_kind(p, at, TAPE_HEAD_NORM) && is_kind(p, at + 1, TAPE_HEAD_NORM)) {
        a.q_norm = gles_op_at(p, at++);
        a.k_norm = gles_op_at(p, at++);
    }
    static const tape_kind rest[] = {TAPE_ROPE, TAPE_ROPE, TAPE_CACHE_WRITE, TAPE_ATTEND};
    for (int j = 0; j < GLES_COUNT(rest); j++)
        if (!is_kind(p, at + j, rest[j])) return (gles_attention){0};
    a.q_rope = gles_op_at(p, at);
    a.k_rope = gles_op_at(p, at + 1);
    a.write = gles_op_at(p, at + 2);
    a.attend = gles_op_at(p, at + 3);
    bool chained = a.write->in[0] == a.k_rope->out && a.attend->in[0] == a.q_rope->out &&
                   a.write->p.cache == a.attend->p.cache && a.q_rope->p.rope == a.k_rope->p.rope &&
                   (!a.q_norm || (a.q_rope->in[0] == a.q_norm->out && a.k_rope->in[0] == a.k_norm->out));
    const tape_op *inside[] = {a.q_norm, a.k_norm, a.q_rope, a.k_rope};
    for (int j = 0; j < GLES_COUNT(inside); j++) chained &= !inside[j] || !p->kept[inside[j]->out];
    a.ops = chained ? at + 4 - i : 0;
    return a;
}

/* ---- All groups ---- */

void gles_choose_groups(const backend_program *p, int *group_of) {
    for (int i = 0, n, group = 0; i < p->request.n_ops; i += n, group++) {
        n = p->fused ? gles_products_group(p, i) : 0;
        if (!n && p->fused) n = gles_find_attention(p, i).ops;
        if (!n && p->fused) n = gles_picks_group(p, i);
        if (!n) n = 1;
        for (int j = 0; j < n; j++) group_of[i + j] = group;
    }
}
