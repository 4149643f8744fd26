/* Weights: re-coded into a layout by several threads, sent up through the staging ring, and decoded back by a shader.
 */
#include <stdio.h>
#include <stdlib.h>

#include "backends/gles/device.h"
#include "backends/view.h"
#include "core/base/size.h"

/* ---- Up ---- */

/* A weight in pieces of at most `step` rows of one slice. */
typedef struct rows_upload {
    const backend_view *view;
    const backend_weight *weight;
    int step, pieces_of_slice; /* the last slice may have fewer */
} rows_upload;

typedef struct rows_piece {
    const gles_slice *slice;
    int first, n; /* rows of the slice */
} rows_piece;

static rows_piece piece_of(const rows_upload *r, int i) {
    const gles_slice *slice = &r->weight->slices[i / r->pieces_of_slice];
    int first = i % r->pieces_of_slice * r->step, left = slice->rows - first;
    return (rows_piece){slice, first, left < r->step ? left : r->step};
}

static void fill_piece(const gles_upload *u, int i, unsigned char *segment) {
    const rows_upload *r = u->what;
    rows_piece p = piece_of(r, i);
    uint32_t *planes[GLES_MAX_PLANES];
    gles_layout_id id = r->weight->layout;
    for (int k = 0; k < gles_layouts[id].n_planes; k++)
        planes[k] = (uint32_t *)(void *)segment + gles_plane_start(id, k, (size_t)p.n * gles_blocks(r->view->cols));
    gles_layout_pack(id, r->view, p.slice->first + p.first, p.n, planes);
}

/* Copies the planes of packed rows to their places in the slice. */
static void copy_piece(const gles_upload *u, backend_device *d, int i, int segment) {
    const rows_upload *r = u->what;
    rows_piece p = piece_of(r, i);
    gles_layout_id id = r->weight->layout;
    const gles_layout *l = &gles_layouts[id];
    size_t blocks = gles_blocks(r->view->cols), part = (size_t)p.n * blocks, whole = (size_t)p.slice->rows * blocks;
    size_t skip = (size_t)p.first * blocks;
    for (int k = 0; k < l->n_planes; k++)
        for (size_t unit = 0; unit < (size_t)(l->words[k] / l->unit[k]); unit++) {
            size_t from = gles_plane_start(id, k, part) + unit * part * l->unit[k];
            size_t to = gles_plane_start(id, k, whole) + (unit * whole + skip) * l->unit[k];
            gles_stage_copy(d, segment, 4 * from, &d->arena[p.slice->arena], p.slice->offset + 4 * to,
                            4 * part * l->unit[k]);
        }
}

/* Pieces as large as a segment, smaller ones where a weight is too small to keep all threads busy with those. */
static glint_status upload_rows(backend_device *d, const backend_view *v, const backend_weight *w, glint_error *err) {
    enum { SMALLEST = 128 << 10, WANTED_PIECES = GLES_SEGMENTS / 2 };
    size_t row = gles_slice_bytes(w->layout, 1, v->cols), bytes = (size_t)v->rows * row / WANTED_PIECES;
    if (row > GLES_SEGMENT_BYTES)
        return base_fail(err, GLINT_DEVICE, "%s: rows of %d numbers are too long", v->name, v->cols);
    bytes = bytes < SMALLEST ? SMALLEST : bytes > GLES_SEGMENT_BYTES ? GLES_SEGMENT_BYTES : bytes;
    const gles_slice *last = &w->slices[w->n_slices - 1];
    rows_upload r = {.view = v, .weight = w, .step = bytes > row ? (int)(bytes / row) : 1};
    r.pieces_of_slice = (w->slices[0].rows + r.step - 1) / r.step;
    gles_upload u = {.fill = fill_piece, .copy = copy_piece, .what = &r};
    u.pieces = (w->n_slices - 1) * r.pieces_of_slice + (last->rows + r.step - 1) / r.step;
    return gles_upload_run(d, &u, err);
}

