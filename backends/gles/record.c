/* Commands for single ops: a table op kind -> what to dispatch with which parameters. Groups of ops that run as one are
 * in phases.c. */
#include <string.h>

#include "backends/gles/record.h"

/* ---- A command being recorded ---- */

gles_params gles_params_of(const backend_program *p, const tape_op *op) {
    gles_params q = {.norm = UINT32_MAX};
    const tape *t = p->request.tape;
    if (op->in[0] >= 0) {
        q.in0 = p->offset[op->in[0]];
        q.in0_stride = p->stride[op->in[0]];
    }
    if (op->in[1] >= 0) {
        q.in1 = p->offset[op->in[1]];
        q.in1_stride = p->stride[op->in[1]];
    }
    if (op->out >= 0) {
        q.out0 = p->offset[op->out];
        q.out_stride = p->stride[op->out];
        q.width = (uint32_t)t->values[op->out].width;
    }
    q.heads = (uint32_t)op->p.heads;
    q.kv_heads = (uint32_t)op->p.kv_heads;
    q.head_dim = (uint32_t)op->p.head_dim;
    q.eps = op->p.eps;
    q.scale = op->p.scale;
    return q;
}

glint_status gles_add_command(backend_program *p, const char *shader, const gles_define *defines, int n,
                              gles_command command, const gles_params *params, glint_error *err) {
    gles_define all[16] = {{"SUBGROUP", NULL, p->device->c.limits.subgroup}};
    bool sized = false;
    for (int i = 0; i < n; i++) {
        all[1 + i] = defines[i];
        sized |= !strcmp(defines[i].name, "THREADS");
    }
    if (!sized) all[++n] = (gles_define){"THREADS", NULL, p->device->threads};
    glint_status s = gles_program_get(p->device->programs, shader, all, n + 1, &command.program, err);
    return s ? s : gles_append_command(p, command, params, err);
}

glint_status gles_append_command(backend_program *p, gles_command command, const gles_params *params,
                                 glint_error *err) {
    if (p->n_commands == p->command_room) {
        int room = p->command_room ? 2 * p->command_room : 64;
        gles_command *c = arena_array(&p->memory, (size_t)room, sizeof *c);
        gles_params *q = arena_array(&p->memory, (size_t)room, sizeof *q);
        if (!c || !q) return base_fail(err, GLINT_INTERNAL, "out of memory for commands");
        if (p->n_commands) {
            memcpy(c, p->commands, (size_t)p->n_commands * sizeof *c);
            memcpy(q, p->params, (size_t)p->n_commands * sizeof *q);
        }
        p->commands = c;
        p->params = q;
        p->command_room = room;
    }
    command.storage[3] = p->act.id;
    if (params) p->params[p->n_commands] = *params;
    p->commands[p->n_commands++] = command;
    return GLINT_OK;
}

enum gles_rows gles_rows_of(const backend_program *p, const tape_op *op) {
    tape_value v = op->out >= 0 ? op->out : op->in[0];
    return p->request.tape->values[v].outputs ? GLES_OUTPUTS : GLES_ROWS;
}

/* x groups for `width` numbers of every row, an invocation a number. */
static gles_command per_number(const backend_program *p, const tape_op *op, uint32_t width) {
    return (gles_command){
        .per_row = width, .row_divisor = (uint32_t)p->device->threads, .rows = gles_rows_of(p, op), .barrier = true};
}

static backend_weight *weight(const backend_program *p, const tape_op *op, int i) {
    return op->weight[i] < 0 ? NULL : p->request.weights[op->weight[i]];
}

gles_define gles_layout_define(backend_program *p, const backend_weight *w) {
    return (gles_define){"LAYOUT", arena_printf(&p->memory, "layouts/%s.glsl", gles_layouts[w->layout].name), 0};
}

gles_part gles_part_of(const backend_weight *w, int slice, uint32_t out, uint32_t bias) {
    const gles_slice *s = &w->slices[slice];
    return (gles_part){.weight = (uint32_t)(s->offset / 16),
                       .n = (uint32_t)s->rows * gles_blocks(w->cols),
                       .rows = (uint32_t)s->rows,
                       .out = out + (uint32_t)s->first,
                       .bias = bias == UINT32_MAX ? bias : bias + (uint32_t)s->first};
}

