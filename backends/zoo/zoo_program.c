/* Programs: the range is cut into pieces, each a program of the inner device. An op with faults is a piece of its own,
 * and its operands and result lie in host memory; what lies between is a piece that runs as ever. Values that cross
 * from piece to piece go through the contract's read and write. */
#include <stdlib.h>
#include <string.h>

#include "backends/zoo/zoo.h"

typedef struct piece {
    tape tape; /* the program's, with groups and ropes of its own */
    int first_op, n_ops;
    unsigned faults;
    backend_program *inner;
    backend_ticket ticket;
    int first_group, n_groups;
    tape_value *inputs, *crossing; /* crossing: made here, read by later pieces */
    int n_inputs, n_crossing;

    /* With faults. */
    float *in[2], *before, *out;     /* as the ops around it see them */
    float *given[2], *result, *room; /* as the inner device does */
    backend_weight *weight;
} piece;

struct backend_program {
    backend_device *device;
    backend_cache *cache;
    tape tape; /* the request's, with edited ops */
    const tape *asked;
    int first_op, n_ops, max_rows, max_outputs;
    piece *pieces;
    int n_pieces;
    backend_group *groups;
    int n_groups;
    backend_ticket steps;
    float *chosen[BACKEND_IN_FLIGHT], *newest; /* ids of argmax */
    int32_t *token, *position;                 /* of a batch as the inner device gets it */
    float *rows;                               /* of any value */
    arena memory;
};

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "zoo: out of memory for a program");
}

static size_t room_of(const backend_program *p, tape_value v) {
    return (size_t)(p->tape.values[v].outputs ? p->max_outputs : p->max_rows) * (size_t)p->tape.values[v].width;
}

static int rows_of(const backend_program *p, const backend_batch *b, tape_value v) {
    return p->tape.values[v].outputs ? b->n_outputs : b->n_rows;
}

static piece *maker_of(const backend_program *p, tape_value v) {
    for (int i = 0; i < p->n_pieces; i++) {
        int op = p->tape.values[v].op - p->pieces[i].first_op;
        if (op >= 0 && op < p->pieces[i].n_ops) return &p->pieces[i];
    }
    return NULL;
}

static bool contains(const tape_value *list, int n, tape_value v) {
    for (int i = 0; i < n; i++)
        if (list[i] == v) return true;
    return false;
}

/* ---- Compiling: pieces ---- */

/* Without those that the op's weight cannot have. Weights of other ranges are not known. */
static unsigned faults_of(const zoo_set *set, const backend_compile_request *r, int i) {
    unsigned faults = zoo_faults_of(set, r->tape, i);
    tape_weight w = r->tape->ops[i].weight[0];
    for (int k = 0; k < set->n; k++)
        if (set->fault[k]->holds && w >= 0 && r->weights[w] && !set->fault[k]->holds(&r->weights[w]->view))
            faults &= ~(1u << k);
    return faults;
}

static glint_status list_pieces(backend_program *p, const backend_compile_request *r, glint_error *err) {
    p->pieces = arena_array(&p->memory, (size_t)p->n_ops, sizeof *p->pieces);
    if (!p->pieces) return no_memory(err);
    for (int i = p->first_op; i < p->first_op + p->n_ops; i++) {
        unsigned faults = faults_of(&p->device->set, r, i);
        piece *last = p->n_pieces ? &p->pieces[p->n_pieces - 1] : NULL;
        if (last && !faults && !last->faults)
            last->n_ops++;
        else
            p->pieces[p->n_pieces++] = (piece){.first_op = i, .n_ops = 1, .faults = faults};
    }
    return GLINT_OK;
}

static glint_status edit_ops(backend_program *p, glint_error *err) {
    const zoo_set *set = &p->device->set;
    p->tape.ops = arena_copy(&p->memory, p->asked->ops, (size_t)p->asked->n_ops * sizeof *p->tape.ops);
    if (!p->tape.ops) return no_memory(err);
    for (int i = 0; i < p->n_pieces; i++) {
        piece *q = &p->pieces[i];
        q->tape = p->tape; /* the list of ops is shared, so that an edit may change the op behind it too */
        for (int k = 0; k < set->n; k++)
            if (q->faults >> k & 1 && set->fault[k]->edit) set->fault[k]->edit(&q->tape, q->first_op, NULL, &p->memory);
        if (q->tape.failure) return base_fail(err, q->tape.failure, "%s", q->tape.error.message);
    }
    return GLINT_OK;
}

