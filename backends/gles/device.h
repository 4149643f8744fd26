/* What the files of backends/gles share: the device with its memory, weights, caches and programs. */
#ifndef BACKENDS_GLES_DEVICE_H
#define BACKENDS_GLES_DEVICE_H

#include "backends/gles/context.h"
#include "backends/gles/layouts.h"
#include "backends/gles/notes.h"
#include "backends/gles/programs.h"
#include "backends/gles/upload.h"

enum { GLES_NONE = -1, GLES_MAX_ARENAS = 256, GLES_OFFSET = 256 /* everything in a buffer begins at a multiple */ };

/* ---- Memory (memory.c) ---- */

/* Buffers that shaders read: never mapped, because drivers would move them to host memory. */
typedef struct gles_buffer {
    GLuint id;
    size_t bytes, used;
} gles_buffer;

/* Host memory that the driver can copy from: a ring of segments, persistently mapped where EXT_buffer_storage is. */
enum { GLES_SEGMENTS = 32, GLES_SEGMENT_BYTES = 512 << 10 };
typedef struct gles_staging {
    GLuint id;             /* 0: no persistent maps; `memory` is the process's own and goes through sub-data */
    unsigned char *memory; /* GLES_SEGMENTS segments */
    GLsync busy[GLES_SEGMENTS];
    int next;
} gles_staging;

/* A small place that the device writes and the host reads, behind a fence. */
typedef struct gles_slot {
    GLuint id;
    const void *memory; /* persistently mapped; NULL: mapped at each reading */
} gles_slot;

/* What keeps the device awake while it rests (awake.c). */
typedef struct gles_awake {
    GLuint program, buffer;  /* 0: not opened */
    volatile uint32_t *word; /* mapped; shaders look at it until it has come to their number */
    uint32_t number, looks;  /* of the last rest; in a dispatch */
    bool works, resting;
    double began, rested; /* when this rest began; seconds that the last one took */
} gles_awake;

/* The steps of all programs of a device, one after the other: how many have begun, one behind the last that was waited
 * for, and when that was over (late: or before). */
typedef struct gles_order {
    uint64_t begun, waited;
    double ended;
    bool late;
} gles_order;

struct backend_device {
    gles_context c;
    gles_programs *programs;
    gles_notes notes;
    backend_options options;
    gles_buffer arena[GLES_MAX_ARENAS]; /* weights */
    int slices_in[GLES_MAX_ARENAS];     /* that lie in each */
    int n_arenas;
    size_t expected;     /* bytes of weights still to come */
    gles_buffer vectors; /* norm weights and biases as floats */
    gles_staging staging;
    GLuint readback; /* a buffer that the host maps to read, and its size */
    size_t readback_bytes;
    int threads;         /* of a work group: a power of two */
    int product_threads; /* the same for products with one row */
    int product_groups;  /* work groups of that size that run at a time */
    int decode_threads;  /* of a work group of decode.comp: one a multiprocessor, as large as allowed */
    int decode_groups;   /* the most that may run at a time */
    gles_buffer grid;    /* where they meet: see glsl/grid.glsl */
    uint32_t arrived;    /* arrivals there so far, modulo 2^32 */
    bool meets;          /* some program's do: then others may read what those left that did not */
    gles_crew *crew;     /* that re-codes weights */
    gles_awake awake;
    gles_order order;
};

glint_status gles_memory_open(backend_device *d, glint_error *err);
void gles_memory_close(backend_device *d);
/* A buffer for shaders; what it holds is undefined until it is written. */
glint_status gles_buffer_open(backend_device *d, size_t bytes, gles_buffer *out, glint_error *err);
/* A small one that gles_send may set again and again. */
glint_status gles_buffer_open_small(backend_device *d, size_t bytes, gles_buffer *out, glint_error *err);
void gles_send(backend_device *d, const gles_buffer *to, size_t offset, size_t bytes, const void *in);
void gles_buffer_close(backend_device *d, gles_buffer *b);
/* Room for `bytes` (at most a block) in an arena, for a slice of a weight: its number and the first byte. It is given
 * back once; an arena in which nothing lies any more may be used anew. */
glint_status gles_arena_take(backend_device *d, size_t bytes, int *number, size_t *offset, glint_error *err);
void gles_arena_give(backend_device *d, int number);
/* Waits for a fence, if there is one, and ends it. Where that fails the device is lost. */
glint_status gles_wait(backend_device *d, GLsync *fence, glint_error *err);
/* The next segment of the ring, once it is free to be filled; its memory; copies out of it; its end. */
glint_status gles_stage_begin(backend_device *d, int *segment, glint_error *err);
unsigned char *gles_stage_memory(const backend_device *d, int segment);
void gles_stage_copy(backend_device *d, int segment, size_t from, const gles_buffer *to, size_t offset, size_t bytes);
glint_status gles_stage_end(backend_device *d, int segment, glint_error *err);
/* Copies bytes of a buffer to the host, after everything submitted so far. */
glint_status gles_read(backend_device *d, const gles_buffer *from, size_t offset, size_t bytes, void *out,
                       glint_error *err);
