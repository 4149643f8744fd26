/* Uploading weights: pieces, slices, threads and the ways to the device must not show in what comes back; and a device
 * that fails midway is a status. */
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"
#include "tests/support/op_cases.h"

enum { COLS = 1152, ROWS = 600, DEVICES = 4 };

/* A matrix of random blocks. */
typedef struct matrix {
    backend_view view;
    unsigned char *data;
} matrix;

static matrix make_matrix(format_id f, int rows) {
    const format_row *row = &format_table[f];
    support_random r = support_seed((uint64_t)f);
    int cols = COLS / row->block_values * row->block_values;
    matrix m = {.view = {.name = row->name, .format = f, .rows = rows, .cols = cols}};
    m.view.row_bytes = (size_t)(cols / row->block_values) * row->block_bytes;
    m.data = malloc((size_t)rows * m.view.row_bytes);
    CU_ASSERT_FATAL(m.data != NULL);
    op_random_blocks(&r, f, m.data, (size_t)rows * (size_t)(cols / row->block_values));
    m.view.data = m.data;
    return m;
}

static backend_device *open_device(const char *name) {
    backend_device *d;
    glint_error err = {""};
    SUPPORT_OK(backend_of_device(name)->open(name, &(backend_options){0}, &d, &err), &err);
    return d;
}

static void expect_rows(backend_device *d, backend_weight *w, const matrix *m) {
    const format_row *f = &format_table[m->view.format];
    size_t n = (size_t)m->view.rows * (size_t)m->view.cols;
    float *got = malloc(n * sizeof *got), *want = malloc(n * sizeof *want);
    glint_error err = {""};
    CU_ASSERT_FATAL(got && want);
    SUPPORT_OK(gles_weight_rows(d, w, 0, m->view.rows, got, &err), &err);
    f->decode(m->data, want, n / (size_t)f->block_values);
    CU_ASSERT(!memcmp(got, want, n * sizeof *got));
    free(got);
    free(want);
}

/* Two weights, so that the ring goes on where the first has ended, and the first is intact afterwards. */
static void comes_back(const char *name) {
    static const format_id formats[] = {FORMAT_F32, FORMAT_Q5_0, FORMAT_Q6_K};
    backend_device *d = open_device(name);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        matrix big = make_matrix(formats[i], ROWS), small = make_matrix(formats[i], 3);
        backend_weight *w[3];
        glint_error err = {""};
        SUPPORT_OK(gles_adopt(d, &big.view, &w[0], &err), &err);
        SUPPORT_OK(gles_adopt(d, &small.view, &w[1], &err), &err);
        SUPPORT_OK(gles_adopt(d, &big.view, &w[2], &err), &err);
        expect_rows(d, w[2], &big);
        expect_rows(d, w[1], &small);
        expect_rows(d, w[0], &big);
        for (int k = 0; k < 3; k++) gles_release(d, w[k]);
        free(big.data);
        free(small.data);
    }
    backend_of_device(name)->close(d);
}

static void test_pieces(void) {
    static const char *const limits[] = {"maps=1", "maps=0", "block=300000", "block=65536,maps=0"};
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        setenv("GLINT_GLES_LIMITS", limits[i], 1);
        for (int d = 0; d < n && d < DEVICES; d++) comes_back(list[d].name);
    }
    unsetenv("GLINT_GLES_LIMITS");
}

static GLenum GL_APIENTRY out_of_memory(void) {
    return GL_OUT_OF_MEMORY;
}

static void test_failure(void) {
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    for (int i = 0; i < n && i < DEVICES; i++) {
        backend_device *d = open_device(list[i].name);
        matrix m = make_matrix(FORMAT_Q5_0, ROWS);
        backend_weight *w = NULL;
        glint_error err = {""};
        PFNGLGETERRORPROC sound = d->c.gl.GetError;
        SUPPORT_OK(gles_adopt(d, &m.view, &w, &err), &err); /* so that there is an arena with room */
        gles_release(d, w);
        w = NULL;
        d->c.gl.GetError = out_of_memory;
        CU_ASSERT_EQUAL(gles_adopt(d, &m.view, &w, &err), GLINT_DEVICE);
        CU_ASSERT_PTR_NULL(w);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "out of memory"));
        d->c.gl.GetError = sound;
        SUPPORT_OK(gles_adopt(d, &m.view, &w, &err), &err);
        expect_rows(d, w, &m);
        gles_release(d, w);
        backend_of_device(list[i].name)->close(d);
        free(m.data);
    }
}

int main(void) {
    static const support_case cases[] = {{"pieces and slices do not show", test_pieces},
                                         {"a device that fails is a status", test_failure}};
    return support_main("gles upload", cases, sizeof cases / sizeof *cases);
}
