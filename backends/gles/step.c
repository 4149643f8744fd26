/* Running: what changes from step to step goes up in one small copy, then the recorded commands are replayed. */
#include <math.h>
#include <string.h>

#include "backends/gles/phases.h"
#include "backends/gles/pieces.h"
#include "core/base/clock.h"

/* ---- What changes ---- */

/* Of the rows of a batch at these positions. */
static void fill_angles(backend_program *p, const int32_t *position, int n_rows) {
    for (int i = 0; i < p->request.tape->n_ropes; i++) {
        const tape_rope_info *info = &p->request.tape->ropes[i];
        int half = info->dims / 2;
        float *out = (float *)(void *)(p->step_words + p->at.rope[i]);
        for (int r = 0; r < n_rows; r++)
            for (int j = 0; j < half; j++) {
                double angle = (double)position[r] * info->freq[j];
                out[r * info->dims + j] = (float)(cos(angle) * info->scale);
                out[r * info->dims + half + j] = (float)(sin(angle) * info->scale);
            }
    }
    p->ahead = n_rows == 1 ? position[0] : GLES_NONE;
}

/* While the device works on a row, the angles of the one that mostly follows. */
static void prepare_next(backend_program *p, const backend_batch *b) {
    if (b->n_rows == 1) fill_angles(p, &(int32_t){b->position[0] + 1}, 1);
}

static int highest_sequence(const backend_batch *b) {
    int n = 0;
    for (int r = 0; r < b->n_rows; r++)
        if (b->sequence[r] >= n) n = b->sequence[r] + 1;
    return n;
}

static void send_batch(backend_program *p, gles_changes *c, const backend_batch *b) {
    int32_t *w = p->step_words;
    size_t n = (size_t)b->n_rows, sequences = (size_t)highest_sequence(b);
    memcpy(w + p->at.token, b->token, n * sizeof *w);
    memcpy(w + p->at.position, b->position, n * sizeof *w);
    memcpy(w + p->at.sequence, b->sequence, n * sizeof *w);
    if (b->n_outputs) memcpy(w + p->at.output, b->output, (size_t)b->n_outputs * sizeof *w);
    for (int g = 0; g < p->request.tape->n_groups; g++)
        if (b->pages[g].table)
            memcpy(w + p->at.pages[g], b->pages[g].table, sequences * (size_t)b->pages[g].slots * sizeof *w);
    if (b->n_rows != 1 || p->ahead != b->position[0]) fill_angles(p, b->position, b->n_rows);
    gles_send(p->device, &c->words, 0, p->at.words * sizeof *w, w);
    for (uint32_t outputs = 0; outputs < 2; outputs++) {
        gles_batch rows = {(uint32_t)b->n_rows, (uint32_t)b->n_outputs, outputs, 0};
        if (!memcmp(&rows, &c->sent[outputs], sizeof rows)) continue; /* n_rows is never 0 */
        gles_send(p->device, &c->batch[outputs], 0, sizeof rows, &rows);
        c->sent[outputs] = rows;
    }
}

/* ---- Replaying ---- */

static GLuint groups_in_x(const backend_program *p, const gles_command *c, uint32_t rows, bool whole) {
    uint64_t n = c->fixed, most = (uint64_t)p->device->c.limits.groups;
    if (c->per_row) n += gles_divide_up((uint64_t)c->per_row * rows, c->row_divisor);
    if (whole && c->at_once && c->at_once < most) most = c->at_once;
    return (GLuint)(n > most ? most : n);
}

/* What is bound already, so that a step makes few calls: most commands differ in one buffer from the one before. */
typedef struct bindings {
    GLuint program, storage[GLES_BINDINGS], batch;
} bindings;

static GLuint buffer_of(const backend_program *p, const gles_changes *changes, GLuint recorded) {
    if (recorded == GLES_STEP_BUFFER) return changes->words.id;
    return recorded == GLES_VECTORS ? p->device->vectors.id : recorded;
}

