/* Which buffers weights lie in: those that are expected in as few as storage blocks and memory allow. */
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"
#include "core/instruments/rig.h"
#include "core/session.h"
#include "tests/support/support.h"

enum { DEVICES = 4, WEIGHTS = 6, ROWS = 501, COLS = 1055 /* 33 blocks: 2,116,224 bytes, no multiple of GLES_OFFSET */ };

extern const backend gles_backend;

/* Matrices of ones, which share their numbers, and between them a vector. */
typedef struct model {
    float *ones;
    backend_view views[WEIGHTS];
    backend_weight *weights[WEIGHTS];
    backend_device *d;
} model;

static backend_device *open_device(const char *name) {
    backend_device *d;
    glint_error err = {""};
    SUPPORT_OK(backend_of_device(name)->open(name, &(backend_options){0}, &d, &err), &err);
    return d;
}

static void open_model(model *m, const char *device) {
    *m = (model){.ones = malloc((size_t)ROWS * COLS * sizeof(float)), .d = open_device(device)};
    CU_ASSERT_FATAL(m->ones != NULL);
    for (int i = 0; i < ROWS * COLS; i++) m->ones[i] = 1;
    for (int i = 0; i < WEIGHTS; i++)
        m->views[i] = (backend_view){.name = "ones",
                                     .format = FORMAT_F32,
                                     .data = m->ones,
                                     .row_bytes = COLS * sizeof(float),
                                     .rows = i == 2 ? 1 : ROWS - i,
                                     .cols = COLS};
}

static void close_model(model *m) {
    for (int i = 0; i < WEIGHTS; i++) gles_release(m->d, m->weights[i]);
    gles_backend.close(m->d);
    free(m->ones);
}

static size_t bytes_of(const model *m) {
    size_t sum = 0;
    for (int i = 0; i < WEIGHTS; i++) sum += gles_weight_bytes(&m->views[i]);
    return sum;
}

static void adopt(model *m) {
    float row[COLS];
    glint_error err = {""};
    for (int i = 0; i < WEIGHTS; i++) SUPPORT_OK(gles_adopt(m->d, &m->views[i], &m->weights[i], &err), &err);
    for (int i = 0; i < WEIGHTS; i++) {
        SUPPORT_OK(gles_weight_rows(m->d, m->weights[i], m->views[i].rows - 1, 1, row, &err), &err);
        CU_ASSERT(!memcmp(row, m->ones, sizeof row));
    }
}

static void for_each_device(void (*run)(const char *device)) {
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    for (int i = 0; i < n && i < DEVICES; i++) run(list[i].name);
}

/* ---- One buffer ---- */

static void try_expected(const char *device) {
    model m;
    open_model(&m, device);
    gles_expect(m.d, gles_weight_bytes(&m.views[0])); /* it adds up */
    gles_expect(m.d, bytes_of(&m) - gles_weight_bytes(&m.views[0]));
    adopt(&m);
    CU_ASSERT_EQUAL(m.d->n_arenas, 1);
    CU_ASSERT_EQUAL(m.d->arena[0].bytes, bytes_of(&m));
    CU_ASSERT_EQUAL(m.d->expected, 0);
    close_model(&m);
}

static void try_unexpected(const char *device) {
    model m;
    open_model(&m, device);
    adopt(&m);
    CU_ASSERT(m.d->n_arenas > 1 || !m.d->c.software);
    close_model(&m);
}

/* What an earlier weight left is not the beginning of a model that goes on elsewhere. */
static void try_after_others(const char *device) {
    model m;
    backend_weight *earlier;
    glint_error err = {""};
    open_model(&m, device);
    m.views[0].rows = 100; /* as little as what is left holds */
    SUPPORT_OK(gles_adopt(m.d, &m.views[2], &earlier, &err), &err);
    gles_buffer *first = &m.d->arena[0];
    if (first->bytes > bytes_of(&m)) first->used = first->bytes - bytes_of(&m) / 2; /* a GPU's is larger */
    gles_expect(m.d, bytes_of(&m));
    adopt(&m);
    CU_ASSERT_EQUAL(m.d->n_arenas, 2);
    for (int i = 0; i < WEIGHTS; i++) CU_ASSERT_EQUAL(m.weights[i]->slices[0].arena, 1);
    gles_release(m.d, earlier);
    close_model(&m);
}

