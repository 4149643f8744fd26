/* The values of a program in host memory, its groups, and what outlasts a step: argmax's ids, and snapshots. */
#include "backends/host.h"

#include <string.h>

#include "core/base/size.h"

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a program");
}

static glint_status mark_values(host_program *p, const backend_compile_request *r, glint_error *err) {
    const tape *t = r->tape;
    size_t n = (size_t)t->n_values;
    p->kept = arena_array(&p->memory, n, sizeof *p->kept);
    p->written = arena_array(&p->memory, n, sizeof *p->written);
    tape_value *inputs = arena_array(&p->memory, n, sizeof *inputs);
    if (!p->kept || !p->written || !inputs) return no_memory(err);
    for (int i = 0; i < r->n_observed; i++) p->kept[r->observed[i]] = p->written[r->observed[i]] = true;
    for (int i = tape_inputs(t, r->first_op, r->n_ops, inputs) - 1; i >= 0; i--) p->written[inputs[i]] = true;
    if (t->argmax >= 0) p->kept[t->argmax] = true; /* ids are taken after the last group, asked for or not */
    return GLINT_OK;
}

static glint_status place_values(host_program *p, const int *group_of, size_t align, glint_error *err) {
    const backend_compile_request *r = &p->request;
    tape_plan plan;
    glint_status status = tape_plan_memory(r->tape, r->first_op, r->n_ops, group_of, p->kept, r->max_rows,
                                           r->max_outputs, sizeof(float), align, &p->memory, &plan, err);
    if (status) return status;
    char *scratch = arena_array(&p->memory, plan.total_bytes, 1);
    p->value = arena_array(&p->memory, (size_t)r->tape->n_values, sizeof *p->value);
    if (!scratch || !p->value)
        return base_fail(err, GLINT_DEVICE, "no memory for the %zu bytes of a program", plan.total_bytes);
    memset(scratch, 0xFF, plan.total_bytes); /* NaN: what is read before it was written shows */
    for (int v = 0; v < r->tape->n_values; v++)
        if (plan.offset[v] != SIZE_MAX) p->value[v] = (float *)(void *)(scratch + plan.offset[v]);
    return GLINT_OK;
}

/* Values made in ops [first, last] that are read behind them, observed, or read nowhere. */
static int group_outputs(const host_program *p, int first, int last, tape_value *out) {
    const tape *t = p->tape;
    int n = 0;
    for (int i = first; i <= last; i++) {
        tape_value v = t->ops[i].out;
        bool inside = false, behind = false;
        for (int j = i + 1; v >= 0 && j < t->n_ops; j++)
            if (t->ops[j].in[0] == v || t->ops[j].in[1] == v) *(j <= last ? &inside : &behind) = true;
        if (v >= 0 && host_computes(p, &t->ops[i]) && (behind || p->kept[v] || !inside)) out[n++] = v;
    }
    return n;
}

static glint_status list_groups(host_program *p, const int *group_of, glint_error *err) {
    int first_op = p->request.first_op, n_ops = p->request.n_ops;
    p->groups = arena_array(&p->memory, (size_t)n_ops, sizeof *p->groups);
    tape_value *list = arena_array(&p->memory, (size_t)p->tape->n_values, sizeof *list);
    if (!p->groups || !list) return no_memory(err);
    for (int i = 0, last; i < n_ops; i = last + 1) {
        for (last = i; group_of && last + 1 < n_ops && group_of[last + 1] == group_of[i];) last++;
        backend_group *g = &p->groups[p->n_groups++];
        g->first_op = first_op + i;
        g->last_op = first_op + last;
        g->n_in = tape_inputs(p->tape, g->first_op, last - i + 1, list);
        g->in = arena_copy(&p->memory, list, (size_t)g->n_in * sizeof *list);
        g->n_out = group_outputs(p, g->first_op, g->last_op, list);
        g->out = arena_copy(&p->memory, list, (size_t)g->n_out * sizeof *list);
        if (!g->in || !g->out) return no_memory(err);
    }
    return GLINT_OK;
}

static glint_status place_snapshots(host_program *p, const backend_compile_request *r, glint_error *err) {
    const tape *t = r->tape;
    size_t n = 0;
    p->snapshot = arena_array(&p->memory, (size_t)t->n_values, sizeof *p->snapshot);
    if (!p->snapshot) return no_memory(err);
    for (int v = 0; v < t->n_values; v++) {
        bool wanted = v == t->argmax;
        for (int i = 0; i < r->n_snapshots; i++) wanted |= r->observed[i] == v;
        p->snapshot[v] = wanted ? n : SIZE_MAX;
        if (wanted) n += (size_t)r->max_rows * (size_t)t->values[v].width;
    }
    for (int i = 0; i < BACKEND_IN_FLIGHT; i++) {
        p->lasting[i] = arena_array(&p->memory, n, sizeof(float));
        if (!p->lasting[i]) return no_memory(err);
    }
    if (t->argmax >= 0) p->previous = p->lasting[0] + p->snapshot[t->argmax];
    return GLINT_OK;
}

glint_status host_program_open(host_program *p, const backend_compile_request *r, const int *group_of, size_t align,
                               glint_error *err) {
    *p = (host_program){.tape = r->tape, .request = *r};
    p->request.observed = NULL;
    p->request.n_observed = 0;
    glint_status status = mark_values(p, r, err);
    if (!status) status = place_values(p, group_of, align, err);
    if (!status) status = list_groups(p, group_of, err);
    if (!status) status = place_snapshots(p, r, err);
    return status;
}

void host_program_close(host_program *p) {
    arena_free(&p->memory);
}

int host_token(const host_program *p, const backend_batch *b, int row) {
    int token = b->token[row];
    return token >= 0 ? token : (int)p->previous[-1 - token];
}

backend_ticket host_finish(host_program *p, const backend_batch *b, int first, int n) {
    const tape *t = p->tape;
    for (int i = n > 0 ? p->groups[first].first_op : 0; n > 0 && i <= p->groups[first + n - 1].last_op; i++) {
        tape_value v = t->ops[i].out;
        if (v < 0 || p->snapshot[v] == SIZE_MAX) continue;
        float *to = p->lasting[p->steps % BACKEND_IN_FLIGHT] + p->snapshot[v];
        memcpy(to, p->value[v], (size_t)host_rows(p, b, v) * (size_t)t->values[v].width * sizeof(float));
        if (v == t->argmax) p->previous = to;
    }
    return p->steps++;
}

glint_status host_read(const host_program *p, backend_ticket ticket, tape_value v, int first_row, int n, float *out,
                       glint_error *err) {
    const tape_value_info *info = &p->tape->values[v];
    if (!p->kept[v] || !p->value[v]) return base_fail(err, GLINT_USAGE, "%s: not an observed value", info->name);
    size_t width = (size_t)info->width;
    bool lasts = p->snapshot[v] != SIZE_MAX && ticket < p->steps;
    const float *from = lasts ? p->lasting[ticket % BACKEND_IN_FLIGHT] + p->snapshot[v] : p->value[v];
    memcpy(out, from + (size_t)first_row * width, (size_t)n * width * sizeof(float));
    return GLINT_OK;
}

glint_status host_write(host_program *p, tape_value v, int first_row, int n, const float *in, glint_error *err) {
    const tape_value_info *info = &p->tape->values[v];
    if (!p->written[v] || !p->value[v])
        return base_fail(err, GLINT_USAGE, "%s: neither observed nor an input", info->name);
    size_t width = (size_t)info->width;
    memcpy(p->value[v] + (size_t)first_row * width, in, (size_t)n * width * sizeof(float));
    return GLINT_OK;
}
