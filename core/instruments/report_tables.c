/* Sections of the report that are words, lists and tables. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/instruments/report.h"

enum { WORST = 10 };

/* ---- The head ---- */

void report_verdict(glint_report *r, FILE *out) {
    if (!r->has_verdict) return;
    bool pass = r->verdict.failed == 0;
    fprintf(out, "<div class=\"verdict %s\"><b>%s</b> ", pass ? "pass" : "fail", pass ? "✓ passed" : "✕ failed");
    report_name(out, r->verdict.line);
    fputs("</div>\n", out);
}

static void fact(FILE *out, const char *name, const char *value) {
    if (!value) return;
    fprintf(out, "<div><dt>%s</dt><dd>", name);
    report_name(out, value);
    fputs("</dd></div>\n", out);
}

static void fact_count(FILE *out, const char *name, int n) {
    char text[16];
    snprintf(text, sizeof text, "%d", n);
    if (n > 0) fact(out, name, text);
}

void report_facts(glint_report *r, FILE *out) {
    fact(out, "architecture", glint_model_architecture(r->o.model));
    fact(out, "container", glint_model_container(r->o.model));
    fact(out, r->o.reference ? "under test" : "device", r->o.device);
    fact(out, "reference", r->o.reference);
    fact(out, "precision", r->o.precision == GLINT_EXACT ? "exact" : "fast");
    fact_count(out, "layers", r->levels - 1);
    fact_count(out, "positions", r->positions);
    if (!r->has_verdict) return;
    char text[64];
    snprintf(text, sizeof text, "%d, %d failed", r->verdict.compared, r->verdict.failed);
    fact(out, "values compared", text);
}

/* ---- What needs a look ---- */

bool report_needs_alert(const glint_value_stats *s) {
    return s->nan || s->inf || (s->n && s->zero == s->n);
}

void report_alerts(glint_report *r, FILE *out) {
    const glint_value_stats *s = r->stats.items;
    for (size_t i = 0; i < r->stats.n; i++) {
        if (!report_needs_alert(&s[i])) continue;
        fputs("<li><bdi>", out);
        report_name(out, s[i].name);
        fputs("</bdi>: ", out);
        if (s[i].zero == s[i].n)
            fputs("every number is zero", out);
        else
            fprintf(out, "%zu of %zu numbers are NaN, %zu are infinite", s[i].nan, s[i].n, s[i].inf);
        fputs("</li>\n", out);
    }
}

/* ---- The worst ops ---- */

static int by_badness(const void *a, const void *b) {
    const glint_comparison *x = *(const glint_comparison *const *)a, *y = *(const glint_comparison *const *)b;
    double bx = report_badness(x), by = report_badness(y);
    if (x->pass != y->pass) return x->pass ? 1 : -1;
    if (bx != by) return bx < by ? 1 : -1;
    return x < y ? -1 : x > y; /* the tape's order */
}

static void write_reasons(FILE *out, const glint_comparison *c) {
    if (c->nan || c->inf || c->unwritten)
        fprintf(out, "<span class=\"note\">%zu NaN, %zu infinite, %zu never written</span>\n", c->nan, c->inf,
                c->unwritten);
    if (c->differs_from_itself)
        fputs("<span class=\"note\">The same inputs gave other bits the second time.</span>\n", out);
    if (!*c->kind && !*c->reason) return;
    fputs("<span class=\"note\"><b>", out);
    report_name(out, c->kind);
    fputs(*c->kind && *c->reason ? "</b>: " : "</b>", out);
    report_name(out, c->reason);
    fputs("</span>\n", out);
}

static void write_comparison(FILE *out, const glint_comparison *c) {
    char share[32], nmse[32], largest[32], there[32], reference[32], cosine[32];
    fprintf(out, "<li><span class=\"line %s\"><bdi>", c->pass ? "pass" : "fail");
    report_name(out, c->value);
    fprintf(out, "</bdi><span class=\"pill %s number\">%s %s of the bound</span></span>\n", c->pass ? "pass" : "fail",
            c->pass ? "✓" : "✕", report_number(share, c->share));
    fputs("<span class=\"note\">", out);
    report_name(out, c->op);
    if (strcmp(c->group, c->op) != 0) {
        fputs(" in ", out);
        report_name(out, c->group);
    }
    if (*c->since && strcmp(c->since, c->value) != 0) {
        fputs(", with everything from ", out);
        report_name(out, c->since);
        fputs(" on", out);
    }
    if (c->step)
        fprintf(out, ", decode step %d", c->step);
    else
        fputs(", prompt", out);
    snprintf(cosine, sizeof cosine, "%.9f", c->cosine);
    fprintf(out,
            ". Largest error %s at (%d, %d): %s, reference %s. NMSE %s, cosine %s, %llu ULP, %zu sign "
            "flips</span>\n",
            report_number(largest, c->largest), c->first_row + c->row, c->index, report_number(there, c->there),
            report_number(reference, c->reference), report_number(nmse, c->nmse), cosine, (unsigned long long)c->ulp,
            c->sign_flips);
    write_reasons(out, c);
    fputs("</li>\n", out);
}

void report_worst(glint_report *r, FILE *out) {
    size_t n = r->comparisons.n;
    const glint_comparison *list = r->comparisons.items;
    const glint_comparison **order = arena_array(&r->memory, n, sizeof *order);
    if (!order) {
        r->no_memory = true;
        return;
    }
    size_t failed = 0;
    for (size_t i = 0; i < n; i++) {
        order[i] = &list[i];
        failed += !list[i].pass;
    }
    qsort(order, n, sizeof *order, by_badness);
    fprintf(out,
            "<p class=\"note\">%zu of %zu values failed. Places are (position, index).</p>\n<ol class=\"worst\">\n",
            failed, n);
    for (size_t i = 0; i < n && i < WORST; i++) write_comparison(out, order[i]);
    fputs("</ol>\n", out);
    if (failed > WORST) fprintf(out, "<p class=\"note\">%zu more failed.</p>\n", failed - WORST);
}