static glint_status list_values(backend_program *p, piece *q, glint_error *err) {
    size_t n = (size_t)p->tape.n_values;
    q->inputs = arena_array(&p->memory, n, sizeof *q->inputs);
    q->crossing = arena_array(&p->memory, n, sizeof *q->crossing);
    if (!q->inputs || !q->crossing) return no_memory(err);
    q->n_inputs = tape_inputs(&p->tape, q->first_op, q->n_ops, q->inputs);
    q->n_crossing = tape_outputs(&p->tape, q->first_op, q->n_ops, q->crossing);
    return GLINT_OK;
}

static glint_status make_room(backend_program *p, piece *q, glint_error *err) {
    const tape_op *op = &p->tape.ops[q->first_op];
    size_t widest = 1;
    for (int k = 0; k < 3; k++) {
        tape_value v = k < 2 ? op->in[k] : op->out;
        float **mine = k < 2 ? &q->in[k] : &q->out, **inner = k < 2 ? &q->given[k] : &q->result;
        if (v < 0) continue;
        *mine = arena_array(&p->memory, room_of(p, v), sizeof **mine);
        *inner = arena_array(&p->memory, room_of(p, v), sizeof **inner);
        if (!*mine || !*inner) return no_memory(err);
        if ((size_t)p->tape.values[v].width > widest) widest = (size_t)p->tape.values[v].width;
    }
    if (q->out) memset(q->out, 0xFF, room_of(p, op->out) * sizeof *q->out); /* NaN: nothing was written yet */
    q->before = arena_array(&p->memory, op->in[0] >= 0 ? room_of(p, op->in[0]) : 1, sizeof *q->before);
    q->room = arena_array(&p->memory, widest, sizeof *q->room);
    return q->before && q->room ? GLINT_OK : no_memory(err);
}

/* ---- Compiling: inner programs ---- */

static glint_status inner_weights(backend_program *p, piece *q, const backend_compile_request *r, backend_weight **out,
                                  glint_error *err) {
    for (int w = 0; w < p->tape.n_weights; w++) out[w] = r->weights[w] ? r->weights[w]->inner : NULL;
    tape_weight w = q->faults ? p->tape.ops[q->first_op].weight[0] : TAPE_NONE;
    if (w < 0) return GLINT_OK;
    glint_status status = zoo_weight_of(p->device, r->weights[w], q->faults, &q->weight, err);
    if (!status) out[w] = q->weight;
    return status;
}

static void observe(const backend_program *p, const piece *q, const backend_compile_request *r, tape_value *out,
                    int *n) {
    for (int i = 0; i < q->n_inputs; i++) out[(*n)++] = q->inputs[i];
    for (int i = q->first_op; i < q->first_op + q->n_ops; i++) {
        tape_value v = p->tape.ops[i].out;
        if (v >= 0 && (q->faults || v == p->tape.argmax || contains(q->crossing, q->n_crossing, v) ||
                       contains(r->observed, r->n_observed, v)))
            out[(*n)++] = v;
    }
}

static glint_status compile_piece(backend_program *p, piece *q, const backend_compile_request *r, glint_error *err) {
    backend_weight **weights = arena_array(&p->memory, (size_t)p->tape.n_weights, sizeof(backend_weight *));
    tape_value *observed = arena_array(&p->memory, (size_t)p->tape.n_values, sizeof *observed);
    if (!weights || !observed) return no_memory(err);
    glint_status status = inner_weights(p, q, r, weights, err);
    if (!status) status = list_values(p, q, err);
    if (!status && q->faults) status = make_room(p, q, err);
    if (status) return status;
    backend_compile_request inner = *r;
    inner.tape = &q->tape;
    inner.first_op = q->first_op;
    inner.n_ops = q->n_ops;
    inner.weights = weights;
    inner.cache = r->cache ? r->cache->inner : NULL;
    inner.observed = observed;
    inner.n_observed = 0;
    observe(p, q, r, observed, &inner.n_observed);
    return p->device->backend->compile(p->device->inner, &inner, &q->inner, err);
}

