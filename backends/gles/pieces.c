#include "backends/gles/pieces.h"

#include <math.h>

#include "core/base/clock.h"

/* Operations and bytes count alike: devices do ten times as many operations, on weights of a tenth as many bytes as the
 * tape says. */
static double cost_of_group(const backend_program *p, const backend_group *g, double rows, double context) {
    const tape *t = p->request.tape;
    double sum = 0;
    for (int i = g->first_op; i <= g->last_op; i++) {
        tape_cost c = tape_kinds[t->ops[i].kind].cost(t, &t->ops[i], rows, context);
        sum += c.bytes + c.flops;
    }
    return sum;
}

glint_status gles_pieces_open(backend_program *p, glint_error *err) {
    double rows = p->request.max_rows, context = 0, total = 0;
    for (int g = 0; g < p->request.tape->n_groups; g++)
        context = fmax(context, (double)p->request.max_slots[g] * TAPE_PAGE / 2);
    p->row_seconds = INFINITY;
    p->share = arena_array(&p->memory, (size_t)p->n_groups, sizeof *p->share);
    if (!p->share) return base_fail(err, GLINT_INTERNAL, "out of memory for a program");
    for (int g = 0; g < p->n_groups; g++) total += p->share[g] = cost_of_group(p, &p->groups[g], rows, context);
    for (int g = 0; g < p->n_groups; g++) p->share[g] = total > 0 ? p->share[g] / total : 0;
    return GLINT_OK;
}

int gles_piece_end(const backend_program *p, int n_rows, int first, int end) {
    const double longest = 0.1, step = p->row_seconds * n_rows;
    if (step <= longest) return end;
    double took = step * p->share[first];
    while (++first < end && (took += step * p->share[first]) <= longest) continue;
    return first;
}

void gles_pieces_begin(backend_program *p, int n_rows) {
    gles_run *r = &p->runs[p->steps % BACKEND_IN_FLIGHT];
    *r = (gles_run){base_seconds(), n_rows};
}

/* A step took no longer than since it began or since the last one ended. The host may have come late, so that this is
 * too much: that costs a few pieces more. */
void gles_pieces_waited(backend_program *p, backend_ticket ticket) {
    const gles_run *r = &p->runs[ticket % BACKEND_IN_FLIGHT];
    double now = base_seconds();
    if (ticket < p->waited || ticket + BACKEND_IN_FLIGHT < p->steps) return;
    if (r->n_rows) p->row_seconds = (now - fmax(r->began, p->ended)) / r->n_rows;
    p->ended = now;
    p->waited = ticket + 1;
}
