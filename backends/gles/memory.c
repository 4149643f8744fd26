/* Buffers, arenas for weights, the staging ring, and reading back. */
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"
#include "core/base/size.h"

/* glBufferStorageEXT's flags; the headers of some systems lack them. */
enum { MAP_PERSISTENT = 0x0040, MAP_COHERENT = 0x0080 };
enum {
    FIRST_ARENA = 64 << 20, /* these three where nobody said how much comes */
    FIRST_IN_SOFTWARE = 1 << 20,
    LARGEST_ARENA = 512 << 20,
    LONGEST_WAIT_S = 60,
    FLUSH_EACH = 4
};

glint_status gles_wait(backend_device *d, GLsync *fence, glint_error *err) {
    if (!*fence) return GLINT_OK;
    GLenum r = d->c.gl.ClientWaitSync(*fence, GL_SYNC_FLUSH_COMMANDS_BIT, LONGEST_WAIT_S * (GLuint64)1000000000);
    d->c.gl.DeleteSync(*fence);
    *fence = NULL;
    glint_status s = r == GL_TIMEOUT_EXPIRED
                         ? base_fail(err, GLINT_DEVICE, "%s: no answer for %d s", d->c.renderer, LONGEST_WAIT_S)
                         : gles_check(&d->c, "waiting", err);
    if (!s && r == GL_WAIT_FAILED) s = base_fail(err, GLINT_DEVICE, "%s: waiting failed", d->c.renderer);
    d->c.lost |= s != GLINT_OK;
    return s;
}

/* ---- Buffers ---- */

static glint_status open_buffer(backend_device *d, size_t bytes, bool immutable, gles_buffer *out, glint_error *err) {
    const gles_gl *gl = &d->c.gl;
    gles_buffer b = {.bytes = (bytes + GLES_OFFSET - 1) / GLES_OFFSET * GLES_OFFSET};
    if (!b.bytes) b.bytes = GLES_OFFSET;
    gl->GenBuffers(1, &b.id);
    gl->BindBuffer(GL_COPY_WRITE_BUFFER, b.id);
    if (immutable)
        gl->BufferStorageEXT(GL_COPY_WRITE_BUFFER, (GLsizeiptr)b.bytes, NULL, 0);
    else
        gl->BufferData(GL_COPY_WRITE_BUFFER, (GLsizeiptr)b.bytes, NULL, GL_DYNAMIC_COPY);
    glint_status s = gles_check(&d->c, "allocating a buffer", err);
    if (s)
        gles_buffer_close(d, &b);
    else
        *out = b;
    return s;
}

glint_status gles_buffer_open(backend_device *d, size_t bytes, gles_buffer *out, glint_error *err) {
    return open_buffer(d, bytes, d->staging.id != 0, out, err); /* without staging, uploads are sub-data */
}

glint_status gles_buffer_open_small(backend_device *d, size_t bytes, gles_buffer *out, glint_error *err) {
    return open_buffer(d, bytes, false, out, err);
}

void gles_send(backend_device *d, const gles_buffer *to, size_t offset, size_t bytes, const void *in) {
    if (!bytes) return;
    d->c.gl.BindBuffer(GL_COPY_WRITE_BUFFER, to->id);
    d->c.gl.BufferSubData(GL_COPY_WRITE_BUFFER, (GLintptr)offset, (GLsizeiptr)bytes, in);
}

void gles_buffer_close(backend_device *d, gles_buffer *b) {
    if (b->id) d->c.gl.DeleteBuffers(1, &b->id);
    *b = (gles_buffer){0};
}

/* ---- Arenas: phases of a step whose weights lie in one buffer are one dispatch ---- */

static size_t room_in(const gles_buffer *a) {
    return a->bytes - a->used;
}

/* Weights that are expected begin in a buffer of their own unless all of them fit into what is left of the last one, or
 * of one behind which nothing lies. */
void gles_expect(backend_device *d, size_t bytes) {
    if (!size_add(d->expected, bytes, &d->expected)) d->expected = SIZE_MAX;
    for (int i = d->n_arenas - 1; i >= 0 && room_in(&d->arena[i]) < d->expected; i--) {
        d->arena[i].used = d->arena[i].bytes;
        if (d->slices_in[i]) break;
    }
}