/* ---- Tokens ---- */

static int32_t id_at(const glint_report *r, int position) {
    return (size_t)position < r->ids.n ? ((int32_t *)r->ids.items)[position] : -1;
}

static const char *percent(char buffer[32], double share) {
    bool little = share > 0 && share < 0.0005;
    snprintf(buffer, 32, little ? "&lt;0.1 %%" : "%.1f %%", 100 * share);
    return buffer;
}

static void write_bars(FILE *out, double tested, double reference, bool both) {
    char text[32];
    fprintf(out, "<span class=\"bars\"><i style=\"width:%.1f%%\"></i>", 100 * tested);
    if (both) fprintf(out, "<i class=\"r\" style=\"width:%.1f%%\"></i>", 100 * reference);
    fprintf(out, "</span><span class=\"share\">%s", percent(text, tested));
    if (both) fprintf(out, " <small>%s</small>", percent(text, reference));
    fputs("</span>", out);
}

static void write_top(glint_report *r, FILE *out, const report_top *t) {
    int32_t id = id_at(r, t->position), next = id_at(r, t->position + 1);
    bool both = t->n[REPORT_REFERENCE] > 0;
    char text[32];
    fprintf(out, "<article class=\"top%s\"><h3>Position %d", both ? " both" : "", t->position);
    if (id >= 0) {
        fputs(", after ", out);
        report_token(out, r->o.model, id);
    }
    fputs("</h3><ol>\n", out);
    for (int k = 0; k < t->n[REPORT_TESTED]; k++) {
        const glint_candidate *c = &t->best[REPORT_TESTED][k];
        fputs(c->id == next ? "<li class=\"next\">" : "<li>", out);
        report_token(out, r->o.model, c->id);
        write_bars(out, c->probability, t->other[k], both);
        fputs("</li>\n", out);
    }
    fputs("</ol>", out);
    if (both && t->best[REPORT_REFERENCE][0].id != t->best[REPORT_TESTED][0].id) {
        fputs("<p class=\"note fail\"><b>✕</b>The reference's likeliest is ", out);
        report_token(out, r->o.model, t->best[REPORT_REFERENCE][0].id);
        fprintf(out, " (%s).</p>", percent(text, t->best[REPORT_REFERENCE][0].probability));
    }
    fputs("</article>\n", out);
}

void report_tops(glint_report *r, FILE *out) {
    const report_top *list = r->top.items;
    for (size_t i = 0; i < r->top.n; i++) write_top(r, out, &list[i]);
}

/* ---- Tables ---- */

void report_card(glint_report *r, FILE *out) {
    const glint_card_entry *card;
    int n = glint_model_card(r->o.model, &card);
    for (int i = 0; i < n; i++) {
        fputs("<div><dt>", out);
        report_name(out, card[i].key);
        fputs("</dt><dd>", out);
        report_name(out, card[i].value);
        fputs("</dd><dd class=\"soft\">", out);
        report_name(out, card[i].source);
        fputs("</dd></div>\n", out);
    }
}

static void number_cell(FILE *out, const char *of, double x) {
    char text[32];
    fprintf(out, "<td class=\"n\" data-of=\"%s\">%s</td>", of, report_number(text, x));
}

static void write_stats_row(FILE *out, const glint_value_stats *s) {
    fprintf(out, "<tr%s><td><bdi>", report_needs_alert(s) ? " class=\"alert\"" : "");
    report_name(out, s->name);
    fprintf(out, "</bdi></td><td class=\"n\" data-of=\"positions × width\">%d × %d</td>", s->rows, s->width);
    number_cell(out, "min", s->minimum);
    number_cell(out, "max", s->maximum);
    number_cell(out, "mean", s->mean);
    number_cell(out, "rms", s->rms);
    fprintf(out, "<td class=\"n\" data-of=\"negative\">%.1f %%</td>", 100 * s->share_negative);
    number_cell(out, "largest", s->largest);
    if (s->largest_row < 0)
        fputs("<td class=\"n\" data-of=\"at\">–</td>", out);
    else
        fprintf(out, "<td class=\"n\" data-of=\"at\">(%d, %d)</td>", s->largest_row, s->largest_index);
    fprintf(out, "<td class=\"n\" data-of=\"zero\">%zu</td><td class=\"n\" data-of=\"NaN\">%zu</td>", s->zero, s->nan);
    fprintf(out, "<td class=\"n\" data-of=\"inf\">%zu</td></tr>\n", s->inf);
}

void report_stats(glint_report *r, FILE *out) {
    static const char *const headers[] = {"positions × width", "min", "max",  "mean", "rms", "negative",
                                          "largest",           "at",  "zero", "NaN",  "inf"};
    const glint_value_stats *s = r->stats.items;
    fprintf(out, "<details><summary>All %zu values</summary><div class=\"scroll\"><table class=\"fold\"><thead><tr>",
            r->stats.n);
    fputs("<th>value</th>", out);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) fprintf(out, "<th class=\"n\">%s</th>", headers[i]);
    fputs("</tr></thead><tbody>\n", out);
    for (size_t i = 0; i < r->stats.n; i++) write_stats_row(out, &s[i]);
    fputs("</tbody></table></div></details>\n", out);
}