/* Does this product read what the op before it in the range read too (q, k, v; gate, up)? Then both may run at once:
 * their results and their x are all alive, so that no place is shared. */
static bool beside_last(const backend_program *p, const tape_op *op) {
    const tape_op *first = &p->request.tape->ops[p->request.first_op];
    return op > first && op[-1].kind == TAPE_MATMUL && op[-1].in[0] == op->in[0];
}

/* Many rows in `fast` go through tiles; few, and all in `exact`, one by one: bits must not depend on their number. */
static bool is_tiled(const backend_program *p, int most_rows) {
    enum { FEW_ROWS = 8 };
    return most_rows > FEW_ROWS && p->device->options.precision == GLINT_FAST;
}

/* ---- Ops ---- */

static glint_status record_embed(backend_program *p, const tape_op *op, glint_error *err) {
    const backend_weight *w = weight(p, op, 0);
    const gles_define defines[] = {{"LIST", NULL, 1}, gles_layout_define(p, w)};
    gles_params q = gles_params_of(p, op);
    q.blocks = gles_blocks(w->cols);
    q.previous = p->request.tape->argmax >= 0 ? p->offset[p->request.tape->argmax] : 0;
    for (int i = 0; i < w->n_slices; i++) {
        GLuint arena_id = p->device->arena[w->slices[i].arena].id;
        gles_command c = {
            .storage = {arena_id, arena_id, GLES_STEP_BUFFER}, .per_row = 1, .row_divisor = 1, .barrier = i == 0};
        q.part = gles_part_of(w, i, 0, UINT32_MAX);
        q.first_row = (uint32_t)w->slices[i].first;
        glint_status s = gles_add_command(p, "get_rows.comp", defines, GLES_COUNT(defines), c, &q, err);
        if (s) return s;
    }
    return GLINT_OK;
}

static glint_status record_norm(backend_program *p, const tape_op *op, glint_error *err) {
    gles_params q = gles_params_of(p, op);
    q.norm = (uint32_t)weight(p, op, 0)->vector;
    if (op->kind == TAPE_NORM) {
        q.heads = 1;
        q.head_dim = q.width;
    }
    gles_command c = {.storage = {0, 0, p->device->vectors.id},
                      .per_row = q.heads,
                      .row_divisor = 1,
                      .rows = gles_rows_of(p, op),
                      .barrier = true};
    return gles_add_command(p, "norm.comp", NULL, 0, c, &q, err);
}

static glint_status record_add(backend_program *p, const tape_op *op, glint_error *err) {
    const gles_define defines[] = {{"GATE", NULL, op->kind == TAPE_GATE}, {"ACT", NULL, op->p.act}};
    gles_params q = gles_params_of(p, op);
    return gles_add_command(p, "add.comp", defines, GLES_COUNT(defines), per_number(p, op, q.width), &q, err);
}

static glint_status record_rope(backend_program *p, const tape_op *op, glint_error *err) {
    gles_params q = gles_params_of(p, op);
    q.dims = (uint32_t)p->request.tape->ropes[op->p.rope].dims;
    q.rope = p->at.rope[op->p.rope];
    gles_command c = per_number(p, op, q.heads * (q.head_dim - q.dims / 2));
    c.storage[1] = GLES_STEP_BUFFER;
    return gles_add_command(p, "rope.comp", NULL, 0, c, &q, err);
}

/* What shaders need to find pages, positions and sequences, for an op on some of the heads. */
static gles_params cache_params(const backend_program *p, const tape_op *op, const gles_cache_part *part) {
    int group = p->request.tape->caches[op->p.cache].group;
    gles_params q = gles_params_of(p, op);
    q.slots = (uint32_t)p->request.max_slots[group];
    q.pages = p->at.pages[group];
    q.cache_first = gles_cache_first(p->request.cache, part);
    q.extra[0] = p->at.position;
    q.extra[1] = p->at.sequence;
    q.kv_heads = (uint32_t)part->heads;
    return q;
}

