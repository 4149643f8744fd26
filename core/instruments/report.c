/* The report's memory: collects what trace, check and diff tell. */
#include "core/instruments/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

enum { MOST_POSITIONS = 1 << 24 };

/* Item `at` of a list, which grows to hold it; new items are zeros. NULL: no memory. */
static void *list_item(glint_report *r, report_list *l, size_t at, size_t size) {
    if (at >= l->room) {
        size_t room = l->room * 2 > at ? l->room * 2 : at + 16, bytes;
        void *more = size_mul(room, size, &bytes) ? realloc(l->items, bytes) : NULL;
        if (!more) {
            r->no_memory = true;
            return NULL;
        }
        memset((char *)more + l->room * size, 0, (room - l->room) * size);
        l->items = more;
        l->room = room;
    }
    if (at >= l->n) l->n = at + 1;
    return (char *)l->items + at * size;
}

static const char *keep(glint_report *r, const char *text) {
    if (!text) return "";
    char *copy = arena_text(&r->memory, text, strlen(text));
    if (!copy) r->no_memory = true;
    return copy ? copy : "";
}

int report_layer(const char *name, const char **rest) {
    static const char prefix[] = "layers.";
    *rest = name;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return -1;
    char *end;
    long layer = strtol(name + sizeof prefix - 1, &end, 10);
    if (*end != '.' || layer < 0 || layer >= MOST_POSITIONS) return -1;
    *rest = end + 1;
    return (int)layer;
}

double report_badness(const glint_comparison *c) {
    bool broken = isnan(c->share) || (!c->pass && c->share <= 1);
    return broken ? INFINITY : c->share;
}

/* ---- Rows ---- */

/* 0: the embedding; l + 1: the output of layer l; -1: not of the residual stream. */
static int level_of(const char *name) {
    const char *rest;
    int layer = report_layer(name, &rest);
    if (layer < 0) return strcmp(name, "embed") ? -1 : 0;
    return strcmp(rest, "out") ? -1 : layer + 1;
}

static double *rms_of(const glint_report *r, int position, int level, int side) {
    return (double *)r->rms.items + ((size_t)position * (size_t)r->levels + (size_t)level) * REPORT_SIDES + side;
}

double report_rms(const glint_report *r, int position, int level, int side) {
    return (size_t)position < r->rms.n ? *rms_of(r, position, level, side) : NAN;
}

static double rms(const float *x, int width) {
    double sum = 0;
    for (int i = 0; i < width; i++) sum += (double)x[i] * x[i];
    return sqrt(sum / width);
}

static void take_residual(glint_report *r, const glint_value_rows *v, int level) {
    size_t row = (size_t)r->levels * REPORT_SIDES, before = r->rms.n;
    if (!list_item(r, &r->rms, (size_t)(v->first_row + v->rows - 1), row * sizeof(double))) return;
    for (size_t i = before * row; i < r->rms.n * row; i++) ((double *)r->rms.items)[i] = NAN;
    const float *sides[REPORT_SIDES] = {v->tested, v->reference};
    for (int side = 0; side < REPORT_SIDES; side++)
        for (int i = 0; i < v->rows && sides[side]; i++)
            *rms_of(r, v->first_row + i, level, side) = rms(sides[side] + (size_t)i * (size_t)v->width, v->width);
}

/* The entry of a position at the end of the list, which keeps the last REPORT_SHOWN. */
static report_top *top_entry(glint_report *r, int position) {
    report_top *list = r->top.items;
    if (r->top.n && list[r->top.n - 1].position >= position) return NULL; /* told before */
    if (r->top.n == REPORT_SHOWN) memmove(list, list + 1, --r->top.n * sizeof *list);
    report_top *t = list_item(r, &r->top, r->top.n, sizeof *t);
    if (t) *t = (report_top){.position = position};
    return t;
}

static void take_logits(glint_report *r, const glint_value_rows *v) {
    int first = v->rows > REPORT_SHOWN ? v->rows - REPORT_SHOWN : 0;
    for (int i = first; i < v->rows; i++) {
        report_top *t = top_entry(r, v->first_row + i);
        if (!t) continue;
        const float *sides[REPORT_SIDES] = {v->tested, v->reference};
        for (int side = 0; side < REPORT_SIDES; side++)
            if (sides[side])
                t->n[side] = glint_top(sides[side] + (size_t)i * (size_t)v->width, v->width, REPORT_TOP, t->best[side]);
        for (int k = 0; k < t->n[REPORT_TESTED] && v->reference; k++)
            t->other[k] =
                glint_standing(v->reference + (size_t)i * (size_t)v->width, v->width, t->best[REPORT_TESTED][k].id)
                    .probability;
    }
}

