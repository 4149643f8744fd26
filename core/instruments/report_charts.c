/* What the report draws: growth by layer, growth by position, error and size by op and layer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/instruments/report.h"
#include "core/instruments/report_chart.h"

enum { STEPS = CHART_LAST - CHART_FIRST + 1 };

static void *take(glint_report *r, size_t n, size_t size) {
    void *p = arena_array(&r->memory, n, size);
    if (!p) r->no_memory = true;
    return p;
}

static const char *number_text(glint_report *r, int n) {
    return arena_printf(&r->memory, "%d", n);
}

/* "embed", "0", "1", ...: what the levels of the residual stream are called. */
static const char **level_names(glint_report *r) {
    const char **names = take(r, (size_t)r->levels, sizeof *names);
    for (int l = 0; names && l < r->levels; l++) {
        names[l] = l ? number_text(r, l - 1) : "embed";
        if (!names[l]) r->no_memory = true;
    }
    return names;
}

/* Both widths; the style sheet shows one. */
static void draw_grid(FILE *out, const chart_grid *wide, const chart_grid *narrow) {
    fputs("<div class=\"wide\">", out);
    chart_grid_draw(out, wide, CHART_WIDE);
    fputs("</div><div class=\"narrow\">", out);
    chart_grid_draw(out, narrow, CHART_NARROW);
    fputs("</div>\n", out);
}

/* ---- Levels of a logarithmic scale ---- */

typedef struct log_scale {
    double low, high; /* log10 of the smallest and the largest number */
} log_scale;

static void scale_take(log_scale *s, double x) {
    if (!isfinite(x) || x <= 0) return;
    s->low = fmin(s->low, log10(x));
    s->high = fmax(s->high, log10(x));
}

static int scale_level(const log_scale *s, double x) {
    if (!isfinite(x)) return CHART_BAD;
    if (x <= 0 || s->high <= s->low) return CHART_FIRST;
    int level = (int)(STEPS * (log10(x) - s->low) / (s->high - s->low));
    return CHART_FIRST + (level < STEPS ? level : STEPS - 1);
}

static void scale_legend(FILE *out, const log_scale *s) {
    char text[STEPS][48], number[32];
    const char *meaning[STEPS];
    int n = s->high > s->low ? STEPS : 1;
    for (int i = 0; i < n; i++) {
        double from = pow(10, s->low + (s->high - s->low) * i / STEPS);
        snprintf(text[i], sizeof text[i], "from %s", report_number(number, from));
        meaning[i] = text[i];
    }
    if (s->low <= s->high) chart_levels(out, meaning, n);
}

/* ---- Growth by layer ---- */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* low, middle, high of each level over all positions of one side; false: that side was not told. */
static bool summarise(glint_report *r, int side, chart_line *line) {
    size_t n = (size_t)r->levels, positions = r->rms.n;
    double *low = take(r, 3 * n, sizeof *low), *sorted = take(r, positions, sizeof *sorted);
    bool any = false;
    for (int l = 0; low && sorted && l < r->levels; l++) {
        size_t known = 0;
        for (size_t p = 0; p < positions; p++) {
            double x = report_rms(r, (int)p, l, side);
            if (!isnan(x)) sorted[known++] = x;
        }
        qsort(sorted, known, sizeof *sorted, by_size);
        low[l] = known ? sorted[0] : NAN;
        low[n + (size_t)l] = known ? sorted[known / 2] : NAN;
        low[2 * n + (size_t)l] = known ? sorted[known - 1] : NAN;
        any |= known > 0;
    }
    if (!low || !sorted) return false;
    line->low = low;
    line->middle = low + n;
    line->high = low + 2 * n;
    return any;
}

