/* Steps: rows are checked and run, a device that fails is replaced, and what came out is read. Allocates nothing. */
#include "core/session.h"

#include <string.h>

/* ---- A step ---- */

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
    if (check_alive(s, err)) return GLINT_DEVICE;
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
    if (check_alive(s, err)) return GLINT_DEVICE;
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
    if (from != to) memcpy(session_id_at(s, to, 0), session_id_at(s, from, 0), (size_t)length * sizeof *s->history);
    s->repeatable = false;
    return GLINT_OK;
}
