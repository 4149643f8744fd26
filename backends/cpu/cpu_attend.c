/* Keys and values, and attention over them. Scores are dot products of the cache's rows with queries, the result is a
 * weighted sum of its rows: both read the cache in place, in float16 or float32.
 *
 * The work is cut into pieces: a tile of rows that follow each other in one sequence, times heads that share a kv head,
 * ATTEND_QUERIES queries at most. The softmax of a row runs over its own positions, in their order, whatever the tile.
 */
#include <string.h>

#include "backends/cpu/cpu.h"

enum { ATTEND_QUERIES = 12 };

glint_status cpu_attend_prepare(backend_program *p, glint_error *err) {
    const backend_compile_request *r = &p->host.request;
    size_t dim = 0;
    for (int i = r->first_op; i < r->first_op + r->n_ops; i++) {
        const tape_op *op = &r->tape->ops[i];
        if (op->kind == TAPE_ATTEND && (size_t)op->p.head_dim > dim) dim = (size_t)op->p.head_dim;
    }
    for (int t = 0; dim && t < p->device->threads; t++) {
        cpu_scratch *s = &p->scratch[t];
        s->q = arena_array(&p->host.memory, ATTEND_QUERIES * dim, sizeof *s->q);
        s->scores = arena_array(&p->host.memory, ATTEND_QUERIES * p->positions, sizeof *s->scores);
        if (!s->q || !s->scores) return cpu_no_memory(err);
    }
    return GLINT_OK;
}

/* ---- Cache ---- */

static void *cache_row(const cpu_call *c, int which, int sequence, int position) {
    int cache = c->op->p.cache;
    const backend_pages *pages = &c->batch->pages[c->tape->caches[cache].group];
    return host_cache_row(c->program->host.request.cache, cache, which, host_page(pages, sequence, position),
                          position % TAPE_PAGE);
}

void cpu_cache_write(const cpu_call *c) {
    int begin, end;
    bool f32 = c->program->host.request.cache->f32;
    cpu_my_rows(c, &begin, &end);
    for (int r = begin; r < end; r++)
        for (int which = HOST_KEY; which <= HOST_VALUE; which++) {
            const float *x = c->in[which] + (size_t)r * (size_t)c->width;
            void *row = cache_row(c, which, c->batch->sequence[r], c->batch->position[r]);
            if (f32)
                memcpy(row, x, (size_t)c->width * sizeof *x);
            else
                c->k->f32_to_f16(x, row, c->width);
        }
}

/* ---- Attention ---- */

typedef struct attend_tile {
    const cpu_call *call;
    format_id format; /* of the cache */
    size_t number_bytes;
    int row, rows;   /* of the batch: one sequence, rising positions */
    int head, heads; /* that share kv_head */
    int kv_head;
    int sequence, from, to; /* positions that some row of the tile looks at */
} attend_tile;

/* The first position that a row looks at. */
static int look_from(const cpu_call *c, int row) {
    int window = tape_window(c->tape, c->op), last = c->batch->position[row];
    return window && last >= window ? last - window + 1 : 0;
}

/* Calls `body` for each stretch of positions [from, to] that lies in one page. */
typedef void page_work(const attend_tile *t, const void *rows, size_t row_bytes, int position, int n, int query);

static void each_page(const attend_tile *t, int which, int from, int to, int query, page_work *body) {
    const tape_params *p = &t->call->op->p;
    size_t row_bytes = (size_t)p->kv_heads * (size_t)p->head_dim * t->number_bytes;
    size_t head_at = (size_t)t->kv_head * (size_t)p->head_dim * t->number_bytes;
    for (int at = from, n; at <= to; at += n) {
        n = TAPE_PAGE - at % TAPE_PAGE;
        if (n > to - at + 1) n = to - at + 1;
        const char *rows = cache_row(t->call, which, t->sequence, at);
        body(t, rows + head_at, row_bytes, at, n, query);
    }
}

static float *scores_of(const attend_tile *t, int query) {
    return t->call->scratch->scores + (size_t)query * t->call->program->positions;
}

