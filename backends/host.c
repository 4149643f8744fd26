/* Weights and key/value pages in host memory. */
#include "backends/host.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

/* ---- Weights ---- */

/* Where canonical element i of a rotary order lies in the file: row j of a head's first half is file row 2j, row
 * j + head_dim/2 is file row 2j + 1. */
static int file_index(const backend_view *v, int i) {
    if (!v->rotary_adjacent) return i;
    int half = v->head_dim / 2, in_head = i % v->head_dim;
    return i - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
}

int host_file_row(const backend_view *v, int row) {
    return v->rows == 1 ? row : file_index(v, row);
}

/* A vector whose elements are in rotary order, one number at a time: biases of q and k are short. */
static void decode_rotary_vector(const backend_view *v, float *out) {
    const format_row *f = &format_table[v->format];
    float block[HOST_BLOCK];
    for (int i = 0; i < v->cols; i++) {
        int from = file_index(v, i);
        f->decode((const char *)v->data + (size_t)(from / f->block_values) * f->block_bytes, block, 1);
        out[i] = block[from % f->block_values];
    }
}

void host_weight_row(const backend_view *v, int row, float *out) {
    const format_row *f = &format_table[v->format];
    if (v->rows == 1 && v->rotary_adjacent)
        decode_rotary_vector(v, out);
    else
        f->decode((const char *)v->data + (size_t)host_file_row(v, row) * v->row_bytes, out,
                  (size_t)(v->cols / f->block_values));
    if (v->minus_one)
        for (int i = 0; i < v->cols; i++) out[i] += 1.0f;
}

/* ---- Keys and values ---- */

/* Places every cache that ops of the range use inside the pages of its group, in the order of their slots. */
static bool place_caches(backend_cache *c, const backend_cache_request *r, bool *used) {
    const tape *t = r->tape;
    for (int i = r->first_op; i < r->first_op + r->n_ops; i++)
        if (t->ops[i].kind == TAPE_CACHE_WRITE || t->ops[i].kind == TAPE_ATTEND) used[t->ops[i].p.cache] = true;
    for (int i = 0; i < t->n_caches; i++) { /* slots of a group rise with the cache's number */
        const tape_cache_info *info = &t->caches[i];
        size_t *numbers = &c->group[info->group].page_numbers, n;
        if (!used[i]) continue;
        c->first[i] = *numbers;
        if (!size_mul((uint64_t)info->kv_heads * (uint64_t)info->head_dim, 2 * TAPE_PAGE, &n) ||
            !size_add(*numbers, n, numbers))
            return false;
    }
    return true;
}

static size_t page_bytes(const backend_cache *c, int group) {
    return c->group[group].page_numbers * (c->f32 ? sizeof(float) : sizeof(uint16_t));
}

static void *page_at(const backend_cache *c, int group, int page) {
    return c->group[group].data + (size_t)page * page_bytes(c, group);
}

static glint_status cache_fill(backend_cache *c, const backend_cache_request *r, glint_error *err) {
    c->first = arena_array(&c->memory, (size_t)r->tape->n_caches, sizeof *c->first);
    bool *used = arena_array(&c->memory, (size_t)r->tape->n_caches, sizeof *used);
    if (!c->first || !used) return base_fail(err, GLINT_INTERNAL, "out of memory for a cache");
    if (!place_caches(c, r, used)) return base_fail(err, GLINT_DEVICE, "a cache page does not fit in memory");
    for (int g = 0; g < r->tape->n_groups; g++) {
        c->group[g].data = arena_array(&c->memory, (size_t)r->pages[g], page_bytes(c, g));
        if (!c->group[g].data)
            return base_fail(err, GLINT_DEVICE, "no memory for a cache of %d pages of %zu bytes", r->pages[g],
                             page_bytes(c, g));
    }
    return GLINT_OK;
}

glint_status host_cache_open(backend_device *d, const backend_cache_request *r, backend_cache **out, glint_error *err) {
    backend_cache *c = calloc(1, sizeof *c);
    if (!c) return base_fail(err, GLINT_INTERNAL, "out of memory for a cache");
    c->tape = r->tape;
    c->f32 = r->f32;
    glint_status status = cache_fill(c, r, err);
    if (status)
        host_cache_close(d, c);
    else
        *out = c;
    return status;
}

void host_cache_close(backend_device *d, backend_cache *c) {
    (void)d;
    if (!c) return;
    arena_free(&c->memory);
    free(c);
}

glint_status host_cache_copy_page(backend_cache *c, int group, int from, int to, glint_error *err) {
    (void)err;
    memmove(page_at(c, group, to), page_at(c, group, from), page_bytes(c, group));
    return GLINT_OK;
}

glint_status host_cache_read(backend_cache *c, int group, int page, float *out, glint_error *err) {
    (void)err;
    const void *in = page_at(c, group, page);
    if (c->f32)
        memcpy(out, in, page_bytes(c, group));
    else
        for (size_t i = 0; i < c->group[group].page_numbers; i++) out[i] = format_f16_to_f32(((const uint16_t *)in)[i]);
    return GLINT_OK;
}

glint_status host_cache_write(backend_cache *c, int group, int page, const float *in, glint_error *err) {
    (void)err;
    void *out = page_at(c, group, page);
    if (c->f32)
        memcpy(out, in, page_bytes(c, group));
    else
        for (size_t i = 0; i < c->group[group].page_numbers; i++) ((uint16_t *)out)[i] = format_f32_to_f16(in[i]);
    return GLINT_OK;
}

void *host_cache_row(const backend_cache *c, int cache, int which, int page, int offset) {
    const tape_cache_info *info = &c->tape->caches[cache];
    size_t width = (size_t)info->kv_heads * (size_t)info->head_dim;
    size_t i = c->first[cache] + (size_t)(which * TAPE_PAGE + offset) * width;
    return (unsigned char *)page_at(c, info->group, page) + i * (c->f32 ? sizeof(float) : sizeof(uint16_t));
}