static void test_one_buffer(void) {
    for_each_device(try_expected);
    for_each_device(try_unexpected);
    for_each_device(try_after_others);
}

/* Models that come and go take no more memory for their matrices than the largest of them. */
static void try_after_each_other(const char *device) {
    model m;
    glint_error err = {""};
    backend_weight *stays;
    open_model(&m, device);
    SUPPORT_OK(gles_adopt(m.d, &m.views[2], &stays, &err), &err);
    size_t largest = 0;
    for (int i = 0; i < GLES_MAX_ARENAS + 2; i++) {
        m.views[0].rows = i % 7 == 6 ? ROWS : 100 + i; /* larger than before, as a rule, and once in a while smaller */
        gles_expect(m.d, bytes_of(&m));
        for (int k = 0; k < WEIGHTS; k++) SUPPORT_OK(gles_adopt(m.d, &m.views[k], &m.weights[k], &err), &err);
        CU_ASSERT(m.d->n_arenas <= 2);
        if (m.d->n_arenas == 2) { /* a GPU's first one, where `stays` is, holds some */
            if (bytes_of(&m) > largest) largest = bytes_of(&m);
            CU_ASSERT_EQUAL(m.d->arena[1].bytes, largest);
        }
        CU_ASSERT_EQUAL(m.weights[0]->slices[0].arena, m.weights[WEIGHTS - 1]->slices[0].arena);
        for (int k = 0; k < WEIGHTS; k++) gles_release(m.d, m.weights[k]);
    }
    adopt(&m);
    gles_release(m.d, stays);
    close_model(&m);
}

static void test_after_each_other(void) {
    for_each_device(try_after_each_other);
}

/* ---- Several ---- */

static void try_blocks(const char *device) {
    const size_t block = 4300100; /* two matrices and the vector */
    model m;
    open_model(&m, device);
    m.d->c.limits.block = (int64_t)block;
    gles_expect(m.d, bytes_of(&m));
    adopt(&m);
    CU_ASSERT_EQUAL(m.d->n_arenas, 3);
    for (int i = 0; i < m.d->n_arenas; i++) CU_ASSERT(m.d->arena[i].bytes <= block);
    close_model(&m);
}

/* Slices of 64 KiB. */
static void try_slices(const char *device) {
    enum { BLOCK = 64 << 10 };
    model m;
    open_model(&m, device);
    m.d->c.limits.block = BLOCK;
    for (int i = 0; i < WEIGHTS; i++) m.views[i].rows = i == 2 ? 1 : 60 - i;
    gles_expect(m.d, bytes_of(&m));
    adopt(&m);
    for (int i = 0; i < m.d->n_arenas; i++) CU_ASSERT(m.d->arena[i].bytes <= BLOCK);
    close_model(&m);
}

static void test_blocks(void) {
    for_each_device(try_blocks);
    for_each_device(try_slices);
}

/* ---- Little memory ---- */

/* A driver that allocates no buffer of more than 7 MB, beside weights of 10. */
enum { LARGEST = 7 << 20 };
static PFNGLBUFFERDATAPROC sound_data;
static PFNGLBUFFERSTORAGEEXTPROC sound_storage;
static PFNGLGETERRORPROC sound_error;
static bool refused;

static bool refuses(GLsizeiptr bytes) {
    if (bytes > LARGEST) refused = true;
    return bytes > LARGEST;
}
static void GL_APIENTRY small_data(GLenum target, GLsizeiptr bytes, const void *data, GLenum usage) {
    if (!refuses(bytes)) sound_data(target, bytes, data, usage);
}
static void GL_APIENTRY small_storage(GLenum target, GLsizeiptr bytes, const void *data, GLbitfield flags) {
    if (!refuses(bytes)) sound_storage(target, bytes, data, flags);
}
static GLenum GL_APIENTRY out_of_memory(void) {
    GLenum e = refused ? GL_OUT_OF_MEMORY : sound_error();
    refused = false;
    return e;
}

