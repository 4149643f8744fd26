/* Running batches: checking rows, finding pages, stepping the device, reading what came out. Allocates nothing. */
#include "core/session.h"

#include <string.h>
#include <time.h>

double session_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static glint_status copy_page(void *user, int group, int from, int to, glint_error *err) {
    glint_session *s = user;
    return s->device_backend->cache_copy_page(s->cache, group, from, to, err);
}

/* Fills the batch arrays; refuses rows that cannot run before anything has changed. */
static glint_status take_rows(glint_session *s, const glint_row *rows, int n, glint_error *err) {
    if (n < 1 || n > s->batch) return base_fail(err, GLINT_USAGE, "%d rows in a batch of at most %d", n, s->batch);
    memset(s->new_rows, 0, (size_t)s->kv.sequences * sizeof *s->new_rows);
    s->step_outputs = 0;
    for (int r = 0; r < n; r++) {
        int q = rows[r].sequence;
        if (q < 0 || q >= s->kv.sequences)
            return base_fail(err, GLINT_USAGE, "sequence %d: the session has %d", q, s->kv.sequences);
        if (rows[r].token < 0 || rows[r].token >= s->model->tape.vocabulary)
            return base_fail(err, GLINT_BAD_INPUT, "token id %d: the model has ids 0 to %d", rows[r].token,
                             s->model->tape.vocabulary - 1);
        s->token[r] = rows[r].token;
        s->sequence[r] = q;
        s->position[r] = s->kv.length[q] + s->new_rows[q]++;
        if (s->position[r] >= s->context)
            return base_fail(err, GLINT_BAD_INPUT, "the context of %d tokens is full", s->context);
        if (!rows[r].output) continue;
        if (s->step_outputs == s->outputs)
            return base_fail(err, GLINT_USAGE, "more than %d rows want logits", s->outputs);
        s->output[s->step_outputs++] = r;
    }
    return GLINT_OK;
}

static backend_program *program_for(const glint_session *s, int rows) {
    for (int c = 0; c < SESSION_CLASSES; c++)
        if (s->programs[c] && rows <= s->program_rows[c]) return s->programs[c];
    return NULL;
}

/* Runs the n rows that take_rows has put into the batch arrays. */
static glint_status run_batch(glint_session *s, int n, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int q = 0; q < s->kv.sequences && !status; q++)
        if (s->new_rows[q]) status = kv_reserve(&s->kv, q, s->new_rows[q], copy_page, s, err);
    if (status) return status;
    backend_batch b = {.n_rows = n,
                       .n_outputs = s->step_outputs,
                       .token = s->token,
                       .position = s->position,
                       .sequence = s->sequence,
                       .output = s->output};
    for (int g = 0; g < s->kv.n_groups; g++) b.pages[g] = (backend_pages){s->kv.groups[g].table, s->kv.groups[g].slots};
    s->program = program_for(s, n);
    status = s->device_backend->step(s->program, &b, &s->ticket, err);
    if (status) return status;
    for (int q = 0; q < s->kv.sequences; q++) kv_advance(&s->kv, q, s->new_rows[q]);
    s->step_rows = n;
    return GLINT_OK;
}

glint_status glint_session_step(glint_session *s, const glint_row *rows, int n, glint_error *err) {
    s->step_rows = 0; /* until it has worked there is nothing to read */
    glint_status status = take_rows(s, rows, n, err);
    return status ? status : run_batch(s, n, err);
}

glint_status session_step_previous(glint_session *s, glint_error *err) {
    glint_status status = take_rows(s, &(glint_row){.output = true}, 1, err);
    s->token[0] = BACKEND_PREVIOUS(0);
    return status ? status : run_batch(s, 1, err);
}

glint_status session_chosen(glint_session *s, backend_ticket ticket, int32_t *out, glint_error *err) {
    float id;
    glint_status status = s->device_backend->read(s->program, ticket, s->model->tape.argmax, 0, 1, &id, err);
    if (!status) *out = (int32_t)id;
    return status;
}

