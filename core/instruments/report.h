/* Inside the report: what it has been told (report.c) and how that becomes a page (report_page.c, report_tables.c,
 * report_charts.c, report_chart.c, report_text.c). The public functions are in glint.h. Everything that is a name, a
 * path or a token's text is foreign: it reaches the page through report_text alone. */
#ifndef CORE_INSTRUMENTS_REPORT_H
#define CORE_INSTRUMENTS_REPORT_H

#include <stdio.h>

#include "core/base/arena.h"
#include "core/base/file_map.h"

enum { REPORT_TOP = 5, REPORT_SHOWN = 24 /* positions whose likeliest tokens are shown */ };
enum { REPORT_TESTED, REPORT_REFERENCE, REPORT_SIDES };

/* An array that grows by itself. */
typedef struct report_list {
    void *items;
    size_t n, room;
} report_list;

/* The likeliest tokens after one position. */
typedef struct report_top {
    int position;
    int n[REPORT_SIDES];
    glint_candidate best[REPORT_SIDES][REPORT_TOP];
    double other[REPORT_TOP]; /* the probability that the reference gives each of the tested side's tokens */
} report_top;

struct glint_report {
    glint_report_options o; /* strings are copies */
    file_out file;
    int levels;              /* of the residual stream: after the embedding and after every layer */
    report_list rms;         /* double [position][level][side]; NAN: not known */
    report_list ids;         /* int32_t [position]; -1: not known */
    report_list top;         /* report_top, the last positions with logits, rising */
    report_list stats;       /* glint_value_stats, in the order told */
    report_list comparisons; /* glint_comparison: the worst of each value, in the order first told */
    size_t next;             /* comparisons: whose turn it likely is */
    int positions, steps, prompts;
    bool has_verdict;
    glint_verdict verdict;
    bool no_memory;
    arena memory;
};

/* Of value names: the layer of "layers.5.attn.q" and "attn.q"; TAPE_NONE and the whole name where it is of none. */
int report_layer(const char *name, const char **rest);
/* How bad a comparison is: its share, infinity where it failed otherwise. */
double report_badness(const glint_comparison *c);
/* Root mean square after `level` at `position`; NAN: not known. */
double report_rms(const glint_report *r, int position, int level, int side);

/* ---- Text (report_text.c) ---- */

/* HTML of foreign text: markup is escaped, what cannot be seen is written as an escape. */
void report_text(FILE *out, const char *text, size_t bytes);
void report_name(FILE *out, const char *text); /* the same of a string; NULL: nothing */
/* A token between quotes, or its number where it has no text. */
void report_token(FILE *out, const glint_model *m, int32_t id);
/* Three digits or the whole part, as a person reads them: "0.0313", "1.2e-09", "12345", "NaN". */
const char *report_number(char buffer[32], double x);

/* ---- The page ---- */

extern const char report_page_text[]; /* core/instruments/report.html */

/* Each writes what stands in the place of a mark. */
void report_growth(glint_report *r, FILE *out);
void report_positions(glint_report *r, FILE *out);
void report_errors(glint_report *r, FILE *out);
void report_sizes(glint_report *r, FILE *out);

void report_verdict(glint_report *r, FILE *out);
void report_facts(glint_report *r, FILE *out);
void report_alerts(glint_report *r, FILE *out);
void report_worst(glint_report *r, FILE *out);
void report_tops(glint_report *r, FILE *out);
void report_stats(glint_report *r, FILE *out);
void report_card(glint_report *r, FILE *out);
bool report_needs_alert(const glint_value_stats *s);

#endif