/* The same for n rows of `bytes`, `stride` bytes apart, to rows side by side. */
glint_status gles_read_rows(backend_device *d, const gles_buffer *from, size_t offset, size_t stride, size_t bytes,
                            size_t n, void *out, glint_error *err);
glint_status gles_slot_open(backend_device *d, size_t bytes, gles_slot *out, glint_error *err);
void gles_slot_close(backend_device *d, gles_slot *s);
/* Fills the slot in the order of the commands: the first, then n rows of `bytes`, `stride` bytes apart, to place `at`
 * of it. It can be read when a fence behind them has been waited for. */
void gles_slot_begin(backend_device *d, const gles_slot *s);
void gles_slot_copy(backend_device *d, size_t at, const gles_buffer *from, size_t offset, size_t stride, size_t bytes,
                    size_t n);
glint_status gles_slot_read(backend_device *d, const gles_slot *s, size_t offset, size_t bytes, void *out,
                            glint_error *err);
glint_status gles_write(backend_device *d, const gles_buffer *to, size_t offset, size_t bytes, const void *in,
                        glint_error *err);

/* Makes the device's context current and ends its rest: every call that gives it work begins so. GLINT_DEVICE also
 * where the device was lost before; then the context is current all the same, for what has to be closed. */
glint_status gles_use(backend_device *d, glint_error *err);
/* Whatever gles_rest needs, once; nothing where it is not wanted or does not work. The context is current. */
glint_status gles_awake_open(backend_device *d, glint_error *err);
void gles_awake_close(backend_device *d);
void gles_rest(backend_device *d);

/* How many work groups of `threads` invocations run at a time (resident.c). */
glint_status gles_measure_resident(backend_device *d, int threads, int *out, glint_error *err);
/* Bytes a second that shaders read, and seconds that a dispatch with a barrier takes (measure.c). */
glint_status gles_measure_speed(backend_device *d, double *bandwidth, double *dispatch, glint_error *err);

/* ---- Weights (weights.c) ---- */

/* Rows [first, first + rows) of a weight, whole in one arena. */
typedef struct gles_slice {
    int arena;
    size_t offset; /* bytes */
    int first, rows;
} gles_slice;

struct backend_weight {
    gles_layout_id layout;
    int rows, cols;
    int n_slices;
    gles_slice *slices;
    int64_t vector; /* float of d->vectors where a one-row weight lies as well; GLES_NONE: it does not */
};

/* ---- Parameters of a dispatch: glsl/params.glsl, word for word ---- */

typedef struct gles_part {
    uint32_t weight, n, rows, out, bias;
} gles_part;

typedef struct gles_params {
    uint32_t in0, in0_stride, in1, in1_stride, out0, out_stride;
    uint32_t width;
    uint32_t heads, kv_heads, head_dim, dims;
    uint32_t blocks, chunk;
    gles_part part;
    uint32_t norm, first_row;
    float eps, scale;
    uint32_t window, slots, pages, cache_first, rope, previous;
    uint32_t extra[3], padding;
} gles_params;
_Static_assert(sizeof(gles_params) % 16 == 0, "uniform blocks are multiples of 16 bytes");

typedef struct gles_batch {
    uint32_t n_rows, n_outputs, outputs_only, padding;
} gles_batch;

/* ---- Caches (cache.c): layers one after the other in buffers as large as a storage block may be. A layer larger than
 * that lies in several parts, each with the same number of kv heads, but for the last ---- */

/* Of kv heads [first_head, first_head + heads): [page][keys, values][64][heads * head_dim] */
typedef struct gles_cache_part {
    int buffer;
    size_t offset; /* bytes */
    int first_head, heads;
} gles_cache_part;

typedef struct gles_layer {
    gles_cache_part *parts;
    int n_parts; /* 0: outside the range */
} gles_layer;

struct backend_cache {
    backend_device *device;
    const tape *tape;
    bool f32;
    int pages[TAPE_MAX_GROUPS];
    gles_layer *layer; /* by tape cache */
    gles_buffer *buffers;
    int n_buffers;
    arena memory;
};

size_t gles_cache_row_bytes(const backend_cache *c, int cache);                 /* of one position: keys or values */
GLuint gles_cache_buffer(const backend_cache *c, const gles_cache_part *part);  /* that the part lies in */
uint32_t gles_cache_first(const backend_cache *c, const gles_cache_part *part); /* the part's first number in it */

