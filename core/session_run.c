/* Running batches: finding pages, stepping the device, for one device also ahead of its host. A failure is left to
 * whoever asked (session_step.c). Allocates nothing. */
#include "core/session.h"

#include <string.h>

static glint_status copy_page(void *user, int group, int from, int to, glint_error *err) {
    glint_session *s = user;
    glint_status status = GLINT_OK;
    for (int p = 0; p < s->split.n && !status; p++) {
        status = part_copy_page(&s->split.parts[p], group, from, to, err);
        if (status) s->split.failed = p;
    }
    return status;
}

int32_t *session_id_at(const glint_session *s, int sequence, int position) {
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
        *session_id_at(s, q, b->position[r]) = rows[r].token;
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
    int32_t *newest = session_id_at(s, 0, s->kv.length[0] - 1);
    *out = (int32_t)id;
    if (*newest < 0) *newest = *out; /* the step after it runs on with this id */
    return GLINT_OK;
}

/* ---- Reading behind the device ---- */

bool session_values_last(const glint_session *s) {
    return s->split.n == 1 && s->split.parts[0].backend->snapshots;
}

glint_status session_read_earlier(glint_session *s, backend_ticket ticket, tape_value v, float *out, glint_error *err) {
    const part *p = &s->split.parts[0];
    return p->backend->read(p->program, ticket, v, 0, 1, out, err);
}
