/* Running batches: checking rows, finding pages, stepping the device, reading what came out. Allocates nothing. */
#include "core/session.h"

#include <string.h>

/* ---- A step ---- */

static glint_status copy_page(void *user, int group, int from, int to, glint_error *err) {
    glint_session *s = user;
    glint_status status = GLINT_OK;
    for (int p = 0; p < s->split.n && !status; p++) {
        status = part_copy_page(&s->split.parts[p], group, from, to, err);
        if (status) s->split.failed = p;
    }
    return status;
}

static glint_status check_alive(const glint_session *s, glint_error *err) {
    return s->lost ? base_fail(err, GLINT_DEVICE, "the session has lost its device") : GLINT_OK;
}

/* Refuses rows that cannot run, before anything has changed. */
static glint_status check_rows(glint_session *s, const glint_row *rows, int n, glint_error *err) {
    int outputs = 0;
    if (check_alive(s, err)) return GLINT_DEVICE;
    if (n < 1 || n > s->batch) return base_fail(err, GLINT_USAGE, "%d rows in a batch of at most %d", n, s->batch);
    memset(s->new_rows, 0, (size_t)s->kv.sequences * sizeof *s->new_rows);
    for (int r = 0; r < n; r++) {
        int q = rows[r].sequence;
        if (q < 0 || q >= s->kv.sequences)
            return base_fail(err, GLINT_USAGE, "sequence %d: the session has %d", q, s->kv.sequences);
        if (rows[r].token < 0 || rows[r].token >= s->model->tape.vocabulary)
            return base_fail(err, GLINT_BAD_INPUT, "token id %d: the model has ids 0 to %d", rows[r].token,
                             s->model->tape.vocabulary - 1);
        if (s->kv.length[q] + s->new_rows[q]++ >= s->context)
            return base_fail(err, GLINT_BAD_INPUT, "the context of %d tokens is full", s->context);
        outputs += rows[r].output;
        if (outputs > s->outputs) return base_fail(err, GLINT_USAGE, "more than %d rows want logits", s->outputs);
    }
    return GLINT_OK;
}

/* Where the history keeps the id at a position of a sequence. */
static int32_t *history_at(const glint_session *s, int sequence, int position) {
    return &s->history[(size_t)sequence * (size_t)s->context + (size_t)position];
}

/* The rows become a batch and part of their sequences; `last` remembers them. */
static void fill_batch(glint_session *s, const glint_row *rows, int n) {
    split_batch *b = split_next(&s->split);
    b->b.n_rows = n;
    b->b.n_outputs = 0;
    memmove(s->last, rows, (size_t)n * sizeof *rows);
    memset(s->new_rows, 0, (size_t)s->kv.sequences * sizeof *s->new_rows);
    for (int r = 0; r < n; r++) {
        int q = rows[r].sequence;
        b->token[r] = rows[r].token;
        b->sequence[r] = q;
        b->position[r] = s->kv.length[q] + s->new_rows[q]++;
        *history_at(s, q, b->position[r]) = rows[r].token;
        if (rows[r].output) b->output[b->b.n_outputs++] = r;
    }
    s->step_rows = n;
    s->step_outputs = b->b.n_outputs;
    s->repeatable = true;
}

/* Sends rows that have been checked into the split. */
static glint_status enter(glint_session *s, const glint_row *rows, int n, glint_error *err) {
    glint_status status = GLINT_OK;
    fill_batch(s, rows, n);
    for (int q = 0; q < s->kv.sequences && !status; q++)
        if (s->new_rows[q]) status = kv_reserve(&s->kv, q, s->new_rows[q], copy_page, s, err);
    for (int q = 0; q < s->kv.sequences; q++) kv_advance(&s->kv, q, s->new_rows[q]);
    return status ? status : split_run(&s->split, &s->kv, err);
}

glint_status session_run(glint_session *s, const glint_row *rows, int n, glint_error *err) {
    glint_status status = enter(s, rows, n, err);
    return status ? status : split_finish(&s->split, err);
}

glint_status session_run_ids(glint_session *s, int sequence, const int32_t *ids, size_t n, bool output, size_t *done,
                             glint_error *err) {
    while (*done < n) {
        size_t at = *done, count = n - at < (size_t)s->batch ? n - at : (size_t)s->batch;
        for (size_t i = 0; i < count; i++)
            s->rows[i] = (glint_row){.token = ids[at + i], .sequence = sequence, .output = output && at + i + 1 == n};
        *done += count;
        glint_status status = enter(s, s->rows, (int)count, err);
        if (status) return status;
    }
    return split_finish(&s->split, err);
}

/* What running came to: a device that failed is replaced; after any other failure there is nothing to read. */
static glint_status settle(glint_session *s, glint_status status, glint_error *err) {
    if (status == GLINT_DEVICE) status = session_recover(s, err);
    if (status) s->step_rows = 0;
    return status;
}

