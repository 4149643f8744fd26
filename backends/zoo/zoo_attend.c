/* F25: attention whose softmax does not subtract the maximum: e^s overflows where a score exceeds 88. */
#include <math.h>
#include <stdlib.h>

#include "backends/zoo/zoo_hooks.h"

typedef struct attention {
    const zoo_run *r;
    int group;
    size_t page_numbers, keys, values; /* of a page; where those of the op's cache begin in it */
    float **pages;                     /* by page id; NULL: not read yet */
    int n_pages;
} attention;

static glint_status page_of(attention *a, int sequence, int position, const float **out, glint_error *err) {
    const backend_pages *p = &a->r->batch->pages[a->group];
    int id = p->table[sequence * p->slots + position / TAPE_PAGE % p->slots];
    const backend_cache *c = a->r->cache;
    glint_status status = GLINT_OK;
    if (!a->pages[id]) {
        a->pages[id] = malloc(a->page_numbers * sizeof(float));
        if (!a->pages[id]) return base_fail(err, GLINT_INTERNAL, "zoo: out of memory for a page");
        status = c->backend->cache_read(c->inner, a->group, id, a->pages[id], err);
    }
    *out = a->pages[id];
    return status;
}

static glint_status attend_head(attention *a, int row, int head, glint_error *err) {
    const zoo_run *r = a->r;
    const tape_params *p = &r->op->p;
    size_t n = (size_t)p->head_dim, cache_width = (size_t)p->kv_heads * n;
    size_t at = (size_t)(head / (p->heads / p->kv_heads)) * n;
    const float *q = r->in[0] + (size_t)row * (size_t)r->in_width[0] + (size_t)head * n, *page = NULL;
    float *out = r->out + (size_t)row * (size_t)r->width + (size_t)head * n, sum = 0;
    int last = r->position[row], window = tape_window(r->tape, r->op);
    for (size_t i = 0; i < n; i++) out[i] = 0;
    for (int j = window && last >= window ? last - window + 1 : 0; j <= last; j++) {
        glint_status status = page_of(a, r->batch->sequence[row], j, &page, err);
        if (status) return status;
        size_t in_page = (size_t)(j % TAPE_PAGE) * cache_width + at;
        float score = 0;
        for (size_t i = 0; i < n; i++) score += q[i] * page[a->keys + in_page + i];
        float e = expf(p->scale * score);
        for (size_t i = 0; i < n; i++) out[i] += e * page[a->values + in_page + i];
        sum += e;
    }
    for (size_t i = 0; i < n; i++) out[i] /= sum;
    return GLINT_OK;
}

static int highest_page(const zoo_run *r, int group) {
    const backend_pages *p = &r->batch->pages[group];
    int highest = 0;
    for (int i = 0; i < r->batch->n_rows; i++)
        for (int k = 0; k < p->slots; k++) {
            int id = p->table[r->batch->sequence[i] * p->slots + k];
            if (id > highest) highest = id;
        }
    return highest;
}

glint_status zoo_no_maximum(zoo_run *r, glint_error *err) {
    const tape_cache_info *info = &r->tape->caches[r->op->p.cache];
    attention a = {.r = r, .group = info->group, .n_pages = highest_page(r, info->group) + 1};
    a.page_numbers = zoo_page_numbers(r->cache, a.group, r->tape->n_caches);
    a.keys = zoo_page_numbers(r->cache, a.group, r->op->p.cache);
    a.values = a.keys + TAPE_PAGE * (size_t)info->kv_heads * (size_t)info->head_dim;
    a.pages = calloc((size_t)a.n_pages, sizeof *a.pages);
    if (!a.pages) return base_fail(err, GLINT_INTERNAL, "zoo: out of memory for pages");
    glint_status status = GLINT_OK;
    for (int i = 0; i < r->rows * r->op->p.heads && !status; i++)
        status = attend_head(&a, i / r->op->p.heads, i % r->op->p.heads, err);
    for (int i = 0; i < a.n_pages; i++) free(a.pages[i]);
    free(a.pages);
    return status;
}
