/* Giving a device the weights of a stretch of the tape. */
#ifndef CORE_ADOPT_H
#define CORE_ADOPT_H

#include "backends/backend.h"
#include "core/base/arena.h"

/* Ops [first_op, first_op + n_ops). *out, by tape weight and NULL outside the range, lies in `memory`; what it holds
 * goes back with adopt_release, after a failure too. `views`, by tape weight, are not needed afterwards. */
glint_status adopt_range(const backend *b, backend_device *d, const tape *t, int first_op, int n_ops,
                         const backend_view *views, arena *memory, backend_weight ***out, glint_error *err);
/* `weights` may be NULL. */
void adopt_release(const backend *b, backend_device *d, const tape *t, backend_weight **weights);

#endif
