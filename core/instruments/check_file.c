/* A step beside a file, in pieces that end where the file has a value: each gets the file's numbers as its inputs (or
 * what an earlier piece made, where the file has none), so that what is compared comes from the ops of its piece alone.
 */
#include <string.h>

#include "core/instruments/check.h"

typedef struct piece {
    int first, last; /* ops */
    tape_value *in;
    int n_in;
    const float **first_run, **second_run; /* by op of the piece: its result; NULL: not watched */
} piece;

/* ---- Running ---- */

static glint_status write_inputs(check *c, const piece *p, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = 0; i < p->n_in && !status; i++) {
        float *known;
        status = check_expect(c, p->in[i], &known, err);
        if (!status) status = check_write(c, p->in[i], known ? known : c->got[p->in[i]], err);
    }
    return status;
}

static glint_status run_once(check *c, const piece *p, const float **results, glint_error *err) {
    check_program *t = c->under_test;
    glint_status status = GLINT_OK;
    for (int i = p->first; i <= p->last && !status; i++)
        if (check_watched(c, i) >= 0) status = check_poison(c, check_watched(c, i), err);
    if (!status) status = t->rig.backend->step(t->rig.program, &c->batch, &t->ticket, err);
    for (int i = p->first; i <= p->last && !status; i++)
        if (check_watched(c, i) >= 0) status = check_read(c, check_watched(c, i), &results[i - p->first], err);
    return status;
}

/* ---- Judging ---- */

/* Copies are the same where what they copy was forced; all else has the limit of a stretch. */
static const bound_limits *limits_of(const check *c, const piece *p, const tape_op *op) {
    static const bound_limits same = {0, 0};
    bool copy = tape_kinds[op->kind].bound == TAPE_BOUND_SAME && c->expected[op->in[0]];
    return copy && op == &c->tape->ops[p->first] ? &same : check_stretch_limits(c, p->first, (int)(op - c->tape->ops));
}

static glint_status judge(check *c, const piece *p, int i, glint_error *err) {
    const tape_op *op = &c->tape->ops[i], *since = &c->tape->ops[p->first];
    const float *got = p->first_run[i - p->first], *again = p->second_run[i - p->first];
    float *expected;
    glint_comparison out;
    if (!got) return GLINT_OK;
    c->got[op->out] = got;
    glint_status status = check_expect(c, op->out, &expected, err);
    if (status || !expected) return status;
    status = check_compare_nmse(c, NULL, op, limits_of(c, p, op), got, expected, &out, err);
    if (status) return status;
    if (since != op) out.since = c->tape->values[since->out >= 0 ? since->out : since->in[0]].name;
    out.differs_from_itself = memcmp(got, again, check_numbers(c, op->out) * sizeof *got) != 0;
    if (!check_wanted(c, op->layer)) return GLINT_OK;
    if (check_fails(&out)) status = check_diagnose(c, p->first, op, got, expected, &out, err);
    if (!status) check_report(c, &out);
    return status;
}

/* ---- The step ---- */

static bool file_has(const check *c, const tape_op *op) {
    return op->out >= 0 && reference_find(c->run, c->tape->values[op->out].name);
}

static glint_status run_piece(check *c, piece *p, glint_error *err) {
    int n = p->last - p->first + 1;
    p->in = arena_array(&c->work, (size_t)c->tape->n_values, sizeof *p->in);
    p->first_run = arena_array(&c->work, (size_t)n, sizeof *p->first_run);
    p->second_run = arena_array(&c->work, (size_t)n, sizeof *p->second_run);
    if (!p->in || !p->first_run || !p->second_run) return check_no_memory(err);
    p->n_in = tape_inputs(c->tape, p->first, n, p->in);
    glint_status status = check_side_program(c->tested, c->batch.n_rows, p->first, n, &c->under_test, err);
    if (!status) status = write_inputs(c, p, err);
    if (!status) status = run_once(c, p, p->first_run, err);
    if (!status) status = run_once(c, p, p->second_run, err);
    for (int i = p->first; i <= p->last && !status; i++) status = judge(c, p, i, err);
    return status;
}

glint_status check_file_step(check *c, glint_error *err) {
    glint_status status = GLINT_OK;
    check_forget(c);
    for (piece p = {0}; p.first < c->tape->n_ops && !status; p.first = p.last + 1) {
        p.last = p.first;
        while (p.last < c->tape->n_ops - 1 && !file_has(c, &c->tape->ops[p.last])) p.last++;
        status = run_piece(c, &p, err);
    }
    return status;
}