static void bind_storage(const backend_program *p, const GLuint storage[GLES_BINDINGS], const gles_changes *changes,
                         bindings *now) {
    const gles_gl *gl = &p->device->c.gl;
    for (GLuint i = 0; i < GLES_BINDINGS; i++) {
        GLuint id = buffer_of(p, changes, storage[i]);
        if (id && now->storage[i] != id) gl->BindBufferBase(GL_SHADER_STORAGE_BUFFER, i, now->storage[i] = id);
    }
}

static void use(const backend_program *p, GLuint program, bindings *now) {
    if (now->program != program) p->device->c.gl.UseProgram(now->program = program);
}

static void bind(const backend_program *p, const gles_command *c, const gles_changes *changes, bindings *now) {
    const gles_gl *gl = &p->device->c.gl;
    use(p, c->program, now);
    bind_storage(p, c->storage, changes, now);
    GLuint batch = changes->batch[c->rows == GLES_OUTPUTS].id;
    if (now->batch != batch) gl->BindBufferBase(GL_UNIFORM_BUFFER, 1, now->batch = batch);
    gl->BindBufferRange(GL_UNIFORM_BUFFER, 0, p->uniform.id, (GLintptr)c->params, sizeof(gles_params));
}

static GLuint smaller(GLuint a, GLuint b) {
    return a < b ? a : b;
}

/* Work groups in z: as many parts of a product as the device runs at once. */
static GLuint groups_in_z(const backend_program *p, const gles_command *c, GLuint x, GLuint y) {
    uint64_t parts = p->split.groups / ((uint64_t)x * y);
    if (!c->most_parts) return c->z ? c->z : 1;
    return parts > 1 ? smaller((GLuint)parts, c->most_parts) : 1;
}

/* x by y by z work groups in dispatches of a part of x and y each: see glsl/params.glsl. */
static void dispatch_in_pieces(const backend_program *p, GLuint x, GLuint y, GLuint z, gles_piece each) {
    const gles_gl *gl = &p->device->c.gl;
    for (GLuint j = 0; j < y; j += each.y)
        for (GLuint i = 0; i < x; i += each.x) {
            gl->Uniform4ui(0, i, j, x, y);
            gl->DispatchCompute(smaller(each.x, x - i), smaller(each.y, y - j), z);
            gl->Flush();
        }
    gl->Uniform4ui(0, 0, 0, 0, 0);
}

/* In n pieces, as far as that is of use. */
static void dispatch(const backend_program *p, const gles_command *c, const gles_changes *changes,
                     const backend_batch *b, uint32_t n, bindings *now) {
    const gles_gl *gl = &p->device->c.gl;
    uint32_t rows = (uint32_t)(c->rows == GLES_OUTPUTS ? b->n_outputs : b->n_rows);
    GLuint x = groups_in_x(p, c, rows, n == 1), y = c->y_rows ? (GLuint)gles_divide_up(rows, c->y_rows) : 1;
    if (!x || !rows) return;
    GLuint z = groups_in_z(p, c, x, y);
    if (c->barrier) gl->MemoryBarrier(GL_SHADER_STORAGE_BARRIER_BIT);
    bind(p, c, changes, now);
    if (n == 1)
        gl->DispatchCompute(x, y, z);
    else
        dispatch_in_pieces(p, x, y, z, gles_cut(x, y, n, (uint32_t)p->device->product_groups));
}

/* How many of the n commands from `c` on, phases all, run in one dispatch; their buffers go to `storage`. */
static int phases_together(const backend_program *p, const gles_command *c, int n, GLuint storage[GLES_BINDINGS]) {
    int count = 0;
    for (; count < n && c[count].phase && (p->meets || !count); count++) {
        if ((c[count].phase - 1) / p->window != (c[0].phase - 1) / p->window) break;
        bool together = true;
        for (int i = 0; i < GLES_BINDINGS; i++)
            together &= !c[count].storage[i] || !storage[i] || c[count].storage[i] == storage[i];
        if (!together) break;
        for (int i = 0; i < GLES_BINDINGS; i++)
            if (c[count].storage[i]) storage[i] = c[count].storage[i];
    }
    return count;
}

