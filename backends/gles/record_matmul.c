/* Commands for matrix products: tiles for many rows of x, matvec.comp for few, and for all in `exact`. */
#include "backends/gles/phases.h"
#include "backends/gles/record.h"

static uint32_t power_of_two(uint32_t n) {
    uint32_t p = 1;
    while (p < n) p *= 2;
    return p;
}

/* Does this product read what the op before it in the range read too (q, k, v; gate, up)? Then both may run at once:
 * their results and their x are all alive, so that no place is shared. */
static bool beside_last(const backend_program *p, const tape_op *op) {
    const tape_op *first = &p->request.tape->ops[p->request.first_op];
    return op > first && op[-1].kind == TAPE_MATMUL && op[-1].in[0] == op->in[0];
}

/* ---- Many rows ---- */

/* Tiles of matmul.comp: rows of W x rows of x, and how many of each an invocation takes. */
typedef struct tile {
    int rows, tokens, each_rows, each_tokens;
} tile;

static const tile tiles[] = {{128, 128, 8, 8}, {128, 64, 8, 8}, {64, 64, 4, 4}, {32, 64, 4, 4}};

static int tile_threads(const tile *t) {
    return t->rows / t->each_rows * (t->tokens / t->each_tokens);
}

/* ---- Products in parts: see matmul.comp. Up to SIBLINGS of them run side by side ---- */

enum { SIBLINGS = 3, LARGEST_TILE = 128 * 128 };

/* Which of several products of one x this is. */
static uint32_t sibling(const backend_program *p, const tape_op *op) {
    uint32_t n = 0;
    for (; beside_last(p, op); op--) n++;
    return n;
}

static bool may_split(const backend_device *d) {
    enum { BINDINGS = 6, SHARE = 4 /* of a storage block */ };
    int64_t bytes = (int64_t)sizeof(float) * SIBLINGS * d->product_groups * LARGEST_TILE;
    return d->c.limits.blocks >= BINDINGS && bytes <= d->c.limits.block / SHARE;
}

/* Into how many parts its columns may go, each long enough to be worth it. */
static uint32_t most_parts(const backend_program *p, const tape_op *op) {
    enum { LEAST_BLOCKS = 16 };
    const backend_weight *w = gles_weight_of(p, op, 0);
    if (!may_split(p->device) || w->n_slices > 1 || sibling(p, op) >= SIBLINGS) return 1;
    uint32_t n = gles_blocks(w->cols) / LEAST_BLOCKS;
    return n > 1 ? n : 1;
}

static int rows_at_most(const backend_program *p, const tape_op *op) {
    return gles_rows_of(p, op) == GLES_OUTPUTS ? p->request.max_outputs : p->request.max_rows;
}

void gles_place_split(backend_program *p) {
    bool any = false;
    for (int i = 0; i < p->request.n_ops; i++) {
        const tape_op *op = gles_op_at(p, i);
        any |= op->kind == TAPE_MATMUL && gles_is_tiled(p, rows_at_most(p, op)) && most_parts(p, op) > 1;
    }
    if (!any) return;
    p->split.groups = (uint32_t)p->device->product_groups;
    p->split.floats = p->split.groups * LARGEST_TILE;
    p->split.counters = p->spare;
    p->split.work = p->split.counters + SIBLINGS * p->split.groups;
    p->spare = p->split.work + SIBLINGS * p->split.floats;
}

/* Work groups that have something to do at a time, in so many tiles of at most so many parts each. */
static uint32_t busy_groups(const backend_device *d, uint32_t n_tiles, uint32_t parts) {
    uint32_t n = (uint32_t)d->product_groups / n_tiles;
    return n_tiles * (n < 1 ? 1 : n < parts ? n : parts);
}

/* The first tile that the device can hold and that gives most of it something to do; else the last that it can hold. */
static const tile *choose_tile(const backend_device *d, int rows, int tokens, uint32_t parts) {
    const tile *last = &tiles[GLES_COUNT(tiles) - 1];
    for (int i = 0; i < GLES_COUNT(tiles); i++) {
        const tile *t = &tiles[i];
        int shared = (t->rows + t->tokens) * 9 * 16;
        uint32_t down = gles_divide_up((uint32_t)rows, (uint32_t)t->rows);
        uint32_t across = gles_divide_up((uint32_t)tokens, (uint32_t)t->tokens);
        if (tile_threads(t) > d->threads || shared > d->c.limits.shared) continue;
        if (4 * busy_groups(d, down * across, parts) >= 3 * (uint32_t)d->product_groups) return t;
        last = t;
    }
    return last;
}

static glint_status record_tiles(backend_program *p, const tape_op *op, gles_params q, glint_error *err) {
    const backend_device *d = p->device;
    const backend_weight *w = gles_weight_of(p, op, 0), *bias = gles_weight_of(p, op, 1);
    bool quads = d->c.limits.blocks > 4;
    uint32_t parts = most_parts(p, op);
    q.extra[0] = GLES_TWO_23;
    q.extra[1] = p->split.work + sibling(p, op) * p->split.floats;
    q.extra[2] = p->split.counters + sibling(p, op) * p->split.groups;
    for (int i = 0; i < w->n_slices; i++) {
        const tile *t = choose_tile(d, w->slices[i].rows, rows_at_most(p, op), parts);
        const gles_define defines[] = {gles_layout_define(p, w),          {"THREADS", NULL, tile_threads(t)},
                                       {"ROWS", NULL, t->rows},           {"TOKENS", NULL, t->tokens},
                                       {"EACH_ROWS", NULL, t->each_rows}, {"EACH_TOKENS", NULL, t->each_tokens},
                                       {"ACT_QUADS", NULL, quads},        {"SPLIT", NULL, parts > 1}};
        GLuint arena_id = d->arena[w->slices[i].arena].id;
        q.part = gles_part_of(w, i, q.out0, bias ? (uint32_t)bias->vector : UINT32_MAX);
        gles_command c = {.storage = {arena_id, arena_id, GLES_VECTORS, 0, quads ? p->act.id : 0},
                          .fixed = gles_divide_up((uint32_t)w->slices[i].rows, (uint32_t)t->rows),
                          .y_rows = (uint32_t)t->tokens,
                          .most_parts = parts > 1 ? parts : 0,
                          .rows = gles_rows_of(p, op),
                          .barrier = i == 0 && !beside_last(p, op)};
        if (parts > 1) c.storage[5] = p->act.id;
        glint_status s = gles_add_command(p, "matmul.comp", defines, GLES_COUNT(defines), c, &q, err);
        if (s) return s;
    }
    return GLINT_OK;
}