/* As many rows a slice as a storage block may hold. */
static glint_status cut(backend_device *d, const backend_view *v, backend_weight *w, glint_error *err) {
    size_t row = gles_slice_bytes(w->layout, 1, v->cols);
    int64_t most = d->c.limits.block / (int64_t)row;
    if (most < 1)
        return base_fail(err, GLINT_DEVICE, "%s: a row of %zu bytes is more than a storage block of %s", v->name, row,
                         d->c.renderer);
    int rows = most < v->rows ? (int)most : v->rows;
    w->n_slices = (v->rows + rows - 1) / rows;
    w->slices = calloc((size_t)w->n_slices, sizeof *w->slices);
    if (!w->slices) return base_fail(err, GLINT_INTERNAL, "out of memory for a weight");
    for (int i = 0; i < w->n_slices; i++) {
        gles_slice *s = &w->slices[i];
        s->first = i * rows;
        s->rows = v->rows - s->first < rows ? v->rows - s->first : rows;
        glint_status status =
            gles_arena_take(d, gles_slice_bytes(w->layout, s->rows, v->cols), &s->arena, &s->offset, err);
        if (status) {
            w->n_slices = i;
            return status;
        }
    }
    return GLINT_OK;
}

/* A larger buffer for the vectors, with what there is. */
static glint_status grow_vectors(backend_device *d, size_t more, glint_error *err) {
    enum { FIRST = 256 << 10 };
    const gles_gl *gl = &d->c.gl;
    gles_buffer old = d->vectors, bigger;
    size_t bytes = 2 * old.bytes + more > FIRST ? 2 * old.bytes + more : FIRST;
    glint_status s = gles_buffer_open(d, bytes, &bigger, err);
    if (s) return s;
    bigger.used = old.used;
    if (old.id) {
        gl->BindBuffer(GL_COPY_READ_BUFFER, old.id);
        gl->BindBuffer(GL_COPY_WRITE_BUFFER, bigger.id);
        gl->CopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, 0, 0, (GLsizeiptr)old.used);
    }
    gles_buffer_close(d, &old);
    d->vectors = bigger;
    return gles_check(&d->c, "making room for vectors", err);
}

/* A one-row weight lies among the vectors too, as floats. */
static glint_status adopt_vector(backend_device *d, const backend_view *v, backend_weight *w, glint_error *err) {
    size_t bytes = ((size_t)v->cols * sizeof(float) + GLES_OFFSET - 1) / GLES_OFFSET * GLES_OFFSET;
    if (d->vectors.bytes - d->vectors.used < bytes) {
        glint_status grown = grow_vectors(d, bytes, err);
        if (grown) return grown;
    }
    float *row = calloc(bytes, 1);
    if (!row) return base_fail(err, GLINT_INTERNAL, "out of memory for a vector");
    host_weight_row(v, 0, row);
    w->vector = (int64_t)(d->vectors.used / sizeof(float));
    glint_status s = gles_write(d, &d->vectors, d->vectors.used, bytes, row, err);
    d->vectors.used += bytes;
    free(row);
    return s;
}

static gles_layout_id layout_of(const backend_view *v) {
    return v->minus_one || v->rows == 1 ? GLES_F32 : gles_layout_of(v->format);
}

size_t gles_weight_bytes(const backend_view *v) {
    size_t bytes = gles_slice_bytes(layout_of(v), v->rows, v->cols);
    return size_align(bytes, GLES_OFFSET, &bytes) ? bytes : SIZE_MAX;
}

glint_status gles_adopt(backend_device *d, const backend_view *v, backend_weight **out, glint_error *err) {
    glint_status s = gles_use(d, err);
    if (s) return s;
    backend_weight *w = calloc(1, sizeof *w);
    if (!w) return base_fail(err, GLINT_INTERNAL, "out of memory for a weight");
    *w = (backend_weight){.layout = layout_of(v), .rows = v->rows, .cols = v->cols, .vector = GLES_NONE};
    s = v->rows == 1 ? adopt_vector(d, v, w, err) : GLINT_OK;
    if (!s) s = cut(d, v, w, err);
    if (!s) s = upload_rows(d, v, w, err);
    if (s)
        gles_release(d, w);
    else
        *out = w;
    return s;
}

