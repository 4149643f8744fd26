/* Groups of ops as phases of decode.comp: what its parameters are, and how much each work group does. */
#include "backends/gles/phases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNIFORM_PHASES = 224, FEW_PHASES = 56 };
static const uint32_t NONE = UINT32_MAX; /* no place, no vector */

static uint32_t divide_up(uint32_t a, uint32_t b) {
    return (a + b - 1) / b;
}

/* ---- What the shader is made for ---- */

/* Heads that one work group takes: short contexts are spread over more of the device; with many heads there are too few
 * registers. */
static int heads_of_unit(const backend_program *p, const tape_op *attend) {
    enum { LONG_CONTEXT = 8192, MOST_HEADS = 4 };
    int group = p->request.tape->caches[attend->p.cache].group;
    int all = attend->p.heads / attend->p.kv_heads, n = all < MOST_HEADS ? all : MOST_HEADS;
    if (p->request.max_slots[group] * TAPE_PAGE <= LONG_CONTEXT) return 1;
    while (all % n) n--;
    return n;
}

/* How a weight lies, as any_block.glsl reads it. */
static uint32_t form_of(int layout) {
    static const uint32_t forms[GLES_LAYOUTS] = {
        [GLES_F32] = 32,
        [GLES_F16] = 16,
        [GLES_BF16] = 17,
        [GLES_Q4] = 4 | 8 << 8 | 1 << 16,
        [GLES_Q4M] = 4 | 1 << 16 | 1 << 20,
        [GLES_Q5] = 5 | 16 << 8 | 1 << 16,
        [GLES_Q5M] = 5 | 1 << 16 | 1 << 20,
        [GLES_Q6] = 6 | 32 << 8 | 2 << 16,
        [GLES_Q8] = 8 | 128 << 8 | 1 << 16,
        [GLES_Q8X2] = 8 | 128 << 8 | 2 << 16,
        [GLES_Q8X2M] = 8 | 128 << 8 | 2 << 16 | 1 << 20,
    };
    return forms[layout];
}

static int max_int(int a, int b) {
    return a > b ? a : b;
}

static void add_op(const backend_program *p, const tape_op *op, gles_phase_shape *s) {
    if (op->kind == TAPE_MATMUL) s->x_blocks = max_int(s->x_blocks, (int)gles_blocks(gles_weight_of(p, op, 0)->cols));
    if (op->kind == TAPE_NORM) {
        int quads = 8 * (int)gles_blocks(p->request.tape->values[op->out].width);
        s->quads_each = max_int(s->quads_each, (quads + s->threads - 1) / s->threads);
    }
    if (op->kind == TAPE_GATE) s->act = (int)op->p.act;
    if (op->kind == TAPE_ROPE) s->rope_dims = p->request.tape->ropes[op->p.rope].dims;
    if (op->kind != TAPE_ATTEND) return;
    s->x_blocks = max_int(s->x_blocks, (int)gles_blocks(p->request.tape->values[op->out].width)); /* see add_join */
    s->head_dim = op->p.head_dim;
    s->group = max_int(s->group, heads_of_unit(p, op));
}

/* Layouts and row lengths of the matrices of the group of n ops from op i on. */
static void add_layouts(const backend_program *p, int i, int n, gles_phase_shape *s) {
    int *forms = gles_op_at(p, i + n - 1)->kind == TAPE_GATE ? &s->gated_forms : &s->forms;
    for (int j = i; j < i + n; j++) {
        if (gles_op_at(p, j)->kind != TAPE_MATMUL) continue;
        const backend_weight *w = gles_weight_of(p, gles_op_at(p, j), 0);
        *forms |= 1 << w->layout;
        while (gles_blocks(w->cols) % (1u << s->fold)) s->fold--; /* lanes of a fold are of one row */
    }
}

/* Is the op as the shape has it? One shader serves all layers, each with its cache in one part. */
static bool agrees(const backend_program *p, const tape_op *op, const gles_phase_shape *s) {
    const tape *t = p->request.tape;
    if (op->kind == TAPE_ROPE) return s->rope_dims == t->ropes[op->p.rope].dims;
    if (op->kind == TAPE_GATE) return s->act == (int)op->p.act;
    if (op->kind != TAPE_ATTEND) return true;
    if (p->request.cache->layer[op->p.cache].n_parts > 1) return false;
    if (2 * op->p.heads > s->partials) return false; /* two numbers of each lie there */
    return s->head_dim == op->p.head_dim && op->p.heads / op->p.kv_heads % s->group == 0;
}

