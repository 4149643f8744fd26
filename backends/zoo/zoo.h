/* The zoo: forty faults that inference engines really have (docs/diagnose.md), put in on purpose, so that a test can
 * show which instrument names each. Only builds with -DGLINT_ZOO=ON have it.
 *
 * In a device's path: device "zoo:FAULTS@DEVICE" is DEVICE with faults, through the backend contract alone. FAULTS are
 * "F05" or "F05:WHERE", several with + between them. WHERE is the name of a value, or its first words up to a dot:
 * "layers.3", "layers.3.attn.q", "logits"; only ops that make such values are changed (a cache write goes by the name
 * of its keys). Without WHERE every op that can have the fault has it.
 * In the tape itself, so that every device agrees and is wrong: GLINT_ZOO_TAPE=FAULTS in the environment.
 *
 * The row of a fault in zoo_faults says which ops can have it and what is done to them. An op with a fault runs as a
 * program of its own on the inner device, its operands and its result in host memory, where hooks can reach them
 * (zoo_program.c). What lies between runs as it always does. */
#ifndef BACKENDS_ZOO_ZOO_H
#define BACKENDS_ZOO_ZOO_H

#include "backends/backend.h"

enum { ZOO_MOST = 4 /* faults at once */, ZOO_WHERE = 40 };

typedef struct zoo_fault zoo_fault;

/* What was asked for; sets of these faults are bits, by index. */
typedef struct zoo_set {
    const zoo_fault *fault[ZOO_MOST];
    char where[ZOO_MOST][ZOO_WHERE]; /* "": everywhere */
    int n;
} zoo_set;

/* "F01:layers.2+F05". GLINT_USAGE names what is wrong. */
glint_status zoo_parse(const char *text, size_t bytes, zoo_set *out, glint_error *err);
/* Which of the set op `i` has. */
unsigned zoo_faults_of(const zoo_set *s, const tape *t, int i);
/* A fault that no op can have would be no fault: GLINT_USAGE, unless all of the set are among `found`. */
glint_status zoo_all_found(const zoo_set *s, unsigned found, glint_error *err);

/* For core/model.c: puts the faults of GLINT_ZOO_TAPE into a tape. What has to change in the data of a weight is left
 * to the caller: flips, by tape weight. */
enum { ZOO_FLIP_MINUS_ONE = 1, ZOO_FLIP_ROTARY = 2 };
glint_status zoo_alter_tape(tape *t, unsigned char *flips, glint_error *err);

/* ---- One run of an op with faults, as hooks see it ---- */

typedef struct zoo_run {
    const tape *tape;
    const tape_op *op; /* as it runs */
    const backend_batch *batch;
    int32_t *position; /* the batch's positions as the device gets them */
    int in_rows, in_width[2], rows, width;
    float *in[2];        /* operands as the device gets them; NULL: none */
    const float *before; /* the first operand of the run before; zeros in the first */
    float *out;          /* the result; NULL: none */
    const float *old;    /* what lay in its place before */
    bool hidden;         /* set: readers see `old`, the ops behind it `out` */
    float *room;         /* for the widest row of in and out */
    const backend_device *device;
    backend_weight *weight; /* the inner device's, of weight 0 */
    backend_cache *cache;
} zoo_run;

typedef void zoo_tape_hook(tape *t, int op, unsigned char *flips, arena *a);
typedef void zoo_view_hook(backend_view *v, unsigned char *copy);
typedef bool zoo_view_test(const backend_view *v);
typedef void zoo_hook(zoo_run *r);
typedef glint_status zoo_late_hook(zoo_run *r, glint_error *err);

/* A row. Hooks that are NULL do nothing. */
struct zoo_fault {
    const char *name;                    /* "F01" */
    const char *words;                   /* what is wrong */
    unsigned kinds;                      /* which kinds of op can have it: bits by tape_kind */
    bool (*fits)(const tape *t, int op); /* which of them; NULL: all */
    zoo_tape_hook *edit;                 /* the op as the device gets it: ops, groups and ropes of *t; no flips */
    zoo_view_hook *view;                 /* weight 0 as the device gets it; `copy` holds its bytes and has room for
                                            its numbers as float32 */
    zoo_view_test *holds;                /* which weights can have it; NULL: all */
    zoo_hook *prepare;                   /* before each run: positions and operands */
    zoo_late_hook *spoil;                /* after each run: the result */
    bool half_cache, used_cache;         /* caches are float16 whatever was asked for; are not cleared */
    zoo_tape_hook *tape;                 /* in the tape itself; NULL: a tape has no words for it */
};

extern const zoo_fault zoo_faults[]; /* ends with an empty row */

/* ---- The device ---- */

struct backend_device {
    const backend *backend; /* of the inner device */
    backend_device *inner;
    zoo_set set;
};

typedef struct zoo_twin {
    unsigned faults;
    backend_weight *inner;
    struct zoo_twin *next;
} zoo_twin;

struct backend_weight {
    backend_view view;
    backend_weight *inner;
    zoo_twin *twins; /* the same weight as ops with faults get it, newest first */
    arena memory;
};

struct backend_cache {
    const backend *backend;
    backend_cache *inner;
    const tape *tape;
    int first_op, n_ops;
};

/* The inner weight for an op with these faults; lives as long as `w`. */
glint_status zoo_weight_of(backend_device *d, backend_weight *w, unsigned faults, backend_weight **out,
                           glint_error *err);
/* Numbers in a page of the group, as cache_read gives it, before those of `cache`; for n_caches, in the whole page. */
size_t zoo_page_numbers(const backend_cache *c, int group, int cache);

/* Entries of the contract that zoo_program.c fills. */
glint_status zoo_compile(backend_device *d, const backend_compile_request *r, backend_program **out, glint_error *err);
void zoo_program_close(backend_program *p);
int zoo_groups(const backend_program *p, const backend_group **out);
glint_status zoo_step(backend_program *p, const backend_batch *b, backend_ticket *ticket, glint_error *err);
glint_status zoo_run_groups(backend_program *p, const backend_batch *b, int first, int n, backend_ticket *ticket,
                            glint_error *err);
glint_status zoo_read(backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n, float *out,
                      glint_error *err);
glint_status zoo_write(backend_program *p, tape_value v, int first_row, int n, const float *in, glint_error *err);

#endif