/* What lies among the vectors goes with the device. */
void gles_release(backend_device *d, backend_weight *w) {
    if (!w) return;
    for (int i = 0; i < w->n_slices && w->slices; i++) gles_arena_give(d, w->slices[i].arena);
    free(w->slices);
    free(w);
}

/* ---- Back again ---- */

/* Rows [first, first + n) of one slice through its layout into `out` (a buffer of n * cols floats). */
static glint_status decode_slice(backend_device *d, const backend_weight *w, const gles_slice *s, int first, int n,
                                 const gles_buffer *out, const gles_buffer *params, GLuint program, glint_error *err) {
    const gles_gl *gl = &d->c.gl;
    gles_params q = {.out_stride = (uint32_t)w->cols,
                     .width = (uint32_t)w->cols,
                     .blocks = gles_blocks(w->cols),
                     .part = gles_part_of(w, (int)(s - w->slices), 0, UINT32_MAX),
                     .first_row = (uint32_t)s->first,
                     .scale = 1,
                     .extra = {(uint32_t)first}};
    gles_batch rows = {.n_rows = (uint32_t)n};
    glint_status status = gles_write(d, params, 0, sizeof q, &q, err);
    if (!status) status = gles_write(d, params, GLES_OFFSET, sizeof rows, &rows, err);
    if (status) return status;
    gl->MemoryBarrier(GL_UNIFORM_BARRIER_BIT | GL_SHADER_STORAGE_BARRIER_BIT | GL_BUFFER_UPDATE_BARRIER_BIT);
    gl->UseProgram(program);
    gl->BindBufferBase(GL_SHADER_STORAGE_BUFFER, 0, d->arena[s->arena].id);
    gl->BindBufferBase(GL_SHADER_STORAGE_BUFFER, 1, d->arena[s->arena].id);
    gl->BindBufferBase(GL_SHADER_STORAGE_BUFFER, 3, out->id);
    gl->BindBufferRange(GL_UNIFORM_BUFFER, 0, params->id, 0, sizeof q);
    gl->BindBufferRange(GL_UNIFORM_BUFFER, 1, params->id, GLES_OFFSET, sizeof rows);
    gl->DispatchCompute((GLuint)(n < d->c.limits.groups ? n : d->c.limits.groups), 1, 1);
    return gles_check(&d->c, "decoding a weight", err);
}

glint_status gles_weight_rows(backend_device *d, backend_weight *w, int first, int n, float *out, glint_error *err) {
    char path[64];
    gles_buffer rows = {0}, params = {0};
    GLuint program = 0;
    size_t bytes = (size_t)n * (size_t)w->cols * sizeof *out;
    snprintf(path, sizeof path, "layouts/%s.glsl", gles_layouts[w->layout].name);
    const gles_define defines[] = {
        {"THREADS", NULL, d->threads}, {"SUBGROUP", NULL, 0}, {"LIST", NULL, 0}, {"LAYOUT", path, 0}};
    glint_status s = gles_use(d, err);
    if (!s) s = gles_program_get(d->programs, "get_rows.comp", defines, 4, &program, err);
    if (!s) s = gles_buffer_open(d, bytes, &rows, err);
    if (!s) s = gles_buffer_open(d, 2 * GLES_OFFSET, &params, err);
    for (int i = 0; i < w->n_slices && !s; i++) {
        const gles_slice *c = &w->slices[i];
        if (first < c->first + c->rows && c->first < first + n)
            s = decode_slice(d, w, c, first, n, &rows, &params, program, err);
    }
    if (!s) s = gles_read(d, &rows, 0, bytes, out, err);
    gles_buffer_close(d, &rows);
    gles_buffer_close(d, &params);
    return s;
}