glint_status glint_session_feed(glint_session *s, int sequence, const int32_t *ids, size_t n, glint_error *err) {
    if (sequence < 0 || sequence >= s->kv.sequences)
        return base_fail(err, GLINT_USAGE, "sequence %d: the session has %d", sequence, s->kv.sequences);
    size_t room = (size_t)(s->context - s->kv.length[sequence]);
    if (n > room)
        return base_fail(err, GLINT_BAD_INPUT, "the prompt has %zu tokens, but only %zu of the context of %d are left",
                         n, room, s->context);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= s->model->tape.vocabulary)
            return base_fail(err, GLINT_BAD_INPUT, "token id %d: the model has ids 0 to %d", ids[i],
                             s->model->tape.vocabulary - 1);
    size_t chunk = (size_t)s->batch;
    for (size_t at = 0; at < n; at += chunk) {
        size_t count = n - at < chunk ? n - at : chunk;
        for (size_t i = 0; i < count; i++)
            s->rows[i] = (glint_row){.token = ids[at + i], .sequence = sequence, .output = at + i + 1 == n};
        glint_status status = glint_session_step(s, s->rows, (int)count, err);
        if (status) return status;
    }
    return GLINT_OK;
}

static glint_status check_output(const glint_session *s, int k, glint_error *err) {
    if (s->step_rows && k >= 0 && k < s->step_outputs) return GLINT_OK;
    return base_fail(err, GLINT_USAGE, "the last step has no output row %d", k);
}

glint_status glint_session_logits(glint_session *s, int k, const float **out, glint_error *err) {
    glint_status status = check_output(s, k, err);
    if (!status) status = s->device_backend->read(s->program, s->ticket, s->model->tape.logits, k, 1, s->logits, err);
    if (!status) *out = s->logits;
    return status;
}

glint_status glint_session_argmax(glint_session *s, int k, int32_t *out, glint_error *err) {
    float id;
    glint_status status = check_output(s, k, err);
    if (!status) status = s->device_backend->read(s->program, s->ticket, s->model->tape.argmax, k, 1, &id, err);
    if (!status) *out = (int32_t)id;
    return status;
}

glint_status glint_session_value(glint_session *s, int value, int first_row, int rows, float *out, glint_error *err) {
    if (value < 0 || value >= s->n_values) return base_fail(err, GLINT_USAGE, "there is no observed value %d", value);
    int have = !s->step_rows ? 0 : s->values[value].outputs ? s->step_outputs : s->step_rows;
    if (first_row < 0 || rows < 0 || first_row > have - rows)
        return base_fail(err, GLINT_USAGE, "%s has %d rows in the last step", s->values[value].name, have);
    return s->device_backend->read(s->program, s->ticket, s->value_ids[value], first_row, rows, out, err);
}

static glint_status check_sequence(const glint_session *s, int sequence, int length, glint_error *err) {
    if (sequence >= 0 && sequence < s->kv.sequences && length >= 0) return GLINT_OK;
    return base_fail(err, GLINT_USAGE, "sequence %d, length %d: the session has %d sequences", sequence, length,
                     s->kv.sequences);
}

int glint_session_length(const glint_session *s, int sequence) {
    return sequence >= 0 && sequence < s->kv.sequences ? s->kv.length[sequence] : 0;
}

glint_status glint_session_cut(glint_session *s, int sequence, int length, glint_error *err) {
    glint_status status = check_sequence(s, sequence, length, err);
    return status ? status : kv_cut(&s->kv, sequence, length, err);
}

glint_status glint_session_fork(glint_session *s, int from, int to, int length, glint_error *err) {
    glint_status status = check_sequence(s, from, length, err);
    if (!status) status = check_sequence(s, to, length, err);
    return status ? status : kv_fork(&s->kv, from, to, length, err);
}