/* How large a new one should be: as all that is expected or, where nothing is, as all before it. */
static size_t arena_room(const backend_device *d, size_t bytes) {
    size_t total = d->c.software ? FIRST_IN_SOFTWARE : FIRST_ARENA, before = 0;
    for (int i = 0; i < d->n_arenas; i++) before += d->arena[i].bytes;
    if (total < before) total = before < LARGEST_ARENA ? before : LARGEST_ARENA;
    size_t room = d->expected ? d->expected : total, block = (size_t)d->c.limits.block;
    if (room > block) room = block / GLES_OFFSET * GLES_OFFSET;
    return room < bytes ? bytes : room;
}

static glint_status add_arena(backend_device *d, size_t bytes, glint_error *err) {
    if (d->n_arenas == GLES_MAX_ARENAS)
        return base_fail(err, GLINT_DEVICE, "%s: weights need more than %d buffers", d->c.renderer, GLES_MAX_ARENAS);
    size_t room = arena_room(d, bytes);
    glint_status s = gles_buffer_open(d, room, &d->arena[d->n_arenas], err);
    while (s && room > bytes) { /* not so much memory in one piece */
        room = room / 2 > bytes ? room / 2 : bytes;
        s = gles_buffer_open(d, room, &d->arena[d->n_arenas], err);
    }
    if (!s) d->slices_in[d->n_arenas++] = 0;
    return s;
}

/* The last arena, without those behind it that are empty and too small. */
static gles_buffer *last_arena(backend_device *d, size_t bytes) {
    int last = d->n_arenas - 1;
    while (last >= 0 && !d->slices_in[last] && room_in(&d->arena[last]) < bytes)
        gles_buffer_close(d, &d->arena[last--]);
    d->n_arenas = last + 1;
    return last < 0 ? NULL : &d->arena[last];
}

glint_status gles_arena_take(backend_device *d, size_t bytes, int *number, size_t *offset, glint_error *err) {
    bytes = (bytes + GLES_OFFSET - 1) / GLES_OFFSET * GLES_OFFSET;
    gles_buffer *a = last_arena(d, bytes);
    if (!a || room_in(a) < bytes) {
        glint_status s = add_arena(d, bytes, err);
        if (s) return s;
        a = &d->arena[d->n_arenas - 1];
    }
    *number = d->n_arenas - 1;
    *offset = a->used;
    a->used += bytes;
    d->slices_in[*number]++;
    d->expected -= d->expected < bytes ? d->expected : bytes;
    return GLINT_OK;
}

void gles_arena_give(backend_device *d, int number) {
    if (!--d->slices_in[number]) d->arena[number].used = 0;
}

/* ---- Staging ---- */

static glint_status staging_open(backend_device *d, glint_error *err) {
    const gles_gl *gl = &d->c.gl;
    gles_staging *s = &d->staging;
    size_t bytes = (size_t)GLES_SEGMENTS * GLES_SEGMENT_BYTES;
    if (d->c.limits.maps) {
        GLbitfield flags = GL_MAP_WRITE_BIT | MAP_PERSISTENT | MAP_COHERENT;
        gl->GenBuffers(1, &s->id);
        gl->BindBuffer(GL_COPY_READ_BUFFER, s->id);
        gl->BufferStorageEXT(GL_COPY_READ_BUFFER, (GLsizeiptr)bytes, NULL, flags);
        s->memory = gl->MapBufferRange(GL_COPY_READ_BUFFER, 0, (GLsizeiptr)bytes, flags);
        if (s->memory) return gles_check(&d->c, "allocating staging memory", err);
        gl->DeleteBuffers(1, &s->id);
        s->id = 0;
        gles_clear_errors(&d->c);
    }
    s->memory = malloc(bytes);
    return s->memory ? GLINT_OK : base_fail(err, GLINT_INTERNAL, "out of memory for staging");
}

