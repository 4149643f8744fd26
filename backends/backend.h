/* The backend contract: all that the engine may ask of a device. A device runs ranges of a tape; it knows ops, never
 * architectures, files or tokens. One row a backend in backends.c; every entry is required that no line calls NULL.
 *
 * Checks     The caller keeps the rules written here (indices in range, calls in order); backends do not check again.
 * Errors     A status and the driver's own words; GLINT_DEVICE when the device or its memory fails. After an error in
 *            step or run_groups the contents of values and cache are undefined.
 * Threads    A device and everything opened on it belong to one thread at a time.
 * Lifetime   Objects end before the device they were opened on; close functions accept NULL. */
#ifndef BACKENDS_BACKEND_H
#define BACKENDS_BACKEND_H

#include "core/formats/formats.h"
#include "core/tape.h"

/* Each backend defines these for itself. */
typedef struct backend_device backend_device;
typedef struct backend_weight backend_weight;
typedef struct backend_cache backend_cache;
typedef struct backend_program backend_program;

typedef struct backend_options {
    int threads;               /* 0: as many processors as there are, or as a container was given */
    glint_precision precision; /* of all programs on this device */
} backend_options;

typedef enum backend_verdict { BACKEND_UNTESTED, BACKEND_SOUND, BACKEND_WRONG } backend_verdict;

/* A weight as it lies in the file. The mapping outlives the weight: a device may read it in place, or copy. */
typedef struct backend_view {
    const char *name; /* for messages */
    format_id format;
    const void *data; /* row 0; rows follow without gaps */
    size_t row_bytes;
    int rows, cols;       /* a vector is one row */
    bool rotary_adjacent; /* inside each head of head_dim rows, file row 2j is row j and 2j + 1 is row j + head_dim/2 */
    int head_dim;
    bool minus_one; /* values are stored as w - 1 */
} backend_view;

typedef struct backend_cache_request {
    const tape *tape;
    int first_op, n_ops;        /* caches of this range */
    int pages[TAPE_MAX_GROUPS]; /* by group; page ids are 0 .. pages - 1 */
    bool f32;                   /* else float16 */
} backend_cache_request;

typedef struct backend_compile_request {
    const tape *tape;
    int first_op, n_ops;
    backend_weight *const *weights; /* by tape weight; NULL outside the range. Borrowed while the program lives */
    backend_cache *cache;           /* borrowed while the program lives */
    int max_rows, max_outputs;      /* of one batch */
    int max_sequences;              /* sequence numbers of a batch are below it */
    int max_slots[TAPE_MAX_GROUPS]; /* longest page table row, by group */
    const tape_value *observed;     /* values that read and write may name; logits, argmax and top only if named */
    int n_observed;
    int n_snapshots; /* the first so many of `observed` can be read for BACKEND_IN_FLIGHT steps; see `snapshots` */
} backend_compile_request;

/* Where positions live: page ids, a row of `slots` for each sequence. Position p is in slot (p / TAPE_PAGE) % slots, at
 * p % TAPE_PAGE inside the page. Core sees to it that every position an op may look at has a page. */
typedef struct backend_pages {
    const int32_t *table; /* [sequence][slot] */
    int slots;
} backend_pages;

/* The id that the device chose (argmax) in output row r of the same program's step before. */
#define BACKEND_PREVIOUS(r) (-1 - (r))

/* Rows of work. All arrays are borrowed until step or run_groups returns. */
typedef struct backend_batch {
    int n_rows, n_outputs;
    const int32_t *token; /* id, or BACKEND_PREVIOUS(r) */
    const int32_t *position;
    const int32_t *sequence;
    const int32_t *output; /* n_outputs row numbers, rising */
    backend_pages pages[TAPE_MAX_GROUPS];
} backend_batch;

/* What really runs as one piece. No group overwrites its own inputs. */
typedef struct backend_group {
    int first_op, last_op; /* in the tape */
    const tape_value *in, *out;
    int n_in, n_out;
} backend_group;

enum { BACKEND_IN_FLIGHT = 4 };
typedef uint64_t backend_ticket; /* counts the steps of a program */

