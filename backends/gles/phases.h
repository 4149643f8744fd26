/* Phases of decode.comp: pieces of a decoded row between which the whole device waits. Groups of ops become phases when
 * a program is compiled; a step replays them, as many to a dispatch as the device allows (step.c). */
#ifndef BACKENDS_GLES_PHASES_H
#define BACKENDS_GLES_PHASES_H

#include "backends/gles/device.h"

/* glsl/phases.glsl, word for word, which says what the fields mean. */
enum { GLES_PHASE_PARTS = 3 };

typedef struct gles_phase_part {
    uint32_t weight, n, rows, each, result, bias, form, first, more, scales, mins, turns;
} gles_phase_part;

enum gles_phase_kind { GLES_PHASE_PRODUCT, GLES_PHASE_ATTEND, GLES_PHASE_BEST, GLES_PHASE_NOTHING };
enum gles_make { GLES_MAKE_PLAIN, GLES_MAKE_NORM, GLES_MAKE_ADD_NORM, GLES_MAKE_POST_ADD_NORM, GLES_MAKE_JOIN };

typedef struct gles_phase {
    uint32_t kind, make, gated, has_min;
    uint32_t width, blocks, rounds, column_step;
    uint32_t in0, in1, norm, post;
    float eps, post_eps, scale;
    uint32_t parts;
    uint32_t sum_out, post_out, norm_out, best;
    uint32_t cache, slots, pages, window;
    uint32_t heads, kv_heads, rope, pairs;
    uint32_t position, sequence, in2, result;
    float per_blocks;
    uint32_t pieces_at, row_lanes, two_23;
    gles_phase_part part[GLES_PHASE_PARTS];
} gles_phase;
_Static_assert(sizeof(gles_phase) == 288, "224 or 56 phases are a multiple of the alignment and fit a uniform block");

/* ---- Groups (groups.c): which ops run as one; i counts ops from the range's first ---- */

/* [post norm, add,] [select rows,] [norm,] in front of products; indices of ops, GLES_NONE where there is none. */
typedef struct gles_front {
    int post, add, select, norm;
    int ops; /* 0: no such front */
} gles_front;

/* [q norm, k norm,] q rope, k rope, cache write, attention. */
typedef struct gles_attention {
    const tape_op *q_norm, *k_norm, *q_rope, *k_rope, *write, *attend;
    int ops; /* 0: no such group */
} gles_attention;

const tape_op *gles_op_at(const backend_program *p, int i); /* NULL: outside the range */
const backend_weight *gles_weight_of(const backend_program *p, const tape_op *op, int i);
gles_front gles_find_front(const backend_program *p, int i);
gles_attention gles_find_attention(const backend_program *p, int i);
/* Ops of the group of products that begins at op i; 0: none. */
int gles_products_group(const backend_program *p, int i);
int gles_picks_group(const backend_program *p, int i); /* the same for top_k and argmax */
/* All of them: group_of[i] for op i, rising. p->fused is known. */
void gles_choose_groups(const backend_program *p, int *group_of);

/* ---- Their shader (phases_shape.c) ---- */

/* How far decoding one row is fused: op by op, a dispatch a phase, all of a step's phases in one dispatch. GPUs go as
 * far as they can, to where their work groups meet. A software renderer has little to pay for a dispatch, and takes
 * many times as long for phases; there only a test has them, with GLINT_GLES_FUSE=1 or 2. 0: op by op everywhere. */
typedef enum gles_fusion { GLES_FUSE_NOTHING, GLES_FUSE_PHASES, GLES_FUSE_STEP } gles_fusion;
gles_fusion gles_fusion_of(const backend_device *d);
/* Can ops of this range run in phases on this device? Then *out is what their shader needs. */
bool gles_phases_shape(const backend_program *p, gles_phase_shape *out);
/* The shader, and how many work groups it runs in (grid.c). Before any phase is recorded. */
glint_status gles_phases_open(backend_program *p, glint_error *err);
uint32_t gles_phases_spare(const backend_program *p); /* scratch, in floats */
/* How a weight of a layout lies, as any_block.glsl reads it. */
uint32_t gles_form_of(int layout);

/* ---- Phases (phases.c) ---- */

/* Phases of a group of n ops from op i on. */
glint_status gles_phases_record(backend_program *p, int i, int n, glint_error *err);
/* All phases to the device, when the last has been recorded. */
glint_status gles_phases_send(backend_program *p, glint_error *err);

/* ---- The barrier between phases (grid.c) ---- */

/* Finds out how many work groups of p's shader meet at the barrier: p->meets, p->groups_at_once. */
glint_status gles_grid_measure(backend_program *p, glint_error *err);

#endif
