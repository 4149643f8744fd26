/* What the parts of the cpu backend share. One parallel region runs a step: every thread walks all groups, an op's body
 * does its thread's share of the op, and a barrier ends each group.
 *
 * Splits     An op is divided over the threads by rows of the batch, by columns of its result, or by pieces of its own.
 *            A group is a stretch of ops in which every thread reads of the group's values only what it wrote itself.
 * Bits       In `exact` a result depends neither on the other rows nor on the number of threads: kernels give a row the
 *            same bits in any batch (cpu/kernels.h), and no sum is divided between threads. */
#ifndef BACKENDS_CPU_CPU_H
#define BACKENDS_CPU_CPU_H

#include "backends/cpu/team.h"
#include "backends/host.h"
#include "cpu/kernels.h"

struct backend_device {
    cpu_kernels k;
    glint_precision precision;
    int threads;
};

struct backend_weight {
    backend_view view; /* read in place */
    float *vector;     /* of one row: its numbers in canonical meaning; else NULL */
};

/* Activations in 8 bits. */
typedef struct cpu_quants {
    cpu_act *rows; /* pointers into the arrays below, set for each use */
    int8_t *q;
    float *d, *sum;
} cpu_quants;

/* Room that one thread has for itself. */
typedef struct cpu_scratch {
    float *panel;      /* decoded weight rows: panel_rows(cols) * cols */
    float *scores, *q; /* attend: see cpu_attend.c */
    cpu_quants quants; /* of few rows: every thread makes its own, which saves a barrier */
} cpu_scratch;

struct backend_program {
    host_program host;
    const backend_device *device;
    cpu_scratch *scratch;          /* by thread */
    cpu_quants quants;             /* of many rows: made together */
    bool *quantises;               /* by op of the range: the first of its group that wants its input in 8 bits */
    float *angles[TAPE_MAX_ROPES]; /* [row][dims / 2 cosines, dims / 2 sines]; NULL: not used in the range */
    size_t positions;              /* the most that a row may look at */
};

typedef struct cpu_call {
    backend_program *program;
    const backend_batch *batch;
    const cpu_kernels *k;
    const tape *tape;
    const tape_op *op;
    const backend_weight *weight[2]; /* as in the op; NULL: none */
    const float *in[2];              /* rows x width; NULL: none */
    float *out;                      /* rows x width; NULL: none */
    int rows;                        /* of the result; of the operands where there is none */
    int width;                       /* of the result; of the first operand where there is none */
    cpu_scratch *scratch;            /* the thread's own */
    const team_member *me;
} cpu_call;

typedef void cpu_op(const cpu_call *c);

typedef enum cpu_split { CPU_ROWS, CPU_COLUMNS, CPU_PIECES } cpu_split;

typedef struct cpu_op_row {
    cpu_op *body;
    cpu_split split;
} cpu_op_row;

extern const cpu_op_row cpu_ops[TAPE_KINDS];

cpu_op cpu_embed, cpu_norm, cpu_head_norm, cpu_add, cpu_gate, cpu_select_rows; /* cpu_rows.c */
cpu_op cpu_argmax, cpu_top_k;                                                  /* cpu_pick.c */
cpu_op cpu_rope;
cpu_op cpu_matmul;
cpu_op cpu_cache_write, cpu_attend; /* cpu_attend.c */

/* ---- cpu_share.c ---- */

/* The rows, or in whole units of CPU_UNIT the columns, of a call that are its thread's. */
enum { CPU_UNIT = 32 /* a block of 8-bit activations, two cache lines of floats */ };
void cpu_my_rows(const cpu_call *c, int *begin, int *end);
void cpu_my_columns(const cpu_call *c, int *begin, int *end);
glint_status cpu_no_memory(glint_error *err); /* for a program */

/* ---- What a program asks the parts for ---- */

/* Angles of the batch's positions for every rotation of the range: a thread's share; needs a barrier behind it. */
void cpu_rope_angles(backend_program *p, const backend_batch *b, const team_member *me);

/* Does the op want its input in 8 bits, where the batch is small enough? */
bool cpu_matmul_wants_quants(const backend_device *d, const backend_weight *w);

/* When it is compiled: room from its arena. */
glint_status cpu_matmul_prepare(backend_program *p, glint_error *err);
glint_status cpu_attend_prepare(backend_program *p, glint_error *err);
glint_status cpu_rope_prepare(backend_program *p, glint_error *err);

/* ---- cpu_program.c ---- */

glint_status cpu_compile(backend_device *d, const backend_compile_request *r, backend_program **out, glint_error *err);
void cpu_program_close(backend_program *p);
void cpu_run_groups(backend_program *p, const backend_batch *b, int first, int n);

void cpu_describe(glint_device_info *out); /* describe.c */

#endif