/* ---- Few rows ---- */

enum { LANES = 32 }; /* of glsl/lanes.glsl */

/* How matvec.comp is made for a product: `rows` of x at once, `chunk` blocks of each in shared memory, `side`
 * neighbours for as many rows of W, of which a work group takes `each` at a time. */
typedef struct few_rows {
    uint32_t rows, side, chunk, each;
    bool one_block;
} few_rows;

/* Blocks of each row of x that go into shared memory beside its sums and lanes_buffer. */
static uint32_t room_for_x(const backend_device *d, uint32_t rows) {
    uint32_t taken = 4 * (uint32_t)d->product_threads * (rows + 1) + 64, shared = (uint32_t)d->c.limits.shared;
    uint32_t blocks = shared > taken ? (shared - taken) / (128 * rows) : 0;
    return blocks ? blocks - 1 : 0; /* planes are an odd distance apart */
}

/* As many as fit. Eight would need smaller work groups, with which an H200 is slower. */
static few_rows choose_rows(const backend_device *d, uint32_t blocks, uint32_t most_rows) {
    enum { MOST = 4 };
    few_rows f = {.rows = power_of_two(most_rows < MOST ? most_rows : MOST)};
    while (f.rows > 1 && room_for_x(d, f.rows) < (blocks < LANES ? blocks : LANES)) f.rows /= 2;
    uint32_t room = room_for_x(d, f.rows), threads = (uint32_t)d->product_threads;
    f.side = f.rows > 1 ? 2 : 1;
    f.one_block = blocks <= room && blocks * f.side <= threads;
    f.chunk = blocks <= room ? blocks : room / LANES * LANES;
    f.each = f.side * (threads / f.side / (f.one_block ? blocks : LANES));
    return f;
}

/* Shared memory for x in steps, so that few variants are compiled. */
static int64_t quads_of_x(const backend_device *d, const few_rows *f) {
    uint32_t room = room_for_x(d, f->rows), n = power_of_two(f->chunk);
    return 8 * (int64_t)f->rows * ((n < room ? n : room) + 1);
}

/* Work groups in x at once for so many rows of W: as many as run at a time, over all rows of x; or more, each with
 * enough batches to make up for reading x. */
static uint32_t groups_at_once(const backend_device *d, const few_rows *f, uint32_t rows, uint32_t most_rows) {
    enum { ENOUGH = 8 };
    uint32_t batches = gles_divide_up(rows, f->each), most = (uint32_t)d->product_groups;
    uint32_t share = gles_divide_up(most, gles_divide_up(most_rows, f->rows)), worth = gles_divide_up(batches, ENOUGH);
    uint32_t n = share > worth ? share : worth;
    return n < most ? n : most;
}

static glint_status record_rows(backend_program *p, const tape_op *op, gles_params q, int most_rows, glint_error *err) {
    const backend_device *d = p->device;
    const backend_weight *w = gles_weight_of(p, op, 0), *bias = gles_weight_of(p, op, 1);
    bool quads = d->c.limits.blocks > 4;
    few_rows f = choose_rows(d, q.blocks, (uint32_t)most_rows);
    q.chunk = f.chunk;
    for (int i = 0; i < w->n_slices; i++) {
        const gles_define defines[] = {gles_layout_define(p, w),
                                       {"THREADS", NULL, d->product_threads},
                                       {"ROWS", NULL, f.rows},
                                       {"SIDE", NULL, f.side},
                                       {"ONE_BLOCK", NULL, f.one_block},
                                       {"ACT_QUADS", NULL, quads},
                                       {"X_QUADS", NULL, quads_of_x(d, &f)}};
        GLuint arena_id = d->arena[w->slices[i].arena].id;
        q.part = gles_part_of(w, i, q.out0, bias ? (uint32_t)bias->vector : UINT32_MAX);
        gles_command c = {.storage = {arena_id, arena_id, GLES_VECTORS, 0, quads ? p->act.id : 0},
                          .fixed = gles_divide_up(q.part.rows, f.each),
                          .at_once = groups_at_once(d, &f, q.part.rows, (uint32_t)most_rows),
                          .y_rows = f.rows,
                          .rows = gles_rows_of(p, op),
                          .barrier = i == 0 && !beside_last(p, op)};
        glint_status s = gles_add_command(p, "matvec.comp", defines, GLES_COUNT(defines), c, &q, err);
        if (s) return s;
    }
    return GLINT_OK;
}

/* ---- Both ---- */

glint_status gles_record_matmul(backend_program *p, const tape_op *op, glint_error *err) {
    const backend_weight *w = gles_weight_of(p, op, 0);
    gles_params q = gles_params_of(p, op);
    q.width = (uint32_t)w->cols;
    q.blocks = gles_blocks(w->cols);
    int most = rows_at_most(p, op);
    return gles_is_tiled(p, most) ? record_tiles(p, op, q, err) : record_rows(p, op, q, most, err);
}
