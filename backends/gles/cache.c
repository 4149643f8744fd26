/* Keys and values: pages in a row, layer after layer, in as few buffers as storage blocks allow. */
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"

enum { KEYS_AND_VALUES = 2 };

size_t gles_cache_row_bytes(const backend_cache *c, int cache) {
    const tape_cache_info *i = &c->tape->caches[cache];
    return (size_t)i->kv_heads * (size_t)i->head_dim * (c->f32 ? sizeof(float) : sizeof(uint16_t));
}

static size_t page_bytes(const backend_cache *c, int cache) {
    return KEYS_AND_VALUES * TAPE_PAGE * gles_cache_row_bytes(c, cache);
}

static bool in_range(const backend_cache_request *r, int cache) {
    for (int i = r->first_op; i < r->first_op + r->n_ops; i++) {
        const tape_op *op = &r->tape->ops[i];
        if ((op->kind == TAPE_ATTEND || op->kind == TAPE_CACHE_WRITE) && op->p.cache == cache) return true;
    }
    return false;
}

static size_t layer_bytes(const backend_cache *c, int cache) {
    size_t bytes = page_bytes(c, cache) * (size_t)c->pages[c->tape->caches[cache].group];
    return (bytes + GLES_OFFSET - 1) / GLES_OFFSET * GLES_OFFSET;
}

/* Gives every layer of the range its place; the sizes of the buffers are in `bytes`. */
static glint_status place_layers(backend_cache *c, const backend_cache_request *r, size_t *bytes, glint_error *err) {
    size_t block = (size_t)c->device->c.limits.block;
    for (int i = 0; i < r->tape->n_caches; i++) {
        c->layer[i] = (gles_layer){.buffer = GLES_NONE};
        if (!in_range(r, i)) continue;
        size_t more = layer_bytes(c, i);
        if (more > block)
            return base_fail(err, GLINT_DEVICE,
                             "%s: the cache of a layer needs %zu bytes, a storage block holds %zu; "
                             "ask for a shorter context",
                             c->device->c.renderer, more, block);
        if (!c->n_buffers || bytes[c->n_buffers - 1] > block - more) bytes[c->n_buffers++] = 0;
        c->layer[i] = (gles_layer){c->n_buffers - 1, bytes[c->n_buffers - 1]};
        bytes[c->n_buffers - 1] += more;
    }
    return GLINT_OK;
}

static glint_status open_layers(backend_cache *c, const backend_cache_request *r, glint_error *err) {
    size_t n = (size_t)r->tape->n_caches;
    size_t *bytes = arena_array(&c->memory, n, sizeof *bytes);
    c->layer = arena_array(&c->memory, n, sizeof *c->layer);
    c->buffers = arena_array(&c->memory, n, sizeof *c->buffers);
    if (!bytes || !c->layer || !c->buffers) return base_fail(err, GLINT_INTERNAL, "out of memory for a cache");
    glint_status s = place_layers(c, r, bytes, err);
    for (int i = 0; i < c->n_buffers && !s; i++) s = gles_buffer_open(c->device, bytes[i], &c->buffers[i], err);
    return s;
}

glint_status gles_cache_open(backend_device *d, const backend_cache_request *r, backend_cache **out, glint_error *err) {
    glint_status s = gles_context_use(&d->c, err);
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
    for (int i = 0; c->buffers && i < c->n_buffers; i++) gles_buffer_close(d, &c->buffers[i]);
    arena_free(&c->memory);
    free(c);
}

GLuint gles_cache_buffer(const backend_cache *c, int cache) {
    return c->buffers[c->layer[cache].buffer].id;
}

uint32_t gles_cache_first(const backend_cache *c, int cache) {
    return (uint32_t)(c->layer[cache].offset / (c->f32 ? sizeof(float) : sizeof(uint16_t)));
}

glint_status gles_cache_copy_page(backend_cache *c, int group, int from, int to, glint_error *err) {
    const gles_gl *gl = &c->device->c.gl;
    glint_status s = gles_context_use(&c->device->c, err);
    if (s) return s;
    gl->MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT);
    for (int i = 0; i < c->tape->n_caches; i++) {
        if (c->tape->caches[i].group != group || c->layer[i].buffer == GLES_NONE) continue;
        size_t bytes = page_bytes(c, i), first = c->layer[i].offset;
        gl->BindBuffer(GL_COPY_READ_BUFFER, gles_cache_buffer(c, i));
        gl->BindBuffer(GL_COPY_WRITE_BUFFER, gles_cache_buffer(c, i));
        gl->CopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, (GLintptr)(first + (size_t)from * bytes),
                              (GLintptr)(first + (size_t)to * bytes), (GLsizeiptr)bytes);
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

/* Every layer of the group in turn; reads into `out` or writes from `in`, one of which is NULL. */
static glint_status each_layer(backend_cache *c, int group, int page, float *out, const float *in, glint_error *err) {
    glint_status s = gles_context_use(&c->device->c, err);
    size_t at = 0;
    for (int i = 0; i < c->tape->n_caches && !s; i++) {
        if (c->tape->caches[i].group != group || c->layer[i].buffer == GLES_NONE) continue;
        const gles_buffer *buffer = &c->buffers[c->layer[i].buffer];
        size_t first = c->layer[i].offset + (size_t)page * page_bytes(c, i);
        size_t bytes = page_bytes(c, i), n = bytes / (c->f32 ? sizeof(float) : sizeof(uint16_t));
        void *raw = malloc(bytes);
        if (!raw) return base_fail(err, GLINT_INTERNAL, "out of memory for a page");
        if (in) {
            from_float(c, in + at, raw, n);
            s = gles_write(c->device, buffer, first, bytes, raw, err);
        } else {
            s = gles_read(c->device, buffer, first, bytes, raw, err);
            if (!s) to_float(c, raw, out + at, n);
        }
        free(raw);
        at += n;
    }
    return s;
}

glint_status gles_cache_read(backend_cache *c, int group, int page, float *out, glint_error *err) {
    return each_layer(c, group, page, out, NULL, err);
}

glint_status gles_cache_write(backend_cache *c, int group, int page, const float *in, glint_error *err) {
    return each_layer(c, group, page, NULL, in, err);
}
