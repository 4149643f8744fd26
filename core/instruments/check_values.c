/* Values of the step at hand: what the reference has of them (a device everything, a file some), and what goes to and
 * comes from the program under test. */
#include "core/instruments/check.h"

int check_rows(const check *c, tape_value v) {
    return c->tape->values[v].outputs ? c->batch.n_outputs : c->batch.n_rows;
}

int check_position(const check *c, tape_value v, int r) {
    return c->batch.position[c->tape->values[v].outputs ? c->batch.output[r] : r];
}

void check_forget(check *c) {
    size_t n = (size_t)c->tape->n_values;
    for (size_t v = 0; v < n; v++) {
        c->expected[v] = NULL;
        c->got[v] = NULL;
        c->off[v] = NULL;
        c->asked[v] = c->differs[v] = c->bad[v] = false;
    }
    for (int i = 0; i < c->tape->n_caches; i++) c->off_cache[i][0] = c->off_cache[i][1] = NULL;
    arena_free(&c->work);
}

/* Rows of the file's value for the rows of this step; *out stays NULL where it lacks some of them. */
static glint_status from_file(check *c, tape_value v, float **out, glint_error *err) {
    const reference_value *value = reference_find(c->run, c->tape->values[v].name);
    int rows = check_rows(c, v);
    if (!value || !rows) return GLINT_OK;
    int first = check_position(c, v, 0) - value->first_row;
    if (first < 0 || first > value->rows - rows) return GLINT_OK;
    *out = arena_array(&c->work, (size_t)rows * (size_t)value->width, sizeof **out);
    return *out ? reference_read(c->file, value, first, rows, *out, err) : check_no_memory(err);
}

static glint_status from_device(check *c, tape_value v, float **out, glint_error *err) {
    int rows = check_rows(c, v);
    check_program *p = c->reference;
    *out = arena_array(&c->work, (size_t)rows * (size_t)c->tape->values[v].width, sizeof **out);
    if (!*out) return check_no_memory(err);
    return p->rig.backend->read(p->rig.program, p->ticket, v, 0, rows, *out, err);
}

glint_status check_expect(check *c, tape_value v, float **out, glint_error *err) {
    glint_status status = GLINT_OK;
    if (!c->asked[v]) status = (c->reference ? from_device : from_file)(c, v, &c->expected[v], err);
    c->asked[v] = true;
    if (!status) *out = c->expected[v];
    return status;
}

size_t check_numbers(const check *c, tape_value v) {
    return (size_t)check_rows(c, v) * (size_t)c->tape->values[v].width;
}

glint_status check_write(check *c, tape_value v, const float *rows, glint_error *err) {
    const rig *r = &c->under_test->rig;
    return r->backend->write(r->program, v, 0, check_rows(c, v), rows, err);
}

glint_status check_poison(check *c, tape_value v, glint_error *err) {
    float *x = arena_array(&c->work, check_numbers(c, v), sizeof *x);
    if (!x) return check_no_memory(err);
    measure_poison(x, check_numbers(c, v));
    return check_write(c, v, x, err);
}

glint_status check_read(check *c, tape_value v, const float **out, glint_error *err) {
    const rig *r = &c->under_test->rig;
    float *x = arena_array(&c->work, check_numbers(c, v), sizeof *x);
    *out = x;
    return x ? r->backend->read(r->program, c->under_test->ticket, v, 0, check_rows(c, v), x, err)
             : check_no_memory(err);
}

tape_value check_watched(const check *c, int i) {
    tape_value v = c->tape->ops[i].out;
    return v >= 0 && c->under_test->watched[v] ? v : TAPE_NONE;
}
