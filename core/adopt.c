#include "core/adopt.h"

#include "core/base/size.h"

/* Marks the weights that the range uses. */
static void mark(const tape *t, int first_op, int n_ops, bool *used) {
    for (int i = first_op; i < first_op + n_ops; i++)
        for (int k = 0; k < 2; k++)
            if (t->ops[i].weight[k] >= 0) used[t->ops[i].weight[k]] = true;
}

/* How much memory they take, each counted once. */
static void expect(const backend *b, backend_device *d, const tape *t, const bool *used, const backend_view *views) {
    size_t bytes = 0;
    if (!b->expect || !b->weight_bytes) return;
    for (tape_weight w = 0; w < t->n_weights; w++)
        if (used[w] && !size_add(bytes, b->weight_bytes(&views[w]), &bytes)) bytes = SIZE_MAX;
    b->expect(d, bytes);
}

glint_status adopt_range(const backend *b, backend_device *d, const tape *t, int first_op, int n_ops,
                         const backend_view *views, arena *memory, backend_weight ***out, glint_error *err) {
    bool *used = arena_array(memory, (size_t)t->n_weights, sizeof *used);
    backend_weight **weights = *out = arena_array(memory, (size_t)t->n_weights, sizeof(backend_weight *));
    if (!used || !weights) return base_fail(err, GLINT_INTERNAL, "out of memory for the weight list");
    mark(t, first_op, n_ops, used);
    expect(b, d, t, used, views);
    glint_status s = GLINT_OK;
    for (tape_weight w = 0; w < t->n_weights && !s; w++)
        if (used[w]) s = b->adopt(d, &views[w], &weights[w], err);
    return s;
}

void adopt_release(const backend *b, backend_device *d, const tape *t, backend_weight **weights) {
    for (tape_weight w = 0; weights && w < t->n_weights; w++)
        if (weights[w]) b->release(d, weights[w]);
}
