/* A session: a model's weights on a device, a cache, and the programs that run batches. What the public functions of
 * glint.h do is documented there; here is what the instruments may look at. */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "backends/backend.h"
#include "core/kv.h"
#include "core/model.h"

/* Programs by number of rows: one token, a few, a chunk. */
enum { SESSION_FEW = 8, SESSION_CLASSES = 3 };

struct glint_session {
    glint_model *model;
    const backend *device_backend;
    backend_device *device;
    char device_name[64];
    char reason[512]; /* why this device */
    glint_precision precision;
    int context, batch, outputs;
    bool cache_f32;

    backend_weight **weights; /* by tape weight */
    backend_cache *cache;
    backend_program *programs[SESSION_CLASSES];
    int program_rows[SESSION_CLASSES]; /* the most rows of each */
    kv kv;

    /* The last step. */
    backend_program *program;
    backend_ticket ticket;
    int step_rows, step_outputs;

    /* A batch being made: room for `batch` rows. */
    int32_t *token, *position, *sequence, *output;
    int32_t *new_rows; /* by sequence */
    glint_row *rows;   /* of glint_session_feed */
    float *logits;     /* one row */

    glint_value_info *values; /* observed */
    tape_value *value_ids;
    int n_values;
    arena memory;
};

/* One more token of sequence 0: the one that the device itself chose in the step before, which was of one row too. The
 * context has room for it. */
glint_status session_step_previous(glint_session *s, glint_error *err);
/* What was chosen in output row 0 of an earlier step of one row, at most BACKEND_IN_FLIGHT - 1 steps ago. */
glint_status session_chosen(glint_session *s, backend_ticket ticket, int32_t *out, glint_error *err);

double session_seconds(void); /* a clock that only goes forward */

#endif
