#include "core/instruments/report_chart.h"

#include <math.h>
#include <string.h>

#include "core/instruments/report.h"

enum { LETTER = 7, SMALL = 6, TICK = 14, GAP = 6 }; /* pixels: of letters, of a line of text, between text and plot */

static int longest(const char *const *names, int n) {
    size_t most = 0;
    for (int i = 0; i < n; i++)
        if (strlen(names[i]) > most) most = strlen(names[i]);
    return (int)most;
}

static void begin(FILE *out, int width, int height, const char *label) {
    fprintf(out, "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", width, height);
    report_name(out, label);
    fputs("\">\n", out);
}

/* anchor: "start", "middle" or "end". */
static void text_at(FILE *out, double x, double y, const char *css, const char *anchor, const char *text) {
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">", x, y, css, anchor);
    report_name(out, text);
    fputs("</text>\n", out);
}

static void title(FILE *out, const char *text) {
    if (!text) return;
    fputs("<title>", out);
    report_name(out, text);
    fputs("</title>", out);
}

/* Every how many-th name has room, where each needs `need` pixels and they are `each` apart. */
static int tick_step(double need, double each) {
    int step = (int)ceil(need / each);
    return step < 1 ? 1 : step;
}

/* ---- Grids ---- */

typedef struct grid_place {
    double left, top, cell_w, cell_h;
    bool steep;   /* names of columns are upright */
    bool numbers; /* there is room for those in the cells */
} grid_place;

static bool numbers_fit(const chart_grid *g, const grid_place *p) {
    size_t most = 0;
    for (int i = 0; i < g->rows * g->cols; i++)
        if (strlen(g->cells[i].text) > most) most = strlen(g->cells[i].text);
    return p->cell_h >= TICK && p->cell_w >= LETTER * (double)most + 2;
}

static grid_place place_grid(const chart_grid *g, int width) {
    enum { LEAST = 4, MOST = 22, TALL = 420 };
    grid_place p = {.left = LETTER * longest(g->row, g->rows) + 2 * GAP};
    if (p.left < LETTER * (double)strlen(g->row_axis) + GAP) p.left = LETTER * (double)strlen(g->row_axis) + GAP;
    p.cell_w = (width - p.left - 1) / g->cols;
    p.cell_h = (double)TALL / g->rows;
    if (p.cell_h < LEAST) p.cell_h = LEAST;
    if (p.cell_h > MOST) p.cell_h = MOST;
    int letters = longest(g->col, g->cols);
    p.steep = g->every_col && LETTER * letters + GAP > p.cell_w;
    p.numbers = numbers_fit(g, &p);
    p.top = TICK + GAP + (p.steep ? SMALL * letters : TICK) + GAP;
    return p;
}

static void grid_names(FILE *out, const chart_grid *g, const grid_place *p, int width) {
    text_at(out, 0, p->top - GAP, "axis", "start", g->row_axis);
    text_at(out, (p->left + width) / 2, TICK - 2, "axis", "middle", g->col_axis);
    int step = tick_step(TICK, p->cell_h);
    for (int r = 0; r < g->rows; r += step)
        text_at(out, p->left - GAP, p->top + (r + 0.5) * p->cell_h + 4, "tick", "end", g->row[r]);
    if (!p->steep) step = tick_step(LETTER * longest(g->col, g->cols) + GAP, p->cell_w);
    for (int c = 0; c < g->cols; c += p->steep ? 1 : step) {
        double x = p->left + (c + 0.5) * p->cell_w;
        if (!p->steep)
            text_at(out, fmin(x, width - LETTER * (double)strlen(g->col[c]) / 2), p->top - GAP, "tick", "middle",
                    g->col[c]);
        else {
            fprintf(out, "<text transform=\"translate(%.1f %.1f) rotate(-90)\" class=\"tick steep\">", x + 3.5,
                    p->top - GAP);
            report_name(out, g->col[c]);
            fputs("</text>\n", out);
        }
    }
}