static void staging_close(backend_device *d) {
    gles_staging *s = &d->staging;
    for (int i = 0; i < GLES_SEGMENTS; i++)
        if (s->busy[i]) d->c.gl.DeleteSync(s->busy[i]);
    if (s->id)
        d->c.gl.DeleteBuffers(1, &s->id);
    else
        free(s->memory);
    *s = (gles_staging){0};
}

glint_status gles_stage_begin(backend_device *d, int *segment, glint_error *err) {
    gles_staging *s = &d->staging;
    *segment = s->next;
    s->next = (s->next + 1) % GLES_SEGMENTS;
    return gles_wait(d, &s->busy[*segment], err);
}

unsigned char *gles_stage_memory(const backend_device *d, int segment) {
    return d->staging.memory + (size_t)segment * GLES_SEGMENT_BYTES;
}

void gles_stage_copy(backend_device *d, int segment, size_t from, const gles_buffer *to, size_t offset, size_t bytes) {
    const gles_gl *gl = &d->c.gl;
    gles_staging *s = &d->staging;
    size_t at = (size_t)segment * GLES_SEGMENT_BYTES + from;
    gl->BindBuffer(GL_COPY_WRITE_BUFFER, to->id);
    if (s->id) {
        gl->BindBuffer(GL_COPY_READ_BUFFER, s->id);
        gl->CopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, (GLintptr)at, (GLintptr)offset,
                              (GLsizeiptr)bytes);
    } else {
        gl->BufferSubData(GL_COPY_WRITE_BUFFER, (GLintptr)offset, (GLsizeiptr)bytes, s->memory + at);
    }
}

glint_status gles_stage_end(backend_device *d, int segment, glint_error *err) {
    gles_staging *s = &d->staging;
    if (s->id) s->busy[segment] = d->c.gl.FenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
    if (segment % FLUSH_EACH == 0) d->c.gl.Flush(); /* drivers take long for it; waiting for a fence flushes too */
    return gles_check(&d->c, "uploading", err);
}

/* ---- Small transfers ---- */

/* The reading buffer, at least `bytes` long. */
static glint_status readback_room(backend_device *d, size_t bytes, glint_error *err) {
    const gles_gl *gl = &d->c.gl;
    if (!d->readback) gl->GenBuffers(1, &d->readback);
    gl->BindBuffer(GL_COPY_WRITE_BUFFER, d->readback);
    if (d->readback_bytes >= bytes) return GLINT_OK;
    gl->BufferData(GL_COPY_WRITE_BUFFER, (GLsizeiptr)bytes, NULL, GL_STREAM_READ);
    d->readback_bytes = bytes;
    return gles_check(&d->c, "allocating a buffer to read from", err);
}

glint_status gles_read_rows(backend_device *d, const gles_buffer *from, size_t offset, size_t stride, size_t bytes,
                            size_t n, void *out, glint_error *err) {
    const gles_gl *gl = &d->c.gl;
    size_t span = n ? (n - 1) * stride + bytes : 0;
    if (!span) return GLINT_OK;
    glint_status s = readback_room(d, span, err);
    if (s) return s;
    gl->MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT);
    gl->BindBuffer(GL_COPY_READ_BUFFER, from->id);
    gl->CopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, (GLintptr)offset, 0, (GLsizeiptr)span);
    GLsync fence = gl->FenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
    s = gles_wait(d, &fence, err);
    if (s) return s;
    const char *p = gl->MapBufferRange(GL_COPY_WRITE_BUFFER, 0, (GLsizeiptr)span, GL_MAP_READ_BIT);
    if (!p) return base_fail(err, GLINT_DEVICE, "%s: a buffer cannot be mapped for reading", d->c.renderer);
    for (size_t r = 0; r < n; r++) memcpy((char *)out + r * bytes, p + r * stride, bytes);
    gl->UnmapBuffer(GL_COPY_WRITE_BUFFER);
    return gles_check(&d->c, "reading back", err);
}

glint_status gles_read(backend_device *d, const gles_buffer *from, size_t offset, size_t bytes, void *out,
                       glint_error *err) {
    return gles_read_rows(d, from, offset, bytes, bytes, bytes > 0, out, err);
}

