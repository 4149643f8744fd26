#include "backends/gles/pieces.h"

#include <math.h>

#include "backends/gles/record.h"
#include "core/base/clock.h"

static const double LONGEST = 0.1; /* seconds of a piece */

/* Operations and bytes count alike: devices do ten times as many operations, on weights of a tenth as many bytes as the
 * tape says. */
static double cost_of_group(const backend_program *p, int g, int outputs, double context) {
    const tape *t = p->request.tape;
    double sum = 0;
    for (int i = p->groups[g].first_op; i <= p->groups[g].last_op; i++) {
        int rows = gles_rows_of(p, &t->ops[i]) == GLES_OUTPUTS ? outputs : p->request.max_rows;
        tape_cost c = tape_kinds[t->ops[i].kind].cost(t, &t->ops[i], rows, context);
        sum += c.bytes + c.flops;
    }
    return sum;
}

/* The share that a group has at least: at the beginning of a context, beside others at the end of the longest one and
 * with all outputs. */
static void guess_shares(backend_program *p) {
    double context = 0, total = 0;
    for (int g = 0; g < p->request.tape->n_groups; g++)
        context = fmax(context, (double)p->request.max_slots[g] * TAPE_PAGE);
    for (int g = 0; g < p->n_groups; g++) total += cost_of_group(p, g, p->request.max_outputs, context);
    for (int g = 0; g < p->n_groups; g++) p->share[g] = total > 0 ? cost_of_group(p, g, 1, 0) / total : 0;
}

glint_status gles_pieces_open(backend_program *p, glint_error *err) {
    p->row_seconds = INFINITY;
    p->share = arena_array(&p->memory, (size_t)p->n_groups, sizeof *p->share);
    p->group_seconds = arena_array(&p->memory, (size_t)p->n_groups, sizeof *p->group_seconds);
    if (!p->share || !p->group_seconds) return base_fail(err, GLINT_INTERNAL, "out of memory for a program");
    guess_shares(p);
    for (int g = 0; g < p->n_groups; g++) p->group_seconds[g] = INFINITY;
    return GLINT_OK;
}

/* A few rows take as long as a whole tile of matmul.comp. */
static double count_rows(const backend_program *p, int n_rows) {
    enum { TILE = 64 };
    int whole = (n_rows + TILE - 1) / TILE * TILE;
    return whole < p->request.max_rows ? whole : p->request.max_rows;
}

static bool is_short(const backend_program *p, int n_rows) {
    return p->row_seconds * count_rows(p, n_rows) <= LONGEST;
}

/* Of group g, or more: with fewer rows not all groups take less time. */
static double group_seconds(const backend_program *p, int n_rows, int g) {
    return p->group_seconds[g] * fmax(1, count_rows(p, n_rows) / p->watched_rows);
}

bool gles_pieces_watch(const backend_program *p, int n_rows) {
    return !p->watched && !is_short(p, n_rows);
}

void gles_pieces_watched(backend_program *p, int n_rows, int g, double seconds) {
    const double enough = 0.01; /* of a step: more than its smallest groups, which mostly take a dispatch's own time */
    p->watched_rows = count_rows(p, n_rows);
    p->group_seconds[g] = seconds;
    double sum = 0;
    for (int i = 0; i < p->n_groups; i++) sum += p->group_seconds[i];
    p->watched = g == p->n_groups - 1 && !isinf(sum);
    if (p->watched) p->row_seconds = sum / p->watched_rows;
    if (!isinf(p->row_seconds)) return;
    p->tried_share += p->share[g];
    p->tried_seconds += seconds / p->watched_rows;
    if (p->tried_share >= enough) p->row_seconds = p->tried_seconds / p->tried_share;
}

int gles_piece_end(const backend_program *p, int n_rows, int first, int end) {
    if (is_short(p, n_rows)) return end;
    double took = group_seconds(p, n_rows, first);
    while (++first < end && (took += group_seconds(p, n_rows, first)) <= LONGEST) continue;
    return first;
}

uint32_t gles_pieces_of_group(const backend_program *p, int n_rows, int g) {
    int commands = p->first_command[g + 1] - p->first_command[g];
    if (is_short(p, n_rows)) return 1;
    double n = ceil(group_seconds(p, n_rows, g) / LONGEST / fmax(commands, 1));
    return n < 1 ? 1 : n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

gles_piece gles_cut(uint32_t x, uint32_t y, uint32_t n, uint32_t least) {
    uint64_t all = (uint64_t)x * y, each = (all + n - 1) / n;
    if (each < least) each = least;
    if (each >= all) return (gles_piece){x, y};
    return each < x ? (gles_piece){(uint32_t)each, 1} : (gles_piece){x, (uint32_t)(each / x)};
}

void gles_pieces_begin(backend_program *p, int n_rows) {
    gles_run *r = &p->runs[p->steps % BACKEND_IN_FLIGHT];
    *r = (gles_run){.began = base_seconds(), .n_rows = n_rows, .number = p->device->order.begun++};
}

/* Groups are watched again when steps take longer than they did, as attention does in the course of a long text. */
static void learn(backend_program *p, int n_rows, double seconds) {
    const double longer = 1.25;
    double sum = 0, rows = count_rows(p, n_rows), less = fmin(seconds, p->last_seconds);
    for (int g = 0; g < p->n_groups && p->watched; g++) sum += group_seconds(p, n_rows, g);
    p->watched = p->watched && seconds <= longer * sum;
    p->row_seconds = seconds / rows;
    bool alike = rows == p->last_rows && fmax(seconds, p->last_seconds) <= longer * less;
    p->steady_seconds = alike ? less : 0;
    p->last_seconds = seconds;
    p->last_rows = rows;
}

/* It began with its first command or when the one before it on the device ended, which is known or not. */
static bool began_when(const backend_program *p, const gles_run *r, double *when) {
    const gles_order *o = &p->device->order;
    *when = fmax(r->began, o->ended);
    return r->n_rows && r->number == o->waited && (r->began >= o->ended || !o->late);
}

static const gles_run *oldest(const backend_program *p) {
    return &p->runs[p->waited % BACKEND_IN_FLIGHT];
}

/* Two steps of as many rows that took as long tell of the next one: the first of a program takes what drivers put off.
 */
double gles_pieces_due(const backend_program *p) {
    const gles_run *r = oldest(p);
    double began;
    if (!began_when(p, r, &began) || p->steady_seconds <= 0 || count_rows(p, r->n_rows) != p->last_rows) return 0;
    return began + p->steady_seconds;
}

void gles_pieces_waited(backend_program *p, bool late) {
    const gles_run *r = oldest(p);
    double now = base_seconds(), began;
    if (late || !began_when(p, r, &began))
        p->steady_seconds = 0;
    else
        learn(p, r->n_rows, now - began);
    p->waited++;
    gles_order *o = &p->device->order;
    if (r->number >= o->waited) *o = (gles_order){o->begun, r->number + 1, now, late};
}
