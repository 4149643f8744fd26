/* The cases of the op suite: each is a range of a small tape with random weights, operands, cache pages and a batch,
 * ready for a rig. One list, run unchanged on every device. */
#ifndef TESTS_SUPPORT_OP_CASES_H
#define TESTS_SUPPORT_OP_CASES_H

#include "core/instruments/rig.h"
#include "tests/support/support.h"

/* On which devices a case is run. */
typedef enum op_where { OP_EVERYWHERE, OP_GPUS, OP_HARDWARE /* GPUs but software renderers */ } op_where;

typedef struct op_case {
    char name[160];   /* says everything that sets the case apart */
    format_id format; /* of one of a row of cases that differ in it alone; FORMAT_COUNT: it is none of these */
    tape tape;
    rig_setup setup;
    backend_view *views;           /* by weight */
    const float **operand;         /* by value: rows of an input of the range; NULL: none */
    float *pages[TAPE_MAX_GROUPS]; /* by group: [page] as cache_write takes them */
    backend_batch batch;
    arena memory;
} op_case;

int op_cases(void); /* how many */
op_where op_case_where(int i);
void op_case_open(op_case *c, int i);
void op_case_close(op_case *c);

/* The devices under test: all but the oracle and the empty one. A counted skip where there are none. */
enum { OP_DEVICES = 16 };
int op_devices(glint_device_info out[OP_DEVICES]); /* how many */

/* A device under test. It is opened once for each number of threads and precision, not for each case: drivers take
 * long to make a context and to translate shaders. */
enum { OP_THREADS = 2 };
typedef struct op_device {
    const char *name;
    const backend *backend;                                /* NULL: nothing is open yet */
    backend_device *open[OP_THREADS + 1][GLINT_EXACT + 1]; /* by threads and precision; NULL: not yet */
} op_device;
void op_device_close(op_device *d);

/* Runs `test` for every case on every such device; under the address sanitizer, on GPUs, formats that share a layout
 * are tested once. Large cases, each on the devices that it is meant for, are a call of their own. */
void op_each_case(void (*test)(op_case *c, op_device *device));
void op_each_large_case(void (*test)(op_case *c, op_device *device));

rig op_open_rig(op_device *device, int threads, glint_precision precision, const rig_setup *setup);
/* Writes the operands of rows [first, first + n) of the case's batch to rows 0 .. n - 1. */
void op_case_write_operands(const op_case *c, rig *g, int first, int n);
void op_case_write_pages(const op_case *c, rig *g);

/* n_blocks random blocks: finite values, the largest of a block between 2^-6 and 2. */
void op_random_blocks(support_random *r, format_id f, unsigned char *out, size_t n_blocks);

#endif