glint_status gles_write(backend_device *d, const gles_buffer *to, size_t offset, size_t bytes, const void *in,
                        glint_error *err) {
    for (size_t at = 0; at < bytes; at += GLES_SEGMENT_BYTES) {
        size_t n = bytes - at < GLES_SEGMENT_BYTES ? bytes - at : GLES_SEGMENT_BYTES;
        int segment;
        glint_status s = gles_stage_begin(d, &segment, err);
        if (s) return s;
        memcpy(gles_stage_memory(d, segment), (const char *)in + at, n);
        gles_stage_copy(d, segment, 0, to, offset + at, n);
        s = gles_stage_end(d, segment, err);
        if (s) return s;
    }
    return GLINT_OK;
}

/* ---- Slots ---- */

glint_status gles_slot_open(backend_device *d, size_t bytes, gles_slot *out, glint_error *err) {
    const gles_gl *gl = &d->c.gl;
    GLbitfield flags = GL_MAP_READ_BIT | MAP_PERSISTENT | MAP_COHERENT;
    *out = (gles_slot){0};
    gl->GenBuffers(1, &out->id);
    gl->BindBuffer(GL_COPY_WRITE_BUFFER, out->id);
    if (d->staging.id) {
        gl->BufferStorageEXT(GL_COPY_WRITE_BUFFER, (GLsizeiptr)bytes, NULL, flags);
        out->memory = gl->MapBufferRange(GL_COPY_WRITE_BUFFER, 0, (GLsizeiptr)bytes, flags);
    } else {
        gl->BufferData(GL_COPY_WRITE_BUFFER, (GLsizeiptr)bytes, NULL, GL_STREAM_READ);
    }
    return gles_check(&d->c, "allocating a buffer to read from", err);
}

void gles_slot_close(backend_device *d, gles_slot *s) {
    if (s->id) d->c.gl.DeleteBuffers(1, &s->id);
    *s = (gles_slot){0};
}

void gles_slot_begin(backend_device *d, const gles_slot *s) {
    const gles_gl *gl = &d->c.gl;
    gl->MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT);
    gl->BindBuffer(GL_COPY_WRITE_BUFFER, s->id);
}

void gles_slot_copy(backend_device *d, size_t at, const gles_buffer *from, size_t offset, size_t stride, size_t bytes,
                    size_t n) {
    const gles_gl *gl = &d->c.gl;
    if (stride == bytes) {
        bytes *= n;
        n = n > 0;
    }
    gl->BindBuffer(GL_COPY_READ_BUFFER, from->id);
    for (size_t i = 0; i < n; i++)
        gl->CopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, (GLintptr)(offset + i * stride),
                              (GLintptr)(at + i * bytes), (GLsizeiptr)bytes);
}

glint_status gles_slot_read(backend_device *d, const gles_slot *s, size_t offset, size_t bytes, void *out,
                            glint_error *err) {
    const gles_gl *gl = &d->c.gl;
    const char *p = s->memory;
    if (!p) {
        gl->BindBuffer(GL_COPY_READ_BUFFER, s->id);
        p = gl->MapBufferRange(GL_COPY_READ_BUFFER, 0, (GLsizeiptr)(offset + bytes), GL_MAP_READ_BIT);
        if (!p) return base_fail(err, GLINT_DEVICE, "%s: a buffer cannot be mapped for reading", d->c.renderer);
    }
    memcpy(out, p + offset, bytes);
    if (!s->memory) gl->UnmapBuffer(GL_COPY_READ_BUFFER);
    return gles_check(&d->c, "reading back", err);
}

/* ---- All of it ---- */

glint_status gles_memory_open(backend_device *d, glint_error *err) {
    return staging_open(d, err);
}

void gles_memory_close(backend_device *d) {
    for (int i = 0; i < d->n_arenas; i++) gles_buffer_close(d, &d->arena[i]);
    gles_buffer_close(d, &d->vectors);
    gles_buffer_close(d, &d->grid);
    if (d->readback) d->c.gl.DeleteBuffers(1, &d->readback);
    staging_close(d);
}