/* Room for x; for the queries of attention, and for a row of its results for each 32 invocations. */
static int x_quads(const gles_phase_shape *s) {
    enum { LANES = 32 };
    return max_int(8 * (s->x_blocks | 1), max_int(s->group, s->threads / LANES) * s->head_dim / 4);
}

/* What attention, and finding the best of a work group, need of `partial`. */
static int least_partials(const gles_phase_shape *s) {
    return max_int((s->group + 2) * s->head_dim, 2 * s->threads);
}

/* Bytes of shared memory, declaration by declaration (decode*, grid, lanes, reduce). */
static int shared_bytes(const backend_device *d, const gles_phase_shape *s) {
    bool lanes = d->c.limits.subgroup == 32;
    return 16 * x_quads(s) + 8 * (s->x_blocks | 1) + 4 * s->partials + (lanes ? 256 : 8 * s->threads) + 16;
}

bool gles_phases_shape(const backend_program *p, gles_phase_shape *out) {
    enum { BINDINGS = 8, MOST_QUADS = 4, MOST_PARTIALS = 4096, MOST_FOLD = 3 };
    const backend_device *d = p->device;
    gles_phase_shape s = {
        .threads = d->decode_threads, .head_dim = 8, .rope_dims = 8, .group = 1, .fold = MOST_FOLD, .quads_each = 1};
    for (int i = 0; i < p->request.n_ops; i++) add_op(p, gles_op_at(p, i), &s);
    for (int i = 0, n; i < p->request.n_ops; i += n ? n : 1)
        if ((n = gles_products_group(p, i)) > 0) add_layouts(p, i, n, &s);
    int least = least_partials(&s);
    s.partials = max_int(MOST_PARTIALS, least);
    while (s.partials > least && shared_bytes(d, &s) > d->c.limits.shared) s.partials = max_int(s.partials / 2, least);
    bool good = d->c.limits.blocks >= BINDINGS && s.x_blocks > 0 && s.head_dim % 8 == 0 &&
                s.head_dim / 4 <= s.threads && s.quads_each <= MOST_QUADS && shared_bytes(d, &s) <= d->c.limits.shared;
    for (int i = 0; i < p->request.n_ops && good; i++) good = agrees(p, gles_op_at(p, i), &s);
    *out = s;
    return good;
}

/* "DO(number) ..." of each form. */
static const char *list_forms(int layouts, char text[256]) {
    int at = 0;
    text[0] = 0;
    for (int i = 0; i < GLES_LAYOUTS; i++)
        if (layouts >> i & 1) at += snprintf(text + at, 256 - (size_t)at, "DO(%uu) ", form_of(i));
    return text;
}

glint_status gles_phases_open(backend_program *p, glint_error *err) {
    const gles_phase_shape *s = &p->shape;
    const backend_cache *cache = p->request.cache;
    GLint uniform = 0;
    char forms[256], gated_forms[256];
    p->device->c.gl.GetIntegerv(GL_MAX_UNIFORM_BLOCK_SIZE, &uniform);
    p->window = (size_t)uniform >= UNIFORM_PHASES * sizeof(gles_phase) ? UNIFORM_PHASES : FEW_PHASES;
    const gles_define defines[] = {
        {"SUBGROUP", NULL, p->device->c.limits.subgroup},
        {"THREADS", NULL, s->threads},
        {"MOST_PHASES", NULL, p->window},
        {"X_BLOCKS", NULL, s->x_blocks | 1}, /* odd: quads of a block lie in different banks */
        {"X_QUADS", NULL, x_quads(s)},
        {"QUADS_EACH", NULL, s->quads_each},
        {"HEAD_DIM", NULL, s->head_dim},
        {"ROPE_DIMS", NULL, s->rope_dims},
        {"GROUP", NULL, s->group},
        {"PARTIALS", NULL, s->partials},
        {"FOLD", NULL, s->fold},
        {"CACHE_F32", NULL, cache && cache->f32},
        {"ACT", NULL, s->act},
        {"EACH_FORM(DO)", list_forms(s->forms, forms), 0},
        {"EACH_GATED_FORM(DO)", list_forms(s->gated_forms, gated_forms), 0}};
    glint_status status =
        gles_program_get(p->device->programs, "decode.comp", defines, GLES_COUNT(defines), &p->decode, err);
    return status ? status : gles_grid_measure(p, err);
}

