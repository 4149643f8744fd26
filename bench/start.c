/* glint_start MODEL [DEVICE]: what a start on a device of OpenGL ES costs, part by part, as a session does it; then the
 * upload of the weights taken apart: repacking alone, the staging ring alone, both (in bytes of the file). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/gles/device.h"
#include "core/adopt.h"
#include "core/model.h"

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(glint_status s, const glint_error *err) {
    if (!s) return;
    fprintf(stderr, "glint_start: %s\n", err->message);
    exit((int)s);
}

/* ---- Time inside the driver, loading programs ---- */

static PFNGLPROGRAMBINARYPROC program_binary;
static PFNGLGETPROGRAMIVPROC get_programiv;
static double loading;

static void GL_APIENTRY timed_binary(GLuint program, GLenum format, const void *data, GLsizei bytes) {
    double since = seconds();
    program_binary(program, format, data, bytes);
    loading += seconds() - since;
}

/* Where a driver that loads in the background is waited for. */
static void GL_APIENTRY timed_get(GLuint program, GLenum name, GLint *out) {
    double since = seconds();
    get_programiv(program, name, out);
    loading += seconds() - since;
}

static void watch_loading(gles_gl *gl) {
    program_binary = gl->ProgramBinary;
    get_programiv = gl->GetProgramiv;
    gl->ProgramBinary = timed_binary;
    gl->GetProgramiv = timed_get;
}

/* ---- A start ---- */

static double lap(const char *what, double since) {
    double now = seconds();
    printf("%-28s %8.1f ms\n", what, 1e3 * (now - since));
    return now;
}

static void start(glint_model *m, const char *device, backend_device **out) {
    glint_error err = {""};
    const backend *b = backend_of_device(device);
    const tape *t = &m->tape;
    enum { CONTEXT = 4096, PAGES = CONTEXT / TAPE_PAGE, CLASSES = 3 };
    static const char *const names[CLASSES] = {"program, 1 row", "program, 8 rows", "program, 512 rows"};
    static const int rows[CLASSES] = {1, 8, 512};
    arena memory = {0};
    const backend_view *views = model_views(m, &memory);
    backend_weight **weights;
    if (!views) exit(GLINT_INTERNAL);
    double at = seconds();
    b->enumerate(NULL, 0, NULL);
    at = lap("EGL, finding devices", at);
    must(b->open(device, &(backend_options){0}, out, &err), &err);
    at = lap("a context, the device", at);
    watch_loading(&(*out)->c.gl);
    must(adopt_range(b, *out, t, 0, t->n_ops, views, &memory, &weights, &err), &err);
    (*out)->c.gl.Finish();
    at = lap("weights", at);
    backend_cache_request cache = {.tape = t, .n_ops = t->n_ops};
    for (int g = 0; g < t->n_groups; g++) cache.pages[g] = PAGES;
    backend_compile_request r = {
        .tape = t, .n_ops = t->n_ops, .weights = weights, .max_sequences = 1, .max_outputs = 1, .n_observed = 2};
    for (int g = 0; g < t->n_groups; g++) r.max_slots[g] = PAGES;
    r.observed = (const tape_value[]){t->logits, t->argmax};
    must(b->cache_open(*out, &cache, &r.cache, &err), &err);
    at = lap("cache", at);
    backend_program *programs[CLASSES];
    for (int i = 0; i < CLASSES; i++) {
        r.max_rows = rows[i];
        must(b->compile(*out, &r, &programs[i], &err), &err);
        (*out)->c.gl.Finish();
        char what[64];
        snprintf(what, sizeof what, "%s, %.0f MB", names[i], 1e-6 * (double)programs[i]->act.bytes);
        at = lap(what, at);
    }
    int compiled, loaded;
    gles_programs_count((*out)->programs, &compiled, &loaded);
    printf("%-28s %8.1f ms\n", "of it the driver's loading", 1e3 * loading);
    printf("%-28s %8d compiled, %d from the cache folder\n", "shaders", compiled, loaded);
    int32_t zero = 0, page[PAGES];
    for (int i = 0; i < PAGES; i++) page[i] = i;
    backend_batch batch = {1, 1, &zero, &zero, &zero, &zero, {{0}}};
    for (int g = 0; g < t->n_groups; g++) batch.pages[g] = (backend_pages){page, PAGES};
    for (int i = 0; i < 2; i++) {
        backend_ticket ticket;
        float id;
        must(b->step(programs[0], &batch, &ticket, &err), &err);
        must(b->read(programs[0], ticket, t->argmax, 0, 1, &id, &err), &err);
        at = lap(i ? "another token" : "first token", at);
    }
    for (int i = 0; i < CLASSES; i++) b->program_close(programs[i]);
    b->cache_close(*out, r.cache);
    adopt_release(b, *out, t, weights);
    arena_free(&memory);
}

