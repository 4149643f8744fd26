/* A split: the parts of a session in the order of the tape, and the batches on their way through them. Each part runs
 * its batch while the next part runs the one before, as far as devices work on their own (backend.asynchronous): a
 * prompt's chunks overlap, a decode step goes from part to part. One thread drives all of it, one call after the other;
 * a device that computes on the caller's thread is started last. */
#ifndef CORE_SPLIT_H
#define CORE_SPLIT_H

#include "core/part.h"
#include "core/placement/placement.h"

/* A batch with memory of its own: parts still look at it when the session has moved on. */
typedef struct split_batch {
    backend_batch b; /* its arrays are these */
    int32_t *token, *position, *sequence, *output;
    int32_t *table[TAPE_MAX_GROUPS];
} split_batch;

typedef struct split {
    part parts[PLACEMENT_MOST];
    int n;
    split_batch batches[PLACEMENT_MOST];
    int entering;           /* which of them comes next */
    int at[PLACEMENT_MOST]; /* by part: the batch that it runs or ran last; -1: none */
    int failed;             /* the part whose device failed last */
    arena memory;
} split;

/* Opens every device of the placement once, then loads the parts. Close it also after an error; `failed` says whose it
 * is.
 */
glint_status split_open(split *s, const placement *where, const backend_options *options, const part_setup *setup,
                        glint_error *err);
void split_close(split *s);

/* The batch to fill next. With one part its page tables are the session's own; else they are copied by split_run. */
split_batch *split_next(split *s);
/* Sends the filled batch into the first part, and every batch before it one part further. */
glint_status split_run(split *s, const kv *k, glint_error *err);
/* Brings all batches to the end. */
glint_status split_finish(split *s, glint_error *err);
/* The part that makes a value. */
part *split_maker(split *s, tape_value v);

#endif
