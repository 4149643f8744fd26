/* glint_check: opening both sides, and feeding them the same rows. */
#include "core/instruments/check.h"

#include <string.h>
#include <unistd.h>

#include "core/base/size.h"

/* ---- Rows ---- */

/* A check has one sequence, which shares its pages with nobody. */
static glint_status copy_page(void *user, int group, int from, int to, glint_error *err) {
    (void)user, (void)group, (void)from, (void)to;
    return base_fail(err, GLINT_INTERNAL, "a check shares no pages");
}

/* Rows that want logits: against a device the last few, because heads are large; against a file those that it has
 * logits for, at least one. */
static void choose_outputs(check *c, int n) {
    int first = n < CHECK_OUTPUTS ? 0 : n - CHECK_OUTPUTS, end = n;
    const reference_value *logits = c->file ? reference_find(c->run, c->tape->values[c->tape->logits].name) : NULL;
    if (c->file) {
        int begin = logits ? logits->first_row - c->position[0] : n - 1;
        first = begin < 0 ? 0 : begin < n ? begin : n - 1;
        int last = logits ? begin + logits->rows : n;
        if (last > first && last < n) end = last;
    }
    for (int r = first; r < end; r++) c->output[r - first] = r;
    c->batch.n_outputs = end - first;
}

static glint_status make_batch(check *c, const int32_t *ids, int n, glint_error *err) {
    glint_status status = kv_reserve(&c->kv, 0, n, copy_page, NULL, err);
    for (int r = 0; r < n; r++) {
        c->token[r] = ids[r];
        c->position[r] = c->kv.length[0] + r;
    }
    c->batch = (backend_batch){
        .n_rows = n, .token = c->token, .position = c->position, .sequence = c->sequence, .output = c->output};
    for (int g = 0; g < c->kv.n_groups; g++)
        c->batch.pages[g] = (backend_pages){c->kv.groups[g].table, c->kv.groups[g].slots};
    choose_outputs(c, n);
    return status;
}

static void choose_part(check *c, int i) {
    c->tested = &c->sides[i];
    c->device = c->where.parts[i].device;
}

static glint_status step_oracle(check *c, glint_error *err) {
    glint_status status = check_side_program(&c->oracle, c->batch.n_rows, 0, c->tape->n_ops, &c->reference, err);
    for (int i = 0; i < c->where.n && !status && !c->o->free_run; i++) {
        choose_part(c, i);
        status = check_give_pages(c, err);
    }
    check_program *p = c->reference;
    return status ? status : p->rig.backend->step(p->rig.program, &c->batch, &p->ticket, err);
}

/* The stretch of one part; only what is forced has several. */
static glint_status step_part(check *c, int part, int n, glint_error *err) {
    const placement_part *p = &c->where.parts[part];
    int first = placement_op(c->tape, p->first), end = placement_op(c->tape, p->end);
    bool whole = !c->file || c->o->free_run; /* else in pieces */
    choose_part(c, part);
    glint_status status = GLINT_OK;
    if (whole) status = check_side_program(c->tested, n, first, end - first, &c->under_test, err);
    if (status) return status;
    return (c->o->free_run ? check_free_step
            : c->o->bisect ? check_bisect_step
            : c->file      ? check_file_step
                           : check_forced_step)(c, err);
}

