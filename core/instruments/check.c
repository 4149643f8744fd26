/* glint_check: opening both sides, and feeding them the same rows. */
#include "core/instruments/check.h"

#include <string.h>
#include <unistd.h>

glint_status check_no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a check");
}

int check_rows(const check *c, tape_value v) {
    return c->tape->values[v].outputs ? c->batch.n_outputs : c->batch.n_rows;
}

int check_position(const check *c, tape_value v, int r) {
    return c->batch.position[c->tape->values[v].outputs ? c->batch.output[r] : r];
}

bool check_wanted(const check *c, int layer) {
    for (int i = 0; i < c->o->n_layers; i++)
        if (layer == TAPE_NONE || c->o->layers[i] == layer) return true;
    return !c->o->layers;
}

/* ---- Rows ---- */

/* A check has one sequence, which shares its pages with nobody. */
static glint_status copy_page(void *user, int group, int from, int to, glint_error *err) {
    (void)user, (void)group, (void)from, (void)to;
    return base_fail(err, GLINT_INTERNAL, "a check shares no pages");
}

enum { OUTPUTS = 8 }; /* rows of a step that have logits where every row could: heads are large */

static glint_status step(check *c, const int32_t *ids, int n, glint_error *err) {
    int outputs = n < OUTPUTS ? n : OUTPUTS;
    glint_status status = kv_reserve(&c->kv, 0, n, copy_page, NULL, err);
    for (int r = 0; r < n; r++) {
        c->token[r] = ids[r];
        c->position[r] = c->kv.length[0] + r;
    }
    for (int k = 0; k < outputs; k++) c->output[k] = n - outputs + k;
    c->batch = (backend_batch){n, outputs, c->token, c->position, c->sequence, c->output, {{0}}};
    for (int g = 0; g < c->kv.n_groups; g++)
        c->batch.pages[g] = (backend_pages){c->kv.groups[g].table, c->kv.groups[g].slots};
    if (!status) status = check_side_program(&c->tested, n, &c->under_test, err);
    if (!status) status = check_side_program(&c->oracle, n, &c->reference, err);
    if (!status) status = check_force_pages(c, err);
    check_program *p = c->reference;
    if (!status) status = p->rig.backend->step(p->rig.program, &c->batch, &p->ticket, err);
    if (!status) status = check_forced_step(c, err);
    if (!status) kv_advance(&c->kv, 0, n);
    return status;
}

/* What the reference chose after the last row. */
static glint_status chosen(check *c, int32_t *id, glint_error *err) {
    float x;
    const check_program *p = c->reference;
    glint_status status =
        p->rig.backend->read(p->rig.program, p->ticket, c->tape->argmax, c->batch.n_outputs - 1, 1, &x, err);
    if (!status) *id = (int32_t)x;
    return status;
}

static glint_status run_prompt(check *c, const int32_t *ids, int n, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int at = 0, count; at < n && !status; at += count) {
        count = n - at < c->tested.batch ? n - at : c->tested.batch;
        status = step(c, ids + at, count, err);
    }
    for (c->step = 1; c->step <= c->o->n && !status; c->step++) {
        int32_t id;
        status = chosen(c, &id, err);
        if (!status) status = step(c, &id, 1, err);
    }
    return status;
}

/* ---- Opening ---- */

