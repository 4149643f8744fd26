/* Choosing a placement: the best cuts over all orders of the devices, by dynamic programming over sets of devices and
 * the pieces that they have taken. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/placement/plan.h"

typedef struct table {
    const plan *p;
    const plan_device *devices;
    int pieces, n;    /* n: devices */
    int *until;       /* [device][first] the end of the longest stretch that fits */
    double *sum;      /* [device][end] seconds of the pieces before `end` */
    double *best;     /* [set of devices][end] all pieces before `end` on these */
    int *last, *from; /* the same: the device that comes last, and where its stretch begins (`end`: it has none) */
    arena memory;
} table;

static size_t at(const table *t, int row, int piece) {
    return (size_t)row * ((size_t)t->pieces + 1) + (size_t)piece;
}

/* INFINITY where they do not fit. */
static double seconds_of(const table *t, int device, int first, int end) {
    if (first == end) return 0;
    if (end > t->until[at(t, device, first)]) return INFINITY;
    double pieces = t->sum[at(t, device, end)] - t->sum[at(t, device, first)];
    return pieces + plan_step_seconds(t->p, &t->devices[device], first, end, 1);
}

static glint_status open_table(table *t, const plan *p, const plan_device *devices, int n, glint_error *err) {
    *t = (table){.p = p, .devices = devices, .pieces = p->model->tape.layers + 2, .n = n};
    size_t row = (size_t)t->pieces + 1, sets = (size_t)1 << n;
    t->until = arena_array(&t->memory, (size_t)n * row, sizeof *t->until);
    t->sum = arena_array(&t->memory, (size_t)n * row, sizeof *t->sum);
    t->best = arena_array(&t->memory, sets * row, sizeof *t->best);
    t->last = arena_array(&t->memory, sets * row, sizeof *t->last);
    t->from = arena_array(&t->memory, sets * row, sizeof *t->from);
    if (!t->until || !t->sum || !t->best || !t->last || !t->from)
        return base_fail(err, GLINT_INTERNAL, "out of memory for a plan");
    for (int d = 0; d < n; d++)
        for (int piece = 0; piece < t->pieces; piece++)
            t->sum[at(t, d, piece + 1)] = t->sum[at(t, d, piece)] + plan_piece_seconds(p, &devices[d], piece, 1);
    return GLINT_OK;
}

/* ---- Memory ---- */

enum { EIGHTHS = 8 };

/* How much of its device's memory a mention of it may fill, in eighths. Of a device named twice the first has `first`,
 * the second the rest; 0: each may have all of it. */
static int share_of(const table *t, int mention, int first) {
    int before = 0, all = 0;
    for (int d = 0; d < t->n; d++) {
        bool same = !strcmp(t->devices[d].name, t->devices[mention].name);
        before += same && d < mention;
        all += same;
    }
    if (all == 1 || !first) return EIGHTHS;
    return before > 1 ? 0 : before ? EIGHTHS - first : first;
}

/* A longer stretch needs more: the longest that fits is found by halving. */
static int longest(const plan *p, const plan_device *d, int first, int pieces) {
    int fits = first, too_long = pieces + 1;
    while (too_long - fits > 1) {
        int middle = fits + (too_long - fits) / 2;
        *(plan_fits(p, d, first, middle) ? &fits : &too_long) = middle;
    }
    return fits;
}

static void share_memory(table *t, int first_share) {
    for (int i = 0; i < t->n; i++) {
        plan_device d = t->devices[i];
        int share = share_of(t, i, first_share);
        d.memory_bytes *= (double)share / EIGHTHS;
        for (int piece = 0; piece < t->pieces; piece++)
            t->until[at(t, i, piece)] = share ? longest(t->p, &d, piece, t->pieces) : piece;
    }
}

/* ---- Cuts ---- */

static void find_best(table *t, int set, int end) {
    double *best = &t->best[at(t, set, end)];
    *best = set || end ? INFINITY : 0;
    for (int d = t->n - 1; d >= 0; d--) /* of devices that are alike the first ones are used, in their order */
        for (int first = end; first >= 0 && (set & 1 << d); first--) {
            double seconds = t->best[at(t, set ^ 1 << d, first)] + seconds_of(t, d, first, end);
            if (seconds >= *best) continue;
            *best = seconds;
            t->last[at(t, set, end)] = d;
            t->from[at(t, set, end)] = first;
        }
}

