/* Two files of values beside each other: names, shapes and prompts must fit, every number that both have is compared,
 * and the first value that differs is diagnosed, by itself or with the model's weights. */
#include "core/instruments/diff.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/instruments/measure.h"

enum { MOST_DIAGNOSED = 1 << 24 }; /* numbers */

typedef struct diff {
    const glint_diff_options *o;
    reference *tested, *reference;
    bound_limits limits;
    backend_view *views;
    diff_pair pair; /* the prompt at hand */
    int prompt;
    glint_verdict *verdict;
    char first_failure[300];
    arena memory, work; /* of the diff; of one value */
} diff;

/* ---- Reading ---- */

/* Rows of both sides. */
typedef struct rows {
    int first, n;
    float *tested, *reference;
} rows;

/* The rows that both files have; none: n is 0. */
static rows common_rows(const diff *d, const reference_value *a, const reference_value *b) {
    int first = a->first_row > b->first_row ? a->first_row : b->first_row;
    int end_a = a->first_row + a->rows, end_b = b->first_row + b->rows, end = end_a < end_b ? end_a : end_b;
    if (end > d->pair.rows) end = d->pair.rows;
    return (rows){.first = first, .n = end > first ? end - first : 0};
}

static glint_status read_rows(diff *d, const char *name, rows *r, glint_error *err) {
    glint_status s = diff_read(d->tested, d->pair.tested_run, name, r->first, r->n, &d->work, &r->tested, err);
    if (!s) s = diff_read(d->reference, d->pair.reference_run, name, r->first, r->n, &d->work, &r->reference, err);
    return s;
}

/* ---- Judging a value ---- */

/* The largest of n numbers, and by how much it exceeds the next. */
static size_t top_of(const float *x, size_t n, double *margin) {
    size_t top = 0;
    float second = -INFINITY;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[top])
            second = x[top], top = i;
        else if (x[i] > second)
            second = x[i];
    *margin = (double)x[top] - second;
    return top;
}

/* Is another token the likeliest where the reference leaves no doubt? */
static bool top_differs(const diff *d, const rows *r, size_t width) {
    double margin;
    for (size_t k = 0; k < (size_t)r->n && width > 1; k++)
        if (top_of(r->reference + k * width, width, &margin) != top_of(r->tested + k * width, width, &(double){0}) &&
            margin > d->limits.margin)
            return true;
    return false;
}

/* `rounding`: of the types that the files keep the value in. */
static void measure_value(const diff *d, const char *name, const rows *r, int width, double rounding,
                          glint_comparison *c) {
    double limit = d->limits.nmse + rounding * rounding;
    measure m;
    measure_begin(&m, c, width);
    measure_rows(&m, r->tested, r->reference, NULL, r->n);
    measure_end(&m);
    c->share = isnan(c->nmse) ? INFINITY : c->nmse == 0 ? 0 : c->nmse / limit;
    if (!strcmp(name, "logits") && top_differs(d, r, (size_t)width)) c->share = INFINITY;
    c->pass = c->share <= 1;
}

/* From the values alone, as many rows as are quickly looked at. */
static void diagnose_alone(const rows *r, const char *name, int width, diagnose_finding *out) {
    int most = MOST_DIAGNOSED / width > 1 ? MOST_DIAGNOSED / width : 1;
    diagnose_values(&(diagnose_tensors){.tested = r->tested,
                                        .reference = r->reference,
                                        .rows = r->n < most ? r->n : most,
                                        .width = width,
                                        .value = name},
                    out);
}

/* Rows up to the first that differs much, and some behind it. */
static int telling_rows(const rows *r, int width) {
    enum { BEHIND = 8 };
    double most = 0;
    int first = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < r->n; k++) {
            double error = 0;
            for (size_t i = (size_t)k * (size_t)width; i < (size_t)(k + 1) * (size_t)width; i++)
                error += ((double)r->tested[i] - r->reference[i]) * ((double)r->tested[i] - r->reference[i]);
            if (!pass && error > most) most = error;
            first = k;
            if (pass && !(error < 0.1 * most)) break;
        }
    return first + BEHIND < r->n ? first + BEHIND : r->n;
}

