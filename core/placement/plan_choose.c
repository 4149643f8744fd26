/* Choosing a placement: for every order of the devices the best cuts, by dynamic programming over the pieces. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/placement/plan.h"

typedef struct table {
    const plan *p;
    const plan_device *devices;
    int pieces, n; /* n: devices */
    int *until;    /* [device][first] the end of the longest stretch that fits */
    double *sum;   /* [device][end] seconds of the pieces before `end` */
    double *best;  /* [place in the order][end] all pieces before `end` on the devices up to this one */
    int *cut;      /* the same: where this device's stretch begins */
    arena memory;
} table;

static size_t at(const table *t, int row, int piece) {
    return (size_t)row * ((size_t)t->pieces + 1) + (size_t)piece;
}

/* INFINITY where they do not fit. */
static double seconds_of(const table *t, int device, int first, int end) {
    if (end > t->until[at(t, device, first)]) return INFINITY;
    double pieces = t->sum[at(t, device, end)] - t->sum[at(t, device, first)];
    return pieces + plan_step_seconds(t->p, &t->devices[device], first, end, 1);
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

static glint_status fill_table(table *t, const plan *p, const plan_device *devices, int n, glint_error *err) {
    *t = (table){.p = p, .devices = devices, .pieces = p->model->tape.layers + 2, .n = n};
    size_t cells = (size_t)n * ((size_t)t->pieces + 1);
    t->until = arena_array(&t->memory, cells, sizeof *t->until);
    t->sum = arena_array(&t->memory, cells, sizeof *t->sum);
    t->best = arena_array(&t->memory, cells, sizeof *t->best);
    t->cut = arena_array(&t->memory, cells, sizeof *t->cut);
    if (!t->until || !t->sum || !t->best || !t->cut) return base_fail(err, GLINT_INTERNAL, "out of memory for a plan");
    for (int d = 0; d < n; d++)
        for (int piece = 0; piece < t->pieces; piece++) {
            t->until[at(t, d, piece)] = longest(p, &devices[d], piece, t->pieces);
            t->sum[at(t, d, piece + 1)] = t->sum[at(t, d, piece)] + plan_piece_seconds(p, &devices[d], piece, 1);
        }
    return GLINT_OK;
}

/* The least time with the devices in this order; what each has is left in `cut`. */
static double best_cuts(table *t, const int *order) {
    for (int k = 0; k < t->n; k++)
        for (int end = 0; end <= t->pieces; end++) {
            double *best = &t->best[at(t, k, end)];
            *best = INFINITY;
            for (int first = 0; first <= end; first++) {
                double before = k ? t->best[at(t, k - 1, first)] : first ? INFINITY : 0;
                double seconds = before + (first < end ? seconds_of(t, order[k], first, end) : 0);
                if (seconds >= *best) continue;
                *best = seconds;
                t->cut[at(t, k, end)] = first;
            }
        }
    return t->best[at(t, t->n - 1, t->pieces)];
}

static void read_cuts(const table *t, const int *order, const plan_device *devices, placement *out) {
    *out = (placement){.n = 0};
    for (int k = t->n - 1, end = t->pieces; k >= 0; k--) {
        int first = t->cut[at(t, k, end)];
        if (first == end) continue;
        memmove(&out->parts[1], &out->parts[0], (size_t)out->n++ * sizeof *out->parts);
        out->parts[0] = (placement_part){.first = first, .end = end};
        snprintf(out->parts[0].device, sizeof out->parts[0].device, "%s", devices[order[k]].name);
        end = first;
    }
}

/* The next order in the order of a dictionary; false after the last. */
static bool next_order(int *order, int n) {
    int i = n - 2, k = n - 1;
    while (i >= 0 && order[i] >= order[i + 1]) i--;
    if (i < 0) return false;
    while (order[k] <= order[i]) k--;
    int x = order[i];
    order[i] = order[k];
    order[k] = x;
    for (int a = i + 1, b = n - 1; a < b; a++, b--) {
        x = order[a];
        order[a] = order[b];
        order[b] = x;
    }
    return true;
}

glint_status plan_choose(const plan *p, const plan_device *devices, int n, placement *out, glint_error *err) {
    table t;
    int order[PLAN_DEVICES], tries = 0;
    enum { MOST_TRIES = 720 };
    glint_status s = fill_table(&t, p, devices, n, err);
    double best = INFINITY;
    for (int i = 0; i < n; i++) order[i] = i;
    while (!s) {
        double seconds = best_cuts(&t, order);
        if (seconds < best) {
            best = seconds;
            read_cuts(&t, order, devices, out);
        }
        if (++tries == MOST_TRIES || !next_order(order, n)) break;
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
