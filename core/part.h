/* A part of a session: a stretch of the tape on one device, with the weights, the cache and the programs that it needs.
 * A session on one device has one part; splits have several, which hand the values that cross an edge from one to the
 * next through host memory. A part belongs to one thread at a time, or its device to a thread of the part's own. */
#ifndef CORE_PART_H
#define CORE_PART_H

#include "backends/backend.h"
#include "core/base/worker.h"
#include "core/kv.h"
#include "core/model.h"

/* Programs by number of rows: one token, a few, a chunk. */
enum { PART_FEW = 8, PART_CLASSES = 3, PART_NAME = 64 };

/* What all parts of a session are made from; borrowed by part_load alone. */
typedef struct part_setup {
    const glint_model *model;
    const kv *kv;
    int batch, outputs; /* rows of a batch, and of those that want output */
    bool cache_f32;
    const tape_value *observed; /* values that will be read; those outside the part's range are left out */
    int n_observed;
    int n_snapshots; /* the first so many of `observed`, all of the range, are also read when later steps are under way
                      */
} part_setup;

/* A value that the part before makes, on its way in. */
typedef struct part_input {
    tape_value value;
    float *rows; /* room for a batch */
} part_input;

typedef struct part {
    const backend *backend;
    backend_device *device; /* NULL: not open */
    bool borrowed;          /* the device is another part's, which is closed later */
    worker *thread;         /* that calls the device; NULL: whoever calls the part */
    char name[PART_NAME];
    const tape *tape;
    int first_op, n_ops;
    backend_weight **weights; /* by tape weight; NULL outside the range */
    backend_cache *cache;
    backend_program *programs[PART_CLASSES]; /* NULL where a class has no rows of its own */
    int program_rows[PART_CLASSES];
    part_input *inputs;
    int n_inputs;

    /* The last step. */
    backend_program *program;
    backend_ticket ticket;
    arena memory;
} part;

/* Opens the device. GLINT_USAGE where there is none of that name. */
glint_status part_open(part *p, const char *device, const backend_options *options, glint_error *err);
/* The same with a thread of the part's own: two GPUs whose contexts one thread used in turn did not work at the same
 * time (NVIDIA's driver 580), so that of several each but one needs a thread. */
glint_status part_open_apart(part *p, const char *device, const backend_options *options, glint_error *err);
/* Takes the device of a part that is open. */
void part_open_on(part *p, const part *owner);
/* Takes the weights, opens the cache and compiles the programs of ops [first_op, first_op + n_ops). */
glint_status part_load(part *p, const part_setup *setup, int first_op, int n_ops, glint_error *err);
/* Also after an error, and where nothing was opened. */
void part_close(part *p);

/* Does the range make this value? */
bool part_makes(const part *p, tape_value v);
/* Takes the inputs of `to` for batch `b` out of the last step of `from`, and waits for it. */
glint_status part_take(part *to, const part *from, const backend_batch *b, glint_error *err);
/* Runs a batch; its inputs have been taken. A part behind the last row that wants output has nothing to do where no row
 * does. Allocates nothing. */
glint_status part_step(part *p, const backend_batch *b, glint_error *err);
/* The part's device has nothing to do until another one has done its own. */
void part_rest(part *p);
/* Copies a page of the cache onto another. */
glint_status part_copy_page(part *p, int group, int from, int to, glint_error *err);
/* A value of the last step. */
glint_status part_read(const part *p, tape_value v, int first_row, int n, float *out, glint_error *err);

#endif