/* Without a model only the first difference has its own cause; with one, each that its inputs do not explain. */
static glint_status diagnose(diff *d, const char *name, const rows *r, int width, glint_comparison *c,
                             diff_opinion *opinion, glint_error *err) {
    glint_status s = GLINT_OK;
    if (d->o->model)
        s = diff_ask_model(&d->pair, name, r->first, r->n, telling_rows(r, width), opinion, err);
    else if (d->verdict->failed)
        opinion->finding.kind = "";
    else
        diagnose_alone(r, name, width, &opinion->finding);
    c->kind = opinion->finding.kind;
    c->reason = opinion->finding.reason;
    const char *at = d->o->model && *c->kind && opinion->finding.value >= 0
                         ? d->o->model->tape.values[opinion->finding.value].name
                         : name;
    if (strcmp(at, name) != 0) c->cause = at;
    if (opinion->carried && d->verdict->failed) {
        c->pass = true;
        c->reason = "as its inputs make it";
    }
    return s;
}

static void count(diff *d, const glint_comparison *c) {
    d->verdict->compared++;
    if (!c->pass && !d->verdict->failed++)
        snprintf(d->first_failure, sizeof d->first_failure, "%s%s%s%s: NMSE %.2g, worst at token %d, index %d",
                 c->value, *c->kind ? " (" : "", c->kind, *c->kind ? ")" : "", c->nmse, c->first_row + c->row,
                 c->index);
    if (d->o->compared) d->o->compared(c, d->o->user);
}

static glint_status compare_value(diff *d, const reference_value *a, const reference_value *b, glint_error *err) {
    rows r = common_rows(d, a, b);
    if (!r.n) return GLINT_OK;
    tape_value v = d->o->model ? tape_find(&d->o->model->tape, b->name) : TAPE_NONE;
    const char *op = v < 0 ? "" : tape_kinds[d->o->model->tape.ops[d->o->model->tape.values[v].op].kind].name;
    glint_comparison c = {.value = b->name,
                          .op = op,
                          .group = op,
                          .since = "",
                          .device = reference_device(d->tested),
                          .layer = -1,
                          .first_row = r.first,
                          .prompt = d->prompt,
                          .ids = d->pair.reference_run->ids + r.first,
                          .kind = "",
                          .cause = "",
                          .reason = ""};
    sscanf(b->name, "layers.%6d.", &c.layer);
    diff_opinion opinion = {.finding = {.kind = ""}};
    glint_status s = read_rows(d, b->name, &r, err);
    if (s) return s;
    c.tested_rows = r.tested;
    c.reference_rows = r.reference;
    measure_value(d, b->name, &r, b->width, a->rounding + b->rounding, &c);
    if (!c.pass) s = diagnose(d, b->name, &r, b->width, &c, &opinion, err);
    if (!s) count(d, &c);
    return s;
}

/* ---- A prompt ---- */

/* Ids that the device chose follow from the logits, which are compared. */
static bool is_chosen(const char *name) {
    return !strcmp(name, "argmax") || !strcmp(name, "top");
}

static glint_status check_widths(const diff *d, glint_error *err) {
    const reference_run *a = d->pair.tested_run, *b = d->pair.reference_run;
    int same = 0;
    for (int i = 0; i < b->n_values; i++) {
        const reference_value *v = reference_find(a, b->values[i].name);
        same += v && v->width == b->values[i].width;
    }
    for (int i = 0; i < b->n_values; i++) {
        const reference_value *v = reference_find(a, b->values[i].name);
        if (v && v->width != b->values[i].width)
            return base_fail(
                err, GLINT_BAD_INPUT,
                "%s: %s has %d numbers a row, but %d in %s: another model; of %d values %d could be compared",
                d->o->tested, v->name, v->width, b->values[i].width, d->o->reference, b->n_values, same);
    }
    if (same) return GLINT_OK;
    return base_fail(err, GLINT_BAD_INPUT, "%s has none of the %d values of %s (%s ...): nothing could be compared",
                     d->o->tested, b->n_values, d->o->reference, b->n_values ? b->values[0].name : "");
}

/* In the order of the file that is in the tape's. */
static glint_status compare_run(diff *d, glint_error *err) {
    const reference_run *a = d->pair.tested_run, *b = d->pair.reference_run;
    const reference_run *order = b->n_values > a->n_values ? b : a;
    glint_status s = check_widths(d, err);
    for (int i = 0; i < order->n_values && !s; i++) {
        const char *name = order->values[i].name;
        const reference_value *x = reference_find(a, name), *y = reference_find(b, name);
        if (x && y && !is_chosen(name)) s = compare_value(d, x, y, err);
        arena_free(&d->work);
    }
    return s;
}

