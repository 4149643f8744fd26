/* Groups of ops as phases of decode.comp: their parameters, and how much each work group does. */
#include "backends/gles/phases.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t NONE = UINT32_MAX; /* no place, no vector */

/* ---- Recording ---- */

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for phases");
}

/* A command for a phase. arena, cache: buffers that it needs, or 0. */
static glint_status add_phase(backend_program *p, const gles_phase *phase, GLuint arena_id, GLuint cache,
                              glint_error *err) {
    if (p->n_phases == p->phase_room) {
        int room = p->phase_room ? 2 * p->phase_room : p->window;
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
            m->each = i < matrices ? gles_divide_up(m->rows, q->rounds * p->groups_at_once) : 0;
            rows += m->each;
            m->turns = turns += gles_divide_up(m->each * q->blocks, LANES);
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
    uint32_t n = (uint32_t)s->rows * gles_blocks(w->cols), form = gles_form_of((int)w->layout);
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
