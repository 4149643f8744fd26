/* Keys and values: writing them, and attention over them. */
#include "backends/ref/ref.h"

#include <math.h>
#include <string.h>

/* Keys or values of one position of a sequence: kv_heads * head_dim numbers of the cache's type. */
static void *cache_row(const ref_call *c, int which, int sequence, int position) {
    int cache = c->op->p.cache;
    const backend_pages *pages = &c->batch->pages[c->tape->caches[cache].group];
    return host_cache_row(c->cache, cache, which, host_page(pages, sequence, position), position % TAPE_PAGE);
}

static double number(const ref_call *c, const void *row, int i) {
    return c->cache->f32 ? ((const float *)row)[i] : format_f16_to_f32(((const uint16_t *)row)[i]);
}

/* key[sequence, position] = k[r], value[sequence, position] = v[r] */
void ref_cache_write(const ref_call *c) {
    for (int r = 0; r < c->rows; r++)
        for (int which = HOST_KEY; which <= HOST_VALUE; which++) {
            const float *x = c->in[which] + (size_t)r * (size_t)c->width;
            void *row = cache_row(c, which, c->batch->sequence[r], c->batch->position[r]);
            if (c->cache->f32)
                memcpy(row, x, (size_t)c->width * sizeof(float));
            else
                for (int i = 0; i < c->width; i++) ((uint16_t *)row)[i] = format_f32_to_f16(x[i]);
        }
}

/* One head of one row: q and out are head_dim numbers, `at` is where the head's numbers begin in a row of the cache. */
static void attend_head(const ref_call *c, int r, const float *q, int at, float *out) {
    int head_dim = c->op->p.head_dim, window = tape_window(c->tape, c->op);
    int sequence = c->batch->sequence[r], last = c->batch->position[r];
    int first = window && last >= window ? last - window + 1 : 0;

    double *s = c->scores, *mix = c->mix, max = -INFINITY, sum = 0;
    for (int j = first; j <= last; j++) { /* s[j] = scale * q . k[j] */
        const void *k = cache_row(c, HOST_KEY, sequence, j);
        double dot = 0;
        for (int i = 0; i < head_dim; i++) dot += q[i] * number(c, k, at + i);
        s[j - first] = c->op->p.scale * dot;
        max = fmax(max, s[j - first]);
    }
    memset(mix, 0, (size_t)head_dim * sizeof *mix);
    for (int j = first; j <= last; j++) { /* out = sum_j e^s[j] v[j] / sum_j e^s[j] */
        const void *v = cache_row(c, HOST_VALUE, sequence, j);
        double e = exp(s[j - first] - max);
        for (int i = 0; i < head_dim; i++) mix[i] += e * number(c, v, at + i);
        sum += e;
    }
    for (int i = 0; i < head_dim; i++) out[i] = (float)(mix[i] / sum);
}

void ref_attend(const ref_call *c) {
    const tape_params *p = &c->op->p;
    for (int r = 0; r < c->rows; r++)
        for (int h = 0; h < p->heads; h++) {
            size_t at = (size_t)r * (size_t)c->width + (size_t)h * (size_t)p->head_dim;
            attend_head(c, r, c->in[0] + at, h / (p->heads / p->kv_heads) * p->head_dim, c->out + at);
        }
}
