/* What weights hold, as a device decodes them back through its own layout: a hash of the numbers, which is the same for
 * the same numbers in another container or on another device, and how many of them are zero or no numbers at all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"

enum { ROWS = 64 };

/* FNV-1a over the bytes of n floats, lowest byte first. */
static uint64_t digest_floats(uint64_t h, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        for (int b = 0; b < 32; b += 8) h = (h ^ (bits >> b & 0xFF)) * 0x100000001B3u;
    }
    return h;
}

static void add_rows(glint_tensor_content *c, const float *x, size_t n) {
    c->digest = digest_floats(c->digest, x, n);
    c->numbers += n;
    for (size_t i = 0; i < n; i++) {
        c->zeros += x[i] == 0;
        c->not_finite += !isfinite(x[i]);
    }
}

static glint_status read_weight(const backend *b, backend_device *d, const backend_view *view,
                                glint_tensor_content *out, glint_error *err) {
    backend_weight *w = NULL;
    glint_tensor_content c = {.digest = 0xCBF29CE484222325u};
    float *rows = calloc((size_t)view->cols, ROWS * sizeof *rows);
    glint_status s = rows ? b->adopt(d, view, &w, err) : base_fail(err, GLINT_INTERNAL, "out of memory for a digest");
    for (int r = 0; r < view->rows && !s; r += ROWS) {
        int n = view->rows - r < ROWS ? view->rows - r : ROWS;
        s = b->weight_rows(d, w, r, n, rows, err);
        if (!s) add_rows(&c, rows, (size_t)n * (size_t)view->cols);
    }
    if (w) b->release(d, w);
    free(rows);
    if (!s) *out = c;
    return s;
}

static int tensor_of(const glint_model *m, tape_weight w) {
    const container_tensor *all;
    container_tensors(m->file, &all);
    return (int)(m->weight_data[w] - all);
}

glint_status glint_model_contents(const glint_model *m, const char *device, glint_tensor_content *out,
                                  glint_error *err) {
    if (!device) device = "cpu:ref";
    const backend *b = backend_of_device(device);
    backend_device *d = NULL;
    if (!b) return base_fail(err, GLINT_USAGE, "there is no device \"%s\"", device);
    glint_status s = b->open(device, &(backend_options){.precision = GLINT_EXACT}, &d, err);
    if (s) return s;
    for (int i = 0; i < m->n_tensors; i++) out[i] = (glint_tensor_content){0};
    for (tape_weight w = 0; w < m->tape.n_weights && !s; w++) {
        backend_view view = model_view(m, w);
        s = read_weight(b, d, &view, &out[tensor_of(m, w)], err);
    }
    b->close(d);
    return s;
}