/* ---- Programs (program.c, record*.c, step.c) ---- */

static inline uint64_t gles_divide_up(uint64_t a, uint64_t b) {
    return (a + b - 1) / b;
}

enum gles_rows { GLES_ROWS, GLES_OUTPUTS };

/* One dispatch. Its group counts: x = min(fixed + per_row * rows / row_divisor, limit, at_once), rounded up; y = rows /
 * y_rows, rounded up, or 1 where y_rows is 0; z as given, or by most_parts, or 1. Where x is held down, work groups do
 * several's work in turn. */
enum { GLES_BINDINGS = 8 };

typedef struct gles_command {
    GLuint program;
    int phase; /* 0: none of decode.comp's; else its number + 1, and nothing below but storage counts */
    GLuint storage[GLES_BINDINGS]; /* buffers of the bindings; 0: none */
    uint32_t params;               /* byte offset of its parameters */
    uint32_t fixed, per_row, row_divisor;
    uint32_t at_once; /* most work groups in x, but where the dispatch is cut into several (pieces.h); 0: any number */
    uint32_t y_rows, z;
    uint32_t most_parts; /* z is as large as the device has use for, up to this; 0: it is not */
    enum gles_rows rows;
    bool barrier; /* everything before it must be visible */
} gles_command;

/* Stand for buffers among a command's storage that are not known for good when it is recorded: each step in flight has
 * a step buffer of its own, and the vectors move to a larger one when weights come that a program does not use. */
#define GLES_STEP_BUFFER UINT32_MAX
#define GLES_VECTORS     (UINT32_MAX - 1)

/* What changes from step to step. A buffer that a step on its way may still read is not written again: NVIDIA's driver
 * (580) lets glBufferSubData overtake dispatches, whatever the specification says. */
typedef struct gles_changes {
    gles_buffer words;    /* gles_step_layout */
    gles_buffer batch[2]; /* gles_batch for rows and for output rows */
    gles_batch sent[2];   /* what they hold */
    GLsync busy;          /* set when its step has been submitted */
} gles_changes;

/* What tells whether work groups met in a step and in those before: nothing has to, argmax (its id is negative where
 * they did not), or grid.glsl's word, copied into the slot. */
typedef enum gles_teller { GLES_TELLS_NOTHING, GLES_TELLS_ID, GLES_TELLS_WORD } gles_teller;

/* When a whole step began, of how many rows (0: it was not a whole one); see pieces.h. */
typedef struct gles_run {
    double began;
    int n_rows;
    uint64_t number; /* in the order of the device's steps */
    gles_teller teller;
} gles_run;

/* What the program of a tape's phases is made for (phases_shape.c). */
typedef struct gles_phase_shape {
    int threads, x_blocks, quads_each, head_dim, rope_dims, group, act, fold;
    int partials;           /* floats of shared memory for sums on their way */
    int forms, gated_forms; /* a bit for each layout of matrices alone, and of gated pairs */
} gles_phase_shape;

/* Words of the step buffer; see step.c. */
typedef struct gles_step_layout {
    uint32_t token, position, sequence, output, pages[TAPE_MAX_GROUPS], rope[TAPE_MAX_ROPES], words;
} gles_step_layout;

/* Scratch of products whose tiles are shared by work groups (glsl/matmul.comp), for each of those that run side by
 * side. */
typedef struct gles_split {
    uint32_t groups;         /* that share tiles, at most; 0: no product is in parts */
    uint32_t counters, work; /* the first one of each, floats of the activations; counters begin as zeros */
    uint32_t floats;         /* of the sums of one product */
} gles_split;

