/* Planning: what stretches of a model need and cost on each device, and which placement makes a token fastest. Sizes
 * are doubles: they are estimates, and cannot overflow.
 *
 * The time of a step over `rows` rows on one device is
 *
 *     step + cuts / 2 * (rows - 1) * row
 *          + sum over pieces of  groups * launch + bytes / bandwidth + (rows - 1) * operations / rate
 *
 * with numbers that plan_measure takes on the device itself, from layers and the head of the model at hand. `step` is
 * what a step costs beside its work: values in, starting, waiting, a value out; so it is also the price of a cut, to
 * which `row` adds what a chunk's further rows take, half of it at each end of a stretch. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "core/kv.h"
#include "core/model.h"
#include "core/placement/placement.h"

/* What a session is made for; see glint_session_options. */
typedef struct plan_sizes {
    int context, batch, sequences, outputs;
    bool cache_f32;
} plan_sizes;
/* GLINT_USAGE: out of range. */
glint_status plan_sizes_of(const glint_model *m, const glint_session_options *o, plan_sizes *out, glint_error *err);

/* A kind of piece: the layers are all much alike, and so are not the head's weights. */
typedef struct plan_pace {
    double groups;    /* of a piece */
    double bandwidth; /* bytes a second */
} plan_pace;

typedef struct plan_device {
    char name[PLACEMENT_NAME];
    const backend *backend;
    bool software;
    bool measured;       /* else the paces are guesses, good for comparing a GPU with a CPU */
    double memory_bytes; /* that may be used; 0: unknown */
    double step, launch; /* seconds */
    plan_pace layer, head;
    double rate; /* operations a second in a prompt; 0: not measured */
    double row;  /* seconds for what each further row of a prompt brings in and takes out */
    double used; /* when it worked last, by base_seconds */
} plan_device;

typedef struct plan_bytes {
    double weights, cache, scratch;
} plan_bytes;

/* A model and the sizes of a session of it. */
typedef struct plan {
    const glint_model *model;
    plan_sizes sizes;
    kv kv;                 /* how many pages each group has */
    double scratch;        /* of a whole model: no part needs more */
    int (*used_before)[2]; /* by op and weight: the op before it that uses the same one; -1: none */
    arena memory;
} plan;

glint_status plan_open(plan *p, const glint_model *m, const plan_sizes *sizes, glint_error *err);
void plan_close(plan *p);

/* What pieces [first, end) need on a device. A weight that two of them share counts once. */
plan_bytes plan_needs(const plan *p, const plan_device *d, int first, int end);
bool plan_fits(const plan *p, const plan_device *d, int first, int end);
/* Seconds for a step of `rows` rows at the middle of the context: of one piece; what a stretch costs beside its pieces;
 * and both. One device that does everything and works on its own runs ahead of the host: then nobody waits for a step,
 * and a token does not pay for one. */
double plan_piece_seconds(const plan *p, const plan_device *d, int piece, int rows);
double plan_step_seconds(const plan *p, const plan_device *d, int first, int end, int rows);
double plan_seconds(const plan *p, const plan_device *d, int first, int end, int rows);

/* ---- Devices ---- */

/* A device by name, with the memory that may be used: what `memory` ("gles:0=8G,cpu=16G", "gles" being the first GPU;
 * NULL: nothing) says, else what the driver says is free. GLINT_USAGE: no backend has such names, or `memory` cannot be
 * read. */
glint_status plan_find_device(const char *name, const char *memory, plan_device *out, glint_error *err);
/* Can `memory` be read, whichever devices are used? GLINT_USAGE: no; a device that no backend has, or one twice. */
glint_status plan_check_memory(const char *memory, glint_error *err);
/* The hardware GPUs there are, at most `room`, in the order of the drivers; *missing as glint_devices says. */
glint_status plan_find_hardware(const char *memory, plan_device *out, int room, int *n, glint_error *missing,
                                glint_error *err);
/* Opens the device and takes its numbers, in about a second on hardware; `prompts`: also the rate. */
glint_status plan_measure(const plan *p, const backend_options *options, bool prompts, plan_device *d,
                          glint_error *err);

/* ---- Choosing ---- */

enum { PLAN_DEVICES = 8 };

/* The fastest placement on (some of) these devices, at most PLAN_DEVICES, each of which may have one stretch; name a
 * device twice to let it have two that are no neighbours and share its memory. Where the fastest two need more of it
 * than there is, the best of those is taken that keep within so many eighths of it each. GLINT_DEVICE: they do not hold
 * the model together. */
glint_status plan_choose(const plan *p, const plan_device *devices, int n, placement *out, glint_error *err);
/* Does every part fit its device? devices[i] is that of part i. GLINT_DEVICE says what would. */
glint_status plan_check(const plan *p, const placement *where, const plan_device *devices, glint_error *err);

#endif