static void score_page(const attend_tile *t, const void *rows, size_t row_bytes, int position, int n, int query) {
    (void)query;
    int dim = t->call->op->p.head_dim;
    t->call->k->dot_f32[t->format](rows, row_bytes, n, dim, t->call->scratch->q, (size_t)dim, t->rows * t->heads,
                                   scores_of(t, 0) + (position - t->from), t->call->program->positions);
}

static float *result_of(const attend_tile *t, int query) {
    const cpu_call *c = t->call;
    int row = t->row + query / t->heads, head = t->head + query % t->heads;
    return c->out + (size_t)row * (size_t)c->width + (size_t)head * (size_t)c->op->p.head_dim;
}

static void mix_page(const attend_tile *t, const void *rows, size_t row_bytes, int position, int n, int query) {
    t->call->k->mix[t->format](scores_of(t, query) + (position - t->from), rows, row_bytes, n, result_of(t, query),
                               t->call->op->p.head_dim);
}

/* q is scaled here, so that scores need no pass of their own. */
static void take_queries(const attend_tile *t) {
    const cpu_call *c = t->call;
    size_t dim = (size_t)c->op->p.head_dim, n = (size_t)t->heads * dim;
    for (int r = 0; r < t->rows; r++) {
        const float *x = c->in[0] + (size_t)(t->row + r) * (size_t)c->width + (size_t)t->head * dim;
        float *q = c->scratch->q + (size_t)r * n;
        for (size_t i = 0; i < n; i++) q[i] = x[i] * c->op->p.scale;
    }
}

/* out = sum_j e^(s[j] - max) v[j] / sum_j e^(s[j] - max) */
static void finish_query(const attend_tile *t, int query) {
    const cpu_call *c = t->call;
    int row = t->row + query / t->heads, dim = c->op->p.head_dim;
    int from = look_from(c, row), to = c->batch->position[row];
    float *s = scores_of(t, query) + (from - t->from), *out = result_of(t, query);
    float sum = c->k->exp_sum(s, c->k->max(s, to - from + 1), to - from + 1);
    memset(out, 0, (size_t)dim * sizeof *out);
    each_page(t, HOST_VALUE, from, to, query, mix_page);
    for (int i = 0; i < dim; i++) out[i] /= sum;
}

static void attend(const attend_tile *t) {
    take_queries(t);
    each_page(t, HOST_KEY, t->from, t->to, 0, score_page);
    for (int i = 0; i < t->rows * t->heads; i++) finish_query(t, i);
}

/* Rows from `row` on that follow each other in one sequence, `most` at most. */
static int tile_rows(const backend_batch *b, int row, int most) {
    int n = 1;
    while (n < most && row + n < b->n_rows && b->sequence[row + n] == b->sequence[row] &&
           b->position[row + n] == b->position[row] + n)
        n++;
    return n;
}

/* Heads of one piece: as many of those that share a kv head as may be, but so that every thread has work. */
static int piece_heads(const cpu_call *c) {
    int shared = c->op->p.heads / c->op->p.kv_heads, parts = 1;
    while (shared % parts || shared / parts > ATTEND_QUERIES ||
           (parts < shared && c->rows * c->op->p.kv_heads * parts < c->me->threads))
        parts++;
    return shared / parts;
}

/* Pieces go round the threads, which evens out that later rows look further back. */
void cpu_attend(const cpu_call *c) {
    const tape_params *p = &c->op->p;
    bool f32 = c->program->host.request.cache->f32;
    int heads = piece_heads(c), shared = p->heads / p->kv_heads, piece = 0;
    attend_tile t = {.call = c,
                     .format = f32 ? FORMAT_F32 : FORMAT_F16,
                     .number_bytes = f32 ? sizeof(float) : sizeof(uint16_t),
                     .heads = heads};
    for (t.row = 0; t.row < c->rows; t.row += t.rows) {
        t.rows = tile_rows(c->batch, t.row, ATTEND_QUERIES / heads);
        t.sequence = c->batch->sequence[t.row];
        t.from = look_from(c, t.row);
        t.to = c->batch->position[t.row + t.rows - 1];
        for (t.head = 0; t.head < p->heads; t.head += heads) {
            t.kv_head = t.head / shared;
            if (piece++ % c->me->threads == c->me->thread) attend(&t);
        }
    }
}
