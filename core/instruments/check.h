/* Inside the room of glint_check: two sides run the same rows, and every value that both have is compared.
 *
 * The reference is a device (usually the oracle), whose every value of a step is known, or a file, which holds some.
 * Forced: each group of the device under test gets the reference's numbers as its inputs, so that an error does not
 * travel. Free: the device runs on by itself. Only the backend contract is used. */
#ifndef CORE_INSTRUMENTS_CHECK_H
#define CORE_INSTRUMENTS_CHECK_H

#include "core/instruments/bound.h"
#include "core/instruments/measure.h"
#include "core/instruments/reference.h"
#include "core/kv.h"
#include "core/model.h"
#include "core/placement/placement.h"

/* ---- A side: a device with the model's weights, a cache, and programs ---- */

enum { CHECK_FEW = 8 }; /* programs as a session has them: for one row, a few, a chunk */

typedef struct check_program {
    rig rig;
    rig_setup setup;
    bool *watched; /* by tape value */
    const backend_group *groups;
    int n_groups;
    backend_ticket ticket; /* of its last run */
} check_program;

typedef struct check_side {
    rig rig;         /* device, weights and cache */
    rig_setup setup; /* max_rows of it stays 0 */
    int batch, outputs;
    bool all;                 /* watch every value, whatever that does to the groups */
    check_program **programs; /* compiled so far */
    int n_programs, room;
    arena memory;
} check_side;

/* `setup` without rows. `all` false: as many values are watched as leave the groups of production as they are. Close it
 * also after an error. */
glint_status check_side_open(check_side *s, const char *device, const backend_options *options, const rig_setup *setup,
                             int batch, int outputs, bool all, glint_error *err);
void check_side_close(check_side *s);
/* The program of ops [first, first + n) for this number of rows, compiled when it is first asked for. */
glint_status check_side_program(check_side *s, int rows, int first, int n, check_program **out, glint_error *err);

/* ---- A check ---- */

enum { CHECK_OUTPUTS = 8 /* rows of a step that have logits where the reference is a device */ };

typedef struct check {
    const glint_check_options *o;
    glint_model *model;
    const tape *tape;
    const char *device, *against; /* of the part at hand; the reference */
    backend_view *views;          /* by tape weight */
    placement where;              /* what is under test: one part, or those of a split */
    check_side *sides;            /* by part; each holds the whole model, and runs its own stretch */
    check_side *tested;           /* of the part at hand */
    check_side oracle;
    check_program *under_test, *reference; /* programs of this step; reference NULL: a file */
    struct reference *file;                /* NULL: a device */
    const reference_run *run;              /* of the file */
    double many;                           /* bounds of so many devices add up: the oracle has none of its own */

    kv kv;
    backend_batch batch; /* of this step */
    int32_t *token, *position, *sequence, *output;
    int step;

    /* The group at hand, by tape value (caches: by tape cache, keys and values); in `work`. */
    float **expected;
    const float **got;
    bool *asked; /* whether expected[v] has been looked up */
    double **off, *(*off_cache)[2];
    bool *differs, *bad; /* between two runs of the group; failed */

    /* Free: NMSE by tape value and tape cache, and where it grew most. */
    double *error, *cache_error, growth;
    char growth_text[256];

    glint_verdict *verdict;
    bool done; /* no more steps are wanted */
    char first_failure[400], bisected[80];
    int diagnosed;  /* comparisons handed to the diagnosis */
    double nearest; /* share of the passed value that came nearest to its bound, of those made of forced inputs alone */
    char nearest_name[128];
    bool carried;       /* the value at hand is not one of those */
    arena memory, work; /* of the check; of one group */
} check;

/* ---- Values of this step (check_values.c) ---- */

