/* Compiling a range of the tape: places for values, layout of the step buffer, commands, groups. */
#include <stdlib.h>
#include <string.h>

#include "backends/gles/phases.h"
#include "backends/gles/pieces.h"

enum { ROW_FLOATS = 32 /* rows of values are padded to blocks of the weights */ };

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a program");
}

/* ---- Places ---- */

/* The next step's embed reads the ids that argmax chose, side by side: no other value may take their place. */
static void place_chosen(backend_program *p) {
    tape_value v = p->request.tape->argmax;
    if (v < 0 || p->offset[v] == UINT32_MAX) return;
    p->offset[v] = p->spare;
    p->stride[v] = 1;
    p->spare += ((uint32_t)p->request.max_rows + ROW_FLOATS - 1) / ROW_FLOATS * ROW_FLOATS;
}

static glint_status check_scratch(const backend_program *p, size_t bytes, glint_error *err) {
    if (bytes <= (size_t)p->device->c.limits.block) return GLINT_OK;
    return base_fail(err, GLINT_DEVICE,
                     "%s: a batch of %d rows needs %zu bytes of scratch, a storage block holds %lld; ask for a smaller "
                     "batch",
                     p->device->c.renderer, p->request.max_rows, bytes, (long long)p->device->c.limits.block);
}

static glint_status place_values(backend_program *p, const int *group_of, glint_error *err) {
    const backend_compile_request *r = &p->request;
    const tape *t = r->tape;
    tape_plan plan;
    glint_status s = tape_plan_memory(t, r->first_op, r->n_ops, group_of, p->kept, r->max_rows, r->max_outputs,
                                      ROW_FLOATS * sizeof(float), GLES_OFFSET, &p->memory, &plan, err);
    if (!s) s = check_scratch(p, plan.total_bytes, err);
    if (s) return s;
    for (int v = 0; v < t->n_values; v++) {
        p->stride[v] = ((uint32_t)t->values[v].width + ROW_FLOATS - 1) / ROW_FLOATS * ROW_FLOATS;
        p->offset[v] = plan.offset[v] == SIZE_MAX ? UINT32_MAX : (uint32_t)(plan.offset[v] / sizeof(float));
    }
    p->spare = (uint32_t)(plan.total_bytes / sizeof(float));
    place_chosen(p);
    p->top_work = p->spare;
    size_t top = gles_top_work(p);
    s = check_scratch(p, sizeof(float) * (p->spare + top), err);
    if (s) return s;
    p->spare += (uint32_t)top;
    gles_place_split(p);
    uint32_t ops = gles_spare_floats(r), phases = p->fused ? gles_phases_spare(p) : 0;
    size_t bytes = sizeof(float) * ((size_t)p->spare + (ops > phases ? ops : phases));
    s = check_scratch(p, bytes, err);
    return s ? s : gles_buffer_open(p->device, bytes, &p->act, err);
}

static size_t most_rows(const backend_compile_request *r, tape_value v) {
    return (size_t)(r->tape->values[v].outputs ? r->max_outputs : r->max_rows);
}

/* What outlasts a step: whether work groups met, argmax, the likeliest, and the snapshots asked for. */
static glint_status open_lasting(backend_program *p, glint_error *err) {
    const backend_compile_request *r = &p->request;
    const tape *t = r->tape;
    size_t bytes = sizeof(uint32_t); /* grid.glsl's word */
    p->snapshot = arena_array(&p->memory, (size_t)t->n_values, sizeof *p->snapshot);
    p->snapshots_end = arena_array(&p->memory, (size_t)t->n_values, sizeof *p->snapshots_end);
    if (!p->snapshot || !p->snapshots_end) return no_memory(err);
    for (int v = 0; v < t->n_values; v++) {
        bool wanted = (v == t->argmax || (v == t->top && p->kept[v])) && p->offset[v] != UINT32_MAX;
        for (int i = 0; i < r->n_snapshots; i++) wanted |= r->observed[i] == v;
        p->snapshot[v] = wanted ? bytes : SIZE_MAX;
        if (wanted) bytes += sizeof(float) * (size_t)t->values[v].width * most_rows(r, v);
    }
    if (p->argmax_in_top) p->snapshot[t->argmax] = p->snapshot[t->top];
    glint_status s = GLINT_OK;
    for (int i = 0; i < BACKEND_IN_FLIGHT && !s; i++) s = gles_slot_open(p->device, bytes, &p->lasting[i], err);
    return s;
}

