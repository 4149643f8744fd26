/* The page, which a report ends with: report.html with what came out in the place of its marks. */
#include <string.h>

#include "core/instruments/report.h"

/* ---- Small parts ---- */

static void write_title(glint_report *r, FILE *out) {
    const char *path = glint_model_path(r->o.model), *end = path + strlen(path);
    while (end > path && end[-1] == '/') end--;
    const char *name = end;
    while (name > path && name[-1] != '/') name--;
    report_name(out, r->o.title);
    fputs(": ", out);
    report_text(out, name, (size_t)(end - name));
}

static void write_path(glint_report *r, FILE *out) {
    report_name(out, glint_model_path(r->o.model));
}

static void write_footer(glint_report *r, FILE *out) {
    fprintf(out, "Written by Glint %s. ", GLINT_VERSION);
    if (r->prompts > 1) fprintf(out, "Rows and tokens are those of the first of %d prompts.", r->prompts);
}

static void write_top_note(glint_report *r, FILE *out) {
    const report_top *t = r->top.items;
    fprintf(out, "After %s%zu of %d positions, over the whole vocabulary of %d tokens. The underlined token came next.",
            r->top.n < (size_t)r->positions ? "the last " : "", r->top.n, r->positions,
            glint_model_vocabulary(r->o.model));
    if (t && t[r->top.n - 1].n[REPORT_REFERENCE])
        fputs(" Filled bars and the first number: under test; outlined bars and the second number: the reference.",
              out);
}

/* ---- Which parts there are ---- */

static bool has_growth(const glint_report *r) {
    return r->rms.n > 0;
}
static bool has_errors(const glint_report *r) {
    return r->comparisons.n > 0;
}
static bool has_stats(const glint_report *r) {
    return r->stats.n > 0;
}
static bool has_top(const glint_report *r) {
    return r->top.n > 0;
}
static bool has_alerts(const glint_report *r) {
    const glint_value_stats *s = r->stats.items;
    for (size_t i = 0; i < r->stats.n; i++)
        if (report_needs_alert(&s[i])) return true;
    return false;
}

/* What stands in the place of a mark; `wanted` says whether there is anything. NULL: always. */
typedef struct part {
    const char *name;
    void (*write)(glint_report *r, FILE *out);
    bool (*wanted)(const glint_report *r);
} part;

static const part parts[] = {
    {"title", write_title, NULL},
    {"path", write_path, NULL},
    {"verdict", report_verdict, NULL},
    {"facts", report_facts, NULL},
    {"alerts", report_alerts, has_alerts},
    {"growth", report_growth, has_growth},
    {"positions", report_positions, has_growth},
    {"errors", report_errors, has_errors},
    {"worst", report_worst, has_errors},
    {"top", report_tops, has_top},
    {"top-note", write_top_note, has_top},
    {"sizes", report_sizes, has_stats},
    {"card", report_card, NULL},
    {"stats", report_stats, has_stats},
    {"footer", write_footer, NULL},
};

static const part *find_part(const char *name, size_t n) {
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strlen(parts[i].name) == n && !memcmp(parts[i].name, name, n)) return &parts[i];
    return NULL;
}

/* ---- Marks ---- */

static const char open_mark[] = "<!--{", close_mark[] = "}-->", if_word[] = "if ", end_mark[] = "<!--{end}-->";

/* What follows the mark whose name begins at `name`, which is written there; a part that is not wanted is passed over
 * with everything up to its end. */
static const char *write_mark(glint_report *r, FILE *out, const char *name, const char *close) {
    const char *behind = close + sizeof close_mark - 1;
    bool conditional = !strncmp(name, if_word, sizeof if_word - 1);
    if (conditional) name += sizeof if_word - 1;
    const part *p = find_part(name, (size_t)(close - name));
    if (!p) return behind; /* {end} of a part that was wanted */
    if (!conditional) {
        p->write(r, out);
        return behind;
    }
    if (!p->wanted || p->wanted(r)) return behind;
    const char *end = strstr(behind, end_mark);
    return end ? end + sizeof end_mark - 1 : behind + strlen(behind);
}

static void write_page(glint_report *r, FILE *out) {
    const char *text = report_page_text;
    for (const char *mark; (mark = strstr(text, open_mark)) != NULL;) {
        const char *name = mark + sizeof open_mark - 1, *close = strstr(name, close_mark);
        if (!close) break;
        fwrite(text, 1, (size_t)(mark - text), out);
        text = write_mark(r, out, name, close);
    }
    fputs(text, out);
}

glint_status glint_report_finish(glint_report *r, glint_error *err) {
    if (!r->no_memory) write_page(r, r->file.stream);
    if (r->no_memory) return base_fail(err, GLINT_INTERNAL, "%s: out of memory for the report", r->o.path);
    return file_out_commit(&r->file, err);
}