static glint_status record_cache_write(backend_program *p, const tape_op *op, glint_error *err) {
    const backend_cache *cache = p->request.cache;
    const gles_layer *l = &cache->layer[op->p.cache];
    const gles_define defines[] = {{"CACHE_F32", NULL, cache->f32}};
    glint_status s = GLINT_OK;
    for (int i = 0; i < l->n_parts && !s; i++) {
        gles_params q = cache_params(p, op, &l->parts[i]);
        q.in0 += (uint32_t)l->parts[i].first_head * q.head_dim;
        q.in1 += (uint32_t)l->parts[i].first_head * q.head_dim;
        gles_command c = per_number(p, op, q.kv_heads * q.head_dim);
        c.storage[0] = gles_cache_buffer(cache, &l->parts[i]);
        c.storage[1] = GLES_STEP_BUFFER;
        c.barrier = i == 0;
        s = gles_add_command(p, "cache_write.comp", defines, GLES_COUNT(defines), c, &q, err);
    }
    return s;
}

/* Tiles of attend_tile.comp: rows of x and invocations by the size of a head, 16 sums of the result an invocation; then
 * for devices with less shared memory. quads: the most of a key in shared memory at once. */
typedef struct attend_tile {
    int most_head_dim, rows, threads, quads;
} attend_tile;

static const attend_tile attend_tiles[] = {
    {64, 32, 128, 16}, {128, 32, 256, 16}, {256, 16, 256, 16}, {128, 16, 128, 16}, {256, 16, 128, 8}};

/* A page of keys or values goes through shared memory in so many slices, a power of two. */
static int attend_slices(const attend_tile *t, int head_dim) {
    int n = 1;
    while (n * t->quads < head_dim / 4) n *= 2;
    return n;
}

/* Bytes of shared memory, declaration by declaration. */
static int attend_shared(const attend_tile *t, int head_dim) {
    int slices = attend_slices(t, head_dim), slice = (head_dim / 4 + slices - 1) / slices, pitch = TAPE_PAGE / 4 + 1;
    int keys = TAPE_PAGE * (slice | 1), scores = t->threads / 4 * pitch;
    int stage = keys > scores ? keys : scores;
    return 16 * (t->rows * ((slices * slice) | 1) + stage + t->rows * pitch) + 4 * (t->threads + t->rows);
}

/* The first one that the device can hold; NULL: none. */
static const attend_tile *choose_attend_tile(const backend_device *d, int head_dim) {
    for (size_t i = 0; i < sizeof attend_tiles / sizeof *attend_tiles && head_dim % 4 == 0; i++) {
        const attend_tile *t = &attend_tiles[i];
        if (head_dim <= t->most_head_dim && t->threads <= d->threads &&
            attend_shared(t, head_dim) <= d->c.limits.shared)
            return t;
    }
    return NULL;
}

/* Heads that read one part of a layer; t NULL: row by row. */
static glint_status attend_part(backend_program *p, const tape_op *op, const gles_cache_part *part,
                                const attend_tile *t, glint_error *err) {
    const backend_cache *cache = p->request.cache;
    GLuint buffer = gles_cache_buffer(cache, part);
    gles_define defines[5] = {{"CACHE_F32", NULL, cache->f32}, {"HEAD_DIM", NULL, op->p.head_dim}};
    gles_params q = cache_params(p, op, part);
    uint32_t each = (uint32_t)(op->p.heads / op->p.kv_heads), first = (uint32_t)part->first_head * each * q.head_dim;
    q.heads = q.kv_heads * each;
    q.in0 += first;
    q.out0 += first;
    q.window = (uint32_t)tape_window(p->request.tape, op);
    gles_command c = {.storage = {buffer, GLES_STEP_BUFFER}, .barrier = part->first_head == 0};
    if (!t) {
        c.per_row = q.heads;
        c.row_divisor = 1;
        return gles_add_command(p, "attend.comp", defines, 2, c, &q, err);
    }
    c.storage[2] = buffer;
    c.fixed = q.heads;
    c.y_rows = c.z = (uint32_t)t->rows;
    defines[2] = (gles_define){"THREADS", NULL, t->threads};
    defines[3] = (gles_define){"ROWS", NULL, t->rows};
    defines[4] = (gles_define){"SLICES", NULL, attend_slices(t, op->p.head_dim)};
    return gles_add_command(p, "attend_tile.comp", defines, GLES_COUNT(defines), c, &q, err);
}

