/* Keys and values: pages in a row, layer after layer, in as few buffers as storage blocks allow. */
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"

enum { KEYS_AND_VALUES = 2, ROWS = KEYS_AND_VALUES * TAPE_PAGE /* of a page */ };

static size_t number_bytes(const backend_cache *c) {
    return c->f32 ? sizeof(float) : sizeof(uint16_t);
}

/* Of one head: keys or values of a position. */
static size_t head_bytes(const backend_cache *c, int cache) {
    return (size_t)c->tape->caches[cache].head_dim * number_bytes(c);
}

size_t gles_cache_row_bytes(const backend_cache *c, int cache) {
    return (size_t)c->tape->caches[cache].kv_heads * head_bytes(c, cache);
}

static size_t page_bytes(const backend_cache *c, int cache, const gles_cache_part *part) {
    return ROWS * (size_t)part->heads * head_bytes(c, cache);
}

static bool in_range(const backend_cache_request *r, int cache) {
    for (int i = r->first_op; i < r->first_op + r->n_ops; i++) {
        const tape_op *op = &r->tape->ops[i];
        if ((op->kind == TAPE_ATTEND || op->kind == TAPE_CACHE_WRITE) && op->p.cache == cache) return true;
    }
    return false;
}

/* ---- Places ---- */

static glint_status too_long(const backend_cache *c, int cache, size_t bytes, glint_error *err) {
    int pages = c->pages[c->tape->caches[cache].group];
    long long block = c->device->c.limits.block, fit = block / (long long)(bytes / (size_t)pages);
    return base_fail(
        err, GLINT_DEVICE,
        "%s: %d positions of one head need %zu bytes of cache, a storage block holds %lld (%lld positions); "
        "ask for a shorter context",
        c->device->c.renderer, pages * TAPE_PAGE, bytes, block, fit * TAPE_PAGE);
}

/* Behind what is in the last buffer, or in a new one; the sizes of the buffers are in `bytes`. */
static void place_part(backend_cache *c, gles_cache_part *part, size_t more, size_t *bytes) {
    more = (more + GLES_OFFSET - 1) / GLES_OFFSET * GLES_OFFSET;
    if (!c->n_buffers || bytes[c->n_buffers - 1] + more > (size_t)c->device->c.limits.block) bytes[c->n_buffers++] = 0;
    part->buffer = c->n_buffers - 1;
    part->offset = bytes[part->buffer];
    bytes[part->buffer] += more;
}

/* A layer in as few parts as there can be. */
static glint_status place_layer(backend_cache *c, int cache, size_t *bytes, glint_error *err) {
    const tape_cache_info *info = &c->tape->caches[cache];
    gles_layer *l = &c->layer[cache];
    size_t block = (size_t)c->device->c.limits.block / GLES_OFFSET * GLES_OFFSET;
    size_t of_head = (size_t)c->pages[info->group] * ROWS * head_bytes(c, cache);
    int most = block / of_head < (size_t)info->kv_heads ? (int)(block / of_head) : info->kv_heads;
    if (!most) return too_long(c, cache, of_head, err);
    int n = (info->kv_heads + most - 1) / most, each = (info->kv_heads + n - 1) / n;
    l->parts = arena_array(&c->memory, (size_t)n, sizeof *l->parts);
    if (!l->parts) return base_fail(err, GLINT_INTERNAL, "out of memory for a cache");
    for (int first = 0; first < info->kv_heads; first += each) {
        gles_cache_part *part = &l->parts[l->n_parts++];
        part->first_head = first;
        part->heads = info->kv_heads - first < each ? info->kv_heads - first : each;
        place_part(c, part, (size_t)part->heads * of_head, bytes);
    }
    return GLINT_OK;
}

static glint_status open_layers(backend_cache *c, const backend_cache_request *r, glint_error *err) {
    size_t n = (size_t)r->tape->n_caches, most = 0;
    for (size_t i = 0; i < n; i++) most += (size_t)r->tape->caches[i].kv_heads;
    size_t *bytes = arena_array(&c->memory, most, sizeof *bytes);
    c->layer = arena_array(&c->memory, n, sizeof *c->layer);
    c->buffers = arena_array(&c->memory, most, sizeof *c->buffers);
    if (!bytes || !c->layer || !c->buffers) return base_fail(err, GLINT_INTERNAL, "out of memory for a cache");
    glint_status s = GLINT_OK;
    for (int i = 0; i < r->tape->n_caches && !s; i++)
        if (in_range(r, i)) s = place_layer(c, i, bytes, err);
    for (int i = 0; i < c->n_buffers && !s; i++) s = gles_buffer_open(c->device, bytes[i], &c->buffers[i], err);
    return s;
}

