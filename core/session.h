/* A session: a model on one device, or split over several, a cache, and the programs that run batches. What the public
 * functions of glint.h do is documented there; here is what the instruments may look at. */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/split.h"

struct glint_session {
    glint_model *model;
    placement where;
    split split;
    backend_options device_options;
    char device_name[PLACEMENT_TEXT]; /* the device, or the split */
    char reason[512];                 /* why there */
    const char *memory_asked;         /* as in the options */
    glint_precision precision;
    int context, batch, outputs;
    bool cache_f32;
    bool top; /* programs find the likeliest tokens too */
    kv kv;
    int32_t *history; /* [sequence][position] the id there; -1: only the device knows it yet */
    void (*notice)(const char *line, void *user);
    void *notice_user;
    int failures; /* of devices, since it was opened */
    bool lost;    /* a device has failed and nothing could take its place */

    /* The last step. */
    int step_rows, step_outputs;
    int *new_rows;   /* [sequence] of it */
    bool repeatable; /* nothing was cut or forked since */

    glint_row *rows; /* of a chunk; instruments may use it between steps */
    glint_row *last; /* rows of the last step; their tokens are in the history */
    float *logits;   /* one row */

    glint_value_info *values; /* observed */
    tape_value *value_ids;    /* and logits, argmax behind them */
    int n_values;
    arena memory;
};

/* Lists the values that may be read (observe.c). GLINT_USAGE names a glob that finds none. */
glint_status session_observe(glint_session *s, const glint_session_options *o, glint_error *err);
/* What the parts are made from. */
part_setup session_setup(const glint_session *s);

/* Where the history keeps the id at a position of a sequence. */
int32_t *session_id_at(const glint_session *s, int sequence, int position);
/* Runs rows that have been checked; a failure is the device's own. */
glint_status session_run(glint_session *s, const glint_row *rows, int n, glint_error *err);
/* The same for ids [*done, n) of a sequence in chunks that follow each other through the parts; `output`: the last one
 * wants logits. *done moves with every chunk that has become part of the sequence, also one that then failed. */
glint_status session_run_ids(glint_session *s, int sequence, const int32_t *ids, size_t n, bool output, size_t *done,
                             glint_error *err);
/* A value of the last step, whichever part makes it. A device that fails is replaced first. */
glint_status session_read(glint_session *s, tape_value v, int first_row, int n, float *out, glint_error *err);

/* ---- Running ahead, where one device does everything and works on its own ---- */

bool session_runs_ahead(const glint_session *s);
/* One more token of sequence 0: the one that the device itself chose in the step before, which was of one row too. The
 * context has room for it. */
glint_status session_step_previous(glint_session *s, glint_error *err);
/* The present step, for session_chosen. */
backend_ticket session_ticket(const glint_session *s);
/* What was chosen in output row 0 of an earlier step of one row, at most BACKEND_IN_FLIGHT - 1 steps ago. GLINT_DEVICE:
 * the device was lost; session_recover brings back the last step whose token is known. */
glint_status session_chosen(glint_session *s, backend_ticket ticket, int32_t *out, glint_error *err);

/* ---- When a device fails ---- */

/* After GLINT_DEVICE: places the model anew without the device that failed, fills the caches from the history and
 * repeats the last step, so that its values can be read. `err` is the failure on entry. Fails with it where no other
 * device is left, or with what kept another one from taking over; then the session is lost and nothing can be read. */
glint_status session_recover(glint_session *s, glint_error *err);

/* ---- Reading behind the device ---- */

/* Can the observed values of a step of one row still be read when up to BACKEND_IN_FLIGHT - 1 more of them have been
 * submitted? */
bool session_values_last(const glint_session *s);
/* Row 0 of an observed value of such a step. */
glint_status session_read_earlier(glint_session *s, backend_ticket ticket, tape_value v, float *out, glint_error *err);

#endif