/* How many ids the two have in common, if one begins with all of the other. */
static int same_prompt(const reference_run *a, const reference_run *b) {
    int n = a->n < b->n ? a->n : b->n;
    return memcmp(a->ids, b->ids, (size_t)n * sizeof *a->ids) == 0 ? n : 0;
}

static glint_status compare_runs(diff *d, glint_error *err) {
    const reference_run *a, *b;
    int n_a = reference_runs(d->tested, &a), n_b = reference_runs(d->reference, &b), pairs = 0;
    glint_status s = GLINT_OK;
    for (int k = 0; k < n_b && !s; k++)
        for (int i = 0; i < n_a && !s; i++) {
            int n = same_prompt(&a[i], &b[k]);
            if (!n) continue;
            d->prompt = k;
            d->pair = (diff_pair){d->tested, d->reference, &a[i], &b[k], n, d->o->model, d->views, &d->work};
            s = compare_run(d, err);
            pairs++;
            break;
        }
    if (s || pairs) return s;
    return base_fail(err, GLINT_BAD_INPUT, "%s and %s hold other prompts (%d and %d ids): nothing could be compared",
                     d->o->tested, d->o->reference, a[0].n, b[0].n);
}

/* ---- All of it ---- */

/* Values of the first prompt that only one of the files has. */
static int only_in(const reference *has, const reference *lacks) {
    const reference_run *a, *b;
    int n = 0;
    reference_runs(has, &a);
    reference_runs(lacks, &b);
    for (int i = 0; i < a[0].n_values; i++) n += !reference_find(&b[0], a[0].values[i].name);
    return n;
}

static glint_status conclude(diff *d, glint_error *err) {
    glint_verdict *v = d->verdict;
    char result[360], alone[120] = "";
    int here = only_in(d->tested, d->reference), there = only_in(d->reference, d->tested);
    if (here || there)
        snprintf(alone, sizeof alone, "; %d value%s only in the first file, %d only in the second", here,
                 here == 1 ? "" : "s", there);
    if (!v->compared)
        return base_fail(err, GLINT_BAD_INPUT, "%s and %s have no rows in common", d->o->tested, d->o->reference);
    if (v->failed)
        snprintf(result, sizeof result, "%d of %d values DIFFER, the first: %s", v->failed, v->compared,
                 d->first_failure);
    else
        snprintf(result, sizeof result, "all %d values agree within an NMSE of %.0e", v->compared, d->limits.nmse);
    glint_error line;
    base_fail(&line, GLINT_OK, "%s against %s: %s%s", d->o->tested, d->o->reference, result, alone);
    snprintf(v->line, sizeof v->line, "%s", line.message);
    return v->failed ? base_fail(err, GLINT_MISMATCH, "%d of %d values differ", v->failed, v->compared) : GLINT_OK;
}

static glint_status take_model(diff *d, glint_error *err) {
    const glint_model *m = d->o->model;
    if (!m) return GLINT_OK;
    d->views = model_views(m, &d->memory);
    if (!d->views) return diff_no_memory(err);
    glint_status s = reference_fits(d->tested, &m->tape, err);
    return s ? s : reference_fits(d->reference, &m->tape, err);
}

glint_status glint_diff(const glint_diff_options *o, glint_verdict *verdict, glint_error *err) {
    glint_verdict unused;
    diff d = {.o = o, .verdict = verdict ? verdict : &unused};
    *d.verdict = (glint_verdict){0};
    glint_status s = reference_open(o->tested, &d.tested, err);
    if (!s) s = reference_open(o->reference, &d.reference, err);
    if (!s) s = take_model(&d, err);
    if (!s) {
        bool fast = reference_precision(d.tested) == GLINT_FAST || reference_precision(d.reference) == GLINT_FAST;
        d.limits = bound_model[fast ? GLINT_FAST : GLINT_EXACT];
        s = compare_runs(&d, err);
    }
    if (!s) s = conclude(&d, err);
    reference_close(&d.tested);
    reference_close(&d.reference);
    arena_free(&d.work);
    arena_free(&d.memory);
    return s;
}
