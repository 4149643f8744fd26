/* What kind of fault makes these numbers of those, from the values alone: a table of explanations, each of which
 * predicts what the tested side would hold. The one that leaves least wins, if it leaves next to nothing. */
#include "core/instruments/classify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Ranking ---- */

double classify_power(const float *b, size_t n) {
    double power = 0;
    for (size_t i = 0; i < n; i++) power += (double)b[i] * b[i];
    return power > 0 ? power : 1;
}

double classify_left(const float *a, const float *b, double power, size_t n) {
    double error = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - b[i];
        error += d * d;
    }
    return isfinite(error) ? error / power : INFINITY;
}

/* Below this, what is left is the rounding of float32. */
static const double as_good_as_nothing = 1e-13;
/* Explanations come simplest first. Free numbers fit a part of any noise, so a later one has to leave half as much. */
static const double clearly_better = 0.5;

void classify_add(classify_ranking *r, const classify_guess *g) {
    if (!isfinite(g->left) || (r->best.kind && !strcmp(r->best.words, g->words))) return;
    double best = r->best.kind ? fmax(clearly_better * r->best.left, as_good_as_nothing) : INFINITY;
    if (fmax(g->left, as_good_as_nothing) < best) {
        r->second = r->best;
        r->best = *g;
    } else if (!r->second.kind || g->left < r->second.left)
        r->second = *g;
}

bool classify_explained(const classify_ranking *r) {
    const double rounding = 1e-6, twentieth = 0.05, share = r->best.exact ? 5e-3 : 1e-3;
    if (!r->best.kind || !(r->before > 0)) return false;
    return r->best.left <= fmax(share * r->before, fmin(rounding, twentieth * r->before));
}

void classify_finding(const classify_ranking *r, const char *what, diagnose_finding *out) {
    *out = (diagnose_finding){.kind = "", .value = TAPE_NONE, .residual = r->best.kind ? r->best.left : r->before};
    const classify_guess *second = &r->second;
    char next[160] = "";
    if (second->kind) snprintf(next, sizeof next, "; next: %s (leaves %.2g)", second->words, second->left);
    if (classify_explained(r)) {
        out->kind = r->best.kind;
        out->value = r->best.value;
        snprintf(out->reason, sizeof out->reason, "%s%s (leaves %.2g of %.2g)%s", what, r->best.words, r->best.left,
                 r->before, next);
    } else if (r->best.kind)
        snprintf(out->reason, sizeof out->reason, "nothing fits; nearest: %s (leaves %.2g of %.2g)", r->best.words,
                 r->best.left, r->before);
    else
        snprintf(out->reason, sizeof out->reason, "nothing fits");
}

/* ---- The table ---- */

static const struct {
    const char *kind;
    bool fitted; /* numbers or orders were chosen so that it fits */
    int variants;
    classify_predict *predict;
} explanations[] = {
    {"constant factor", true, 1, classify_factor},
    {"unwritten tail", false, 1, classify_zeros},
    {"tail", true, 1, classify_tail},
    {"half/adjacent permutation", false, 4, classify_half_adjacent},
    {"transpose", false, 3, classify_transpose},
    {"shifted position", false, 16, classify_positions},
    {"shift by elements", false, 1, classify_elements},
    {"head permutation", true, 1, classify_heads},
    {"periodic rows", false, 2, classify_periodic},
    {"permutation inside a block", true, 5, classify_inside_block},
    {"row/block permutation", true, 7, classify_blocks},
    {"row/block permutation", true, 1, classify_rows},
    {"mean removed", false, 2, classify_mean_removed},
    {"offset", true, 1, classify_offset},
    {"saturation missing", true, 1, classify_saturation},
    {"offset by column", true, 1, classify_column_offset},
    {"factor by row", true, 1, classify_row_factor},
    {"factor by column", true, 1, classify_column_factor},
};

/* An NMSE that even oracles of another order of sums may differ by. */
static const double healthy = 1e-12;

bool classify_begin(classify_ranking *r, const diagnose_tensors *t) {
    size_t n = (size_t)t->rows * (size_t)t->width;
    *r = (classify_ranking){.before = classify_left(t->tested, t->reference, classify_power(t->reference, n), n)};
    return r->before > healthy;
}