struct backend_program {
    backend_device *device;
    backend_compile_request request;
    gles_buffer act;                         /* values */
    gles_changes changes[BACKEND_IN_FLIGHT]; /* by step */
    gles_buffer uniform;                     /* parameters of all commands */
    gles_step_layout at;
    int32_t *step_words; /* host copy of the step buffer */
    uint32_t *offset;    /* by tape value: first float; UINT32_MAX: no place */
    uint32_t *stride;    /* by tape value: floats from row to row */
    bool *kept;          /* by tape value */
    bool *writable;      /* by tape value: what gles_write_value may set */
    gles_command *commands;
    int n_commands, command_room;
    bool fused;              /* groups of ops run in phases */
    gles_phase_shape shape;  /* then: of their shader */
    GLuint decode;           /* the shader */
    bool meets;              /* as many phases a dispatch as there are; else one */
    uint32_t groups_at_once; /* work groups of a dispatch */
    int window;              /* phases that the shader sees at a time */
    struct gles_phase *phases;
    int n_phases, phase_room;
    gles_buffer phase_buffer;
    gles_params *params; /* of each command while recording */
    int *first_command;  /* by group, and one behind the last */
    backend_group *groups;
    int n_groups;
    uint32_t top_work; /* of top_k: its first float */
    gles_split split;
    uint32_t spare; /* scratch of ops: its first float */
    int64_t ahead;  /* step_words hold the angles of one row at this position; GLES_NONE: of none */
    backend_ticket steps;
    backend_ticket waited;             /* one behind the last step that was waited for */
    gles_run runs[BACKEND_IN_FLIGHT];  /* by step */
    double row_seconds;                /* that a row of a step takes; infinite: nothing is known yet */
    double last_seconds, last_rows;    /* of the last step of which they are known, counted as pieces.c does */
    double steady_seconds;             /* of the next one, if the last two were alike; 0: not known */
    double tried_seconds, tried_share; /* then: of a row in groups that were waited for, and their share */
    double *share;                     /* by group: of a step's time, a guess */
    double *group_seconds;             /* by group: measured with watched_rows rows; infinite: never yet */
    double watched_rows;
    bool watched;       /* group_seconds are those of a step not long ago */
    size_t *snapshot;   /* by tape value: the byte of a slot where it outlasts the step; SIZE_MAX: it does not */
    bool argmax_in_top; /* a slot holds argmax as the first of the likeliest alone */
    backend_ticket *snapshots_end;        /* by tape value: one behind the last step that made one */
    gles_slot lasting[BACKEND_IN_FLIGHT]; /* grid.glsl's word, argmax and snapshots of the last steps */
    arena memory;
};

glint_status gles_facts(backend_device *d, glint_device_report *report, void *user, glint_error *err);
backend_verdict gles_verdict(backend_device *d, glint_error *words);
void gles_keep_verdict(backend_device *d, backend_verdict v, const char *words);

size_t gles_weight_bytes(const backend_view *v);
void gles_expect(backend_device *d, size_t bytes);
glint_status gles_adopt(backend_device *d, const backend_view *v, backend_weight **out, glint_error *err);
void gles_release(backend_device *d, backend_weight *w);
glint_status gles_weight_rows(backend_device *d, backend_weight *w, int first, int n, float *out, glint_error *err);

glint_status gles_cache_open(backend_device *d, const backend_cache_request *r, backend_cache **out, glint_error *err);
void gles_cache_close(backend_device *d, backend_cache *c);
glint_status gles_cache_copy_page(backend_cache *c, int group, int from, int to, glint_error *err);
glint_status gles_cache_read(backend_cache *c, int group, int page, float *out, glint_error *err);
glint_status gles_cache_write(backend_cache *c, int group, int page, const float *in, glint_error *err);

glint_status gles_compile(backend_device *d, const backend_compile_request *r, backend_program **out, glint_error *err);
void gles_program_close(backend_program *p);
int gles_groups(const backend_program *p, const backend_group **out);

glint_status gles_step(backend_program *p, const backend_batch *b, backend_ticket *ticket, glint_error *err);
glint_status gles_run_groups(backend_program *p, const backend_batch *b, int first, int n, backend_ticket *ticket,
                             glint_error *err);
glint_status gles_read_value(backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n, float *out,
                             glint_error *err);
glint_status gles_write_value(backend_program *p, tape_value v, int first_row, int n, const float *in,
                              glint_error *err);

/* ---- Recording (record*.c) ---- */

#define GLES_TWO_23 0x4B000000U /* the bits of 2^23 as a float: see glsl/unpack.glsl */

#define GLES_COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
/* Commands for one op as the tape has it. */
glint_status gles_record_op(backend_program *p, int op, glint_error *err);
/* Appends a dispatch of a shader variant. SUBGROUP is added to the defines (at most 12), and THREADS where missing. */
glint_status gles_add_command(backend_program *p, const char *shader, const gles_define *defines, int n,
                              gles_command command, const gles_params *params, glint_error *err);
glint_status gles_append_command(backend_program *p, gles_command command, const gles_params *params,
                                 glint_error *err); /* params NULL: none */
gles_define gles_layout_define(backend_program *p, const backend_weight *w);
/* One slice of a weight as a part of a matrix product: `out` and `bias` are those of the whole weight. */
gles_part gles_part_of(const backend_weight *w, int slice, uint32_t out, uint32_t bias);
/* The largest scratch that any op needs, in floats. */
uint32_t gles_spare_floats(const backend_compile_request *r);
/* What top_k needs for itself, in floats that begin as zeros. */
size_t gles_top_work(const backend_program *p);
/* What products in parts need for themselves; takes it from p->spare on. */
void gles_place_split(backend_program *p);
#endif
