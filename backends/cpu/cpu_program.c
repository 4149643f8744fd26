/* Programs: grouping ops so that few barriers are needed, and the region that runs them. */
#include <stdlib.h>

#include "backends/cpu/cpu.h"

const cpu_op_row cpu_ops[TAPE_KINDS] = {
    [TAPE_EMBED] = {cpu_embed, CPU_ROWS},
    [TAPE_NORM] = {cpu_norm, CPU_ROWS},
    [TAPE_MATMUL] = {cpu_matmul, CPU_COLUMNS},
    [TAPE_ADD] = {cpu_add, CPU_ROWS},
    [TAPE_ROPE] = {cpu_rope, CPU_ROWS},
    [TAPE_HEAD_NORM] = {cpu_head_norm, CPU_ROWS},
    [TAPE_CACHE_WRITE] = {cpu_cache_write, CPU_ROWS},
    [TAPE_ATTEND] = {cpu_attend, CPU_PIECES},
    [TAPE_GATE] = {cpu_gate, CPU_COLUMNS},
    [TAPE_SELECT_ROWS] = {cpu_select_rows, CPU_ROWS},
    [TAPE_ARGMAX] = {cpu_argmax, CPU_ROWS},
    [TAPE_TOP_K] = {cpu_top_k, CPU_ROWS},
};

/* ---- Groups ---- */

static bool reads(const tape_op *op, tape_value v) {
    return v >= 0 && (op->in[0] == v || op->in[1] == v);
}

/* May `b` run behind `a` without a barrier? Yes when it does not read what a wrote, or reads only the part that its own
 * thread wrote: the same rows, or the same columns. Matmuls of one group share the 8-bit form of their input. */
static bool may_follow(const tape_op *a, const tape_op *b) {
    if (a->kind == TAPE_ATTEND || b->kind == TAPE_ATTEND) return false; /* reads what cache_write wrote */
    if (a->kind == TAPE_MATMUL && b->kind == TAPE_MATMUL) return a->in[0] == b->in[0];
    if (!reads(b, a->out)) return true;
    if (b->kind == TAPE_MATMUL || b->kind == TAPE_SELECT_ROWS) return false;
    return cpu_ops[a->kind].split == cpu_ops[b->kind].split;
}

static void make_groups(const backend_compile_request *r, int *group_of) {
    const tape_op *ops = r->tape->ops + r->first_op;
    for (int i = 0, first = 0; i < r->n_ops; i++) {
        bool joins = i > 0;
        for (int j = first; j < i; j++) joins = joins && may_follow(&ops[j], &ops[i]);
        if (!joins) first = i;
        group_of[i] = i == 0 ? 0 : group_of[i - 1] + !joins;
    }
}

/* ---- Compiling ---- */

/* Marks the first op of each group whose input is wanted in 8 bits. */
static void mark_quantising(backend_program *p, const int *group_of) {
    const backend_compile_request *r = &p->host.request;
    for (int i = 0, done = -1; i < r->n_ops; i++) {
        const tape_op *op = &r->tape->ops[r->first_op + i];
        if (op->kind != TAPE_MATMUL || group_of[i] == done) continue;
        p->quantises[i] = cpu_matmul_wants_quants(p->device, r->weights[op->weight[0]]);
        if (p->quantises[i]) done = group_of[i];
    }
}

static void longest_look(backend_program *p) {
    const backend_compile_request *r = &p->host.request;
    for (int g = 0; g < r->tape->n_groups; g++) {
        size_t n = (size_t)r->max_slots[g] * TAPE_PAGE;
        if (n > p->positions) p->positions = n;
    }
}

static glint_status prepare(backend_program *p, const backend_compile_request *r, glint_error *err) {
    arena temporary = {0};
    int *group_of = arena_array(&temporary, (size_t)r->n_ops, sizeof *group_of);
    if (!group_of) return cpu_no_memory(err);
    make_groups(r, group_of);
    glint_status status = host_program_open(&p->host, r, group_of, 64, err);
    if (!status) {
        p->quantises = arena_array(&p->host.memory, (size_t)r->n_ops, sizeof *p->quantises);
        p->scratch = arena_array(&p->host.memory, (size_t)p->device->threads, sizeof *p->scratch);
        if (!p->quantises || !p->scratch) status = cpu_no_memory(err);
    }
    if (!status) mark_quantising(p, group_of);
    longest_look(p);
    if (!status) status = cpu_matmul_prepare(p, err);
    if (!status) status = cpu_attend_prepare(p, err);
    if (!status) status = cpu_rope_prepare(p, err);
    arena_free(&temporary);
    return status;
}

glint_status cpu_compile(backend_device *d, const backend_compile_request *r, backend_program **out, glint_error *err) {
    backend_program *p = calloc(1, sizeof *p);
    if (!p) return cpu_no_memory(err);
    p->device = d;
    glint_status status = prepare(p, r, err);
    if (status)
        cpu_program_close(p);
    else
        *out = p;
    team_spread(d->threads); /* the thread that compiles is the one that will run */
    return status;
}

void cpu_program_close(backend_program *p) {
    if (!p) return;
    host_program_close(&p->host);
    free(p);
}

/* ---- Running ---- */

typedef struct cpu_run {
    backend_program *program;
    const backend_batch *batch;
    int first, n; /* groups */
} cpu_run;

static void run_op(const cpu_run *run, const tape_op *op, const team_member *me) {
    backend_program *p = run->program;
    const host_program *h = &p->host;
    tape_value rows_of = op->out >= 0 ? op->out : op->in[0];
    cpu_call c = {.program = p,
                  .batch = run->batch,
                  .k = &p->device->k,
                  .tape = h->tape,
                  .op = op,
                  .out = op->out >= 0 ? h->value[op->out] : NULL,
                  .rows = host_rows(h, run->batch, rows_of),
                  .width = h->tape->values[rows_of].width,
                  .scratch = &p->scratch[me->thread],
                  .me = me};
    for (int i = 0; i < 2; i++) {
        c.in[i] = op->in[i] >= 0 ? h->value[op->in[i]] : NULL;
        c.weight[i] = op->weight[i] >= 0 ? h->request.weights[op->weight[i]] : NULL;
    }
    if (c.rows > 0 && host_computes(h, op)) cpu_ops[op->kind].body(&c);
}

static void run_share(void *state, const team_member *me) {
    const cpu_run *run = state;
    const host_program *h = &run->program->host;
    cpu_rope_angles(run->program, run->batch, me);
    team_barrier(me);
    for (int g = run->first; g < run->first + run->n; g++) {
        for (int i = h->groups[g].first_op; i <= h->groups[g].last_op; i++) run_op(run, &h->tape->ops[i], me);
        team_barrier(me);
    }
}

void cpu_run_groups(backend_program *p, const backend_batch *b, int first, int n) {
    team_run(p->device->threads, run_share, &(cpu_run){p, b, first, n});
}