static void take_ids(glint_report *r, const glint_value_rows *v) {
    size_t before = r->ids.n;
    if (!list_item(r, &r->ids, (size_t)(v->first_row + v->rows - 1), sizeof(int32_t))) return;
    int32_t *ids = r->ids.items;
    for (size_t i = before; i < r->ids.n; i++) ids[i] = -1;
    memcpy(ids + v->first_row, v->ids, (size_t)v->rows * sizeof *ids);
}

void glint_report_rows(glint_report *r, const glint_value_rows *v) {
    if (v->rows < 1 || v->width < 1 || v->first_row < 0 || v->first_row > MOST_POSITIONS - v->rows) return;
    if (v->first_row + v->rows > r->positions) r->positions = v->first_row + v->rows;
    if (v->ids) take_ids(r, v);
    int level = level_of(v->name);
    if (level >= 0 && level < r->levels) take_residual(r, v, level);
    if (!strcmp(v->name, "logits")) take_logits(r, v);
}

/* ---- Statistics and comparisons ---- */

void glint_report_stats(glint_report *r, const glint_value_stats *v) {
    glint_value_stats *s = list_item(r, &r->stats, r->stats.n, sizeof *s);
    if (!s) return;
    *s = *v;
    s->name = keep(r, v->name);
}

/* The entry of a value; values come in the same order in every step. NULL: it is new. */
static glint_comparison *find(glint_report *r, const char *value) {
    glint_comparison *list = r->comparisons.items;
    for (size_t i = 0, n = r->comparisons.n; i < n; i++) {
        size_t at = (r->next + i) % n;
        if (strcmp(list[at].value, value) != 0) continue;
        r->next = at + 1;
        return &list[at];
    }
    return NULL;
}

void glint_report_comparison(glint_report *r, const glint_comparison *c) {
    if (c->step >= r->steps) r->steps = c->step + 1;
    if (c->prompt >= r->prompts) r->prompts = c->prompt + 1;
    if (c->prompt == 0 && c->tested_rows)
        glint_report_rows(r, &(glint_value_rows){c->value, c->layer, c->width, c->first_row, c->rows, c->ids,
                                                 c->tested_rows, c->reference_rows});
    glint_comparison *worst = find(r, c->value);
    if (worst && report_badness(worst) >= report_badness(c)) return;
    if (!worst) worst = list_item(r, &r->comparisons, r->comparisons.n, sizeof *worst);
    if (!worst) return;
    *worst = *c;
    worst->value = keep(r, c->value);
    worst->op = keep(r, c->op);
    worst->group = keep(r, c->group);
    worst->since = keep(r, c->since);
    worst->device = keep(r, c->device);
    worst->kind = keep(r, c->kind);
    worst->cause = "";
    worst->reason = keep(r, c->reason);
    worst->ids = NULL;
    worst->tested_rows = worst->reference_rows = NULL;
}

void glint_report_verdict(glint_report *r, const glint_verdict *v) {
    r->has_verdict = true;
    r->verdict = *v;
}

/* ---- Opening and closing ---- */

glint_status glint_report_open(const glint_report_options *o, glint_report **out, glint_error *err) {
    glint_report *r = calloc(1, sizeof *r);
    if (!r) return base_fail(err, GLINT_INTERNAL, "out of memory for a report");
    r->o = *o;
    r->o.path = keep(r, o->path);
    r->o.title = keep(r, o->title);
    r->o.device = keep(r, o->device);
    if (o->reference) r->o.reference = keep(r, o->reference);
    r->levels = glint_model_layers(o->model) + 1;
    glint_status status = file_out_open(o->path, &r->file, err);
    if (status)
        glint_report_close(&r);
    else
        *out = r;
    return status;
}

void glint_report_close(glint_report **report) {
    if (!report || !*report) return;
    glint_report *r = *report;
    file_out_abort(&r->file);
    report_list *const lists[] = {&r->rms, &r->ids, &r->top, &r->stats, &r->comparisons};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) free(lists[i]->items);
    arena_free(&r->memory);
    free(r);
    *report = NULL;
}