static void cell(FILE *out, const chart_cell *c, bool number, double x, double y, double w, double h) {
    if (c->level == CHART_NONE) return;
    double gap = w > 8 && h > 8 ? 1 : 0;
    fputs("<g>", out);
    title(out, c->title);
    fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"", x, y, w - gap, h - gap);
    if (c->level == CHART_BAD)
        fputs(" class=\"bad\"/>", out);
    else
        fprintf(out, " class=\"h%d\"/>", c->level - CHART_FIRST);
    double right = x + w - gap, bottom = y + h - gap;
    if (number)
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"in%s\">%s</text>", (x + right) / 2, y + h / 2 + 3.5,
                c->level >= CHART_LAST - 2 ? " on" : "", c->text);
    else if (c->level == CHART_BAD)
        fprintf(out, "<path class=\"cross\" d=\"M%.1f %.1fL%.1f %.1fM%.1f %.1fL%.1f %.1f\"/>", x, y, right, bottom, x,
                bottom, right, y);
    fputs("</g>\n", out);
}

void chart_grid_draw(FILE *out, const chart_grid *g, int width) {
    grid_place p = place_grid(g, width);
    begin(out, width, (int)ceil(p.top + g->rows * p.cell_h + 1), g->label);
    grid_names(out, g, &p, width);
    for (int r = 0; r < g->rows; r++)
        for (int c = 0; c < g->cols; c++)
            cell(out, &g->cells[r * g->cols + c], p.numbers, p.left + c * p.cell_w, p.top + r * p.cell_h, p.cell_w,
                 p.cell_h);
    fputs("</svg>\n", out);
}

/* ---- Lines over a logarithmic axis ---- */

typedef struct line_place {
    double left, right, top, bottom; /* of the plot */
    double low, high;                /* log10 at bottom and top */
    int n;
} line_place;

static bool drawn(double x) {
    return isfinite(x) && x > 0;
}

static void stretch(line_place *p, const double *x, int n) {
    for (int i = 0; i < n; i++)
        if (drawn(x[i])) {
            p->low = fmin(p->low, log10(x[i]));
            p->high = fmax(p->high, log10(x[i]));
        }
}

static line_place place_lines(const chart_lines *c, int width) {
    enum { LEFT = 52, TOP = 26, HEIGHT = 250, BOTTOM = 2 * TICK + GAP };
    line_place p = {LEFT, width - 12, TOP, TOP + HEIGHT, INFINITY, -INFINITY, c->n};
    for (int l = 0; l < c->n_lines; l++) {
        stretch(&p, c->line[l].low, c->n);
        stretch(&p, c->line[l].high, c->n);
    }
    if (!(p.low <= p.high)) p.low = -1, p.high = 1;
    double margin = fmax(0.06 * (p.high - p.low), 0.06);
    p.low -= margin;
    p.high += margin;
    return p;
}

static double at_x(const line_place *p, int i) {
    return p->n > 1 ? p->left + (p->right - p->left) * (i + 0.25) / (p->n - 0.5) : (p->left + p->right) / 2;
}

static double at_y(const line_place *p, double value) {
    return p->bottom - (p->bottom - p->top) * (log10(value) - p->low) / (p->high - p->low);
}