/* Results of a work group each: the best of a phase of the head (no more phases than the matrix has slices), or pieces
 * of the cache. */
uint32_t gles_phases_spare(const backend_program *p) {
    enum { MOST_PIECES = 64 };
    uint32_t most = 0;
    for (int i = 0; i < p->request.n_ops; i++) {
        const tape_op *op = gles_op_at(p, i);
        uint32_t best = op->kind == TAPE_MATMUL ? (uint32_t)gles_weight_of(p, op, 0)->n_slices : 0;
        best *= 2 * p->groups_at_once;
        most = best > most ? best : most;
        if (op->kind != TAPE_ATTEND) continue;
        uint32_t units = (uint32_t)(op->p.heads / p->shape.group), pieces = p->groups_at_once / units;
        pieces = pieces < 1 ? 1 : pieces > MOST_PIECES ? MOST_PIECES : pieces;
        uint32_t n = pieces * (uint32_t)op->p.heads * (uint32_t)(op->p.head_dim + 2);
        most = n > most ? n : most;
    }
    return most;
}

/* ---- Recording ---- */

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for phases");
}

/* A command for a phase. arena, cache: buffers that it needs, or 0. */
static glint_status add_phase(backend_program *p, const gles_phase *phase, GLuint arena_id, GLuint cache,
                              glint_error *err) {
    if (p->n_phases == p->phase_room) {
        int room = p->phase_room ? 2 * p->phase_room : UNIFORM_PHASES;
        gles_phase *more = arena_array(&p->memory, (size_t)room, sizeof *more);
        if (!more) return no_memory(err);
        if (p->n_phases) memcpy(more, p->phases, (size_t)p->n_phases * sizeof *more);
        p->phases = more;
        p->phase_room = room;
    }
    p->phases[p->n_phases] = *phase;
    gles_command c = {
        .program = p->decode, .phase = p->n_phases++ + 1, .storage = {arena_id, arena_id, 0, 0, 0, cache}};
    return gles_append_command(p, c, NULL, err);
}

static gles_phase empty_phase(enum gles_phase_kind kind) {
    return (gles_phase){.two_23 = GLES_TWO_23,
                        .kind = kind,
                        .norm = NONE,
                        .post = NONE,
                        .sum_out = NONE,
                        .post_out = NONE,
                        .norm_out = NONE,
                        .best = NONE};
}

/* ---- Products ---- */

/* Rows of a work group in a round: in as few rounds as there is room for their partial sums. */
static void share_rows(const backend_program *p, gles_phase *q) {
    enum { LANES = 32, LOG_LANES = 5 };
    uint32_t matrices = q->gated ? 1 : q->parts, sums = q->gated ? 2 : 1, threads = (uint32_t)p->shape.threads;
    uint32_t rows, turns, room = (uint32_t)p->shape.partials / 2, fold = (uint32_t)p->shape.fold;
    q->rounds = 0;
    do {
        q->rounds++;
        rows = turns = 0;
        for (uint32_t i = 0; i < GLES_PHASE_PARTS; i++) {
            gles_phase_part *m = &q->part[i];
            m->each = i < matrices ? divide_up(m->rows, q->rounds * p->groups_at_once) : 0;
            rows += m->each;
            m->turns = turns += divide_up(m->each * q->blocks, LANES);
        }
    } while ((turns * LANES >> fold) * sums > room);
    for (q->row_lanes = 0; q->row_lanes < LOG_LANES; q->row_lanes++)
        if (rows << (q->row_lanes + 1) > threads || 1u << q->row_lanes >= q->blocks >> fold) break;
    q->column_step = threads % q->blocks;
    q->per_blocks = 1.0F / (float)q->blocks;
}

static void set_front(const backend_program *p, const gles_front *f, gles_phase *q) {
    const tape_op *norm = gles_op_at(p, f->norm), *add = gles_op_at(p, f->add), *post = gles_op_at(p, f->post);
    q->make = post ? GLES_MAKE_POST_ADD_NORM : add ? GLES_MAKE_ADD_NORM : GLES_MAKE_NORM;
    q->norm = (uint32_t)gles_weight_of(p, norm, 0)->vector;
    q->eps = norm->p.eps;
    q->in0 = p->offset[norm->in[0]];
    if (p->kept[norm->out]) q->norm_out = p->offset[norm->out];
    if (!add) return;
    q->sum_out = p->offset[add->out];
    q->in0 = p->offset[add->in[0]];
    q->in1 = p->offset[add->in[1]];
    if (!post) return;
    q->in1 = p->offset[post->in[0]];
    q->post = (uint32_t)gles_weight_of(p, post, 0)->vector;
    q->post_eps = post->p.eps;
    if (p->kept[post->out]) q->post_out = p->offset[post->out];
}