/* What an op with faults reads and makes is what it should: callers know nothing of edits. */
static glint_status add_faulty_group(backend_program *p, const piece *q, glint_error *err) {
    const tape_op *op = &p->asked->ops[q->first_op];
    tape_value *list = arena_array(&p->memory, 3, sizeof *list);
    if (!list) return no_memory(err);
    backend_group *g = &p->groups[p->n_groups++];
    *g = (backend_group){.first_op = q->first_op, .last_op = q->first_op, .in = list, .out = list + 2};
    for (int k = 0; k < 2; k++)
        if (op->in[k] >= 0) list[g->n_in++] = op->in[k];
    if (op->out >= 0) list[2] = op->out, g->n_out = 1;
    return GLINT_OK;
}

static glint_status list_groups(backend_program *p, glint_error *err) {
    p->groups = arena_array(&p->memory, (size_t)p->n_ops, sizeof *p->groups);
    if (!p->groups) return no_memory(err);
    glint_status status = GLINT_OK;
    for (int i = 0; i < p->n_pieces && !status; i++) {
        piece *q = &p->pieces[i];
        const backend_group *inner;
        q->first_group = p->n_groups;
        q->n_groups = p->device->backend->groups(q->inner, &inner);
        for (int g = 0; g < q->n_groups && !q->faults; g++) p->groups[p->n_groups++] = inner[g];
        if (q->faults) status = add_faulty_group(p, q, err);
    }
    return status;
}

static glint_status prepare(backend_program *p, const backend_compile_request *r, glint_error *err) {
    size_t rows = (size_t)r->max_rows, widest = 1;
    for (int v = 0; v < r->tape->n_values; v++)
        if ((size_t)r->tape->values[v].width > widest) widest = (size_t)r->tape->values[v].width;
    p->token = arena_array(&p->memory, rows, sizeof *p->token);
    p->position = arena_array(&p->memory, rows, sizeof *p->position);
    p->rows = arena_array(&p->memory, rows * widest, sizeof *p->rows);
    for (int i = 0; i < BACKEND_IN_FLIGHT; i++) p->chosen[i] = arena_array(&p->memory, rows, sizeof(float));
    p->newest = p->chosen[0];
    if (!p->token || !p->position || !p->rows || !p->chosen[BACKEND_IN_FLIGHT - 1]) return no_memory(err);
    glint_status status = list_pieces(p, r, err);
    if (!status) status = edit_ops(p, err);
    for (int i = 0; i < p->n_pieces && !status; i++) status = compile_piece(p, &p->pieces[i], r, err);
    return status ? status : list_groups(p, err);
}

static glint_status check_faults(const zoo_set *set, const backend_compile_request *r, glint_error *err) {
    unsigned found = 0;
    for (int i = 0; i < r->tape->n_ops; i++) found |= faults_of(set, r, i);
    return zoo_all_found(set, found, err);
}

void zoo_program_close(backend_program *p) {
    if (!p) return;
    for (int i = 0; i < p->n_pieces; i++) p->device->backend->program_close(p->pieces[i].inner);
    arena_free(&p->memory);
    free(p);
}

glint_status zoo_compile(backend_device *d, const backend_compile_request *r, backend_program **out, glint_error *err) {
    glint_status status = check_faults(&d->set, r, err);
    if (status) return status;
    backend_program *p = calloc(1, sizeof *p);
    if (!p) return no_memory(err);
    *p = (backend_program){.device = d,
                           .cache = r->cache,
                           .tape = *r->tape,
                           .asked = r->tape,
                           .first_op = r->first_op,
                           .n_ops = r->n_ops,
                           .max_rows = r->max_rows,
                           .max_outputs = r->max_outputs};
    status = prepare(p, r, err);
    if (status)
        zoo_program_close(p);
    else
        *out = p;
    return status;
}

