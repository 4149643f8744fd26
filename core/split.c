#include "core/split.h"

#include <string.h>

/* ---- Opening ---- */

static void forget_batches(split *s) {
    for (int p = 0; p < PLACEMENT_MOST; p++) s->at[p] = -1;
}

static bool make_batch(split *s, split_batch *b, const part_setup *setup) {
    size_t n = (size_t)setup->batch;
    b->token = arena_array(&s->memory, n, sizeof *b->token);
    b->position = arena_array(&s->memory, n, sizeof *b->position);
    b->sequence = arena_array(&s->memory, n, sizeof *b->sequence);
    b->output = arena_array(&s->memory, n, sizeof *b->output);
    b->b = (backend_batch){.token = b->token, .position = b->position, .sequence = b->sequence, .output = b->output};
    bool good = b->token && b->position && b->sequence && b->output;
    for (int g = 0; g < setup->kv->n_groups && good && s->n > 1; g++) {
        size_t entries = (size_t)setup->kv->sequences * (size_t)setup->kv->groups[g].slots;
        good = (b->table[g] = arena_array(&s->memory, entries, sizeof *b->table[g])) != NULL;
    }
    return good;
}

/* A device that is named again is the same one: values cross to a part of the same GPU without another context. The
 * first that works on its own is called by whoever calls the session. */
static glint_status open_part(split *s, int i, const char *device, const backend_options *options, glint_error *err) {
    bool apart = false;
    s->failed = i;
    for (int k = 0; k < i; k++) {
        if (!strcmp(s->parts[k].name, device)) return part_open_on(&s->parts[i], &s->parts[k]), GLINT_OK;
        apart |= s->parts[k].backend->asynchronous;
    }
    const backend *b = backend_of_device(device);
    apart &= b && b->asynchronous;
    return (apart ? part_open_apart : part_open)(&s->parts[i], device, options, err);
}

glint_status split_open(split *s, const placement *where, const backend_options *options, const part_setup *setup,
                        glint_error *err) {
    const tape *t = &setup->model->tape;
    glint_status status = GLINT_OK;
    *s = (split){.n = where->n};
    forget_batches(s);
    for (int i = 0; i < s->n && !status; i++)
        if (!make_batch(s, &s->batches[i], setup)) status = base_fail(err, GLINT_INTERNAL, "out of memory for a batch");
    for (int i = 0; i < s->n && !status; i++) status = open_part(s, i, where->parts[i].device, options, err);
    for (int i = 0; i < s->n && !status; i++) {
        int first = placement_op(t, where->parts[i].first);
        s->failed = i;
        status = part_load(&s->parts[i], setup, first, placement_op(t, where->parts[i].end) - first, err);
    }
    return status;
}

void split_close(split *s) {
    for (int i = s->n - 1; i >= 0; i--) part_close(&s->parts[i]);
    arena_free(&s->memory);
    *s = (split){0};
}

/* ---- Batches on their way ---- */

split_batch *split_next(split *s) {
    return &s->batches[s->entering];
}

static void take_tables(split *s, split_batch *b, const kv *k) {
    for (int g = 0; g < k->n_groups; g++) {
        const kv_group *q = &k->groups[g];
        if (s->n > 1) memcpy(b->table[g], q->table, (size_t)k->sequences * (size_t)q->slots * sizeof *q->table);
        b->b.pages[g] = (backend_pages){s->n > 1 ? b->table[g] : q->table, q->slots};
    }
}

/* Values cross all edges before anything runs: a step overwrites what the one before left. `first`: the first part as
 * it was then. */
static glint_status hand_over(split *s, const part *first, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int p = s->n - 1; p > 0 && !status; p--) {
        if (s->at[p] < 0) continue;
        const part *from = p > 1 ? &s->parts[p - 1] : first;
        status = part_take(&s->parts[p], from, &s->batches[s->at[p]].b, err);
        if (status) s->failed = p - 1;
    }
    return status;
}

static glint_status start_part(split *s, int p, glint_error *err) {
    if (s->at[p] < 0) return GLINT_OK;
    glint_status status = part_step(&s->parts[p], &s->batches[s->at[p]].b, err);
    if (status) s->failed = p;
    return status;
}

static glint_status start(split *s, int from, bool asynchronous, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int p = from; p < s->n && !status; p++)
        if (s->parts[p].backend->asynchronous == asynchronous) status = start_part(s, p, err);
    return status;
}

static bool works(const split *s, const backend_device *d) {
    for (int p = 0; p < s->n; p++)
        if (s->parts[p].device == d && s->at[p] >= 0) return true;
    return false;
}

static void rest_idle(split *s) {
    for (int p = 0; p < s->n; p++)
        if (!s->parts[p].borrowed && !works(s, s->parts[p].device)) part_rest(&s->parts[p]);
}

/* Where what crosses outlasts a step the first part, which needs nothing of the others, goes on before anybody waits.
 */
static bool goes_ahead(const split *s) {
    const backend *b = s->parts[0].backend;
    return b->asynchronous && b->snapshots;
}

/* Every batch goes one part further; `entering` (-1: none) into the first. */
static glint_status advance(split *s, int entering, glint_error *err) {
    for (int p = s->n - 1; p > 0; p--) s->at[p] = s->at[p - 1];
    s->at[0] = entering;
    bool ahead = goes_ahead(s);
    const part first = s->parts[0];
    glint_status status = ahead ? start_part(s, 0, err) : GLINT_OK;
    if (!status) status = hand_over(s, &first, err);
    if (!status) status = start(s, ahead ? 1 : 0, true, err);
    if (!status) rest_idle(s); /* while what has been started works, and before this thread computes */
    if (!status) status = start(s, 0, false, err);
    if (status) forget_batches(s);
    return status;
}

glint_status split_run(split *s, const kv *k, glint_error *err) {
    int entering = s->entering;
    take_tables(s, &s->batches[entering], k);
    s->entering = (entering + 1) % s->n;
    return advance(s, entering, err);
}

glint_status split_finish(split *s, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int left = s->n - 1; left > 0 && !status; left--) status = advance(s, -1, err);
    return status;
}

part *split_maker(split *s, tape_value v) {
    int p = 0;
    while (p < s->n - 1 && !part_makes(&s->parts[p], v)) p++;
    return &s->parts[p];
}
