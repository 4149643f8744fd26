/* Digests of weights, as the oracle reads them: the same numbers in another container give the same digest. */
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

static glint_status digest_weight(const backend *b, backend_device *d, const backend_view *view, uint64_t *out,
                                  glint_error *err) {
    backend_weight *w = NULL;
    float *rows = calloc((size_t)view->cols, ROWS * sizeof *rows);
    glint_status s = rows ? b->adopt(d, view, &w, err) : base_fail(err, GLINT_INTERNAL, "out of memory for a digest");
    uint64_t h = 0xCBF29CE484222325u;
    for (int r = 0; r < view->rows && !s; r += ROWS) {
        int n = view->rows - r < ROWS ? view->rows - r : ROWS;
        s = b->weight_rows(d, w, r, n, rows, err);
        if (!s) h = digest_floats(h, rows, (size_t)n * (size_t)view->cols);
    }
    b->release(d, w);
    free(rows);
    if (!s) *out = h;
    return s;
}

static tape_weight weight_of_tensor(const glint_model *m, int tensor) {
    const container_tensor *all;
    container_tensors(m->file, &all);
    for (tape_weight w = 0; w < m->tape.n_weights; w++)
        if (m->weight_data[w] == &all[tensor]) return w;
    return TAPE_NONE;
}

glint_status glint_model_digest(const glint_model *m, int tensor, uint64_t *out, glint_error *err) {
    if (tensor < 0 || tensor >= m->n_tensors) return base_fail(err, GLINT_USAGE, "there is no tensor %d", tensor);
    tape_weight w = weight_of_tensor(m, tensor);
    if (w < 0) return base_fail(err, GLINT_USAGE, "%s: not a weight of this model", m->tensors[tensor].name);
    const char *oracle = "cpu:ref";
    const backend *b = backend_of_device(oracle);
    backend_device *d = NULL;
    glint_status s = b->open(oracle, &(backend_options){.precision = GLINT_EXACT}, &d, err);
    if (s) return s;
    backend_view view = model_view(m, w);
    s = digest_weight(b, d, &view, out, err);
    b->close(d);
    return s;
}