static glint_status choose_kept(backend_program *p, glint_error *err) {
    const backend_compile_request *r = &p->request;
    size_t n = (size_t)r->tape->n_values;
    p->kept = arena_array(&p->memory, n, sizeof *p->kept);
    p->writable = arena_array(&p->memory, n, sizeof *p->writable);
    p->offset = arena_array(&p->memory, n, sizeof *p->offset);
    p->stride = arena_array(&p->memory, n, sizeof *p->stride);
    tape_value *inputs = arena_array(&p->memory, n, sizeof *inputs);
    if (!p->kept || !p->writable || !p->offset || !p->stride || !inputs) return no_memory(err);
    for (int i = 0; i < r->n_observed; i++) p->kept[r->observed[i]] = p->writable[r->observed[i]] = true;
    int n_inputs = tape_inputs(r->tape, r->first_op, r->n_ops, inputs);
    for (int i = 0; i < n_inputs; i++) p->writable[inputs[i]] = true;
    if (r->tape->argmax >= 0) p->kept[r->tape->argmax] = true;
    return GLINT_OK;
}

/* ---- The step buffer: rows of ints, page tables, angles ---- */

static glint_status lay_out_step(backend_program *p, glint_error *err) {
    const backend_compile_request *r = &p->request;
    uint32_t at = 0, rows = (uint32_t)r->max_rows;
    gles_step_layout *l = &p->at;
    l->token = at, at += rows;
    l->position = at, at += rows;
    l->sequence = at, at += rows;
    l->output = at, at += (uint32_t)r->max_outputs;
    for (int g = 0; g < r->tape->n_groups; g++) {
        l->pages[g] = at;
        at += (uint32_t)r->max_sequences * (uint32_t)r->max_slots[g];
    }
    for (int i = 0; i < r->tape->n_ropes; i++) l->rope[i] = at, at += rows * (uint32_t)r->tape->ropes[i].dims;
    l->words = at;
    p->step_words = arena_array(&p->memory, at, sizeof *p->step_words);
    if (!p->step_words) return no_memory(err);
    glint_status s = GLINT_OK;
    for (int i = 0; i < BACKEND_IN_FLIGHT && !s; i++) {
        gles_changes *c = &p->changes[i];
        s = gles_buffer_open_small(p->device, at * sizeof *p->step_words, &c->words, err);
        for (int j = 0; j < 2 && !s; j++) s = gles_buffer_open_small(p->device, sizeof(gles_batch), &c->batch[j], err);
    }
    return s;
}

/* ---- Groups ---- */

/* Decoding one row in `fast` runs in phases where the device can. */
static bool is_fused(backend_program *p) {
    bool wanted = p->request.max_rows == 1 && p->device->options.precision == GLINT_FAST &&
                  gles_fusion_of(p->device) != GLES_FUSE_NOTHING;
    return wanted && gles_phases_shape(p, &p->shape);
}

static glint_status list_group(backend_program *p, backend_group *g, int first, int n, glint_error *err) {
    const tape *t = p->request.tape;
    tape_value *in = arena_array(&p->memory, (size_t)t->n_values, sizeof *in);
    tape_value *out = arena_array(&p->memory, (size_t)t->n_values, sizeof *out);
    if (!in || !out) return no_memory(err);
    *g = (backend_group){.first_op = first, .last_op = first + n - 1, .in = in, .out = out};
    g->n_in = tape_inputs(t, first, n, in);
    for (int i = first; i < first + n; i++) { /* what later groups read, and what is observed */
        tape_value v = t->ops[i].out;
        bool read_later = false;
        for (int j = first + n; v >= 0 && j < t->n_ops && !read_later; j++)
            read_later = t->ops[j].in[0] == v || t->ops[j].in[1] == v;
        if (v >= 0 && (read_later || p->kept[v])) out[g->n_out++] = v;
    }
    return GLINT_OK;
}

/* Commands of the group of n ops from op i of the range on. */
static glint_status record_group(backend_program *p, int i, int n, glint_error *err) {
    bool phases = p->fused && (gles_products_group(p, i) == n || gles_find_attention(p, i).ops == n);
    return phases ? gles_phases_record(p, i, n, err) : gles_record_op(p, p->request.first_op + i, err);
}

static glint_status record(backend_program *p, const int *group_of, glint_error *err) {
    const backend_compile_request *r = &p->request;
    p->groups = arena_array(&p->memory, (size_t)r->n_ops, sizeof *p->groups);
    p->first_command = arena_array(&p->memory, (size_t)r->n_ops + 1, sizeof *p->first_command);
    if (!p->groups || !p->first_command) return no_memory(err);
    for (int i = 0, n; i < r->n_ops; i += n) {
        for (n = 1; i + n < r->n_ops && group_of[i + n] == group_of[i];) n++;
        p->first_command[p->n_groups] = p->n_commands;
        glint_status s = list_group(p, &p->groups[p->n_groups++], r->first_op + i, n, err);
        if (!s) s = record_group(p, i, n, err);
        if (s) return s;
    }
    p->first_command[p->n_groups] = p->n_commands;
    return GLINT_OK;
}

