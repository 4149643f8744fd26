/* What a check says: of each value of the layers asked for, and in one line of all of them. */
#include <stdio.h>
#include <string.h>

#include "core/instruments/check.h"

glint_status check_no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a check");
}

bool check_wanted(const check *c, int layer) {
    for (int i = 0; i < c->o->n_layers; i++)
        if (layer == TAPE_NONE || c->o->layers[i] == layer) return true;
    return !c->o->layers;
}

static const char *group_text(check *c, const backend_group *g) {
    const char *text = "";
    for (int i = g->first_op; i <= g->last_op && text; i++)
        text =
            arena_printf(&c->work, "%s%s%s", text, i > g->first_op ? "+" : "", tape_kinds[c->tape->ops[i].kind].name);
    return text ? text : "";
}

void check_describe(check *c, const backend_group *g, const tape_op *op, const char *name, int first_row,
                    glint_comparison *out) {
    *out = (glint_comparison){.value = name,
                              .op = tape_kinds[op->kind].name,
                              .group = g ? group_text(c, g) : tape_kinds[op->kind].name,
                              .since = "",
                              .device = c->device,
                              .layer = op->layer,
                              .step = c->step,
                              .first_row = first_row,
                              .kind = "",
                              .cause = "",
                              .reason = ""};
}

void check_show_rows(const check *c, tape_value v, const float *got, const float *expected, glint_comparison *out) {
    const reference_run *runs = NULL;
    if (c->file) reference_runs(c->file, &runs);
    out->prompt = runs ? (int)(c->run - runs) : 0;
    out->ids = c->token + (c->tape->values[v].outputs && out->rows ? c->batch.output[0] : 0);
    out->tested_rows = got;
    out->reference_rows = expected;
}

static void note_failure(check *c, const glint_comparison *out) {
    if (c->verdict->failed++ && (!c->o->bisect || c->verdict->failed > 2)) return;
    char where[96] = "";
    if (out->nan || out->inf)
        snprintf(where, sizeof where, "%zu NaN, %zu infinite, the first", out->nan, out->inf);
    else
        snprintf(where, sizeof where, "%.3g times its bound, worst", out->share);
    const char *in = strcmp(out->op, out->group) ? " in " : *out->since ? ", from " : "";
    const char *piece = strcmp(out->op, out->group) ? out->group : out->since;
    snprintf(c->first_failure, sizeof c->first_failure, "%s (%s%s%s)%s%s%s%s: %s at token %d, index %d", out->value,
             out->op, in, piece, *out->kind ? ": " : "", out->kind, *out->cause ? " at " : "", out->cause, where,
             out->first_row + out->row, out->index);
}

bool check_fails(const glint_comparison *out) {
    return !(out->share <= 1) || out->nan || out->unwritten || out->differs_from_itself;
}

void check_report(check *c, glint_comparison *out) {
    out->pass = !check_fails(out);
    c->verdict->compared++;
    if (!out->pass) {
        note_failure(c, out);
    } else if (out->share > c->nearest && !c->carried) {
        c->nearest = out->share;
        snprintf(c->nearest_name, sizeof c->nearest_name, "%s (%s)", out->value, out->op);
    }
    if (c->o->compared) c->o->compared(out, c->o->user);
}

static const char *mode(const check *c) {
    return c->o->free_run ? "free" : *c->bisected ? c->bisected : c->o->bisect ? "whole steps" : "forced";
}

glint_status check_conclude(check *c, glint_error *err) {
    glint_verdict *v = c->verdict;
    char head[PLACEMENT_TEXT + 200], tail[500] = "";
    char tested[PLACEMENT_TEXT];
    placement_text(c->tape, &c->where, tested);
    snprintf(head, sizeof head, "%s against %s, %s, %s", tested, c->against,
             c->o->precision == GLINT_EXACT ? "exact" : "fast", mode(c));
    if (*c->bisected && v->failed > 1)
        snprintf(tail, sizeof tail, "%s", c->first_failure);
    else if (v->failed)
        snprintf(tail, sizeof tail, "%d of %d values FAILED, the first: %s", v->failed, v->compared, c->first_failure);
    else if (c->nearest > 0)
        snprintf(tail, sizeof tail, "all %d values are right; nearest to its bound: %s at %.2g of it", v->compared,
                 c->nearest_name, c->nearest);
    else
        snprintf(tail, sizeof tail, "all %d values are right, without any difference", v->compared);
    glint_error line;
    base_fail(&line, GLINT_OK, "%s: %s%s%s", head, tail, *c->growth_text ? "; the error grows most at " : "",
              c->growth_text); /* cuts a long path in the middle */
    snprintf(v->line, sizeof v->line, "%s", line.message);
    if (!v->compared) return base_fail(err, GLINT_BAD_INPUT, "%s: nothing could be compared", c->against);
    if (!v->failed) return GLINT_OK;
    return base_fail(err, GLINT_MISMATCH, "%d of %d values differ", v->failed, v->compared);
}