static void y_tick(FILE *out, const line_place *p, double value) {
    char text[32];
    double y = at_y(p, value);
    fprintf(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", p->left, p->right, y, y);
    text_at(out, p->left - GAP, y + 4, "tick", "end", report_number(text, value));
}

/* Powers of ten, and 2 and 5 times them where there are few. */
static void y_ticks(FILE *out, const line_place *p) {
    static const double between[] = {1, 2, 5};
    double decades = p->high - p->low;
    int step = tick_step(decades, 8), most = decades < 2.5 ? 3 : 1;
    for (int e = (int)floor(p->low / step) * step; e <= p->high; e += step)
        for (int k = 0; k < most; k++) {
            double value = between[k] * pow(10, e);
            if (log10(value) >= p->low && log10(value) <= p->high) y_tick(out, p, value);
        }
}

static void line_names(FILE *out, const chart_lines *c, const line_place *p) {
    text_at(out, 0, TICK - 2, "axis", "start", c->y_axis);
    text_at(out, (p->left + p->right) / 2, p->bottom + 2 * TICK + 2, "axis", "middle", c->x_axis);
    double each = c->n > 1 ? at_x(p, 1) - at_x(p, 0) : p->right - p->left;
    int step = tick_step(LETTER * longest(c->x, c->n) + GAP, each);
    for (int i = 0; i < c->n; i += step) text_at(out, at_x(p, i), p->bottom + TICK, "tick", "middle", c->x[i]);
}

/* One of the curves: "M x y L x y ..." over the points that are known. */
static void curve(FILE *out, const line_place *p, const double *y) {
    char command = 'M';
    for (int i = 0; i < p->n; i++)
        if (drawn(y[i])) {
            fprintf(out, "%c%.1f %.1f", command, at_x(p, i), at_y(p, y[i]));
            command = 'L';
        }
}

static void band(FILE *out, const line_place *p, const chart_line *l) {
    fputs("<polygon class=\"band\" points=\"", out);
    for (int i = 0; i < p->n; i++)
        if (drawn(l->low[i])) fprintf(out, "%.1f,%.1f ", at_x(p, i), at_y(p, l->low[i]));
    for (int i = p->n - 1; i >= 0; i--)
        if (drawn(l->high[i])) fprintf(out, "%.1f,%.1f ", at_x(p, i), at_y(p, l->high[i]));
    fputs("\"/>\n", out);
}

static void edges(FILE *out, const line_place *p, const chart_line *l) {
    fprintf(out, "<path class=\"edge %s\" d=\"", l->css);
    curve(out, p, l->low);
    curve(out, p, l->high);
    fputs("\"/>\n", out);
}

static void dots(FILE *out, const chart_lines *c, const line_place *p, const chart_line *l, bool square) {
    for (int i = 0; i < c->n; i++) {
        if (!drawn(l->middle[i])) continue;
        char text[160], low[32], middle[32], high[32];
        snprintf(text, sizeof text, "%s, %s: %s (%s to %s)", l->name, c->x[i], report_number(middle, l->middle[i]),
                 report_number(low, l->low[i]), report_number(high, l->high[i]));
        double x = at_x(p, i), y = at_y(p, l->middle[i]);
        fputs("<g>", out);
        title(out, text);
        if (square)
            fprintf(out, "<rect class=\"dot-%s\" x=\"%.1f\" y=\"%.1f\" width=\"7\" height=\"7\"/></g>\n", l->css,
                    x - 3.5, y - 3.5);
        else
            fprintf(out, "<circle class=\"dot-%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/></g>\n", l->css, x, y);
    }
}

void chart_lines_draw(FILE *out, const chart_lines *c, int width) {
    line_place p = place_lines(c, width);
    begin(out, width, (int)p.bottom + 2 * TICK + GAP, c->label);
    y_ticks(out, &p);
    line_names(out, c, &p);
    for (int l = 0; l < c->n_lines; l++) {
        const chart_line *line = &c->line[l];
        if (l == 0)
            band(out, &p, line);
        else
            edges(out, &p, line);
        fprintf(out, "<path class=\"%s\" d=\"", line->css);
        curve(out, &p, line->middle);
        fputs("\"/>\n", out);
    }
    for (int l = c->n_lines - 1; l >= 0; l--) dots(out, c, &p, &c->line[l], l > 0);
    fputs("</svg>\n", out);
}

/* ---- Legends ---- */

void chart_levels(FILE *out, const char *const *meaning, int n) {
    fputs("<ul class=\"legend\">\n", out);
    for (int i = 0; i < n; i++) {
        chart_cell sample = {.level = CHART_FIRST + i};
        fputs("<li><svg viewBox=\"0 0 26 16\" aria-hidden=\"true\">", out);
        cell(out, &sample, false, 0, 0, 26, 16);
        fputs("</svg>", out);
        report_name(out, meaning[i]);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

void chart_line_names(FILE *out, const chart_line *line, int n) {
    fputs("<ul class=\"legend\">\n", out);
    for (int i = 0; i < n; i++) {
        fputs("<li><svg viewBox=\"0 0 26 16\" aria-hidden=\"true\">", out);
        fprintf(out, "<path class=\"%s\" d=\"M0 8H26\"/>", line[i].css);
        if (i)
            fprintf(out, "<rect class=\"dot-%s\" x=\"9.5\" y=\"4.5\" width=\"7\" height=\"7\"/>", line[i].css);
        else
            fprintf(out, "<circle class=\"dot-%s\" cx=\"13\" cy=\"8\" r=\"3\"/>", line[i].css);
        fputs("</svg>", out);
        report_name(out, line[i].name);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}