static glint_status record_attend(backend_program *p, const tape_op *op, glint_error *err) {
    const gles_layer *l = &p->request.cache->layer[op->p.cache];
    const attend_tile *t = is_tiled(p, p->request.max_rows) ? choose_attend_tile(p->device, op->p.head_dim) : NULL;
    glint_status s = GLINT_OK;
    for (int i = 0; i < l->n_parts && !s; i++) s = attend_part(p, op, &l->parts[i], t, err);
    return s;
}

static glint_status record_select_rows(backend_program *p, const tape_op *op, glint_error *err) {
    gles_params q = gles_params_of(p, op);
    q.extra[0] = p->at.output;
    gles_command c = per_number(p, op, q.width);
    c.storage[1] = GLES_STEP_BUFFER;
    return gles_add_command(p, "select_rows.comp", NULL, 0, c, &q, err);
}

/* Partial results of picking. */
uint32_t gles_spare_floats(const backend_compile_request *r) {
    uint32_t most = 0;
    for (int i = 0; i < r->n_ops; i++) {
        uint32_t n = gles_pick_spare(r, &r->tape->ops[r->first_op + i]);
        if (n > most) most = n;
    }
    return most;
}

/* ---- Matrix products ---- */

/* Blocks of x that a work group of matvec.comp holds in shared memory beside a sum an invocation. */
static uint32_t chunk_of_x(const backend_device *d, uint32_t blocks) {
    uint32_t room = ((uint32_t)d->c.limits.shared - 8 * (uint32_t)d->product_threads - 64) / 128;
    return blocks < room ? blocks : room;
}

static uint32_t power_of_two(uint32_t n) {
    uint32_t p = 1;
    while (p < n) p *= 2;
    return p;
}

static uint32_t divide_up(uint32_t a, uint32_t b) {
    return (a + b - 1) / b;
}

/* Shared memory for x in steps, so that few variants are compiled. */
static int64_t quads_of_x(const backend_device *d, uint32_t chunk) {
    uint32_t room = chunk_of_x(d, UINT32_MAX), n = power_of_two(chunk);
    return 8 * (int64_t)(n < room ? n : room);
}

/* Tiles of matmul.comp by what they need: rows of W x rows of x, and how many of each an invocation takes. */
typedef struct tile {
    int rows, tokens, each_rows, each_tokens;
} tile;

static const tile tiles[] = {{128, 64, 8, 4}, {64, 64, 4, 4}, {32, 64, 4, 4}};

static int tile_threads(const tile *t) {
    return t->rows / t->each_rows * (t->tokens / t->each_tokens);
}

/* The first one that the device can hold and that gives it enough work groups; else the last that it can hold. */
static const tile *choose_tile(const backend_device *d, int rows, int tokens) {
    enum { ENOUGH = 256 };
    const tile *best = &tiles[2];
    for (int i = 2; i >= 0; i--) {
        const tile *t = &tiles[i];
        int shared = (t->rows + t->tokens) * 9 * 16;
        bool holds = tile_threads(t) <= d->threads && shared <= d->c.limits.shared;
        int groups = (rows + t->rows - 1) / t->rows * ((tokens + t->tokens - 1) / t->tokens);
        if (holds && (groups >= ENOUGH || i > 0)) best = t;
    }
    return best;
}