typedef struct backend {
    const char *name;  /* "cpu": the first part of a device's name */
    bool asynchronous; /* step returns before the work is done, so that submitting the next one ahead pays */

    bool snapshots; /* takes n_snapshots: copies of the values are made when they have been computed, in the order of
                       the commands, so that they are right however far ahead the next steps are */

    /* Devices of this backend: returns how many there are, and writes at most `capacity` entries. Where one may be
     * missing because a driver failed, *missing (which is empty; NULL: nobody asks) gets its words. */
    int (*enumerate)(glint_device_info *out, int capacity, glint_error *missing);
    /* GLINT_USAGE: there can be no device of that name; GLINT_DEVICE: there is none here, or it cannot be opened. */
    glint_status (*open)(const char *name, const backend_options *options, backend_device **out, glint_error *err);
    void (*close)(backend_device *d);
    /* Does it multiply quantised weights by activations in 8 bits, as GLINT_FAST allows? NULL: never. */
    bool (*rounds)(const backend_device *d);
    /* What the driver says of the device, and what is measured now, in less than a second. NULL: nothing. */
    glint_status (*facts)(backend_device *d, glint_device_report *report, void *user, glint_error *err);
    /* What the self-test found when this device was tested last, in the precision that it is open for, with this driver
     * and this build; `words` says what failed. keep_verdict remembers it for later runs, where that can be done. Both
     * NULL: devices of this backend are no driver's, and need no test at their first use. */
    backend_verdict (*verdict)(backend_device *d, glint_error *words);
    void (*keep_verdict)(backend_device *d, backend_verdict v, const char *words);
    /* One line that people should know after weights were adopted and programs compiled, such as a cache folder that
     * cannot be written; NULL: nothing has come up. The entry NULL: nothing ever does. */
    const char *(*notice)(const backend_device *d);

    /* Bytes of a weight in the device's own layout. NULL: as many as in the file. */
    size_t (*weight_bytes)(const backend_view *view);
    /* So many bytes of weights (as weight_bytes counts them) are about to be adopted, beside those that were expected
     * before and have not come yet: room for them may be made in as few buffers as the device allows. NULL: it makes no
     * difference. */
    void (*expect)(backend_device *d, size_t bytes);
    /* Takes a weight into the device's own layout. */
    glint_status (*adopt)(backend_device *d, const backend_view *view, backend_weight **out, glint_error *err);
    void (*release)(backend_device *d, backend_weight *w);
    /* Decodes rows [first, first + n) back through that layout, in canonical order and meaning: n * cols floats. */
    glint_status (*weight_rows)(backend_device *d, backend_weight *w, int first, int n, float *out, glint_error *err);

    glint_status (*cache_open)(backend_device *d, const backend_cache_request *r, backend_cache **out,
                               glint_error *err);
    void (*cache_close)(backend_device *d, backend_cache *c);
    glint_status (*cache_copy_page)(backend_cache *c, int group, int from, int to, glint_error *err);
    /* A page as floats: [cache of the range in its group][k, v][TAPE_PAGE][kv_heads * head_dim]. */
    glint_status (*cache_read)(backend_cache *c, int group, int page, float *out, glint_error *err);
    glint_status (*cache_write)(backend_cache *c, int group, int page, const float *in, glint_error *err);

    /* Chooses kernels, fuses, allocates all that a step needs. */
    glint_status (*compile)(backend_device *d, const backend_compile_request *r, backend_program **out,
                            glint_error *err);
    void (*program_close)(backend_program *p);
    int (*groups)(const backend_program *p, const backend_group **out); /* returns how many */

    /* Submits a batch through the whole range; allocates nothing. At most BACKEND_IN_FLIGHT tickets are open. A top_k
     * whose result is not observed costs nothing. */
    glint_status (*step)(backend_program *p, const backend_batch *b, backend_ticket *ticket, glint_error *err);
    /* The same for groups [first, first + n) only, on the values that are there (written, or left by earlier groups).
     */
    glint_status (*run_groups)(backend_program *p, const backend_batch *b, int first, int n, backend_ticket *ticket,
                               glint_error *err);
    /* Rows [first_row, first_row + n) of an observed value, after the step has finished and the device is known to be
     * sound. A value can be read until the program's next step; argmax and snapshots for BACKEND_IN_FLIGHT steps. */
    glint_status (*read)(backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n, float *out,
                         glint_error *err);
    /* Sets rows of an observed value, or of an input of the range, before the next step or run_groups. */
    glint_status (*write)(backend_program *p, tape_value v, int first_row, int n, const float *in, glint_error *err);
    /* Until its next call the device waits for others to do their part of a step: one that slows down when it has
     * nothing to do may see to it that it does not. NULL: it has no need to. */
    void (*rest)(backend_device *d);
} backend;

/* All backends of this build, in the order of preference; ends with NULL. */
extern const backend *const backend_table[];

/* The backend that a device of this name would belong to (whether there is such a device shows when it is opened);
 * NULL: none. */
const backend *backend_of_device(const char *name);

#endif
