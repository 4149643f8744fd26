/* Opening a side, and choosing which values of the device under test can be watched: watching a value may break up the
 * group that runs in production, and it is the groups of production that are to be checked. */
#include <stdlib.h>

#include "core/instruments/check.h"

glint_status check_side_open(check_side *s, const char *device, const backend_options *options, const rig_setup *setup,
                             int batch, int outputs, bool all, glint_error *err) {
    *s = (check_side){.setup = *setup, .batch = batch, .outputs = outputs, .all = all};
    return rig_open(&s->rig, device, options, &s->setup, err);
}

void check_side_close(check_side *s) {
    for (int i = 0; i < s->n_programs; i++) {
        rig_close(&s->programs[i]->rig);
        free(s->programs[i]);
    }
    free(s->programs);
    if (s->rig.setup) rig_close(&s->rig);
    arena_free(&s->memory);
}

/* ---- What is watched ---- */

typedef struct boundaries {
    int n;
    int *first, *last; /* ops */
    bool *crosses;     /* by tape value: goes into a group or comes out of one */
} boundaries;

static const tape *tape_of(const check_side *s) {
    return s->setup.tape;
}

/* Compiles p, which is a program already or has its setup, with the values marked in p->watched. */
static glint_status compile(check_side *s, check_program *p, glint_error *err) {
    int n_values = tape_of(s)->n_values;
    tape_value *observed = arena_array(&s->memory, (size_t)n_values, sizeof *observed);
    if (!observed) return check_no_memory(err);
    rig_close(&p->rig);
    p->setup.observed = observed;
    p->setup.n_observed = 0;
    for (tape_value v = 0; v < n_values; v++)
        if (p->watched[v]) observed[p->setup.n_observed++] = v;
    glint_status status = rig_open_beside(&p->rig, &s->rig, &p->setup, err);
    if (!status) p->n_groups = p->rig.backend->groups(p->rig.program, &p->groups);
    return status;
}

static glint_status note_groups(check_side *s, const check_program *p, boundaries *b, glint_error *err) {
    size_t n = (size_t)p->n_groups;
    *b = (boundaries){.n = p->n_groups,
                      .first = arena_array(&s->memory, n, sizeof(int)),
                      .last = arena_array(&s->memory, n, sizeof(int)),
                      .crosses = arena_array(&s->memory, (size_t)tape_of(s)->n_values, sizeof(bool))};
    if (!b->first || !b->last || !b->crosses) return check_no_memory(err);
    for (int i = 0; i < b->n; i++) {
        const backend_group *g = &p->groups[i];
        b->first[i] = g->first_op;
        b->last[i] = g->last_op;
        for (int k = 0; k < g->n_in; k++) b->crosses[g->in[k]] = true;
        for (int k = 0; k < g->n_out; k++) b->crosses[g->out[k]] = true;
    }
    return GLINT_OK;
}

static bool has_group(const check_program *p, int first, int last) {
    for (int i = 0; i < p->n_groups; i++)
        if (p->groups[i].first_op == first && p->groups[i].last_op == last) return true;
    return false;
}

/* Gives up watching inside the groups that watching has changed. Returns how many there were. */
static int unwatch(const check_side *s, check_program *p, const boundaries *b) {
    int changed = 0;
    for (int i = 0; i < b->n; i++) {
        if (has_group(p, b->first[i], b->last[i])) continue;
        changed++;
        for (int op = b->first[i]; op <= b->last[i]; op++) {
            tape_value v = tape_of(s)->ops[op].out;
            if (v >= 0) p->watched[v] = b->crosses[v];
        }
    }
    return changed;
}

static glint_status watch_all(check_side *s, check_program *p, glint_error *err) {
    for (tape_value v = 0; v < tape_of(s)->n_values; v++) p->watched[v] = true;
    return compile(s, p, err);
}

/* As much as leaves the groups of production alone. */
static glint_status watch_most(check_side *s, check_program *p, glint_error *err) {
    boundaries production = {0};
    p->watched[tape_of(s)->logits] = p->watched[tape_of(s)->argmax] = true;
    glint_status status = compile(s, p, err);
    if (!status) status = note_groups(s, p, &production, err);
    if (!status) status = watch_all(s, p, err);
    if (status || !unwatch(s, p, &production)) return status;
    status = compile(s, p, err);
    if (status || !unwatch(s, p, &production)) return status;
    return base_fail(err, GLINT_INTERNAL, "%s: the groups change when their inputs and outputs are watched",
                     s->rig.backend->name);
}

/* ---- Programs ---- */

static int class_of(const check_side *s, int rows) {
    int few = s->batch < CHECK_FEW ? s->batch : CHECK_FEW;
    return rows == 1 ? 1 : rows <= few ? few : s->batch;
}

/* A new entry of the list, not compiled yet; programs stay where they are when the list grows. */
static check_program *add_program(check_side *s) {
    if (s->n_programs == s->room) {
        check_program **more = realloc(s->programs, (size_t)(2 * s->room + 8) * sizeof *more);
        if (!more) return NULL;
        s->programs = more;
        s->room = 2 * s->room + 8;
    }
    check_program *p = calloc(1, sizeof *p);
    if (p) s->programs[s->n_programs++] = p;
    return p;
}

glint_status check_side_program(check_side *s, int rows, int first, int n, check_program **out, glint_error *err) {
    int most = class_of(s, rows);
    for (int i = 0; i < s->n_programs; i++) {
        *out = s->programs[i];
        if ((*out)->setup.max_rows == most && (*out)->setup.first_op == first && (*out)->setup.n_ops == n)
            return GLINT_OK;
    }
    check_program *p = *out = add_program(s);
    if (p) p->watched = arena_array(&s->memory, (size_t)tape_of(s)->n_values, sizeof *p->watched);
    if (!p || !p->watched) return check_no_memory(err);
    p->setup = s->setup;
    p->setup.first_op = first;
    p->setup.n_ops = n;
    p->setup.max_rows = most;
    p->setup.max_outputs = most < s->outputs ? most : s->outputs;
    return (s->all ? watch_all : watch_most)(s, p, err);
}