static glint_status make_room(check *c, int context, int batch, glint_error *err) {
    const tape *t = c->tape;
    arena *a = &c->memory;
    size_t values = (size_t)t->n_values, caches = (size_t)t->n_caches, rows = (size_t)batch;
    glint_status status = kv_open(&c->kv, t, 1, context, batch, a, err);
    if (status) return status;
    c->views = arena_array(a, (size_t)t->n_weights, sizeof *c->views);
    c->token = arena_array(a, rows, sizeof *c->token);
    c->position = arena_array(a, rows, sizeof *c->position);
    c->sequence = arena_array(a, rows, sizeof *c->sequence);
    c->output = arena_array(a, rows, sizeof *c->output);
    c->expected = arena_array(a, values, sizeof *c->expected);
    c->got = arena_array(a, values, sizeof *c->got);
    c->asked = arena_array(a, values, sizeof *c->asked);
    c->off = arena_array(a, values, sizeof *c->off);
    c->differs = arena_array(a, values, sizeof *c->differs);
    c->bad = arena_array(a, values, sizeof *c->bad);
    c->off_cache = arena_array(a, caches, sizeof *c->off_cache);
    bool good = c->views && c->token && c->position && c->sequence && c->output && c->expected && c->got && c->asked &&
                c->off && c->differs && c->bad && c->off_cache;
    if (!good) return check_no_memory(err);
    for (tape_weight w = 0; w < t->n_weights; w++) c->views[w] = model_view(c->model, w);
    return GLINT_OK;
}

static glint_status open_sides(check *c, int batch, glint_error *err) {
    rig_setup setup = {.tape = c->tape,
                       .n_ops = c->tape->n_ops,
                       .views = c->views,
                       .pages = 1,
                       .slots = 1,
                       .cache_f32 = c->o->precision == GLINT_EXACT};
    for (int g = 0; g < c->kv.n_groups; g++) setup.group_slots[g] = c->kv.groups[g].slots;
    backend_options options = {.threads = c->o->threads, .precision = c->o->precision};
    const char *against = c->o->against ? c->o->against : "cpu:ref";
    c->many = strcmp(against, "cpu:ref") ? 2 : 1;
    glint_status status = check_side_open(&c->tested, c->device, &options, &setup, batch, OUTPUTS, c->o->unfused, err);
    if (!status) status = check_side_open(&c->oracle, against, &options, &setup, batch, OUTPUTS, true, err);
    if (!status) status = check_spoil(c, &c->oracle, err);
    return status;
}

static glint_status check_options(const glint_model *m, const glint_check_options *o, glint_error *err) {
    enum { MOST = 1 << 24 };
    if (!o->n_prompt) return base_fail(err, GLINT_USAGE, "a check needs a prompt");
    if (o->n_prompt > MOST || o->n < 0 || o->n > MOST || o->batch < 0 || o->threads < 0)
        return base_fail(err, GLINT_USAGE, "prompt, steps, batch or threads out of range");
    for (size_t i = 0; i < o->n_prompt; i++)
        if (o->prompt[i] < 0 || o->prompt[i] >= m->tape.vocabulary)
            return base_fail(err, GLINT_BAD_INPUT, "token id %d: the model has ids 0 to %d", o->prompt[i],
                             m->tape.vocabulary - 1);
    for (int i = 0; i < o->n_layers; i++)
        if (o->layers[i] < 0 || o->layers[i] >= m->tape.layers)
            return base_fail(err, GLINT_USAGE, "there is no layer %d: the model has %d", o->layers[i], m->tape.layers);
    return GLINT_OK;
}

glint_status glint_check(glint_model *model, const glint_check_options *o, glint_verdict *verdict, glint_error *err) {
    enum { BATCH = 512 };
    glint_status status = check_options(model, o, err);
    if (status) return status;
    *verdict = (glint_verdict){0};
    check c = {
        .o = o, .model = model, .tape = &model->tape, .device = o->device ? o->device : "cpu", .verdict = verdict};
    int prompt = (int)o->n_prompt, batch = o->batch ? o->batch : BATCH;
    if (batch > prompt) batch = prompt;
    status = make_room(&c, prompt + o->n, batch, err);
    if (!status) status = open_sides(&c, batch, err);
    if (!status) status = run_prompt(&c, o->prompt, prompt, err);
    if (!status) status = check_conclude(&c, err);
    check_side_close(&c.tested);
    check_side_close(&c.oracle);
    arena_free(&c.work);
    arena_free(&c.memory);
    return status;
}