/* ---- The upload taken apart ---- */

/* A weight in pieces of `step` rows. */
typedef struct rows_of {
    const backend_view *view;
    gles_layout_id layout;
    int step;
    gles_buffer *target;
} rows_of;

static int rows_in(const rows_of *r, int piece) {
    int left = r->view->rows - piece * r->step;
    return left < r->step ? left : r->step;
}

static void fill_packed(const gles_upload *u, int piece, unsigned char *segment) {
    const rows_of *r = u->what;
    uint32_t *planes[GLES_MAX_PLANES];
    size_t blocks = (size_t)rows_in(r, piece) * gles_blocks(r->view->cols);
    for (int p = 0; p < gles_layouts[r->layout].n_planes; p++)
        planes[p] = (uint32_t *)(void *)segment + gles_plane_start(r->layout, p, blocks);
    gles_layout_pack(r->layout, r->view, piece * r->step, rows_in(r, piece), planes);
}

static void fill_copied(const gles_upload *u, int piece, unsigned char *segment) {
    const rows_of *r = u->what;
    size_t bytes = (size_t)rows_in(r, piece) * r->view->row_bytes;
    memcpy(segment, (const char *)r->view->data + (size_t)piece * (size_t)r->step * r->view->row_bytes, bytes);
}

static void copy_nothing(const gles_upload *u, backend_device *d, int piece, int segment) {
    (void)u, (void)d, (void)piece, (void)segment;
}

static void copy_all(const gles_upload *u, backend_device *d, int piece, int segment) {
    const rows_of *r = u->what;
    gles_stage_copy(d, segment, 0, r->target, 0, (size_t)rows_in(r, piece) * r->view->row_bytes);
}

/* All matrices of a file that is mapped anew, so that its pages are in the page cache but not yet in the process. */
static void measure(const char *path, backend_device *d, const char *what, bool pack, bool up) {
    glint_error err = {""};
    glint_model *m;
    gles_buffer target;
    double bytes = 0;
    must(glint_model_open(path, &m, &err), &err);
    must(gles_buffer_open(d, GLES_SEGMENT_BYTES, &target, &err), &err);
    double since = seconds();
    for (tape_weight w = 0; w < m->tape.n_weights; w++) {
        backend_view v = model_view(m, w);
        if (v.rows == 1) continue;
        rows_of r = {.view = &v, .layout = gles_layout_of(v.format), .target = &target};
        size_t row = pack ? gles_slice_bytes(r.layout, 1, v.cols) : v.row_bytes;
        r.step = (int)(GLES_SEGMENT_BYTES / row);
        gles_upload u = {.pieces = (v.rows + r.step - 1) / r.step,
                         .fill = pack ? fill_packed : fill_copied,
                         .copy = up ? copy_all : copy_nothing,
                         .what = &r};
        must(gles_upload_run(d, &u, &err), &err);
        bytes += (double)v.rows * (double)v.row_bytes;
    }
    d->c.gl.Finish();
    printf("%-28s %8.2f GB/s\n", what, 1e-9 * bytes / (seconds() - since));
    gles_buffer_close(d, &target);
    glint_model_close(&m);
}

static void measure_adopting(const char *path, backend_device *d) {
    glint_error err = {""};
    glint_model *m;
    backend_weight *weight;
    double bytes = 0;
    must(glint_model_open(path, &m, &err), &err);
    double since = seconds();
    for (tape_weight w = 0; w < m->tape.n_weights; w++) {
        backend_view v = model_view(m, w);
        must(gles_adopt(d, &v, &weight, &err), &err);
        gles_release(d, weight);
        bytes += (double)v.rows * (double)v.row_bytes;
    }
    d->c.gl.Finish();
    printf("%-28s %8.2f GB/s\n", "both, as weights", 1e-9 * bytes / (seconds() - since));
    glint_model_close(&m);
}

int main(int argc, char **argv) {
    glint_error err = {""};
    const char *device = argc > 2 ? argv[2] : "gles:0";
    glint_model *m;
    backend_device *d;
    if (argc < 2 || argc > 3 || strncmp(device, "gles:", 5) != 0) {
        fprintf(stderr, "usage: glint_start MODEL [gles:N]\n");
        return GLINT_USAGE;
    }
    must(glint_model_open(argv[1], &m, &err), &err);
    start(m, device, &d);
    glint_model_close(&m);
    measure(argv[1], d, "repacking alone", true, false);
    measure(argv[1], d, "ring alone", false, true);
    measure_adopting(argv[1], d);
    backend_of_device(device)->close(d);
}
