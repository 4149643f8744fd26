/* From what was asked for (device, split, -ngl, memory) to a placement, and why it is that one. */
#ifndef CORE_PLACE_H
#define CORE_PLACE_H

#include "core/placement/plan.h"

typedef struct placed {
    placement where;
    plan_device
        devices[PLACEMENT_MOST]; /* by part; zeros where nobody had to ask, guesses where nothing was measured */
    bool tentative; /* nobody asked for it, and who knows whether it works: where it does not, place_instead goes on */
    int tried;      /* then: how many of the hardware GPUs are hoped for here or did not work */
    char reason[256];
} placed;

/* GLINT_USAGE, GLINT_DEVICE: what was asked for cannot be, or cannot fit. */
glint_status place_session(const plan *p, const glint_session_options *o, placed *out, glint_error *err);
/* After a tentative placement that did not work, `why` being the words: the next hardware GPU, in the end the CPU.
 * GLINT_DEVICE: that may not use enough memory. */
glint_status place_instead(const plan *p, const glint_session_options *o, const char *why, placed *out,
                           glint_error *err);
/* Without the device of part `failed`: the others share the model, with the CPU beside them where they do not hold it.
 * GLINT_DEVICE: nothing is left to go on with; `err` may be as it was. */
glint_status place_again(const plan *p, const placement *before, int failed, const char *memory, placement *out,
                         glint_error *err);

#endif