static void try_little_memory(const char *device) {
    model m;
    open_model(&m, device);
    gles_gl *gl = &m.d->c.gl;
    sound_data = gl->BufferData;
    sound_storage = gl->BufferStorageEXT;
    sound_error = gl->GetError;
    gl->BufferData = small_data;
    gl->BufferStorageEXT = small_storage;
    gl->GetError = out_of_memory;
    gles_expect(m.d, bytes_of(&m));
    adopt(&m);
    CU_ASSERT_EQUAL(m.d->n_arenas, 2);
    close_model(&m);
}

static void test_little_memory(void) {
    for_each_device(try_little_memory);
}

/* ---- Vectors ---- */

/* One row through a norm, whose weights are among the vectors. */
static void run_norm(rig *g, float out[COLS]) {
    int32_t zero = 0;
    backend_ticket ticket;
    glint_error err = {""};
    backend_batch b = {
        .n_rows = 1, .n_outputs = 1, .token = &zero, .position = &zero, .sequence = &zero, .output = &zero};
    SUPPORT_OK(rig_poison(g, &err), &err);
    SUPPORT_OK(g->backend->step(g->program, &b, &ticket, &err), &err);
    SUPPORT_OK(g->backend->read(g->program, ticket, g->setup->observed[0], 0, 1, out, &err), &err);
}

/* A program's vectors stay its own when others come that need a larger buffer. */
static void try_growing(const char *device) {
    model m;
    rig g;
    tape t;
    float out[COLS];
    glint_error err = {""};
    backend_weight *large;
    open_model(&m, device);
    tape_open(&t);
    tape_value h = tape_embed(&t, "embed", tape_add_weight(&t, "table", ROWS, COLS, 0), 1);
    tape_value x = tape_norm(&t, "norm", h, tape_add_weight(&t, "weights", 1, COLS, 0), 0);
    backend_view views[] = {m.views[0], m.views[2]};
    rig_setup setup = {
        .tape = &t, .n_ops = 2, .views = views, .max_rows = 1, .max_outputs = 1, .observed = &x, .n_observed = 1};
    SUPPORT_OK(rig_open_on(&g, &gles_backend, m.d, &(backend_options){0}, &setup, &err), &err);
    run_norm(&g, out);
    CU_ASSERT(support_nmse(out, m.ones, COLS) <= 1e-12);

    size_t room = m.d->vectors.bytes - m.d->vectors.used, before = m.d->vectors.bytes;
    backend_view view = {.name = "large", .format = FORMAT_F32, .rows = 1, .cols = (int)(room / sizeof(float)) + 1};
    view.row_bytes = (size_t)view.cols * sizeof(float);
    view.data = calloc(1, view.row_bytes);
    SUPPORT_OK(gles_adopt(m.d, &view, &large, &err), &err);
    CU_ASSERT(m.d->vectors.bytes > before);
    run_norm(&g, out);
    CU_ASSERT(support_nmse(out, m.ones, COLS) <= 1e-12);
    gles_release(m.d, large);
    free((void *)view.data);
    rig_close(&g);
    tape_close(&t);
    close_model(&m);
}

static void test_growing(void) {
    for_each_device(try_growing);
}

/* ---- A session ---- */

static void try_session(const char *device) {
    char path[1024];
    glint_error err = {""};
    glint_model *m = NULL;
    glint_session *s = NULL;
    glint_session_options o = {.device = device, .context = 64, .batch = 1};
    SUPPORT_OK(glint_model_open(support_data(path, "gemma3-shakespeare-Q4_K_M.gguf"), &m, &err), &err);
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    const backend_device *d = s->split.parts[0].device;
    CU_ASSERT_EQUAL(d->n_arenas, 1);
    CU_ASSERT_EQUAL(d->arena[0].used, d->arena[0].bytes);
    CU_ASSERT_EQUAL(d->expected, 0);
    glint_session_close(&s);
    glint_model_close(&m);
}

static void test_session(void) {
    setenv("GLINT_SELF_TEST", "0", 1); /* it has weights of its own */
    for_each_device(try_session);
    unsetenv("GLINT_SELF_TEST");
}

int main(void) {
    const support_case cases[] = {
        {"expected weights in one buffer", test_one_buffer}, {"room is used again", test_after_each_other},
        {"as large as a storage block", test_blocks},        {"smaller where memory is short", test_little_memory},
        {"programs keep their vectors", test_growing},       {"a session expects its weights", test_session}};
    return support_main("gles weights", cases, sizeof cases / sizeof *cases);
}
