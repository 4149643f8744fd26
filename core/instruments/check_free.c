/* A step that both sides take by themselves: how large an error has grown by each value, and where it grew most. */
#include <math.h>
#include <stdio.h>

#include "core/instruments/check.h"

/* The error of an op's operands; of attention also that of the keys and values it sees. */
static double error_before(const check *c, const tape_op *op) {
    double most = 0x1p-48; /* of one rounding: what is smaller is no error yet */
    for (int k = 0; k < 2; k++)
        if (op->in[k] >= 0) most = fmax(most, c->error[op->in[k]]);
    return op->kind == TAPE_ATTEND ? fmax(most, c->cache_error[op->p.cache]) : most;
}

static void note_growth(check *c, const tape_op *op, const glint_comparison *out) {
    double before = error_before(c, op), growth = c->error[op->out] / before;
    if (!(growth > c->growth)) return;
    c->growth = growth;
    snprintf(c->growth_text, sizeof c->growth_text, "%s (%s), from an NMSE of %.2g to %.2g", out->value, out->op,
             before, c->error[op->out]);
}

static glint_status compare(check *c, const backend_group *g, const tape_op *op, glint_error *err) {
    tape_value v = op->out;
    float *expected;
    const float *got;
    glint_comparison out;
    glint_status status = check_expect(c, v, &expected, err);
    if (status || !expected) return status;
    status = check_read(c, v, &got, err);
    if (!status) status = check_compare_nmse(c, g, op, &bound_model[c->o->precision], got, expected, &out, err);
    if (status) return status;
    c->error[v] = out.nmse;
    if (op->kind != TAPE_ARGMAX) note_growth(c, op, &out);
    if (check_wanted(c, op->layer)) check_report(c, &out);
    return GLINT_OK;
}

/* Values that cannot be compared have the error of what they were made from. */
static glint_status take_op(check *c, const backend_group *g, const tape_op *op, glint_error *err) {
    double before = error_before(c, op);
    if (op->out < 0) {
        c->cache_error[op->p.cache] = before;
        return GLINT_OK;
    }
    c->error[op->out] = before;
    bool compared = op->kind != TAPE_TOP_K && c->under_test->watched[op->out];
    glint_status status = compared ? compare(c, g, op, err) : GLINT_OK;
    check_forget(c);
    return status;
}

glint_status check_free_step(check *c, glint_error *err) {
    check_program *p = c->under_test;
    glint_status status = p->rig.backend->step(p->rig.program, &c->batch, &p->ticket, err);
    for (int i = 0; i < p->n_groups && !status; i++)
        for (int k = p->groups[i].first_op; k <= p->groups[i].last_op && !status; k++)
            status = take_op(c, &p->groups[i], &c->tape->ops[k], err);
    return status;
}
