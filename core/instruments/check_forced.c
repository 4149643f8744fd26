/* A step group by group: the device under test gets the reference's numbers as the inputs of each group, runs it twice,
 * and what comes out is compared. */
#include <math.h>
#include <string.h>

#include "core/instruments/check.h"

static size_t numbers_of(const check *c, tape_value v) {
    return (size_t)check_rows(c, v) * (size_t)c->tape->values[v].width;
}

static bool is_watched(const check *c, tape_value v) {
    return c->under_test->watched[v];
}

/* ---- Running a group ---- */

static glint_status force_inputs(check *c, const backend_group *g, glint_error *err) {
    glint_status status = GLINT_OK;
    const rig *r = &c->under_test->rig;
    for (int i = 0; i < g->n_in && !status; i++) {
        float *x;
        status = check_expect(c, g->in[i], &x, err);
        if (!status) status = r->backend->write(r->program, g->in[i], 0, check_rows(c, g->in[i]), x, err);
    }
    return status;
}

static glint_status poison_outputs(check *c, const backend_group *g, glint_error *err) {
    glint_status status = GLINT_OK;
    const rig *r = &c->under_test->rig;
    for (int i = g->first_op; i <= g->last_op && !status; i++) {
        tape_value v = c->tape->ops[i].out;
        if (v < 0 || !is_watched(c, v)) continue;
        float *x = arena_array(&c->work, numbers_of(c, v), sizeof *x);
        if (!x) return check_no_memory(err);
        measure_poison(x, numbers_of(c, v));
        status = r->backend->write(r->program, v, 0, check_rows(c, v), x, err);
    }
    return status;
}

/* What op i left: rows of its result, or of the cache that it writes. */
static glint_status read_result(check *c, int i, float **out, size_t *n, glint_error *err) {
    const tape_op *op = &c->tape->ops[i];
    const rig *r = &c->under_test->rig;
    *out = NULL;
    if (op->out < 0) {
        *n = 2 * numbers_of(c, op->in[0]);
        return check_read_cache(c, op, out, err);
    }
    *n = numbers_of(c, op->out);
    if (!is_watched(c, op->out)) return GLINT_OK;
    *out = arena_array(&c->work, *n, sizeof **out);
    if (!*out) return check_no_memory(err);
    return r->backend->read(r->program, c->under_test->ticket, op->out, 0, check_rows(c, op->out), *out, err);
}

static glint_status poison_caches(check *c, const backend_group *g, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = g->first_op; i <= g->last_op && !status; i++)
        if (c->tape->ops[i].kind == TAPE_CACHE_WRITE) status = check_poison_cache(c, &c->tape->ops[i], err);
    return status;
}

/* Once with poisoned results. results[i]: of the group's i-th op. */
static glint_status run_once(check *c, const backend_group *g, int number, float **results, glint_error *err) {
    check_program *p = c->under_test;
    size_t n;
    glint_status status = poison_outputs(c, g, err);
    if (!status) status = poison_caches(c, g, err);
    if (!status) status = p->rig.backend->run_groups(p->rig.program, &c->batch, number, 1, &p->ticket, err);
    for (int i = g->first_op; i <= g->last_op && !status; i++)
        status = read_result(c, i, &results[i - g->first_op], &n, err);
    return status;
}

/* ---- Judging ---- */

/* The numbers that the device had as an operand, where they were not the reference's: how far away they may be. */
static void note_off(check *c, tape_value v, const float *expected, double *bound) {
    const float *got = c->got[v];
    for (size_t i = 0; i < numbers_of(c, v) && got; i++) {
        bound[i] = fabs((double)got[i] - expected[i]);
        if (isnan(bound[i])) bound[i] = INFINITY;
    }
    c->off[v] = bound;
}