/* x is what attention left, in pieces. */
static void set_join(const gles_phase *attended, gles_phase *q) {
    q->make = GLES_MAKE_JOIN;
    q->in0 = attended->result;
    q->heads = attended->heads;
    q->window = attended->window;
    q->position = attended->position;
    q->pieces_at = attended->pieces_at;
}

/* x of a product alone: what attention left, or any value. */
static void set_plain(const backend_program *p, int i, gles_phase *q) {
    q->in0 = p->offset[gles_op_at(p, i)->in[0]];
    gles_phase attended = p->n_phases ? p->phases[p->n_phases - 1] : empty_phase(GLES_PHASE_NOTHING);
    if (attended.kind != GLES_PHASE_ATTEND || attended.result != q->in0 || gles_op_at(p, i - 1)->kind != TAPE_ATTEND)
        return;
    set_join(&attended, q);
}

/* A matrix, or a slice of one, that is multiplied in this group. */
typedef struct product {
    const backend_weight *w;
    int slice;
    gles_phase_part part;
} product;

static gles_phase_part part_of(const backend_program *p, const tape_op *op, int slice) {
    const backend_weight *w = gles_weight_of(p, op, 0), *bias = gles_weight_of(p, op, 1);
    const gles_slice *s = &w->slices[slice];
    uint32_t n = (uint32_t)s->rows * gles_blocks(w->cols), form = form_of((int)w->layout);
    int more = (form & 0xFF) == 5 || (form & 0xFF) == 6, scales = 1 + more;
    return (gles_phase_part){.weight = (uint32_t)(s->offset / 16),
                             .n = n,
                             .rows = (uint32_t)s->rows,
                             .result = p->offset[op->out] + (uint32_t)s->first,
                             .bias = bias ? (uint32_t)bias->vector + (uint32_t)s->first : NONE,
                             .form = form,
                             .first = (uint32_t)s->first,
                             .more = more ? (uint32_t)gles_plane_start(w->layout, 1, n) : 0,
                             .scales = form >> 16 ? (uint32_t)gles_plane_start(w->layout, scales, n) : 0,
                             .mins = form >> 20 ? (uint32_t)gles_plane_start(w->layout, scales + 1, n) : 0};
}

static int arena_of(const product *a) {
    return a->w->slices[a->slice].arena;
}

static glint_status add_products(backend_program *p, gles_phase q, const product *all, int n, glint_error *err) {
    glint_status s = GLINT_OK;
    for (int first = 0, taken; first < n && !s; first += taken) {
        q.has_min = 0;
        for (taken = 0; taken < GLES_PHASE_PARTS && first + taken < n; taken++) {
            if (arena_of(&all[first + taken]) != arena_of(&all[first])) break;
            q.part[taken] = all[first + taken].part;
            q.has_min |= q.part[taken].form >> 20;
        }
        q.parts = (uint32_t)taken;
        share_rows(p, &q);
        s = add_phase(p, &q, p->device->arena[arena_of(&all[first])].id, 0, err);
        q.sum_out = q.post_out = q.norm_out = NONE; /* written once */
        if (q.best != NONE) q.best += 2 * p->groups_at_once;
    }
    return s;
}