static void growth_table(FILE *out, const chart_lines *c) {
    fputs("<details><summary>Numbers</summary><div class=\"scroll\"><table class=\"fold\"><thead><tr><th>after "
          "layer</th>",
          out);
    for (int i = 0; i < c->n_lines; i++)
        fprintf(out, "<th class=\"n\">%s: smallest</th><th class=\"n\">median</th><th class=\"n\">largest</th>",
                c->n_lines == 1 ? "rms"
                : i             ? "reference"
                                : "under test");
    fputs("</tr></thead><tbody>\n", out);
    for (int l = 0; l < c->n; l++) {
        fprintf(out, "<tr><td>%s</td>", c->x[l]);
        for (int i = 0; i < c->n_lines; i++) {
            static const char *const of[2][3] = {{"smallest", "median", "largest"},
                                                 {"reference: smallest", "reference: median", "reference: largest"}};
            const double three[] = {c->line[i].low[l], c->line[i].middle[l], c->line[i].high[l]};
            char number[32];
            for (int k = 0; k < 3; k++)
                fprintf(out, "<td class=\"n\" data-of=\"%s\">%s</td>", of[i][k],
                        isnan(three[k]) ? "–" : report_number(number, three[k]));
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div></details>\n", out);
}

void report_growth(glint_report *r, FILE *out) {
    chart_line line[REPORT_SIDES] = {{.name = r->o.reference ? "under test" : "median, smallest to largest"},
                                     {.name = "reference (dotted: smallest, largest)", .css = "reference"}};
    line[0].css = "tested";
    chart_lines c = {.label = "Root mean square of the residual stream by layer, logarithmic scale",
                     .n = r->levels,
                     .x = level_names(r),
                     .x_axis = "after layer",
                     .y_axis = "root mean square, log scale",
                     .line = line};
    for (int side = 0; side < REPORT_SIDES; side++) c.n_lines += summarise(r, side, &line[side]);
    if (r->no_memory) return;
    fputs("<div class=\"wide\">", out);
    chart_lines_draw(out, &c, CHART_WIDE);
    fputs("</div><div class=\"narrow\">", out);
    chart_lines_draw(out, &c, CHART_NARROW);
    fputs("</div>\n", out);
    chart_line_names(out, line, c.n_lines);
    growth_table(out, &c);
}

/* ---- Growth by position ---- */

/* The largest of positions [from, to). */
static double largest(const glint_report *r, int from, int to, int level, int side) {
    double most = NAN;
    for (int p = from; p < to; p++) most = fmax(most, report_rms(r, p, level, side));
    return most;
}

static void fill_position_cell(glint_report *r, chart_cell *c, const log_scale *s, const char *level, int from, int to,
                               double x) {
    if (isnan(x)) return;
    char number[32];
    c->level = scale_level(s, x);
    report_number(number, x);
    snprintf(c->text, sizeof c->text, "%.11s", number);
    c->title = to - from > 1 ? arena_printf(&r->memory, "after %s, positions %d to %d: %s", level, from, to - 1, number)
                             : arena_printf(&r->memory, "after %s, position %d: %s", level, from, number);
}

/* Deep layers on top, as the stream grows; `most` columns, each of several positions where there are more. */
static bool position_grid(glint_report *r, const log_scale *s, int side, int most, chart_grid *g) {
    int positions = (int)r->rms.n, each = (positions + most - 1) / most;
    const char **names = level_names(r);
    *g = (chart_grid){.label = "Root mean square of the residual stream by layer and position",
                      .rows = r->levels,
                      .cols = (positions + each - 1) / each,
                      .row_axis = "after",
                      .col_axis = "position (tokens)"};
    g->row = take(r, (size_t)g->rows, sizeof *g->row);
    g->col = take(r, (size_t)g->cols, sizeof *g->col);
    g->cells = take(r, (size_t)g->rows * (size_t)g->cols, sizeof *g->cells);
    if (r->no_memory) return false;
    for (int c = 0; c < g->cols; c++) g->col[c] = number_text(r, c * each);
    for (int i = 0; i < g->rows; i++) {
        int level = g->rows - 1 - i;
        g->row[i] = names[level];
        for (int c = 0; c < g->cols; c++) {
            int from = c * each, to = from + each < positions ? from + each : positions;
            fill_position_cell(r, &g->cells[i * g->cols + c], s, names[level], from, to,
                               largest(r, from, to, level, side));
        }
    }
    return true;
}

void report_positions(glint_report *r, FILE *out) {
    enum { WIDE = 48, NARROW = 24 };
    log_scale s = {INFINITY, -INFINITY};
    bool told[REPORT_SIDES] = {false};
    for (size_t i = 0; i < r->rms.n * (size_t)r->levels * REPORT_SIDES; i++) {
        double x = ((double *)r->rms.items)[i];
        scale_take(&s, x);
        told[i % REPORT_SIDES] |= !isnan(x);
    }
    for (int side = 0; side < REPORT_SIDES; side++) {
        chart_grid wide, narrow;
        if (!told[side] || !position_grid(r, &s, side, WIDE, &wide) || !position_grid(r, &s, side, NARROW, &narrow))
            continue;
        if (told[REPORT_REFERENCE]) fprintf(out, "<div class=\"caption\">%s</div>", side ? "reference" : "under test");
        draw_grid(out, &wide, &narrow);
    }
    scale_legend(out, &s);
}

/* ---- By op and layer ---- */

typedef struct place {
    const char *name;
    int level;
    char text[12];
    const char *title;
} place;

static int find_name(const char *const *names, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name)) return i;
    return -1;
}

/* A row for each name without its layer, in the order met, and a column for each layer that has any; values of no layer
 * come first, in a column of their own. */