glint_status glint_session_step(glint_session *s, const glint_row *rows, int n, glint_error *err) {
    s->step_rows = 0; /* until it has worked there is nothing to read */
    glint_status status = check_rows(s, rows, n, err);
    return status ? status : settle(s, session_run(s, rows, n, err), err);
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
    glint_status status = check_alive(s, err);
    for (size_t done = 0; done < n && !status;) /* again only where a device was replaced on the way */
        status = settle(s, session_run_ids(s, sequence, ids, n, true, &done, err), err);
    return status;
}

/* ---- Running ahead ---- */

bool session_runs_ahead(const glint_session *s) {
    return s->split.n == 1 && s->split.parts[0].backend->asynchronous;
}

glint_status session_step_previous(glint_session *s, glint_error *err) {
    return session_run(s, &(glint_row){.token = BACKEND_PREVIOUS(0), .output = true}, 1, err);
}

backend_ticket session_ticket(const glint_session *s) {
    return s->split.parts[0].ticket;
}

glint_status session_chosen(glint_session *s, backend_ticket ticket, int32_t *out, glint_error *err) {
    const part *p = &s->split.parts[0];
    float id;
    glint_status status = p->backend->read(p->program, ticket, s->model->tape.argmax, 0, 1, &id, err);
    if (status) return status;
    int32_t *newest = history_at(s, 0, s->kv.length[0] - 1);
    *out = (int32_t)id;
    if (*newest < 0) *newest = *out; /* the step after it runs on with this id */
    return GLINT_OK;
}

bool session_values_last(const glint_session *s) {
    return s->split.n == 1 && s->split.parts[0].backend->snapshots;
}

glint_status session_read_earlier(glint_session *s, backend_ticket ticket, tape_value v, float *out, glint_error *err) {
    const part *p = &s->split.parts[0];
    return p->backend->read(p->program, ticket, v, 0, 1, out, err);
}

/* ---- Reading ---- */

glint_status session_read(glint_session *s, tape_value v, int first_row, int n, float *out, glint_error *err) {
    for (;;) {
        part *p = split_maker(&s->split, v);
        glint_status status = part_read(p, v, first_row, n, out, err);
        if (status != GLINT_DEVICE) return status;
        s->split.failed = (int)(p - s->split.parts);
        status = settle(s, status, err);
        if (status) return status;
        if (!s->step_rows) return base_fail(err, GLINT_USAGE, "a device was replaced; the last step's values are gone");
    }
}

static glint_status check_output(const glint_session *s, int k, glint_error *err) {
    if (s->step_rows && k >= 0 && k < s->step_outputs) return GLINT_OK;
    return base_fail(err, GLINT_USAGE, "the last step has no output row %d", k);
}

glint_status glint_session_logits(glint_session *s, int k, const float **out, glint_error *err) {
    glint_status status = check_output(s, k, err);
    if (!status) status = session_read(s, s->model->tape.logits, k, 1, s->logits, err);
    if (!status) *out = s->logits;
    return status;
}

glint_status glint_session_argmax(glint_session *s, int k, int32_t *out, glint_error *err) {
    float id;
    glint_status status = check_output(s, k, err);
    if (!status) status = session_read(s, s->model->tape.argmax, k, 1, &id, err);
    if (!status) *out = (int32_t)id;
    return status;
}

_Static_assert((int)GLINT_TOP == TAPE_MOST_TOP, "what a session gives is what a device finds");

glint_status glint_session_top(glint_session *s, int k, glint_token_logit *out, int *n, glint_error *err) {
    const tape *t = &s->model->tape;
    float found[2 * GLINT_TOP];
    if (!s->top) return base_fail(err, GLINT_USAGE, "the session was opened without the likeliest tokens");
    glint_status status = check_output(s, k, err);
    if (!status) status = session_read(s, t->top, k, 1, found, err);
    if (status) return status;
    *n = t->values[t->top].width / 2;
    for (int i = 0; i < *n; i++) out[i] = (glint_token_logit){(int32_t)found[i], found[*n + i]};
    return GLINT_OK;
}

glint_status glint_session_value(glint_session *s, int value, int first_row, int rows, float *out, glint_error *err) {
    if (value < 0 || value >= s->n_values) return base_fail(err, GLINT_USAGE, "there is no observed value %d", value);
    int have = !s->step_rows ? 0 : s->values[value].outputs ? s->step_outputs : s->step_rows;
    if (first_row < 0 || rows < 0 || first_row > have - rows)
        return base_fail(err, GLINT_USAGE, "%s has %d rows in the last step", s->values[value].name, have);
    return session_read(s, s->value_ids[value], first_row, rows, out, err);
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
    if (status) return status;
    s->repeatable = false;
    return kv_cut(&s->kv, sequence, length, err);
}

glint_status glint_session_fork(glint_session *s, int from, int to, int length, glint_error *err) {
    glint_status status = check_sequence(s, from, length, err);
    if (!status) status = check_sequence(s, to, length, err);
    if (!status) status = kv_fork(&s->kv, from, to, length, err);
    if (status) return status;
    if (from != to) memcpy(history_at(s, to, 0), history_at(s, from, 0), (size_t)length * sizeof *s->history);
    s->repeatable = false;
    return GLINT_OK;
}
