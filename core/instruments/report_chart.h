/* Charts as inline SVG, drawn for a given width, so that text keeps its size on narrow screens: report.html shows one
 * of two widths. Colours are classes of its style sheet. */
#ifndef CORE_INSTRUMENTS_REPORT_CHART_H
#define CORE_INSTRUMENTS_REPORT_CHART_H

#include <stdbool.h>
#include <stdio.h>

enum { CHART_WIDE = 600, CHART_NARROW = 330 };                             /* in pixels of text 12 high */
enum { CHART_NONE, CHART_FIRST, CHART_LAST = CHART_FIRST + 6, CHART_BAD }; /* levels of a cell; 0: no cell */

typedef struct chart_cell {
    int level;
    char text[12];     /* shown where it fits */
    const char *title; /* on hovering */
} chart_cell;

typedef struct chart_grid {
    const char *label; /* what it shows, in words */
    int rows, cols;
    const char **row, **col; /* names */
    const char *row_axis, *col_axis;
    bool every_col;    /* each column's name is shown, upright where it must; else as many as fit */
    chart_cell *cells; /* [row][col] */
} chart_grid;

/* A line with a band around it; n numbers each, NAN: not known. */
typedef struct chart_line {
    const char *name, *css; /* css: "tested" or "reference" */
    const double *low, *middle, *high;
} chart_line;

typedef struct chart_lines {
    const char *label;
    int n;
    const char **x; /* names */
    const char *x_axis, *y_axis;
    const chart_line *line;
    int n_lines;
} chart_lines;

void chart_grid_draw(FILE *out, const chart_grid *g, int width);
void chart_lines_draw(FILE *out, const chart_lines *c, int width);
/* The meaning of levels CHART_FIRST and up; n texts. */
void chart_levels(FILE *out, const char *const *meaning, int n);
void chart_line_names(FILE *out, const chart_line *line, int n);

#endif