static glint_status record_products(backend_program *p, int i, int n, glint_error *err) {
    const tape_op *last = gles_op_at(p, i + n - 1);
    gles_front f = gles_find_front(p, i);
    gles_phase q = empty_phase(GLES_PHASE_PRODUCT);
    product *all = NULL;
    int count = 0, first = i + f.ops, slices = 0;
    if (f.ops)
        set_front(p, &f, &q);
    else
        set_plain(p, i, &q);
    for (int j = first; j < i + n; j++)
        if (gles_op_at(p, j)->kind == TAPE_MATMUL) slices += gles_weight_of(p, gles_op_at(p, j), 0)->n_slices;
    all = arena_array(&p->memory, (size_t)slices, sizeof *all);
    if (!all) return no_memory(err);
    for (int j = first; j < i + n && gles_op_at(p, j)->kind == TAPE_MATMUL; j++) {
        const backend_weight *w = gles_weight_of(p, gles_op_at(p, j), 0);
        q.width = (uint32_t)w->cols;
        for (int s = 0; s < w->n_slices; s++) all[count++] = (product){w, s, part_of(p, gles_op_at(p, j), s)};
    }
    q.blocks = gles_blocks((int)q.width);
    q.gated = last->kind == TAPE_GATE;
    if (q.gated) all[0].part.result = p->offset[last->out];
    if (last->kind != TAPE_ARGMAX) return add_products(p, q, all, count, err);
    q.best = p->spare;
    gles_phase best = empty_phase(GLES_PHASE_BEST);
    best.best = q.best;
    best.result = p->offset[last->out];
    int before = p->n_phases;
    glint_status s = add_products(p, q, all, count, err);
    best.pairs = (uint32_t)(p->n_phases - before) * p->groups_at_once;
    return s ? s : add_phase(p, &best, 0, 0, err);
}

/* ---- Attention ---- */

/* Attention's own result, where somebody looks at it: else the product behind it joins the pieces for itself. */
static glint_status add_join(backend_program *p, const gles_phase *attended, int width, glint_error *err) {
    gles_phase q = empty_phase(GLES_PHASE_PRODUCT);
    set_join(attended, &q);
    q.norm_out = q.in0;
    q.width = (uint32_t)width;
    q.blocks = gles_blocks(width);
    return add_phase(p, &q, 0, 0, err);
}

static glint_status record_attention(backend_program *p, int i, glint_error *err) {
    gles_attention f = gles_find_attention(p, i);
    const tape_op *attend = f.attend;
    const tape *t = p->request.tape;
    const backend_cache *cache = p->request.cache;
    const gles_cache_part *layer = cache->layer[attend->p.cache].parts; /* one part, see agrees() */
    int group = t->caches[attend->p.cache].group;
    gles_phase q = empty_phase(GLES_PHASE_ATTEND);
    q.in0 = p->offset[f.q_norm ? f.q_norm->in[0] : f.q_rope->in[0]];
    q.in1 = p->offset[f.k_norm ? f.k_norm->in[0] : f.k_rope->in[0]];
    q.in2 = p->offset[f.write->in[1]];
    q.result = p->offset[attend->out];
    q.heads = (uint32_t)attend->p.heads;
    q.kv_heads = (uint32_t)attend->p.kv_heads;
    q.rope = p->at.rope[f.q_rope->p.rope];
    q.scale = attend->p.scale;
    q.window = (uint32_t)tape_window(t, attend);
    q.cache = gles_cache_first(cache, layer);
    q.slots = (uint32_t)p->request.max_slots[group];
    q.pages = p->at.pages[group];
    q.position = p->at.position;
    q.sequence = p->at.sequence;
    q.pieces_at = p->spare;
    if (f.q_norm) {
        q.norm = (uint32_t)gles_weight_of(p, f.q_norm, 0)->vector;
        q.eps = f.q_norm->p.eps;
        q.post = (uint32_t)gles_weight_of(p, f.k_norm, 0)->vector;
        q.post_eps = f.k_norm->p.eps;
    }
    glint_status s = add_phase(p, &q, 0, gles_cache_buffer(cache, layer), err);
    return s || !p->kept[attend->out] ? s : add_join(p, &q, t->values[attend->out].width, err);
}

glint_status gles_phases_record(backend_program *p, int i, int n, glint_error *err) {
    return gles_find_attention(p, i).ops == n ? record_attention(p, i, err) : record_products(p, i, n, err);
}

/* ---- To the device ---- */

glint_status gles_phases_send(backend_program *p, glint_error *err) {
    if (!p->n_phases) return GLINT_OK;
    int windows = (p->n_phases + p->window - 1) / p->window;
    size_t bytes = (size_t)windows * (size_t)p->window * sizeof(gles_phase);
    gles_phase *all = calloc((size_t)windows * (size_t)p->window, sizeof *all);
    if (!all) return no_memory(err);
    memcpy(all, p->phases, (size_t)p->n_phases * sizeof *all);
    glint_status s = gles_buffer_open(p->device, bytes, &p->phase_buffer, err);
    if (!s) s = gles_write(p->device, &p->phase_buffer, 0, bytes, all, err);
    free(all);
    return s;
}