static glint_status step(check *c, const int32_t *ids, int n, glint_error *err) {
    glint_status status = make_batch(c, ids, n, err);
    if (!status && !c->file) status = step_oracle(c, err);
    for (int i = 0; i < c->where.n && !status; i++) status = step_part(c, i, n, err);
    arena_free(&c->work);
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

/* A prompt in chunks, then n steps of one token, from an empty cache. `more`: their ids; NULL: as the reference
 * chooses.
 */
static glint_status run_prompt(check *c, const int32_t *ids, int prompt, const int32_t *more, int n, glint_error *err) {
    c->step = 0;
    glint_status status = kv_cut(&c->kv, 0, 0, err);
    for (int i = 0; i < c->where.n && !status; i++) status = check_spoil(c, &c->sides[i], err);
    if (!status && !c->file) status = check_spoil(c, &c->oracle, err);
    for (int at = 0, count; at < prompt && !status && !c->done; at += count) {
        count = prompt - at < c->tested->batch ? prompt - at : c->tested->batch;
        status = step(c, ids + at, count, err);
    }
    for (int i = 0; i < n && !status && !c->done; i++) {
        int32_t id = more ? more[i] : 0;
        c->step++;
        if (!more) status = chosen(c, &id, err);
        if (!status) status = step(c, &id, 1, err);
    }
    return status;
}

/* ---- Files ---- */

/* Is this the prompt that was asked for? */
static bool run_wanted(const glint_check_options *o, const reference_run *r) {
    return !o->prompt ||
           ((size_t)r->n_prompt == o->n_prompt && !memcmp(r->ids, o->prompt, o->n_prompt * sizeof *o->prompt));
}

static int more_steps(const glint_check_options *o, const reference_run *r) {
    return o->n && o->n < r->n - r->n_prompt ? o->n : r->n - r->n_prompt;
}

static glint_status run_file(check *c, glint_error *err) {
    const reference_run *runs;
    int n = reference_runs(c->file, &runs);
    glint_status status = GLINT_OK;
    for (int i = 0; i < n && !status; i++) {
        c->run = &runs[i];
        if (run_wanted(c->o, c->run))
            status = run_prompt(c, c->run->ids, c->run->n_prompt, c->run->ids + c->run->n_prompt,
                                more_steps(c->o, c->run), err);
    }
    return status;
}

/* The longest prompt and the longest run of the file's. */
static glint_status measure_file(check *c, int *prompt, int *length, glint_error *err) {
    const reference_run *runs;
    int n = reference_runs(c->file, &runs);
    *prompt = *length = 0;
    for (int i = 0; i < n; i++) {
        if (!run_wanted(c->o, &runs[i])) continue;
        int rows = runs[i].n_prompt + more_steps(c->o, &runs[i]);
        if (runs[i].n_prompt > *prompt) *prompt = runs[i].n_prompt;
        if (rows > *length) *length = rows;
    }
    if (*length) return GLINT_OK;
    return base_fail(err, GLINT_BAD_INPUT, "%s: holds other prompts", reference_path(c->file));
}

/* ---- Opening ---- */

static glint_status make_room(check *c, int context, int batch, glint_error *err) {
    const tape *t = c->tape;
    arena *a = &c->memory;
    size_t values = (size_t)t->n_values, caches = (size_t)t->n_caches, rows = (size_t)batch;
    glint_status status = kv_open(&c->kv, t, 1, context, batch, a, err);
    if (status) return status;
    c->views = model_views(c->model, a);
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
    c->error = arena_array(a, values, sizeof *c->error);
    c->off_cache = arena_array(a, caches, sizeof *c->off_cache);
    c->cache_error = arena_array(a, caches, sizeof *c->cache_error);
    bool good = c->views && c->token && c->position && c->sequence && c->output && c->expected && c->got && c->asked &&
                c->off && c->differs && c->bad && c->error && c->off_cache && c->cache_error;
    return good ? GLINT_OK : check_no_memory(err);
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
    int outputs = c->file ? batch : CHECK_OUTPUTS;
    glint_status status = GLINT_OK;
    for (int i = 0; i < c->where.n && !status; i++)
        status = check_side_open(&c->sides[i], c->where.parts[i].device, &options, &setup, batch, outputs,
                                 c->o->unfused, err);
    choose_part(c, 0);
    if (!status && !c->file)
        status = check_side_open(&c->oracle, c->against, &options, &setup, batch, outputs, true, err);
    return status;
}

/* What is under test. */
static glint_status place_tested(check *c, glint_error *err) {
    const char *split = c->o->split;
    if (!split) placement_whole(c->tape, c->o->device ? c->o->device : "cpu", &c->where);
    glint_status status = split ? placement_parse(c->tape, split, &c->where, err) : GLINT_OK;
    c->sides = status ? NULL : arena_array(&c->memory, (size_t)c->where.n, sizeof *c->sides);
    if (status) return status;
    c->device = c->where.parts[0].device;
    return c->sides ? GLINT_OK : check_no_memory(err);
}

static glint_status check_split(const check *c, glint_error *err) {
    if (c->where.n < 2 || !(c->file || c->o->free_run || c->o->bisect)) return GLINT_OK;
    return base_fail(err, GLINT_USAGE, "a split is checked op by op against a device: no file, --free or --bisect");
}

static glint_status open_reference(check *c, glint_error *err) {
    c->against = c->o->against ? c->o->against : "cpu:ref";
    c->many = strcmp(c->against, "cpu:ref") ? 2 : 1;
    if (backend_of_device(c->against)) return GLINT_OK;
    glint_status status = reference_open(c->against, &c->file, err);
    return status ? status : reference_fits(c->file, c->tape, err);
}

static glint_status check_options(const glint_model *m, const glint_check_options *o, glint_error *err) {
    enum { MOST = 1 << 24 };
    if (o->n_prompt > MOST || o->n < 0 || o->n > MOST || o->batch < 0 || o->threads < 0)
        return base_fail(err, GLINT_USAGE, "prompt, steps, batch or threads out of range");
    for (size_t i = 0; o->prompt && i < o->n_prompt; i++)
        if (o->prompt[i] < 0 || o->prompt[i] >= m->tape.vocabulary)
            return base_fail(err, GLINT_BAD_INPUT, "token id %d: the model has ids 0 to %d", o->prompt[i],
                             m->tape.vocabulary - 1);
    for (int i = 0; i < o->n_layers; i++)
        if (o->layers[i] < 0 || o->layers[i] >= m->tape.layers)
            return base_fail(err, GLINT_USAGE, "there is no layer %d: the model has %d", o->layers[i], m->tape.layers);
    return GLINT_OK;
}

static glint_status run(check *c, glint_error *err) {
    enum { BATCH = 512, FILE_BATCH = 64 /* all of its rows have logits */ };
    int prompt = (int)c->o->n_prompt, length = prompt + c->o->n;
    glint_status status = place_tested(c, err);
    if (!status) status = open_reference(c, err);
    if (!status) status = check_split(c, err);
    if (!status && c->file) status = measure_file(c, &prompt, &length, err);
    if (!status && c->file && c->o->bisect)
        status = base_fail(err, GLINT_USAGE, "%s: a file has not enough values to bisect against; give a device",
                           c->against);
    if (!status && !prompt) status = base_fail(err, GLINT_USAGE, "a check needs a prompt");
    int batch = size_least(c->o->batch ? c->o->batch : c->file ? FILE_BATCH : BATCH, prompt);
    if (!status) status = make_room(c, length, batch, err);
    if (!status) status = open_sides(c, batch, err);
    if (!status) status = c->file ? run_file(c, err) : run_prompt(c, c->o->prompt, prompt, NULL, c->o->n, err);
    return status ? status : check_conclude(c, err);
}

glint_status glint_check(glint_model *model, const glint_check_options *o, glint_verdict *verdict, glint_error *err) {
    glint_status status = check_options(model, o, err);
    if (status) return status;
    check c = {.o = o, .model = model, .tape = &model->tape, .verdict = verdict};
    *verdict = (glint_verdict){0};
    status = run(&c, err);
    for (int i = 0; c.sides && i < c.where.n; i++) check_side_close(&c.sides[i]);
    check_side_close(&c.oracle);
    reference_close(&c.file);
    arena_free(&c.work);
    arena_free(&c.memory);
    return status;
}
