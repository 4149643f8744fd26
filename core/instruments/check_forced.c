/* A step group by group: the device under test gets the reference's numbers as the inputs of each group, runs it twice,
 * and what comes out is compared. */
#include <math.h>
#include <string.h>

#include "core/instruments/check.h"

/* ---- Running a group ---- */

static glint_status force_inputs(check *c, const backend_group *g, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = 0; i < g->n_in && !status; i++) {
        float *x;
        status = check_expect(c, g->in[i], &x, err);
        if (!status) status = check_write(c, g->in[i], x, err);
    }
    return status;
}

static glint_status poison_result(check *c, int i, glint_error *err) {
    const tape_op *op = &c->tape->ops[i];
    if (op->out < 0) return check_poison_cache(c, op, err);
    return check_watched(c, i) >= 0 ? check_poison(c, op->out, err) : GLINT_OK;
}

/* What op i left: rows of its result, or of the cache that it writes; NULL: it cannot be read. */
static glint_status read_result(check *c, int i, const float **out, glint_error *err) {
    const tape_op *op = &c->tape->ops[i];
    if (op->out < 0) return check_read_cache(c, op, out, err);
    return check_watched(c, i) >= 0 ? check_read(c, op->out, out, err) : GLINT_OK;
}

/* Once with poisoned results. results[i]: of the group's i-th op. */
static glint_status run_once(check *c, const backend_group *g, int number, const float **results, glint_error *err) {
    check_program *p = c->under_test;
    glint_status status = GLINT_OK;
    for (int i = g->first_op; i <= g->last_op && !status; i++) status = poison_result(c, i, err);
    if (!status) status = p->rig.backend->run_groups(p->rig.program, &c->batch, number, 1, &p->ticket, err);
    for (int i = g->first_op; i <= g->last_op && !status; i++)
        status = read_result(c, i, &results[i - g->first_op], err);
    return status;
}

/* ---- Judging ---- */

/* The numbers that the device had as an operand, where they were not the reference's: how far away they may be. */
static void note_off(check *c, tape_value v, const float *expected, double *bound) {
    const float *got = c->got[v];
    for (size_t i = 0; i < check_numbers(c, v) && got; i++) {
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
                  .rounds = rig_rounds(&c->tested->rig) || rig_rounds(&c->oracle.rig)};
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
    for (size_t i = 0; i < check_numbers(c, op->out) && c->many != 1; i++) bound[i] *= c->many;
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
    double *bound = arena_array(&c->work, check_numbers(c, op->out), sizeof *bound);
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

static glint_status judge_group(check *c, const backend_group *g, const float **first, const float **second,
                                glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = g->first_op; i <= g->last_op && !status; i++) {
        const tape_op *op = &c->tape->ops[i];
        size_t n = op->out >= 0 ? check_numbers(c, op->out) : 2 * check_numbers(c, op->in[0]);
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
    const float **first = arena_array(&c->work, n, sizeof *first);
    const float **second = arena_array(&c->work, n, sizeof *second);
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