int zoo_groups(const backend_program *p, const backend_group **out) {
    *out = p->groups;
    return p->n_groups;
}

/* ---- Values ---- */

/* Which operand of an op with faults the value is; -1: none. */
static int operand(const backend_program *p, const piece *q, tape_value v) {
    const tape_op *op = &p->tape.ops[q->first_op];
    return op->in[0] == v ? 0 : op->in[1] == v ? 1 : -1;
}

static void put(const backend_program *p, float *to, tape_value v, int first_row, int n, const float *in) {
    size_t width = (size_t)p->tape.values[v].width;
    memcpy(to + (size_t)first_row * width, in, (size_t)n * width * sizeof *in);
}

/* Gives rows of a value to the pieces that read it. */
static glint_status hand_over(backend_program *p, tape_value v, int first_row, int n, const float *in,
                              glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = 0; i < p->n_pieces && !status; i++) {
        piece *q = &p->pieces[i];
        if (!contains(q->inputs, q->n_inputs, v)) continue;
        if (!q->faults) status = p->device->backend->write(q->inner, v, first_row, n, in, err);
        for (int k = 0; k < 2 && q->faults; k++)
            if (p->tape.ops[q->first_op].in[k] == v) put(p, q->in[k], v, first_row, n, in);
    }
    return status;
}

glint_status zoo_write(backend_program *p, tape_value v, int first_row, int n, const float *in, glint_error *err) {
    piece *maker = maker_of(p, v);
    glint_status status = GLINT_OK;
    if (maker && maker->faults)
        put(p, maker->out, v, first_row, n, in);
    else if (maker)
        status = p->device->backend->write(maker->inner, v, first_row, n, in, err);
    return status ? status : hand_over(p, v, first_row, n, in, err);
}

glint_status zoo_read(backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n, float *out,
                      glint_error *err) {
    piece *q = maker_of(p, v);
    size_t width = (size_t)p->tape.values[v].width, at = (size_t)first_row * width;
    for (int i = 0; i < p->n_pieces && !q; i++) /* an input of the range */
        if (contains(p->pieces[i].inputs, p->pieces[i].n_inputs, v)) q = &p->pieces[i];
    if (!q) return base_fail(err, GLINT_USAGE, "%s: not an observed value", p->tape.values[v].name);
    if (v == p->tape.argmax) {
        memcpy(out, p->chosen[ticket % BACKEND_IN_FLIGHT] + first_row, (size_t)n * sizeof *out);
        return GLINT_OK;
    }
    if (!q->faults) return p->device->backend->read(q->inner, q->ticket, v, first_row, n, out, err);
    const float *from = operand(p, q, v) >= 0 ? q->in[operand(p, q, v)] : q->out;
    memcpy(out, from + at, (size_t)n * width * sizeof *out);
    return GLINT_OK;
}

/* ---- Running ---- */