/* All parameters in one uniform buffer, each at the offset alignment. */
static glint_status send_params(backend_program *p, glint_error *err) {
    size_t align = (size_t)p->device->c.limits.align, step = (sizeof(gles_params) + align - 1) / align * align;
    size_t bytes = step * (size_t)(p->n_commands ? p->n_commands : 1);
    unsigned char *all = calloc(bytes, 1);
    if (!all) return no_memory(err);
    for (int i = 0; i < p->n_commands; i++) {
        p->commands[i].params = (uint32_t)(step * (size_t)i);
        memcpy(all + step * (size_t)i, &p->params[i], sizeof(gles_params));
    }
    glint_status s = gles_buffer_open(p->device, bytes, &p->uniform, err);
    if (!s) s = gles_write(p->device, &p->uniform, 0, bytes, all, err);
    free(all);
    return s;
}

/* See fill.comp. */
static void fill(const backend_program *p, uint32_t first, size_t n, uint32_t stride, uint32_t width) {
    enum { MOST_GROUPS = 4096 };
    const gles_gl *gl = &p->device->c.gl;
    size_t groups = n / (size_t)p->device->threads + 1;
    gl->Uniform4ui(0, first, (GLuint)n, stride, width);
    gl->DispatchCompute((GLuint)(groups < MOST_GROUPS ? groups : MOST_GROUPS), 1, 1);
}

/* Scratch begins as NaN where rows are and as zeros behind them, so that what is never written shows. */
static glint_status poison(backend_program *p, glint_error *err) {
    const backend_compile_request *r = &p->request;
    const gles_gl *gl = &p->device->c.gl;
    const gles_define defines[] = {{"SUBGROUP", NULL, 0}, {"THREADS", NULL, p->device->threads}};
    GLuint program;
    glint_status s = gles_program_get(p->device->programs, "fill.comp", defines, GLES_COUNT(defines), &program, err);
    if (s) return s;
    gl->UseProgram(program);
    gl->BindBufferBase(GL_SHADER_STORAGE_BUFFER, 3, p->act.id);
    fill(p, 0, p->act.bytes / sizeof(float), 0, 0);
    gl->MemoryBarrier(GL_SHADER_STORAGE_BARRIER_BIT);
    for (int v = 0; v < r->tape->n_values; v++)
        if (p->offset[v] != UINT32_MAX && p->kept[v])
            fill(p, p->offset[v], most_rows(r, v) * p->stride[v], p->stride[v], (uint32_t)r->tape->values[v].width);
    gl->MemoryBarrier(GL_SHADER_STORAGE_BARRIER_BIT | GL_BUFFER_UPDATE_BARRIER_BIT);
    return gles_check(&p->device->c, "clearing scratch", err);
}

glint_status gles_compile(backend_device *d, const backend_compile_request *r, backend_program **out,
                          glint_error *err) {
    glint_status s = gles_use(d, err);
    if (!s && r->n_ops < r->tape->n_ops) s = gles_awake_open(d, err); /* one device of several */
    if (s) return s;
    backend_program *p = calloc(1, sizeof *p);
    if (!p) return no_memory(err);
    p->device = d;
    p->request = *r;
    p->ahead = GLES_NONE;
    int *group_of = arena_array(&p->memory, (size_t)r->n_ops, sizeof *group_of);
    s = group_of ? choose_kept(p, err) : no_memory(err);
    if (!s) p->fused = is_fused(p);
    if (!s) gles_choose_groups(p, group_of);
    if (!s && p->fused) s = gles_phases_open(p, err);
    if (!s) s = place_values(p, group_of, err);
    if (!s) s = lay_out_step(p, err);
    if (!s) s = record(p, group_of, err);
    if (!s) s = gles_pieces_open(p, err);
    if (!s) s = send_params(p, err);
    if (!s) s = gles_phases_send(p, err);
    if (!s) s = poison(p, err);
    if (!s) s = open_lasting(p, err);
    p->request.observed = NULL; /* not kept */
    if (s)
        gles_program_close(p);
    else
        *out = p;
    return s;
}

static void close_changes(backend_device *d, gles_changes *c) {
    gles_buffer_close(d, &c->words);
    for (int i = 0; i < 2; i++) gles_buffer_close(d, &c->batch[i]);
    if (c->busy) d->c.gl.DeleteSync(c->busy);
}

void gles_program_close(backend_program *p) {
    if (!p) return;
    gles_use(p->device, NULL);
    gles_buffer_close(p->device, &p->act);
    gles_buffer_close(p->device, &p->uniform);
    gles_buffer_close(p->device, &p->phase_buffer);
    for (int i = 0; i < BACKEND_IN_FLIGHT; i++) close_changes(p->device, &p->changes[i]);
    for (int i = 0; i < BACKEND_IN_FLIGHT; i++) gles_slot_close(p->device, &p->lasting[i]);
    arena_free(&p->memory);
    free(p);
}

int gles_groups(const backend_program *p, const backend_group **out) {
    *out = p->groups;
    return p->n_groups;
}