/* The least time; INFINITY: the model does not fit. */
static double best_cuts(table *t) {
    int sets = 1 << t->n;
    for (int set = 0; set < sets; set++)
        for (int end = 0; end <= t->pieces; end++) find_best(t, set, end);
    return t->best[at(t, sets - 1, t->pieces)];
}

/* Neighbours on one device become one stretch. devices[i] is that of part i. */
static void read_cuts(const table *t, placement *out, plan_device devices[PLAN_DEVICES]) {
    *out = (placement){.n = 0};
    for (int set = (1 << t->n) - 1, end = t->pieces; set;) {
        int d = t->last[at(t, set, end)], first = t->from[at(t, set, end)];
        bool joins = out->n && !strcmp(out->parts[0].device, t->devices[d].name);
        if (first < end && !joins) {
            memmove(&out->parts[1], &out->parts[0], (size_t)out->n * sizeof *out->parts);
            memmove(&devices[1], &devices[0], (size_t)out->n++ * sizeof *devices);
            out->parts[0].end = end;
            memcpy(out->parts[0].device, t->devices[d].name, sizeof out->parts[0].device);
            devices[0] = t->devices[d];
        }
        if (first < end) out->parts[0].first = first;
        end = first;
        set ^= 1 << d;
    }
}

glint_status plan_choose(const plan *p, const plan_device *devices, int n, placement *out, glint_error *err) {
    static const int first_shares[] = {0, EIGHTHS, 7, 6, 5, 4}; /* the rest is alike, with the mentions exchanged */
    table t;
    placement where;
    plan_device on[PLAN_DEVICES];
    glint_status s = open_table(&t, p, devices, n, err);
    double best = INFINITY;
    for (size_t i = 0; i < sizeof first_shares / sizeof *first_shares && !s; i++) {
        share_memory(&t, first_shares[i]);
        double seconds = best_cuts(&t);
        if (seconds >= best) continue;
        read_cuts(&t, &where, on);
        if (plan_check(p, &where, on, NULL)) continue;
        best = seconds;
        *out = where;
        if (!first_shares[i]) break; /* nothing is faster */
    }
    if (!s && isinf(best)) s = base_fail(err, GLINT_DEVICE, "the devices do not hold the model together");
    arena_free(&t.memory);
    return s;
}

/* ---- Checking a given one ---- */

/* "3.2 GB", as the command line writes bytes. */
static const char *size_text(char buffer[32], double bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    int u = 0;
    for (; bytes >= 1000 && u < 4; u++) bytes /= 1000;
    snprintf(buffer, 32, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
    return buffer;
}

static glint_status refuse(const plan *p, const placement_part *q, const plan_device *d, glint_error *err) {
    char what[96], needs[32], has[32], less[96];
    int end = q->end;
    plan_bytes b = plan_needs(p, d, q->first, q->end);
    placement_pieces(&p->model->tape, q->first, q->end, what, sizeof what);
    while (end > q->first && !plan_fits(p, d, q->first, end)) end--;
    placement_pieces(&p->model->tape, q->first, end, less, sizeof less);
    return base_fail(err, GLINT_DEVICE, "%s: %s: %s needed, %s may be used; %s%s", d->name, what,
                     size_text(needs, b.weights + b.cache + b.scratch), size_text(has, d->memory_bytes),
                     end > q->first ? less : "not even the first of them", end > q->first ? " would fit" : " would");
}

glint_status plan_check(const plan *p, const placement *where, const plan_device *devices, glint_error *err) {
    for (int i = 0; i < where->n; i++) {
        const placement_part *q = &where->parts[i];
        plan_device d = devices[i];
        if (d.memory_bytes <= 0) continue;
        for (int k = 0; k < i; k++) { /* what earlier parts on the same device take */
            if (strcmp(devices[k].name, d.name) != 0) continue;
            plan_bytes b = plan_needs(p, &d, where->parts[k].first, where->parts[k].end);
            d.memory_bytes -= b.weights + b.cache + b.scratch;
        }
        if (d.memory_bytes < 1) d.memory_bytes = 1; /* nothing is left; 0 would say that nobody knows */
        if (!plan_fits(p, &d, q->first, q->end)) return refuse(p, q, &d, err);
    }
    return GLINT_OK;
}