/* Half precision is the last resort: what explains the numbers better stands. */
static void try_halves(classify_ranking *r, const diagnose_tensors *t) {
    classify_guess g = {.kind = "precision loss", .value = TAPE_NONE, .left = 1e-3 * r->before};
    if (r->before > 1e-3 || classify_explained(r) || !classify_halves(t, g.words)) return;
    r->second = r->best;
    r->best = g;
}

void classify_all(classify_ranking *r, const diagnose_tensors *t) {
    size_t n = (size_t)t->rows * (size_t)t->width;
    double power = classify_power(t->reference, n);
    float *room = malloc(n * sizeof *room);
    for (size_t i = 0; room && i < sizeof explanations / sizeof *explanations; i++)
        for (int v = 0; v < explanations[i].variants; v++) {
            classify_guess g = {.kind = explanations[i].kind, .value = TAPE_NONE, .exact = !explanations[i].fitted};
            if (!explanations[i].predict(t, v, room, g.words)) continue;
            g.left = classify_left(t->tested, room, power, n);
            classify_add(r, &g);
        }
    free(room);
    try_halves(r, t);
}

/* Where numbers are missing: what explains the others, if they differ too. */
static bool look_behind(const diagnose_tensors *t, const classify_guess *hole, diagnose_finding *out) {
    size_t n = (size_t)t->rows * (size_t)t->width;
    float *patched = malloc(n * sizeof *patched);
    diagnose_tensors others = *t;
    classify_ranking r;
    bool found = false;
    for (size_t i = 0; patched && i < n; i++) patched[i] = isfinite(t->tested[i]) ? t->tested[i] : t->reference[i];
    others.tested = patched;
    if (patched && classify_begin(&r, &others)) {
        classify_all(&r, &others);
        found = r.before > 1e-3 && classify_explained(&r);
        classify_finding(&r, "", out);
        size_t used = strlen(out->reason);
        snprintf(out->reason + used, sizeof out->reason - used, "; %s", hole->words);
    }
    free(patched);
    return found;
}

void diagnose_values(const diagnose_tensors *t, diagnose_finding *out) {
    classify_ranking r;
    classify_guess hole = {.value = TAPE_NONE};
    bool differs = classify_begin(&r, t);
    *out = (diagnose_finding){.kind = "", .value = TAPE_NONE, .residual = r.before};
    if (!differs) return;
    if (classify_holes(t, &hole)) {
        if (!isfinite(r.before) && look_behind(t, &hole, out)) return;
        *out = (diagnose_finding){.kind = hole.kind, .value = TAPE_NONE};
        snprintf(out->reason, sizeof out->reason, "%s", hole.words);
        return;
    }
    classify_all(&r, t);
    classify_finding(&r, "", out);
}

/* ---- Names of factors ---- */

static bool near(double a, double b) {
    return fabs(a - b) <= 1e-3 * fabs(b);
}

/* x itself, its root, and their inverses. */
static bool name_power(const char *name, double x, double factor, char *out, size_t room) {
    if (x <= 1) return false;
    const struct {
        double value;
        const char *format;
    } powers[] = {{sqrt(x), "sqrt(%s)"}, {1 / sqrt(x), "1/sqrt(%s)"}, {x, "%s"}, {1 / x, "1/%s"}};
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++)
        if (near(factor, powers[i].value)) {
            char formula[48];
            const char *at = strstr(powers[i].format, "%s");
            snprintf(formula, sizeof formula, "%.*s%s%s", (int)(at - powers[i].format), powers[i].format, name, at + 2);
            snprintf(out, room, "%s = %.6g", formula, factor);
            return true;
        }
    return false;
}

static int model_width(const diagnose_tensors *t) {
    return t->tape && t->tape->n_values ? t->tape->values[0].width : t->width;
}

void classify_name_factor(const diagnose_tensors *t, double factor, char *out, size_t room) {
    static const struct {
        double value;
        const char *name;
    } plain[] = {{-1, "-1"},
                 {2, "2"},
                 {0.5, "1/2"},
                 {4, "4"},
                 {0.25, "1/4"},
                 {M_SQRT2, "sqrt(2)"},
                 {M_SQRT1_2, "1/sqrt(2)"},
                 {M_LOG2E, "log2(e)"},
                 {M_LN2, "ln 2"}};
    if (name_power("width", model_width(t), factor, out, room)) return;
    if (name_power("head_dim", t->head_dim, factor, out, room)) return;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (near(factor, plain[i].value)) {
            snprintf(out, room, "%s", plain[i].name);
            return;
        }
    snprintf(out, room, "%.6g", factor);
}
