/* Opening a side, and choosing which values of the device under test can be watched: watching a value may break up the
 * group that runs in production, and it is the groups of production that are to be checked. */
#include <string.h>

#include "core/instruments/check.h"

glint_status check_side_open(check_side *s, const char *device, const backend_options *options, const rig_setup *setup,
                             int batch, int outputs, bool all, glint_error *err) {
    *s = (check_side){.setup = *setup, .batch = batch, .outputs = outputs, .all = all};
    return rig_open(&s->rig, device, options, &s->setup, err);
}

static void close_program(check_program *p) {
    if (p->watched) rig_close(&p->rig);
    p->watched = NULL;
}

void check_side_close(check_side *s) {
    for (int i = 0; i < CHECK_CLASSES; i++) close_program(&s->programs[i]);
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

/* Compiles p with the values marked in `watched`. */
static glint_status compile(check_side *s, check_program *p, const bool *watched, int rows, glint_error *err) {
    int n_values = tape_of(s)->n_values;
    tape_value *observed = arena_array(&s->memory, (size_t)n_values, sizeof *observed);
    bool *copy = arena_copy(&s->memory, watched, (size_t)n_values * sizeof *watched);
    if (!observed || !copy) return check_no_memory(err);
    close_program(p);
    p->setup = s->setup;
    p->setup.max_rows = rows;
    p->setup.max_outputs = rows < s->outputs ? rows : s->outputs;
    p->setup.observed = observed;
    for (tape_value v = 0; v < n_values; v++)
        if (watched[v]) observed[p->setup.n_observed++] = v;
    p->watched = copy;
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
static int unwatch(const check_side *s, const check_program *p, const boundaries *b, bool *watched) {
    int changed = 0;
    for (int i = 0; i < b->n; i++) {
        if (has_group(p, b->first[i], b->last[i])) continue;
        changed++;
        for (int op = b->first[i]; op <= b->last[i]; op++) {
            tape_value v = tape_of(s)->ops[op].out;
            if (v >= 0) watched[v] = b->crosses[v];
        }
    }
    return changed;
}

static glint_status watch_most(check_side *s, check_program *p, int rows, glint_error *err) {
    const tape *t = tape_of(s);
    bool *watched = arena_array(&s->memory, (size_t)t->n_values, sizeof *watched);
    boundaries production = {0};
    if (!watched) return check_no_memory(err);
    glint_status status = GLINT_OK;
    if (!s->all) {
        watched[t->logits] = watched[t->argmax] = true;
        status = compile(s, p, watched, rows, err);
        if (!status) status = note_groups(s, p, &production, err);
    }
    for (tape_value v = 0; v < t->n_values; v++) watched[v] = true;
    if (!status) status = compile(s, p, watched, rows, err);
    if (!status && !s->all && unwatch(s, p, &production, watched)) {
        status = compile(s, p, watched, rows, err);
        if (!status && unwatch(s, p, &production, watched))
            status = base_fail(err, GLINT_INTERNAL, "%s: the groups change when their inputs and outputs are watched",
                               s->rig.backend->name);
    }
    return status;
}

glint_status check_side_program(check_side *s, int rows, check_program **out, glint_error *err) {
    int few = s->batch < CHECK_FEW ? s->batch : CHECK_FEW;
    const int most[CHECK_CLASSES] = {1, few, s->batch};
    int class = rows == 1 ? 0 : rows <= few ? 1 : 2;
    check_program *p = &s->programs[class];
    *out = p;
    return p->watched ? GLINT_OK : watch_most(s, p, most[class], err);
}