static glint_status find_bound(check *c, const tape_op *op, const float *expected, double *bound, glint_error *err) {
    bound_op b = {.oracle = &c->reference->rig,
                  .op = op,
                  .batch = &c->batch,
                  .out = expected,
                  .rounds = rig_rounds(&c->tested.rig) || rig_rounds(&c->oracle.rig)};
    glint_status status = GLINT_OK;
    if (op->kind == TAPE_ATTEND) memcpy(b.off_cache, c->off_cache[op->p.cache], sizeof b.off_cache);
    c->carried = b.off_cache[0] != NULL;
    for (int k = 0; k < 2 && !status; k++) {
        if (op->in[k] < 0) continue;
        float *x;
        status = check_expect(c, op->in[k], &x, err);
        b.in[k] = x;
        b.off[k] = c->off[op->in[k]];
        c->carried |= b.off[k] != NULL;
    }
    if (!status) status = bound_fill(&b, &c->work, bound, err);
    for (size_t i = 0; i < numbers_of(c, op->out) && c->many != 1; i++) bound[i] *= c->many;
    return status;
}

static glint_status compare(check *c, const backend_group *g, const tape_op *op, const float *expected,
                            const double *bound, glint_error *err) {
    glint_comparison out;
    measure m;
    tape_value v = op->out;
    int rows = check_rows(c, v);
    check_describe(c, g, op, c->tape->values[v].name, rows ? check_position(c, v, 0) : 0, &out);
    out.differs_from_itself = c->differs[v];
    measure_begin(&m, &out, c->tape->values[v].width);
    measure_rows(&m, c->got[v], expected, bound, rows);
    measure_end(&m);
    check_show_rows(c, v, c->got[v], expected, &out);
    glint_status status = GLINT_OK;
    if (check_fails(&out)) status = check_diagnose(c, g->first_op, op, c->got[v], expected, &out, err);
    if (!status) check_report(c, &out);
    return status;
}

static glint_status judge_value(check *c, const backend_group *g, const tape_op *op, glint_error *err) {
    float *expected;
    double *bound = arena_array(&c->work, numbers_of(c, op->out), sizeof *bound);
    glint_status status = bound ? check_expect(c, op->out, &expected, err) : check_no_memory(err);
    if (!status) status = find_bound(c, op, expected, bound, err);
    if (status) return status;
    if (c->got[op->out] && check_wanted(c, op->layer)) status = compare(c, g, op, expected, bound, err);
    note_off(c, op->out, expected, bound);
    return status;
}

/* ---- The step ---- */

static glint_status judge(check *c, const backend_group *g, const tape_op *op, const float *got, bool differs,
                          glint_error *err) {
    if (op->out < 0) return check_cache(c, g, op, got, differs, err);
    c->got[op->out] = got;
    c->differs[op->out] = differs;
    return judge_value(c, g, op, err);
}

static glint_status judge_group(check *c, const backend_group *g, float **first, float **second, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = g->first_op; i <= g->last_op && !status; i++) {
        const tape_op *op = &c->tape->ops[i];
        size_t n = op->out >= 0 ? numbers_of(c, op->out) : 2 * numbers_of(c, op->in[0]);
        const float *a = first[i - g->first_op], *b = second[i - g->first_op];
        status = judge(c, g, op, a, a && memcmp(a, b, n * sizeof *a) != 0, err);
    }
    return status;
}

static bool group_wanted(const check *c, const backend_group *g) {
    for (int i = g->first_op; i <= g->last_op; i++)
        if (check_wanted(c, c->tape->ops[i].layer)) return true;
    return false;
}

glint_status check_forced_group(check *c, int number, glint_error *err) {
    const backend_group *g = &c->under_test->groups[number];
    check_forget(c);
    size_t n = (size_t)(g->last_op - g->first_op + 1);
    float **first = arena_array(&c->work, n, sizeof *first), **second = arena_array(&c->work, n, sizeof *second);
    glint_status status = first && second ? force_inputs(c, g, err) : check_no_memory(err);
    if (!status) status = run_once(c, g, number, first, err);
    if (!status) status = run_once(c, g, number, second, err);
    if (!status) status = judge_group(c, g, first, second, err);
    return status;
}

glint_status check_forced_step(check *c, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = 0; i < c->under_test->n_groups && !status; i++)
        if (group_wanted(c, &c->under_test->groups[i])) status = check_forced_group(c, i, err);
    arena_free(&c->work);
    return status;
}