glint_status gles_cache_open(backend_device *d, const backend_cache_request *r, backend_cache **out, glint_error *err) {
    glint_status s = gles_use(d, err);
    if (s) return s;
    backend_cache *c = calloc(1, sizeof *c);
    if (!c) return base_fail(err, GLINT_INTERNAL, "out of memory for a cache");
    *c = (backend_cache){.device = d, .tape = r->tape, .f32 = r->f32};
    memcpy(c->pages, r->pages, sizeof c->pages);
    s = open_layers(c, r, err);
    if (s)
        gles_cache_close(d, c);
    else
        *out = c;
    return s;
}

void gles_cache_close(backend_device *d, backend_cache *c) {
    if (!c) return;
    gles_use(d, NULL);
    for (int i = 0; c->buffers && i < c->n_buffers; i++) gles_buffer_close(d, &c->buffers[i]);
    arena_free(&c->memory);
    free(c);
}

GLuint gles_cache_buffer(const backend_cache *c, const gles_cache_part *part) {
    return c->buffers[part->buffer].id;
}

uint32_t gles_cache_first(const backend_cache *c, const gles_cache_part *part) {
    return (uint32_t)(part->offset / number_bytes(c));
}

glint_status gles_cache_copy_page(backend_cache *c, int group, int from, int to, glint_error *err) {
    const gles_gl *gl = &c->device->c.gl;
    glint_status s = gles_use(c->device, err);
    if (s) return s;
    gl->MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT);
    for (int i = 0; i < c->tape->n_caches; i++) {
        const gles_layer *l = &c->layer[i];
        for (int j = 0; c->tape->caches[i].group == group && j < l->n_parts; j++) {
            size_t bytes = page_bytes(c, i, &l->parts[j]), first = l->parts[j].offset;
            gl->BindBuffer(GL_COPY_READ_BUFFER, gles_cache_buffer(c, &l->parts[j]));
            gl->BindBuffer(GL_COPY_WRITE_BUFFER, gles_cache_buffer(c, &l->parts[j]));
            gl->CopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, (GLintptr)(first + (size_t)from * bytes),
                                  (GLintptr)(first + (size_t)to * bytes), (GLsizeiptr)bytes);
        }
    }
    return gles_check(&c->device->c, "copying a page", err);
}

/* ---- Pages as floats ---- */

static void to_float(const backend_cache *c, const void *from, float *to, size_t n) {
    const uint16_t *h = from;
    if (c->f32)
        memcpy(to, from, n * sizeof *to);
    else
        for (size_t i = 0; i < n; i++) to[i] = format_f16_to_f32(h[i]);
}

static void from_float(const backend_cache *c, const float *from, void *to, size_t n) {
    uint16_t *h = to;
    if (c->f32)
        memcpy(to, from, n * sizeof *from);
    else
        for (size_t i = 0; i < n; i++) h[i] = format_f32_to_f16(from[i]);
}

/* A page of a part of a layer; the layer's whole page goes to `out` or comes from `in`, one of which is NULL. */
static glint_status move_page(backend_cache *c, int cache, const gles_cache_part *part, int page, float *out,
                              const float *in, glint_error *err) {
    const tape_cache_info *info = &c->tape->caches[cache];
    const gles_buffer *buffer = &c->buffers[part->buffer];
    size_t bytes = page_bytes(c, cache, part), at = part->offset + (size_t)page * bytes;
    size_t n = (size_t)part->heads * (size_t)info->head_dim, whole = (size_t)info->kv_heads * (size_t)info->head_dim;
    size_t first = (size_t)part->first_head * (size_t)info->head_dim;
    unsigned char *raw = malloc(bytes);
    if (!raw) return base_fail(err, GLINT_INTERNAL, "out of memory for a page");
    for (size_t row = 0; row < ROWS && in; row++)
        from_float(c, in + row * whole + first, raw + row * n * number_bytes(c), n);
    glint_status s =
        in ? gles_write(c->device, buffer, at, bytes, raw, err) : gles_read(c->device, buffer, at, bytes, raw, err);
    for (size_t row = 0; row < ROWS && out && !s; row++)
        to_float(c, raw + row * n * number_bytes(c), out + row * whole + first, n);
    free(raw);
    return s;
}

/* Every layer of the group in turn. */
static glint_status each_layer(backend_cache *c, int group, int page, float *out, const float *in, glint_error *err) {
    glint_status s = gles_use(c->device, err);
    size_t at = 0;
    for (int i = 0; i < c->tape->n_caches && !s; i++) {
        const gles_layer *l = &c->layer[i];
        if (c->tape->caches[i].group != group || !l->n_parts) continue;
        for (int j = 0; j < l->n_parts && !s; j++)
            s = move_page(c, i, &l->parts[j], page, out ? out + at : NULL, in ? in + at : NULL, err);
        at += ROWS * gles_cache_row_bytes(c, i) / number_bytes(c);
    }
    return s;
}

glint_status gles_cache_read(backend_cache *c, int group, int page, float *out, glint_error *err) {
    return each_layer(c, group, page, out, NULL, err);
}

glint_status gles_cache_write(backend_cache *c, int group, int page, const float *in, glint_error *err) {
    return each_layer(c, group, page, NULL, in, err);
}