/* The op on the inner device, with what its faults do before and after. */
static glint_status run_faulty(backend_program *p, piece *q, const backend_batch *b, glint_error *err) {
    const backend *inner = p->device->backend;
    const zoo_set *set = &p->device->set;
    const tape_op *op = &q->tape.ops[q->first_op];
    backend_batch changed = *b;
    changed.position = memcpy(p->position, b->position, (size_t)b->n_rows * sizeof *p->position);
    tape_value of = op->out >= 0 ? op->out : op->in[0];
    zoo_run r = {.tape = &q->tape,
                 .op = op,
                 .batch = b,
                 .position = p->position,
                 .rows = rows_of(p, b, of),
                 .width = p->tape.values[of].width,
                 .before = q->before,
                 .out = q->result,
                 .old = q->out,
                 .room = q->room,
                 .device = p->device,
                 .weight = q->weight,
                 .cache = p->cache};
    for (int k = 0; k < 2; k++) {
        if (op->in[k] < 0) continue;
        r.in[k] = q->given[k];
        r.in_rows = rows_of(p, b, op->in[k]);
        r.in_width[k] = p->tape.values[op->in[k]].width;
        put(p, q->given[k], op->in[k], 0, r.in_rows, q->in[k]);
    }
    glint_status status = GLINT_OK;
    for (int k = 0; k < set->n; k++)
        if (q->faults >> k & 1 && set->fault[k]->prepare) set->fault[k]->prepare(&r);
    for (int k = 0; k < 2 && !status; k++)
        if (r.in[k]) status = inner->write(q->inner, op->in[k], 0, r.in_rows, r.in[k], err);
    if (!status) status = inner->run_groups(q->inner, &changed, 0, q->n_groups, &q->ticket, err);
    if (!status && r.out) status = inner->read(q->inner, q->ticket, op->out, 0, r.rows, r.out, err);
    for (int k = 0; k < set->n && !status; k++)
        if (q->faults >> k & 1 && set->fault[k]->spoil) status = set->fault[k]->spoil(&r, err);
    if (!status && r.out) status = hand_over(p, op->out, 0, r.rows, r.out, err);
    if (status) return status;
    if (r.out && !r.hidden) put(p, q->out, op->out, 0, r.rows, r.out);
    if (r.in[0]) put(p, q->before, op->in[0], 0, r.in_rows, q->in[0]);
    return GLINT_OK;
}

/* Groups [first, first + n) of the piece, counted in it. */
static glint_status run_healthy(backend_program *p, piece *q, const backend_batch *b, int first, int n,
                                glint_error *err) {
    const backend *inner = p->device->backend;
    int first_op = p->groups[q->first_group + first].first_op,
        last_op = p->groups[q->first_group + first + n - 1].last_op;
    glint_status status = inner->run_groups(q->inner, b, first, n, &q->ticket, err);
    for (int i = 0; i < q->n_crossing && !status; i++) {
        tape_value v = q->crossing[i];
        int rows = rows_of(p, b, v);
        if (p->tape.values[v].op < first_op || p->tape.values[v].op > last_op || !rows) continue;
        status = inner->read(q->inner, q->ticket, v, 0, rows, p->rows, err);
        if (!status) status = hand_over(p, v, 0, rows, p->rows, err);
    }
    return status;
}

/* Keeps what argmax chose, if it was among the ops that ran. */
static glint_status keep_chosen(backend_program *p, const backend_batch *b, int first, int n, glint_error *err) {
    tape_value v = p->tape.argmax;
    int op = v < 0 ? -1 : p->tape.values[v].op;
    if (op < p->groups[first].first_op || op > p->groups[first + n - 1].last_op || !b->n_outputs) return GLINT_OK;
    piece *q = maker_of(p, v);
    p->newest = p->chosen[p->steps % BACKEND_IN_FLIGHT];
    return p->device->backend->read(q->inner, q->ticket, v, 0, b->n_outputs, p->newest, err);
}

glint_status zoo_run_groups(backend_program *p, const backend_batch *b, int first, int n, backend_ticket *ticket,
                            glint_error *err) {
    backend_batch known = *b; /* ids that the device chose itself are here, not in the inner device */
    known.token = p->token;
    for (int i = 0; i < b->n_rows; i++)
        p->token[i] = b->token[i] >= 0 ? b->token[i] : (int32_t)p->newest[-1 - b->token[i]];
    glint_status status = GLINT_OK;
    for (int i = 0; i < p->n_pieces && !status; i++) {
        piece *q = &p->pieces[i];
        int groups = q->faults ? 1 : q->n_groups, from = first - q->first_group, to = first + n - q->first_group;
        if (from < 0) from = 0;
        if (to > groups) to = groups;
        if (from < to)
            status = q->faults ? run_faulty(p, q, &known, err) : run_healthy(p, q, &known, from, to - from, err);
    }
    if (!status && n) status = keep_chosen(p, b, first, n, err);
    if (!status) *ticket = p->steps++;
    return status;
}

glint_status zoo_step(backend_program *p, const backend_batch *b, backend_ticket *ticket, glint_error *err) {
    return zoo_run_groups(p, b, 0, p->n_groups, ticket, err);
}
