/* What the reference has of the step at hand: everything where it is a device, some values where it is a file. */
#include "core/instruments/check.h"

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
