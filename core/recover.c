/* When a device fails while a session runs: the model is placed anew without it, the caches are filled again from the
 * history, and the last step is repeated, so that whoever was waiting for it goes on. */
#include <stdio.h>
#include <string.h>

#include "core/placement/place.h"
#include "core/session.h"

/* What the sequences were before the last step, and that step's rows. */
typedef struct past {
    int *length; /* [sequence] */
    glint_row *rows;
    int n;
    arena memory;
} past;

/* An id that only the lost device knew is forgotten; the step that chose it is repeated instead. */
static void forget_unknown(glint_session *s) {
    const int32_t *ids = s->history; /* of sequence 0 */
    int *length = &s->kv.length[0], known = *length;
    while (known > 0 && ids[known - 1] < 0) known--;
    if (known == *length) return;
    *length = known;
    s->step_rows = s->step_outputs = 1;
    s->last[0] = (glint_row){.output = true};
}

static glint_status remember(glint_session *s, past *p, glint_error *err) {
    size_t sequences = (size_t)s->kv.sequences;
    forget_unknown(s);
    p->n = s->repeatable ? s->step_rows : 0;
    p->length = arena_copy(&p->memory, s->kv.length, sequences * sizeof *p->length);
    p->rows = arena_copy(&p->memory, s->last, (size_t)p->n * sizeof *p->rows);
    int *at = arena_array(&p->memory, sequences, sizeof *at);
    if (!p->length || !p->rows || !at) return base_fail(err, GLINT_INTERNAL, "out of memory for a lost session");
    for (int r = 0; r < p->n; r++) p->length[p->rows[r].sequence]--;
    for (int r = 0; r < p->n; r++) {
        int q = p->rows[r].sequence;
        p->rows[r].token = s->history[(size_t)q * (size_t)s->context + (size_t)(p->length[q] + at[q]++)];
    }
    return GLINT_OK;
}

/* s->where without the device of the part that failed. */
static glint_status place_without(glint_session *s, int failed, glint_error *err) {
    plan p;
    plan_sizes sizes = {s->context, s->batch, s->kv.sequences, s->outputs, s->cache_f32};
    placement before = s->where;
    glint_status status = plan_open(&p, s->model, &sizes, err);
    if (!status) status = place_again(&p, &before, failed, s->memory_asked, &s->where, err);
    plan_close(&p);
    return status;
}

/* Feeds what the sequences held before the last step, then repeats that. */
static glint_status refill(glint_session *s, const past *p, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int q = 0; q < s->kv.sequences && !status; q++) status = kv_cut(&s->kv, q, 0, err);
    for (int q = 0; q < s->kv.sequences && !status; q++) {
        size_t done = 0;
        const int32_t *ids = s->history + (size_t)q * (size_t)s->context;
        status = session_run_ids(s, q, ids, (size_t)p->length[q], false, &done, err);
    }
    s->step_rows = 0;
    return status || !p->n ? status : session_run(s, p->rows, p->n, err);
}

static glint_status reopen(glint_session *s, const past *p, glint_error *err) {
    part_setup setup = session_setup(s);
    split_close(&s->split);
    placement_text(&s->model->tape, &s->where, s->device_name);
    glint_status status = split_open(&s->split, &s->where, &s->device_options, &setup, err);
    return status ? status : refill(s, p, err);
}

/* Words of a device that could not be opened or loaded begin with its name already. */
static void tell(glint_session *s, const char *lost, const char *cause, bool going_on) {
    glint_error line; /* which loses its middle where it is too long */
    size_t n = strlen(lost);
    if (!strncmp(cause, lost, n) && !strncmp(cause + n, ": ", 2)) cause += n + 2;
    base_fail(&line, GLINT_DEVICE, "%s failed: %s", lost, cause);
    snprintf(s->reason, sizeof s->reason, "%s", line.message);
    if (going_on) base_fail(&line, GLINT_DEVICE, "%s; going on with %s", s->reason, s->device_name);
    if (s->notice) s->notice(line.message, s->notice_user);
}

glint_status session_recover(glint_session *s, glint_error *err) {
    past p = {0};
    glint_error cause = {"out of order"}, now;
    if (err) cause = *err;
    glint_status status = remember(s, &p, err);
    for (bool lost = !status; lost;) { /* another one may fail on the way */
        char name[PLACEMENT_NAME];
        s->failures++;
        memcpy(name, s->split.parts[s->split.failed].name, sizeof name);
        status = place_without(s, s->split.failed, err);
        if (status) break;
        status = reopen(s, &p, &now);
        lost = status == GLINT_DEVICE;
        tell(s, name, cause.message, !status);
        if (status) cause = now;
    }
    if (status && err) *err = cause;
    s->lost = status != GLINT_OK;
    if (s->lost) s->step_rows = 0; /* parts may have no programs any more */
    arena_free(&p.memory);
    return status;
}