/* Phases from command `first` on, of at most n commands; returns how many it took. */
static int run_phases(const backend_program *p, int first, int n, const gles_changes *changes, bindings *now) {
    enum { PATIENCE = 1 << 22 /* looks at the counter: seconds */, SIZE = sizeof(gles_phase) };
    backend_device *d = p->device;
    const gles_gl *gl = &d->c.gl;
    GLuint storage[GLES_BINDINGS] = {0};
    int count = phases_together(p, &p->commands[first], n, storage), phase = p->commands[first].phase - 1;
    storage[2] = GLES_VECTORS;
    storage[4] = p->act.id;
    storage[6] = GLES_STEP_BUFFER;
    storage[7] = d->grid.id;
    gl->MemoryBarrier(GL_SHADER_STORAGE_BARRIER_BIT);
    use(p, p->decode, now);
    bind_storage(p, storage, changes, now);
    gl->BindBufferRange(GL_UNIFORM_BUFFER, 0, p->phase_buffer.id, (GLintptr)SIZE * (phase / p->window * p->window),
                        (GLsizeiptr)SIZE * p->window);
    GLuint local = (GLuint)(phase % p->window);
    gl->Uniform4ui(0, local, local + (GLuint)count, d->arrived, PATIENCE);
    gl->DispatchCompute(p->groups_at_once, 1, 1);
    d->arrived += (uint32_t)(count - 1) * p->groups_at_once;
    return count;
}

/* An argmax of the step tells by itself whether work groups met; the word would take a token 2 us more where the host
 * waits. */
static void keep_teller(backend_program *p, bool chose) {
    backend_device *d = p->device;
    gles_run *r = &p->runs[p->steps % BACKEND_IN_FLIGHT];
    r->teller = p->meets && chose ? GLES_TELLS_ID : d->meets ? GLES_TELLS_WORD : GLES_TELLS_NOTHING;
    if (r->teller != GLES_TELLS_WORD) return;
    gles_slot_begin(d, &p->lasting[p->steps % BACKEND_IN_FLIGHT]);
    gles_slot_copy(d, 0, &d->grid, sizeof(uint32_t), 0, sizeof(uint32_t), 1);
}

/* What outlasts the step is copied beside, where the host can read it while the next one runs. */
static void keep_snapshots(backend_program *p, const backend_batch *b, int first, int n) {
    const tape *t = p->request.tape;
    const gles_slot *slot = &p->lasting[p->steps % BACKEND_IN_FLIGHT];
    bool any = false, chose = false;
    for (int i = n > 0 ? p->groups[first].first_op : 0; n > 0 && i <= p->groups[first + n - 1].last_op; i++) {
        tape_value v = t->ops[i].out;
        int rows = v < 0 ? 0 : t->values[v].outputs ? b->n_outputs : b->n_rows;
        if (!rows || p->snapshot[v] == SIZE_MAX) continue;
        p->snapshots_end[v] = p->steps + 1;
        chose |= v == t->argmax;
        if (p->argmax_in_top && v == t->argmax) continue;
        if (!any) gles_slot_begin(p->device, slot);
        any = true;
        gles_slot_copy(p->device, p->snapshot[v], &p->act, sizeof(float) * p->offset[v], sizeof(float) * p->stride[v],
                       sizeof(float) * (size_t)t->values[v].width, (size_t)rows);
    }
    keep_teller(p, chose);
}