static glint_status record_tiles(backend_program *p, const tape_op *op, gles_params q, int most_rows,
                                 glint_error *err) {
    const backend_device *d = p->device;
    const backend_weight *w = weight(p, op, 0), *bias = weight(p, op, 1);
    bool quads = d->c.limits.blocks > 4;
    for (int i = 0; i < w->n_slices; i++) {
        const tile *t = choose_tile(d, w->slices[i].rows, most_rows);
        const gles_define defines[] = {gles_layout_define(p, w),          {"THREADS", NULL, tile_threads(t)},
                                       {"ROWS", NULL, t->rows},           {"TOKENS", NULL, t->tokens},
                                       {"EACH_ROWS", NULL, t->each_rows}, {"EACH_TOKENS", NULL, t->each_tokens},
                                       {"ACT_QUADS", NULL, quads}};
        GLuint arena_id = d->arena[w->slices[i].arena].id;
        q.part = gles_part_of(w, i, q.out0, bias ? (uint32_t)bias->vector : UINT32_MAX);
        gles_command c = {.storage = {arena_id, arena_id, d->vectors.id, 0, quads ? p->act.id : 0},
                          .fixed = ((uint32_t)w->slices[i].rows + (uint32_t)t->rows - 1) / (uint32_t)t->rows,
                          .y_rows = (uint32_t)t->tokens,
                          .rows = gles_rows_of(p, op),
                          .barrier = i == 0 && !beside_last(p, op)};
        glint_status s = gles_add_command(p, "matmul.comp", defines, GLES_COUNT(defines), c, &q, err);
        if (s) return s;
    }
    return GLINT_OK;
}

static glint_status record_rows(backend_program *p, const tape_op *op, gles_params q, glint_error *err) {
    const backend_device *d = p->device;
    const backend_weight *w = weight(p, op, 0), *bias = weight(p, op, 1);
    uint32_t threads = (uint32_t)d->product_threads;
    bool quads = d->c.limits.blocks > 4;
    q.chunk = chunk_of_x(d, q.blocks);
    uint32_t at_once = q.chunk < threads ? threads / q.chunk : 1;
    for (int i = 0; i < w->n_slices; i++) {
        const gles_define defines[] = {gles_layout_define(p, w),
                                       {"THREADS", NULL, threads},
                                       {"ONE_BLOCK", NULL, q.chunk == q.blocks && q.blocks <= threads},
                                       {"ACT_QUADS", NULL, quads},
                                       {"X_QUADS", NULL, quads_of_x(d, q.chunk)}};
        GLuint arena_id = d->arena[w->slices[i].arena].id;
        q.part = gles_part_of(w, i, q.out0, bias ? (uint32_t)bias->vector : UINT32_MAX);
        uint32_t jobs = divide_up(q.part.rows, at_once);
        gles_command c = {.storage = {arena_id, arena_id, d->vectors.id, 0, quads ? p->act.id : 0},
                          .fixed = jobs,
                          .at_once = (uint32_t)d->product_groups,
                          .y_rows = 1,
                          .rows = gles_rows_of(p, op),
                          .barrier = i == 0 && !beside_last(p, op)};
        glint_status s = gles_add_command(p, "matvec.comp", defines, GLES_COUNT(defines), c, &q, err);
        if (s) return s;
    }
    return GLINT_OK;
}

static glint_status record_matmul(backend_program *p, const tape_op *op, glint_error *err) {
    const backend_weight *w = weight(p, op, 0);
    gles_params q = gles_params_of(p, op);
    q.width = (uint32_t)w->cols;
    q.blocks = gles_blocks(w->cols);
    int most_rows = gles_rows_of(p, op) == GLES_OUTPUTS ? p->request.max_outputs : p->request.max_rows;
    return is_tiled(p, most_rows) ? record_tiles(p, op, q, most_rows, err) : record_rows(p, op, q, err);
}

static gles_record_fn *const recorders[TAPE_KINDS] = {
    [TAPE_EMBED] = record_embed,
    [TAPE_NORM] = record_norm,
    [TAPE_MATMUL] = record_matmul,
    [TAPE_ADD] = record_add,
    [TAPE_ROPE] = record_rope,
    [TAPE_HEAD_NORM] = record_norm,
    [TAPE_CACHE_WRITE] = record_cache_write,
    [TAPE_ATTEND] = record_attend,
    [TAPE_GATE] = record_add,
    [TAPE_SELECT_ROWS] = record_select_rows,
    [TAPE_ARGMAX] = gles_record_argmax,
    [TAPE_TOP_K] = gles_record_top_k,
};

glint_status gles_record_op(backend_program *p, int op, glint_error *err) {
    const tape_op *o = &p->request.tape->ops[op];
    return recorders[o->kind](p, o, err);
}
