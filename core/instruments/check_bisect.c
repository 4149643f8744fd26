/* Narrowing a wrong result down to the group that makes it wrong: the first groups of a step are the reference's, the
 * rest run on the device under test, and the place where one gives way to the other is moved by halves. */
#include <stdio.h>

#include "core/instruments/check.h"

/* Values that groups from `first` on read and earlier ones made, as the reference has them. */
static glint_status write_crossing(check *c, int first, glint_error *err) {
    const check_program *p = c->under_test;
    glint_status status = GLINT_OK;
    for (int i = first; i < p->n_groups; i++)
        for (int k = 0; k < p->groups[i].n_in && !status; k++) {
            tape_value v = p->groups[i].in[k];
            float *x;
            if (c->tape->values[v].op >= p->groups[first].first_op) continue;
            status = check_expect(c, v, &x, err);
            if (!status) status = check_write(c, v, x, err);
        }
    return status;
}

/* Logits where groups from `first` on run on the device under test. */
static glint_status compare_logits(check *c, int first, glint_comparison *out, glint_error *err) {
    check_program *p = c->under_test;
    tape_value v = c->tape->logits;
    const float *got = NULL;
    float *expected = NULL;
    check_forget(c);
    glint_status status = check_give_pages(c, err);
    if (!status) status = write_crossing(c, first, err);
    if (!status)
        status = p->rig.backend->run_groups(p->rig.program, &c->batch, first, p->n_groups - first, &p->ticket, err);
    if (!status) status = check_read(c, v, &got, err);
    if (!status) status = check_expect(c, v, &expected, err);
    const tape_op *op = &c->tape->ops[c->tape->values[v].op];
    return status ? status : check_compare_nmse(c, NULL, op, &bound_model[c->o->precision], got, expected, out, err);
}

/* Wrong where the device begins with group `wrong`, right where it begins with `right`. */
static glint_status halve(check *c, int wrong, int right, int *found, glint_error *err) {
    int runs = 1;
    while (right - wrong > 1) {
        int middle = wrong + (right - wrong) / 2;
        glint_comparison out;
        glint_status status = compare_logits(c, middle, &out, err);
        if (status) return status;
        *(check_fails(&out) ? &wrong : &right) = middle;
        runs++;
    }
    *found = wrong;
    snprintf(c->bisected, sizeof c->bisected, "%d runs lead to group %d of %d", runs, wrong + 1,
             c->under_test->n_groups);
    return GLINT_OK;
}

glint_status check_bisect_step(check *c, glint_error *err) {
    glint_comparison whole;
    int group = 0, last = c->tape->values[c->tape->logits].op, n = 0;
    while (n < c->under_test->n_groups && c->under_test->groups[n].first_op <= last) n++;
    glint_status status = compare_logits(c, 0, &whole, err);
    if (status) return status;
    check_report(c, &whole);
    if (whole.pass) return GLINT_OK;
    c->done = true;
    status = halve(c, 0, n, &group, err);
    if (!status) status = check_give_pages(c, err);
    return status ? status : check_forced_group(c, group, err);
}
