/* A test rig: one range of a tape on one device, its values observed, and everything it reads given as plain data. Two
 * rigs side by side, one of them on the oracle, show op by op whether a device computes the right thing: the oracle
 * repeats each op on the very operands that the device had. Only the backend contract is used. */
#ifndef CORE_INSTRUMENTS_RIG_H
#define CORE_INSTRUMENTS_RIG_H

#include "backends/backend.h"

/* What a rig runs; borrowed while the rig lives. */
typedef struct rig_setup {
    const tape *tape;
    int first_op, n_ops;
    const backend_view *views;        /* by tape weight; unused where the range does not need the weight */
    int max_rows, max_outputs;        /* max_rows 0: no program, only what rigs beside it share */
    int pages, slots;                 /* of every group of caches */
    int group_slots[TAPE_MAX_GROUPS]; /* of a group that has another number of both; 0: it has not */
    bool cache_f32;
    const tape_value *observed; /* NULL: every result of the range; inputs are always added */
    int n_observed;
} rig_setup;

typedef struct rig {
    const backend *backend;
    const rig_setup *setup;
    backend_options options;
    backend_device *device;
    bool borrowed;            /* the device is not closed with the rig */
    bool beside;              /* neither are weights and cache */
    backend_weight **weights; /* by tape weight; NULL outside the range */
    backend_cache *cache;     /* NULL: the tape has none */
    backend_program *program;
    arena memory;
} rig;

/* Close it also after an error. */
glint_status rig_open(rig *g, const char *device, const backend_options *options, const rig_setup *setup,
                      glint_error *err);
/* The same on a device that is open already, with these options, and stays open. */
glint_status rig_open_on(rig *g, const backend *b, backend_device *device, const backend_options *options,
                         const rig_setup *setup, glint_error *err);
/* Another program beside those of `owner`, with its device, weights and cache: of a setup that differs from the owner's
 * in rows, outputs and observed values alone. Close it before the owner. */
glint_status rig_open_beside(rig *g, const rig *owner, const rig_setup *setup, glint_error *err);
void rig_close(rig *g);

/* Does its device multiply quantised weights by activations in 8 bits? */
bool rig_rounds(const rig *g);
/* Pages, and slots of a page table row, of a group. */
int rig_pages(const rig_setup *s, int group);
int rig_slots(const rig_setup *s, int group);
/* Numbers in a page of a group as cache_read gives it, and where those of a cache begin: keys, then values. */
size_t rig_page_numbers(const rig_setup *s, int group);
size_t rig_page_first(const rig_setup *s, int cache);

/* Fills the results of every op of the range with NaN, so that whatever is not computed shows. */
glint_status rig_poison(rig *g, glint_error *err);
/* Rows of a value in a batch. */
int rig_rows(const rig *g, const backend_batch *b, tape_value v);

/* Called for each op: its error as a share of the bound (1 is the limit, infinity where a NaN came out), the worst
 * element and both numbers there. */
typedef struct rig_result {
    const tape_op *op;
    double share;
    int row, index;
    float device, oracle;
    double bound;
} rig_result;
typedef void rig_report(const rig_result *result, void *user);

/* Steps `g`, then repeats every op on `oracle` with the operands and the cache that `g` had; see docs/numerics.md for
 * the bounds. Inputs of the range and cache pages must have been written to `g`. *ticket is that step's. */
glint_status rig_compare(rig *g, rig *oracle, const backend_batch *b, rig_report *report, void *user,
                         backend_ticket *ticket, glint_error *err);

#endif