static bool op_grid(glint_report *r, const place *list, size_t n, const char *label, chart_grid *g) {
    *g = (chart_grid){.label = label, .row_axis = "op", .col_axis = "layer"};
    const char *rest;
    int *column = take(r, (size_t)r->levels, sizeof *column); /* by layer + 1: its column + 1 */
    g->row = take(r, n, sizeof *g->row);
    g->col = take(r, (size_t)r->levels, sizeof *g->col);
    if (r->no_memory) return false;
    for (size_t i = 0; i < n; i++) {
        int layer = report_layer(list[i].name, &rest);
        if (layer + 1 < r->levels) column[layer + 1] = 1;
        if (find_name(g->row, g->rows, rest) < 0) g->row[g->rows++] = rest;
    }
    for (int l = 0; l < r->levels; l++)
        if (column[l]) {
            g->col[g->cols] = l ? number_text(r, l - 1) : "none";
            column[l] = ++g->cols;
        }
    g->cells = take(r, (size_t)g->rows * (size_t)g->cols, sizeof *g->cells);
    for (size_t i = 0; i < n && g->cells; i++) {
        int layer = report_layer(list[i].name, &rest);
        if (layer + 1 >= r->levels) continue;
        chart_cell *c = &g->cells[find_name(g->row, g->rows, rest) * g->cols + column[layer + 1] - 1];
        c->level = list[i].level;
        memcpy(c->text, list[i].text, sizeof c->text);
        c->title = list[i].title;
    }
    return !r->no_memory;
}

/* Rows become columns, so that a narrow page has the layers below one another. */
static bool turn(glint_report *r, const chart_grid *g, chart_grid *out) {
    *out = (chart_grid){.label = g->label,
                        .rows = g->cols,
                        .cols = g->rows,
                        .row = g->col,
                        .col = g->row,
                        .row_axis = g->col_axis,
                        .col_axis = g->row_axis,
                        .every_col = true};
    out->cells = take(r, (size_t)g->rows * (size_t)g->cols, sizeof *out->cells);
    for (int i = 0; i < g->rows && out->cells; i++)
        for (int c = 0; c < g->cols; c++) out->cells[c * g->rows + i] = g->cells[i * g->cols + c];
    return !r->no_memory;
}

static void draw_ops(glint_report *r, FILE *out, const place *list, size_t n, const char *label) {
    chart_grid wide, narrow;
    if (op_grid(r, list, n, label, &wide) && turn(r, &wide, &narrow)) draw_grid(out, &wide, &narrow);
}

static int error_level(const glint_comparison *c) {
    static const double limits[STEPS - 1] = {0, 1e-3, 1e-2, 0.1, 0.3, 0.6};
    if (!c->pass) return CHART_BAD;
    int level = 0;
    while (level < STEPS - 1 && c->share > limits[level]) level++;
    return CHART_FIRST + level;
}

void report_errors(glint_report *r, FILE *out) {
    static const char *const meaning[] = {"0 (equal)", "to 0.001", "to 0.01", "to 0.1",
                                          "to 0.3",    "to 0.6",   "to 1",    "failed"};
    const glint_comparison *c = r->comparisons.items;
    size_t n = r->comparisons.n;
    place *list = take(r, n, sizeof *list);
    for (size_t i = 0; i < n && list; i++) {
        char number[32];
        list[i].name = c[i].value;
        list[i].level = error_level(&c[i]);
        double x = c[i].share;
        snprintf(list[i].text, sizeof list[i].text,
                 x > 0 && x < 0.001   ? "%.0e"
                 : x >= 99 && x < 1e5 ? "%.0f"
                                      : "%.2g",
                 x);
        list[i].title = arena_printf(&r->memory, "%s: %s of its bound, %s", c[i].value,
                                     report_number(number, c[i].share), c[i].pass ? "passed" : "failed");
    }
    if (list) draw_ops(r, out, list, n, "Largest error as a share of its bound, by op and layer");
    chart_levels(out, meaning, sizeof meaning / sizeof *meaning);
}

/* Token ids have no size. */
static bool holds_ids(const char *name) {
    return !strcmp(name, "argmax") || !strcmp(name, "top");
}

void report_sizes(glint_report *r, FILE *out) {
    const glint_value_stats *v = r->stats.items;
    size_t n = r->stats.n;
    place *list = take(r, n, sizeof *list);
    log_scale s = {INFINITY, -INFINITY};
    size_t shown = 0;
    for (size_t i = 0; i < n; i++)
        if (!holds_ids(v[i].name)) scale_take(&s, v[i].rms);
    for (size_t i = 0; i < n && list; i++) {
        if (holds_ids(v[i].name)) continue;
        place *p = &list[shown++];
        char number[32];
        report_number(number, v[i].rms);
        p->name = v[i].name;
        p->level = v[i].nan || v[i].inf ? CHART_BAD : scale_level(&s, v[i].rms);
        snprintf(p->text, sizeof p->text, "%.11s", number);
        p->title = arena_printf(&r->memory, "%s: %s", v[i].name, number);
    }
    if (list) draw_ops(r, out, list, shown, "Root mean square of the values by op and layer, logarithmic scale");
    scale_legend(out, &s);
}
