/* The bound of attention. */
#include <math.h>
#include <string.h>

#include "core/instruments/bound.h"

/* The keys and values that one row looks at, as floats: positions x (kv_heads * head_dim). off_k, off_v: how far those
 * of the device may be away; NULL where the operands were the same. */
typedef struct seen {
    float *k, *v, *page;
    double *off_k, *off_v;
    int n, width, first;
} seen;

static glint_status read_seen(const bound_op *b, int r, seen *s, glint_error *err) {
    const rig_setup *setup = b->oracle->setup;
    const tape_cache_info *cache = &setup->tape->caches[b->op->p.cache];
    const backend_pages *pages = &b->batch->pages[cache->group];
    const int32_t *table = pages->table + (size_t)b->batch->sequence[r] * (size_t)pages->slots;
    size_t width = (size_t)s->width;
    int last = b->batch->position[r], window = tape_window(setup->tape, b->op), there = -1;
    s->first = window && last >= window ? last - window + 1 : 0;
    s->n = last - s->first + 1;
    for (int j = s->first; j <= last; j++) {
        int page = table[j / TAPE_PAGE % pages->slots];
        if (page != there) {
            glint_status status = b->oracle->backend->cache_read(b->oracle->cache, cache->group, page, s->page, err);
            if (status) return status;
            there = page;
        }
        const float *from = s->page + rig_page_first(setup, b->op->p.cache) + (size_t)(j % TAPE_PAGE) * width;
        size_t at = (size_t)(j - s->first) * width;
        memcpy(s->k + at, from, width * sizeof *from);
        memcpy(s->v + at, from + TAPE_PAGE * width, width * sizeof *from);
    }
    return GLINT_OK;
}

/* Positions of this very batch are those whose keys and values the device made itself. */
static void find_off(const bound_op *b, int r, seen *s) {
    size_t width = (size_t)s->width;
    if (!s->off_k) return;
    memset(s->off_k, 0, (size_t)s->n * width * sizeof *s->off_k);
    memset(s->off_v, 0, (size_t)s->n * width * sizeof *s->off_v);
    for (int i = 0; i < b->batch->n_rows; i++) {
        int j = b->batch->position[i] - s->first;
        if (b->batch->sequence[i] != b->batch->sequence[r] || j < 0 || j >= s->n) continue;
        memcpy(s->off_k + (size_t)j * width, b->off_cache[0] + (size_t)i * width, width * sizeof *s->off_k);
        memcpy(s->off_v + (size_t)j * width, b->off_cache[1] + (size_t)i * width, width * sizeof *s->off_v);
    }
}

/* How far the score of the key at `at` may be away because q or the key is. */
static double score_off(const seen *s, const float *q, const double *off_q, size_t at, int n) {
    double sum = 0;
    for (int i = 0; i < n && (off_q || s->off_k); i++) {
        double move_q = off_q ? off_q[i] : 0, move_k = s->off_k ? s->off_k[at + (size_t)i] : 0;
        sum += fabs((double)s->k[at + (size_t)i]) * move_q + (fabs((double)q[i]) + move_q) * move_k;
    }
    return sum;
}

/* One head. Scores are off by at most `off`, so weights by a factor e^(2 off); summing them and mixing the values add
 * the rest. `p` has room for a weight a position. */
static void fill_head(const tape_params *params, const seen *s, const float *q, const double *off_q, size_t head,
                      double *p, double *bound) {
    double off = 0, most = -INFINITY, sum = 0, scale = fabs(params->scale);
    for (int j = 0; j < s->n; j++) {
        size_t at = (size_t)j * (size_t)s->width + head;
        p[j] = 0;
        for (int i = 0; i < params->head_dim; i++) p[j] += (double)q[i] * s->k[at + (size_t)i];
        p[j] *= params->scale;
        double dot = bound_dot(q, s->k + at, params->head_dim) + score_off(s, q, off_q, at, params->head_dim);
        off = fmax(off, scale * dot + 4 * bound_eps * fabs(p[j]));
        most = fmax(most, p[j]);
    }
    for (int j = 0; j < s->n; j++) sum += p[j] = exp(p[j] - most);
    for (int i = 0; i < params->head_dim; i++) {
        double size = 0, squares = 0, moved = 0;
        for (int j = 0; j < s->n; j++) {
            size_t at = (size_t)j * (size_t)s->width + head + (size_t)i;
            double mixed = p[j] / sum * fabs((double)s->v[at]);
            size += mixed;
            squares += mixed * mixed;
            if (s->off_v) moved += p[j] / sum * s->off_v[at];
        }
        bound[i] = size * (expm1(2 * off) + (16 + sqrt(s->n)) * bound_eps) + 8 * bound_eps * sqrt(s->n * squares) +
                   bound_tiny + exp(2 * off) * moved;
    }
}

static glint_status take_room(const bound_op *b, arena *a, seen *s, double **p, glint_error *err) {
    const rig_setup *setup = b->oracle->setup;
    int group = setup->tape->caches[b->op->p.cache].group;
    size_t positions = (size_t)rig_slots(setup, group) * TAPE_PAGE, numbers = positions * (size_t)s->width;
    s->page = arena_array(a, rig_page_numbers(setup, group), sizeof *s->page);
    s->k = arena_array(a, numbers, sizeof *s->k);
    s->v = arena_array(a, numbers, sizeof *s->v);
    *p = arena_array(a, positions, sizeof **p);
    bool good = s->page && s->k && s->v && *p;
    if (good && b->off_cache[0]) {
        s->off_k = arena_array(a, numbers, sizeof *s->off_k);
        s->off_v = arena_array(a, numbers, sizeof *s->off_v);
        good = s->off_k && s->off_v;
    }
    return good ? GLINT_OK : bound_no_memory(err);
}

glint_status bound_fill_softmax(const bound_op *b, arena *a, double *bound, glint_error *err) {
    const tape_params *params = &b->op->p;
    seen s = {.width = params->kv_heads * params->head_dim};
    double *p;
    glint_status status = take_room(b, a, &s, &p, err);
    for (int r = 0; r < (int)bound_rows(b) && !status; r++) {
        status = read_seen(b, r, &s, err);
        if (!status) find_off(b, r, &s);
        for (int h = 0; h < params->heads && !status; h++) {
            size_t i = (size_t)r * bound_width(b) + (size_t)h * (size_t)params->head_dim;
            size_t head = (size_t)(h / (params->heads / params->kv_heads) * params->head_dim);
            fill_head(params, &s, b->in[0] + i, b->off[0] ? b->off[0] + i : NULL, head, p, bound + i);
        }
    }
    return status;
}
