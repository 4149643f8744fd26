/* Judging whole tensors: values that several ops have made since both sides had the same numbers, for which there is no
 * bound of single elements. docs/numerics.md says where the limits come from. */
#include <math.h>

#include "core/instruments/check.h"

const bound_limits *check_stretch_limits(const check *c, int first, int last) {
    static const bound_limits half_cache = {1e-5, 0.1}, rounding = {1e-3, 1};
    const bound_limits *limits = &bound_stretch;
    for (int i = first; i <= last; i++) {
        const tape_op *op = &c->tape->ops[i];
        if (op->kind == TAPE_MATMUL && rig_rounds(&c->tested->rig) &&
            bound_is_quantised(c->views[op->weight[0]].format))
            return &rounding;
        if (op->kind == TAPE_ATTEND && !c->tested->setup.cache_f32) limits = &half_cache;
    }
    return limits;
}

/* Difference of the two largest of n logits. */
static double margin(const float *x, size_t n) {
    float first = -INFINITY, second = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (x[i] > second) second = x[i];
        if (x[i] > first) second = first, first = x[i];
    }
    return (double)first - second;
}

/* Ids are the same, but for rows where another choice is as good. */
static glint_status bound_ids(check *c, const tape_op *op, double least_margin, double *bound, glint_error *err) {
    size_t n = (size_t)c->tape->values[op->in[0]].width;
    float *logits;
    glint_status status = check_expect(c, op->in[0], &logits, err);
    for (int r = 0; r < check_rows(c, op->out) && !status; r++)
        bound[r] = !logits || margin(logits + (size_t)r * n, n) <= least_margin ? INFINITY : 0;
    return status;
}

glint_status check_compare_nmse(check *c, const backend_group *g, const tape_op *op, const bound_limits *limits,
                                const float *got, const float *expected, glint_comparison *out, glint_error *err) {
    tape_value v = op->out;
    int rows = check_rows(c, v);
    double *bound = NULL;
    glint_status status = GLINT_OK;
    if (op->kind == TAPE_ARGMAX) {
        bound = arena_array(&c->work, (size_t)rows, sizeof *bound);
        status = bound ? bound_ids(c, op, limits->margin, bound, err) : check_no_memory(err);
    }
    if (status) return status;
    measure m;
    check_describe(c, g, op, c->tape->values[v].name, rows ? check_position(c, v, 0) : 0, out);
    measure_begin(&m, out, c->tape->values[v].width);
    measure_rows(&m, got, expected, bound, rows);
    measure_end(&m);
    check_show_rows(c, v, got, expected, out);
    if (!bound) out->share = isnan(out->nmse) ? INFINITY : out->nmse == 0 ? 0 : out->nmse / limits->nmse;
    return GLINT_OK;
}