/* Groups [first, last), which fit into a piece or are one. */
static void run_piece(const backend_program *p, int first, int last, const gles_changes *changes,
                      const backend_batch *b, bindings *now) {
    uint32_t n = last - first == 1 ? gles_pieces_of_group(p, b->n_rows, first) : 1;
    for (int i = p->first_command[first], end = p->first_command[last], taken; i < end; i += taken) {
        taken = p->commands[i].phase ? run_phases(p, i, end - i, changes, now) : 1;
        if (!p->commands[i].phase) dispatch(p, &p->commands[i], changes, b, n, now);
    }
}

/* One group, waited for. */
static void watch_group(backend_program *p, int g, const gles_changes *changes, const backend_batch *b, bindings *now) {
    p->device->c.gl.Finish();
    double since = base_seconds();
    run_piece(p, g, g + 1, changes, b, now);
    p->device->c.gl.Finish();
    gles_pieces_watched(p, b->n_rows, g, base_seconds() - since);
}

/* Groups [first, end) in pieces. A device that has nothing to do begins with the first group while the host goes on. */
static void run_pieces(backend_program *p, int first, int end, const gles_changes *changes, const backend_batch *b) {
    bindings now = {0};
    bool idle = p->waited == p->steps;
    for (; first < end && gles_pieces_watch(p, b->n_rows); first++) watch_group(p, first, changes, b, &now);
    for (int g = first, last; g < end; g = last) {
        last = idle && g == first ? first + 1 : gles_piece_end(p, b->n_rows, g, end);
        run_piece(p, g, last, changes, b, &now);
        if (last < end) p->device->c.gl.Flush();
    }
}

/* ---- Waiting ---- */

static bool is_over(const backend_program *p, GLsync busy) {
    return !busy || p->device->c.gl.ClientWaitSync(busy, 0, 0) != GL_TIMEOUT_EXPIRED;
}

/* Drivers keep a processor busy with looking at what they wait for, so this thread sleeps through most of a step's time
 * before they do. Behind a sleep the next commands take some 5 us more, for which a device that has no other step to go
 * on with would wait: there only long sleeps are worth it. Says whether the oldest step was over, maybe for long. */
static bool comes_late(const backend_program *p, GLsync busy) {
    const double share = 0.875, waking = 100e-6, least = p->steps > p->waited + 1 ? 50e-6 : 5e-3;
    if (is_over(p, busy)) return true;
    double seconds = share * (gles_pieces_due(p) - base_seconds()) - waking;
    if (seconds < least) return false;
    base_sleep(seconds);
    return is_over(p, busy);
}

/* For the step `ticket`, after those before it: each takes its own time. */
static glint_status wait_for(backend_program *p, backend_ticket ticket, glint_error *err) {
    glint_status s = GLINT_OK;
    while (p->waited <= ticket && p->waited < p->steps && !s) {
        GLsync *busy = &p->changes[p->waited % BACKEND_IN_FLIGHT].busy;
        bool late = comes_late(p, *busy);
        s = gles_wait(p->device, busy, err);
        if (!s) gles_pieces_waited(p, late);
    }
    return s;
}

/* ---- A step ---- */

glint_status gles_run_groups(backend_program *p, const backend_batch *b, int first, int n, backend_ticket *ticket,
                             glint_error *err) {
    glint_status s = gles_use(p->device, err);
    gles_changes *changes = &p->changes[p->steps % BACKEND_IN_FLIGHT];
    if (!s && p->steps >= BACKEND_IN_FLIGHT) s = wait_for(p, p->steps - BACKEND_IN_FLIGHT, err);
    if (s) return s;
    gles_pieces_begin(p, n == p->n_groups ? b->n_rows : 0);
    send_batch(p, changes, b);
    p->device->c.gl.MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT | GL_SHADER_STORAGE_BARRIER_BIT |
                                  GL_UNIFORM_BARRIER_BIT);
    run_pieces(p, first, first + n, changes, b);
    keep_snapshots(p, b, first, n);
    changes->busy = p->device->c.gl.FenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
    p->device->c.gl.Flush();
    prepare_next(p, b);
    *ticket = p->steps++;
    return gles_check(&p->device->c, "running a step", err);
}

