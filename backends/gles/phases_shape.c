/* What decode.comp is made for: the constants of its phases, and the memory that they need. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gles/phases.h"

enum { UNIFORM_PHASES = 224, FEW_PHASES = 56 };

gles_fusion gles_fusion_of(const backend_device *d) {
    const char *mask = getenv("GLINT_GLES_FUSE");
    if (mask && !strcmp(mask, "0")) return GLES_FUSE_NOTHING;
    if (!d->c.software || (mask && !strcmp(mask, "2"))) return GLES_FUSE_STEP;
    return mask && !strcmp(mask, "1") ? GLES_FUSE_PHASES : GLES_FUSE_NOTHING;
}

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

uint32_t gles_form_of(int layout) {
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

/* Is there room for the sums of a row of each matrix of the group of n ops from op i on? That is the least of
 * share_rows, which goes on until they fit. */
static bool has_room(const backend_program *p, int i, int n, const gles_phase_shape *s) {
    enum { LANES = 32 };
    bool gated = gles_op_at(p, i + n - 1)->kind == TAPE_GATE;
    int rows = 0, turns = 0;
    for (int j = i; j < i + n; j++) {
        if (gles_op_at(p, j)->kind != TAPE_MATMUL) continue;
        const backend_weight *w = gles_weight_of(p, gles_op_at(p, j), 0);
        rows += w->n_slices;
        turns = ((int)gles_blocks(w->cols) + LANES - 1) / LANES;
    }
    rows = gated ? 2 : rows < GLES_PHASE_PARTS ? rows : GLES_PHASE_PARTS;
    return (rows * turns * LANES) >> s->fold <= s->partials / 2;
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
    for (int i = 0, n; i < p->request.n_ops && good; i += n ? n : 1)
        if ((n = gles_products_group(p, i)) > 0) good = has_room(p, i, n, &s);
    *out = s;
    return good;
}

/* "DO(number) ..." of each form. */
static const char *list_forms(int layouts, char text[256]) {
    int at = 0;
    text[0] = 0;
    for (int i = 0; i < GLES_LAYOUTS; i++)
        if (layouts >> i & 1) at += snprintf(text + at, 256 - (size_t)at, "DO(%uu) ", gles_form_of(i));
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
