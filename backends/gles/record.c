/* Commands for single ops: a table op kind -> what to dispatch with which parameters. Matrix products are in
 * record_matmul.c, what picks the largest in record_pick.c, groups of ops that run as one in phases.c. */
#include "backends/gles/record.h"

/* x groups for `width` numbers of every row, an invocation a number. */
static gles_command per_number(const backend_program *p, const tape_op *op, uint32_t width) {
    return (gles_command){
        .per_row = width, .row_divisor = (uint32_t)p->device->threads, .rows = gles_rows_of(p, op), .barrier = true};
}

static backend_weight *weight(const backend_program *p, const tape_op *op, int i) {
    return op->weight[i] < 0 ? NULL : p->request.weights[op->weight[i]];
}

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
    gles_command c = {.storage = {0, 0, GLES_VECTORS},
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
    const attend_tile *t = gles_is_tiled(p, p->request.max_rows) ? choose_attend_tile(p->device, op->p.head_dim) : NULL;
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

static gles_record_fn *const recorders[TAPE_KINDS] = {
    [TAPE_EMBED] = record_embed,
    [TAPE_NORM] = record_norm,
    [TAPE_MATMUL] = gles_record_matmul,
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