glint_status gles_step(backend_program *p, const backend_batch *b, backend_ticket *ticket, glint_error *err) {
    return gles_run_groups(p, b, 0, p->n_groups, ticket, err);
}

/* ---- Reading and writing ---- */

static glint_status not_there(const backend_program *p, tape_value v, glint_error *err) {
    return base_fail(err, GLINT_USAGE, "%s was not asked for when the program was made",
                     p->request.tape->values[v].name);
}

/* Where work groups have not met no result is to be believed. */
static glint_status check_met(const backend_program *p, backend_ticket ticket, glint_error *err) {
    const gles_slot *slot = &p->lasting[ticket % BACKEND_IN_FLIGHT];
    gles_teller teller = ticket < p->steps ? p->runs[ticket % BACKEND_IN_FLIGHT].teller : GLES_TELLS_NOTHING;
    glint_status s = GLINT_OK;
    uint32_t failed = 0;
    float id = 0;
    if (teller == GLES_TELLS_WORD) s = gles_slot_read(p->device, slot, 0, sizeof failed, &failed, err);
    if (teller == GLES_TELLS_ID)
        s = gles_slot_read(p->device, slot, p->snapshot[p->request.tape->argmax], sizeof id, &id, err);
    if (s || (!failed && id >= 0)) return s;
    return base_fail(err, GLINT_DEVICE, "%s: work groups of a dispatch did not meet", p->device->c.renderer);
}

/* Rows of a value of the newest step, from scratch. */
static glint_status read_scratch(const backend_program *p, tape_value v, int first_row, int n, float *out,
                                 glint_error *err) {
    size_t width = (size_t)p->request.tape->values[v].width;
    size_t at = 4 * ((size_t)p->offset[v] + (size_t)first_row * p->stride[v]);
    return gles_read_rows(p->device, &p->act, at, 4 * p->stride[v], 4 * width, (size_t)n, out, err);
}

/* The same of any step in flight, where a snapshot of it was made. */
static glint_status read_snapshot(const backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n,
                                  float *out, glint_error *err) {
    size_t width = (size_t)p->request.tape->values[v].width;
    return gles_slot_read(p->device, &p->lasting[ticket % BACKEND_IN_FLIGHT],
                          p->snapshot[v] + 4 * (size_t)first_row * width, 4 * (size_t)n * width, out, err);
}

glint_status gles_read_value(backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n, float *out,
                             glint_error *err) {
    if (!p->kept[v] && !p->writable[v]) return not_there(p, v, err);
    glint_status s = gles_use(p->device, err);
    if (s || !n) return s;
    s = wait_for(p, ticket, err);
    if (!s) s = check_met(p, ticket, err);
    if (s) return s;
    bool lasts = p->snapshot[v] != SIZE_MAX && ticket < p->snapshots_end[v];
    return lasts ? read_snapshot(p, ticket, v, first_row, n, out, err) : read_scratch(p, v, first_row, n, out, err);
}

glint_status gles_write_value(backend_program *p, tape_value v, int first_row, int n, const float *in,
                              glint_error *err) {
    if (!p->writable[v]) return not_there(p, v, err);
    glint_status s = gles_use(p->device, err);
    size_t width = (size_t)p->request.tape->values[v].width, stride = p->stride[v];
    size_t at = 4 * ((size_t)p->offset[v] + (size_t)first_row * stride);
    if (s || stride == width) return s ? s : gles_write(p->device, &p->act, at, 4 * width * (size_t)n, in, err);
    for (int r = 0; r < n && !s; r++)
        s = gles_write(p->device, &p->act, at + 4 * stride * (size_t)r, 4 * width, in + (size_t)r * width, err);
    return s;
}
