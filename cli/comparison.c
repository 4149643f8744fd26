#include "cli/comparison.h"

#include <string.h>

static const char *const headers[] = {"step", "value", "op",  "device", "NMSE",   "max error",
                                      "at",   "ulp",   "cos", "bound",  "verdict"};

void comparison_open(comparison_list *l, bool json, bool all) {
    *l = (comparison_list){.json = json, .all = all, .values = json_array(), .notes = json_array()};
    if (!json) print_table_open(&l->table, "llllrrlrrrl", headers);
}

void comparison_discard(comparison_list *l) {
    if (!l->json) print_table_discard(&l->table);
    json_decref(l->values);
    json_decref(l->notes);
}

/* ---- JSON ---- */

static json_t *describe(const glint_comparison *c) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:i, s:i, s:o, s:o, s:I, s:I, "
                     "s:I, s:I, s:I, "
                     "s:o, s:b, s:b, s:s, s:s, s:s}",
                     "value", c->value, "op", c->op, "group", c->group, "since", c->since, "device", c->device, "layer",
                     c->layer, "step", c->step, "rows", c->rows, "width", c->width, "first_row", c->first_row, "nmse",
                     print_json_number(c->nmse), "cosine", print_json_number(c->cosine), "largest",
                     print_json_number(c->largest), "token", c->first_row + c->row, "index", c->index, "there",
                     print_json_number(c->there), "reference", print_json_number(c->reference), "ulp",
                     (json_int_t)c->ulp, "sign_flips", (json_int_t)c->sign_flips, "nan", (json_int_t)c->nan, "inf",
                     (json_int_t)c->inf, "unwritten", (json_int_t)c->unwritten, "bound_share",
                     print_json_number(c->share), "differs_from_itself", c->differs_from_itself, "pass", c->pass,
                     "kind", c->kind, "cause", c->cause, "reason", c->reason);
}

/* ---- The table ---- */

static void step_cell(print_table *t, int step) {
    if (step)
        print_table_cell(t, "+%d", step);
    else
        print_table_cell(t, "prompt");
}

static void number_cells(print_table *t, const glint_comparison *c) {
    print_table_cell(t, "%.2g", c->nmse);
    print_table_cell(t, "%.3g", c->largest);
    print_table_cell(t, "(%d,%d)", c->first_row + c->row, c->index);
    print_table_cell(t, "%llu", (unsigned long long)c->ulp);
    print_table_cell(t, "%.7f", c->cosine);
    print_table_cell(t, "%.2g", c->share);
}

static void add_row(comparison_list *l, const glint_comparison *c) {
    print_table *t = &l->table;
    step_cell(t, c->step);
    print_table_cell(t, "%s", c->value);
    print_table_cell(t, "%s", c->op);
    print_table_cell(t, "%s", c->device);
    number_cells(t, c);
    if (c->pass)
        print_table_cell(t, "ok");
    else
        print_table_cell(t, "FAIL%s%s", *c->kind ? ": " : "", c->kind);
}

static void unfold(comparison_list *l) {
    print_table *t = &l->table;
    if (!l->folded) return;
    step_cell(t, l->folded_step);
    if (l->folded == 1)
        print_table_cell(t, "%s", l->first);
    else
        print_table_cell(t, "%s ... %s", l->first, l->last);
    print_table_cell(t, "%d value%s", l->folded, l->folded == 1 ? "" : "s");
    print_table_cell(t, "%s", l->device);
    number_cells(t, &l->worst);
    print_table_cell(t, "ok");
    l->folded = 0;
}

static void fold(comparison_list *l, const glint_comparison *c) {
    if (l->folded && (l->folded_step != c->step || strcmp(l->device, c->device) != 0)) unfold(l);
    if (!l->folded) {
        l->folded_step = c->step;
        snprintf(l->first, sizeof l->first, "%s", c->value);
        snprintf(l->device, sizeof l->device, "%s", c->device);
    }
    snprintf(l->last, sizeof l->last, "%s", c->value);
    if (!l->folded || c->share > l->worst.share) l->worst = *c;
    l->folded++;
}

static void note(comparison_list *l, const glint_comparison *c) {
    json_t *line = NULL;
    if (*c->reason) line = json_sprintf("%s: %s", c->value, c->reason);
    if (c->unwritten)
        json_array_append_new(l->notes, json_sprintf("%s: %zu elements were never written", c->value, c->unwritten));
    if (line) json_array_append_new(l->notes, line);
}

void comparison_add(const glint_comparison *c, void *user) {
    comparison_list *l = user;
    if (l->json) {
        json_array_append_new(l->values, describe(c));
    } else if (c->pass && !l->all) {
        fold(l, c);
    } else {
        unfold(l);
        add_row(l, c);
        if (!c->pass) note(l, c);
    }
}

/* ---- The end ---- */

static glint_status end_json(comparison_list *l, const glint_verdict *v, glint_error *err) {
    json_t *all = json_pack("{s:O, s:i, s:i, s:b, s:s}", "values", l->values, "compared", v->compared, "failed",
                            v->failed, "pass", v->failed == 0, "verdict", v->line);
    return print_json(all, false, err);
}

static glint_status end_table(comparison_list *l, const glint_verdict *v, glint_error *err) {
    unfold(l);
    glint_status s = print_table_end(&l->table, err);
    for (size_t i = 0; i < json_array_size(l->notes) && !s; i++)
        printf("%s\n", json_string_value(json_array_get(l->notes, i)));
    if (!s) puts(v->line);
    return s;
}

glint_status comparison_end(comparison_list *l, const glint_verdict *verdict, glint_error *err) {
    glint_status s = (l->json ? end_json : end_table)(l, verdict, err);
    comparison_discard(l);
    return s;
}