/* Rows of v in this step, and the position of row r. */
int check_rows(const check *c, tape_value v);
int check_position(const check *c, tape_value v, int r);
/* Before something new is looked at: nothing is known of any value. Empties `work`. */
void check_forget(check *c);
/* What the reference has; *out NULL: nothing. Lives as long as the group at hand. */
glint_status check_expect(check *c, tape_value v, float **out, glint_error *err);
size_t check_numbers(const check *c, tape_value v); /* of all its rows */
/* To and from the program under test, all rows; what is read lives as long as the group at hand. */
glint_status check_write(check *c, tape_value v, const float *rows, glint_error *err);
glint_status check_poison(check *c, tape_value v, glint_error *err);
glint_status check_read(check *c, tape_value v, const float **out, glint_error *err);
/* The result of op i of the tape, where it can be read; else TAPE_NONE. */
tape_value check_watched(const check *c, int i);

/* ---- Keys and values ---- */

/* Fills every page of a side with numbers that would spoil everything, were they looked at. */
glint_status check_spoil(const check *c, check_side *s, glint_error *err);
/* The oracle's pages go to the device under test. */
glint_status check_give_pages(check *c, glint_error *err);
/* After a run of a group: numbers that op, a cache write, left: rows x 2 (kv_heads * head_dim), keys before values. */
glint_status check_read_cache(check *c, const tape_op *op, const float **out, glint_error *err);
/* Poisons those. */
glint_status check_poison_cache(check *c, const tape_op *op, glint_error *err);
/* Compares with the oracle's, then puts the oracle's in their place. */
glint_status check_cache(check *c, const backend_group *g, const tape_op *op, const float *got, bool differs,
                         glint_error *err);

/* ---- Whole tensors ---- */

/* Of what ops [first, last] make from numbers that both sides had. */
const bound_limits *check_stretch_limits(const check *c, int first, int last);

/* A comparison of the rows of op's result, not reported yet. g NULL: it is not about single groups. */
glint_status check_compare_nmse(check *c, const backend_group *g, const tape_op *op, const bound_limits *limits,
                                const float *got, const float *expected, glint_comparison *out, glint_error *err);

/* ---- Steps ---- */

glint_status check_forced_step(check *c, glint_error *err);
glint_status check_file_step(check *c, glint_error *err);
glint_status check_free_step(check *c, glint_error *err);
glint_status check_bisect_step(check *c, glint_error *err);
/* One group of a forced step. */
glint_status check_forced_group(check *c, int number, glint_error *err);

/* ---- Naming a fault (check_diagnose.c) ---- */

/* Names the fault of a comparison that fails, of the result of `op`. Against a device, first_op is the first op of its
 * group; against a file the first since numbers of the file went in. */
glint_status check_diagnose(check *c, int first_op, const tape_op *op, const float *tested, const float *expected,
                            glint_comparison *out, glint_error *err);
/* The same of a cache write; rows as check_read_cache gives them. strays: rows that it should have left alone. */
glint_status check_diagnose_cache(check *c, int first_op, const tape_op *op, int strays, const float *tested,
                                  const float *expected, glint_comparison *out, glint_error *err);
/* ---- Reporting (check_report.c) ---- */

glint_status check_no_memory(glint_error *err);
bool check_wanted(const check *c, int layer); /* was it asked for? TAPE_NONE: no layer's */
/* Fills the fields that say what is compared; `name` is the value's. g NULL: it is not about groups. */
void check_describe(check *c, const backend_group *g, const tape_op *op, const char *name, int first_row,
                    glint_comparison *out);
/* Gives the caller the rows of v themselves, which live as long as the group at hand. */
void check_show_rows(const check *c, tape_value v, const float *got, const float *expected, glint_comparison *out);
/* Does it fail? To be asked before check_report, so that the fault can be named. */
bool check_fails(const glint_comparison *out);
/* Decides (by share, poison and repetition), counts, and tells the caller. */
void check_report(check *c, glint_comparison *out);
glint_status check_conclude(check *c, glint_error *err);

#endif
