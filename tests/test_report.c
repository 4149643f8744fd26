/* The report: a page that stands alone, is well formed whatever names and tokens hold, shows the numbers it was told,
 * and appears only when it is complete. With GLINT_TEST_REPORT=FILE the page of a made-up check is left there, for
 * tests/report_screenshot.sh. */
#include "tests/support/support.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/instruments/report.h"
#include "tests/support/maker.h"

static const char evil[] = "<script>alert('&\"')</script>\n\x1b[31m\xE2\x80\xAE\xFF";

typedef struct bench {
    glint_model *model;
    char folder[1024], path[1100];
} bench;

static bench open_bench(void) {
    bench b = {0};
    char buffer[1024];
    glint_error err;
    SUPPORT_OK(glint_model_open(support_data(buffer, "gemma3-shakespeare-Q4_K_M.gguf"), &b.model, &err), &err);
    maker_folder(b.folder);
    snprintf(b.path, sizeof b.path, "%s/page.html", b.folder);
    return b;
}

static void close_bench(bench *b) {
    glint_model_close(&b->model);
    maker_remove(b->folder);
}

static glint_report *open_report(const bench *b, const char *title, const char *reference) {
    glint_report *r = NULL;
    glint_error err;
    glint_report_options o = {b->path, title, b->model, title, reference, GLINT_FAST};
    SUPPORT_OK(glint_report_open(&o, &r, &err), &err);
    return r;
}

static char *read_page(const char *path) {
    file_map m;
    glint_error err;
    SUPPORT_OK(file_map_open(path, &m, &err), &err);
    char *text = calloc(1, m.bytes + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memcpy(text, m.data, m.bytes);
    file_map_close(&m);
    return text;
}

/* Ends the report; the caller frees. */
static char *finish(const bench *b, glint_report *r) {
    glint_error err;
    SUPPORT_OK(glint_report_finish(r, &err), &err);
    glint_report_close(&r);
    return read_page(b->path);
}

static void expect(const char *page, const char *words, bool wanted) {
    bool there = strstr(page, words) != NULL;
    if (there != wanted) printf("\n    %s: \"%s\"", wanted ? "missing" : "not wanted", words);
    CU_ASSERT_EQUAL(there, wanted);
}

/* ---- Well-formed ---- */

/* Walks the tags: every one that opens is closed in order, and text holds no bare '<' or '&'. */
static void expect_well_formed(const char *page) {
    enum { DEEPEST = 64 };
    char open[DEEPEST][24];
    int depth = 0;
    const char *p = page;
    bool good = true;
    while (*p && good) {
        if (*p == '&') good = p[1] == '#' || isalpha((unsigned char)p[1]);
        if (*p++ != '<') continue;
        if (!strncmp(p, "!--", 3)) {
            p = strstr(p, "-->");
            if (!p) break;
            continue;
        }
        bool closes = *p == '/';
        char name[24] = "";
        sscanf(p + closes, "%23[a-zA-Z0-9!]", name);
        bool quoted = false; /* to the end of the tag */
        for (; *p && (*p != '>' || quoted); p++) quoted ^= *p == '"';
        good = *name && (!closes || (depth > 0 && !strcmp(open[depth - 1], name)));
        if (closes)
            depth--;
        else if (p[-1] != '/' && strcmp(name, "meta") != 0 && strcmp(name, "!DOCTYPE") != 0 && depth < DEEPEST)
            strcpy(open[depth++], name);
        if (!closes && !strcmp(name, "style")) p = strstr(p, "</style");
        if (!p) break;
    }
    if (!good || !p || depth) printf("\n    not well formed near: %.80s", p ? p : "the end");
    CU_ASSERT(good && p && depth == 0);
}

/* Nothing is fetched and nothing runs. */
static void expect_alone(const char *page) {
    static const char *const never[] = {
        "<script", "src=", "href=", "url(", "@import", "http:", "https:", "onload", "<!--{", "<link", "<iframe"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) expect(page, never[i], false);
    expect_well_formed(page);
}

/* ---- A made-up check: every kind of entry, two failures ---- */

enum { LAYERS = 8, POSITIONS = 300, WIDTH = 64, STEPS = 3 };

static glint_comparison made_up(support_random *random, const char *value, const char *op, int layer) {
    float size = support_uniform(random, -4, 0);
    return (glint_comparison){.value = value,
                              .op = op,
                              .group = op,
                              .since = "",
                              .device = "cpu",
                              .layer = layer,
                              .rows = POSITIONS,
                              .width = WIDTH,
                              .nmse = pow(10, 2 * size - 12),
                              .cosine = 1,
                              .largest = pow(10, size - 5),
                              .row = support_below(random, POSITIONS),
                              .index = support_below(random, WIDTH),
                              .there = support_uniform(random, -2, 2),
                              .reference = support_uniform(random, -2, 2),
                              .ulp = (uint64_t)support_below(random, 100),
                              .share = pow(10, size) * 0.9,
                              .pass = true,
                              .kind = "",
                              .reason = ""};
}

static void make_it_fail(glint_comparison *c, const char *kind, const char *reason) {
    c->pass = false;
    c->share = 1234;
    c->kind = kind;
    c->reason = reason;
    c->group = "norm+matmul";
}

/* Rows whose size grows with the layer; the tested side goes its own way from layer 5 on. */
static void tell_rows(glint_report *r, support_random *random, const char *value, int layer, glint_comparison *c) {
    static float tested[POSITIONS * WIDTH], reference[POSITIONS * WIDTH];
    for (int i = 0; i < POSITIONS * WIDTH; i++) {
        float scale = (1 + (float)layer) * (i / WIDTH ? 1 : 30) * (1 + (float)(i / WIDTH % 7));
        reference[i] = support_uniform(random, -1, 1) * scale;
        tested[i] = reference[i] * (layer >= 5 ? 4.5F : 1.02F);
    }
    (void)value;
    c->tested_rows = tested;
    c->reference_rows = reference;
    glint_report_comparison(r, c);
    c->tested_rows = c->reference_rows = NULL;
}

static void tell_logits(glint_report *r, support_random *random, int vocabulary) {
    enum { LAST = 6 };
    float *both = calloc((size_t)vocabulary * LAST * 2, sizeof *both), *reference = both + vocabulary * LAST;
    int32_t ids[POSITIONS];
    CU_ASSERT_PTR_NOT_NULL_FATAL(both);
    for (int i = 0; i < POSITIONS; i++) ids[i] = support_below(random, vocabulary);
    for (int row = 0; row < LAST; row++)
        for (int k = 0; k < 12; k++) {
            int id = support_below(random, vocabulary);
            both[row * vocabulary + id] = support_uniform(random, 5, 12);
            reference[row * vocabulary + id] = support_uniform(random, 5, 12);
        }
    static float dummy[POSITIONS];
    glint_report_rows(r, &(glint_value_rows){"ids", -1, 1, 0, POSITIONS, ids, dummy, NULL});
    glint_report_rows(r, &(glint_value_rows){"logits", -1, vocabulary, POSITIONS - LAST, LAST, NULL, both, reference});
    free(both);
}

static void tell_check(glint_report *r, const glint_model *m) {
    static const struct {
        const char *name, *op;
    } ops[] = {{"attn.norm", "norm"},
               {"attn.q", "matmul"},
               {"attn.k", "matmul"},
               {"attn.v", "matmul"},
               {"attn.q_norm", "head_norm"},
               {"attn.k_norm", "head_norm"},
               {"attn.q_rope", "rope"},
               {"attn.k_rope", "rope"},
               {"attn.cache", "cache_write"},
               {"attn.mix", "attend"},
               {"attn.out", "matmul"},
               {"attn.post_norm", "norm"},
               {"mid", "add"},
               {"ffn.norm", "norm"},
               {"ffn.gate", "matmul"},
               {"ffn.up", "matmul"},
               {"ffn.act", "gate"},
               {"ffn.down", "matmul"},
               {"ffn.post_norm", "norm"},
               {"out", "add"}};
    support_random random = support_seed(7);
    char name[64];
    for (int step = 0; step < STEPS; step++) {
        glint_comparison embed = made_up(&random, "embed", "embed", -1);
        embed.step = step;
        tell_rows(r, &random, "embed", 0, &embed);
        for (int l = 0; l < LAYERS; l++)
            for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
                snprintf(name, sizeof name, "layers.%d.%s", l, ops[i].name);
                glint_comparison c = made_up(&random, name, ops[i].op, l);
                c.step = step;
                if (i == 8) c.share = c.largest = c.nmse = 0; /* copied: nothing may differ */
                if (l == 5 && i == 7 && step == 1)
                    make_it_fail(&c, "rope base",
                                 "rope base 10000 instead of 1000000 leaves 3.1e-13; next best: rows "
                                 "rotated in adjacent pairs, 0.82");
                if (l == 2 && i == 14 && step == 0) make_it_fail(&c, evil, evil);
                if (!strcmp(ops[i].name, "out"))
                    tell_rows(r, &random, name, l + 1, &c);
                else
                    glint_report_comparison(r, &c);
            }
    }
    tell_logits(r, &random, glint_model_vocabulary(m));
    glint_verdict v = {.compared = 161, .failed = 2};
    snprintf(v.line, sizeof v.line,
             "cpu against cpu:ref, fast, forced: 2 of 161 values FAILED, the first: layers.2.ffn.gate (matmul in "
             "norm+matmul): 1.23e+03 times its bound, worst at token 4, index 11");
    glint_report_verdict(r, &v);
}

static void test_check(void) {
    bench b = open_bench();
    glint_report *r = open_report(&b, "glint check", "cpu:ref");
    tell_check(r, b.model);
    char *page = finish(&b, r);
    expect_alone(page);
    static const char *const words[] = {
        "✕ failed",
        "id=\"growth\"",
        "id=\"errors\"",
        "id=\"worst\"",
        "id=\"top\"",
        "id=\"card\"",
        "rope base</b>: rope base 10000",
        "norm+matmul",
        "decode step 1",
        "1234 of the bound",
        "2 of 161 values failed",
        "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;\\n\\u{1b}[31m\\u{202e}\\xff",
        "rms_eps"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) expect(page, words[i], true);
    expect(page, "id=\"stats\"", false); /* nothing was told of them */
    const char *keep = getenv("GLINT_TEST_REPORT");
    if (keep) maker_write_text(keep, page);
    free(page);
    close_bench(&b);
}

/* ---- The numbers ---- */

static void test_growth(void) {
    bench b = open_bench();
    glint_report *r = open_report(&b, "glint trace", NULL);
    float rows[3][4] = {{3, -3, 3, -3}, {0, 0, 0, 2}, {7, 7, 7, 7}};
    glint_report_rows(r, &(glint_value_rows){"layers.4.out", 4, 4, 0, 3, NULL, rows[0], NULL});
    glint_report_rows(r, &(glint_value_rows){"layers.4.mid", 4, 4, 0, 3, NULL, rows[0], NULL});   /* not the stream */
    glint_report_rows(r, &(glint_value_rows){"layers.99.out", 99, 4, 0, 3, NULL, rows[0], NULL}); /* no such layer */
    CU_ASSERT_EQUAL(report_rms(r, 0, 5, REPORT_TESTED), 3);
    CU_ASSERT_EQUAL(report_rms(r, 1, 5, REPORT_TESTED), 1);
    CU_ASSERT(isnan(report_rms(r, 0, 5, REPORT_REFERENCE)));
    CU_ASSERT(isnan(report_rms(r, 0, 4, REPORT_TESTED)));
    char *page = finish(&b, r);
    expect_alone(page);
    expect(page,
           "<td>4</td><td class=\"n\" data-of=\"smallest\">1</td><td class=\"n\" data-of=\"median\">3</td><td "
           "class=\"n\" data-of=\"largest\">7</td>",
           true);
    expect(page, "after 4, position 2: 7", true);
    expect(page, "id=\"errors\"", false);
    expect(page, "id=\"top\"", false);
    free(page);
    close_bench(&b);
}

/* Three tokens share the probability 4 : 2 : 1 on one side, 1 : 2 : 4 on the other. */
static void test_tops(void) {
    enum { MANY = 60 };
    bench b = open_bench();
    glint_report *r = open_report(&b, "glint check", "cpu:ref");
    int vocabulary = glint_model_vocabulary(b.model);
    float *rows = calloc((size_t)vocabulary * MANY * 2, sizeof *rows);
    CU_ASSERT_PTR_NOT_NULL_FATAL(rows);
    for (size_t i = 0; i < (size_t)vocabulary * MANY * 2; i++) rows[i] = -1000;
    for (int i = 0; i < 2 * MANY; i++)
        for (int k = 0; k < 3; k++)
            rows[(size_t)i * (size_t)vocabulary + 300 + k] = logf((float)(1 << (i < MANY ? 2 - k : k)));
    int32_t ids[MANY];
    for (int i = 0; i < MANY; i++) ids[i] = 301;
    glint_report_rows(
        r, &(glint_value_rows){"logits", -1, vocabulary, 0, MANY, ids, rows, rows + (size_t)vocabulary * MANY});
    CU_ASSERT_EQUAL(r->top.n, REPORT_SHOWN);
    const report_top *t = r->top.items;
    CU_ASSERT_EQUAL(t[0].position, MANY - REPORT_SHOWN);
    CU_ASSERT_EQUAL(t[0].best[REPORT_TESTED][0].id, 300);
    CU_ASSERT_DOUBLE_EQUAL(t[0].other[0], 1 / 7.0, 1e-6);
    char *page = finish(&b, r);
    expect_alone(page);
    expect(page, "57.1 % <small>14.3 %</small>", true);
    expect(page, "28.6 % <small>28.6 %</small>", true);
    expect(page, "<li class=\"next\">", true);
    expect(page, "Position 59", true);
    expect(page, "Position 35,", false);
    expect(page, "The reference's likeliest is ", true);
    free(rows);
    free(page);
    close_bench(&b);
}

/* Of a value that is told in every step the worst is kept, and a failure is worse than any share. */
static void test_worst(void) {
    bench b = open_bench();
    glint_report *r = open_report(&b, "glint check", "cpu:ref");
    support_random random = support_seed(1);
    const double shares[] = {0.25, 0.75, 0.125};
    for (int step = 0; step < 3; step++) {
        glint_comparison c = made_up(&random, "layers.3.mid", "add", 3), d = made_up(&random, "norm", "norm", -1);
        c.step = d.step = step;
        c.share = shares[step];
        d.share = step == 1 ? (double)NAN : 0.5;
        d.pass = step != 1;
        glint_report_comparison(r, &c);
        glint_report_comparison(r, &d);
    }
    CU_ASSERT_EQUAL(r->comparisons.n, 2);
    char *page = finish(&b, r);
    expect_alone(page);
    expect(page, "✓ 0.75 of the bound", true);
    expect(page, "✕ NaN of the bound", true);
    expect(page, "0.25 of the bound", false);
    expect(page, "1 of 2 values failed", true);
    const char *norm = strstr(page, "<bdi>norm</bdi>"), *mid = strstr(page, "<bdi>layers.3.mid</bdi>");
    CU_ASSERT(norm && mid && norm < mid);
    free(page);
    close_bench(&b);
}

static void test_statistics(void) {
    bench b = open_bench();
    glint_report *r = open_report(&b, "glint trace", NULL);
    glint_value_stats good = {.name = "layers.1.out",
                              .n = 8,
                              .rows = 2,
                              .width = 4,
                              .minimum = -1.5,
                              .maximum = 2,
                              .mean = 0.25,
                              .rms = 1.25,
                              .share_negative = 0.375,
                              .largest = 2,
                              .largest_row = 1,
                              .largest_index = 3,
                              .zero = 1},
                      dead = {.name = evil, .n = 4, .rows = 1, .width = 4, .zero = 4},
                      broken = {.name = "layers.2.out", .n = 4, .rows = 1, .width = 4, .nan = 3, .inf = 1};
    glint_report_stats(r, &good);
    char *page;
    glint_report_stats(r, &dead);
    glint_report_stats(r, &broken);
    page = finish(&b, r);
    expect_alone(page);
    expect(page, "every number is zero", true);
    expect(page, "3 of 4 numbers are NaN, 1 are infinite", true);
    expect(page, "<td class=\"n\" data-of=\"at\">(1, 3)</td>", true);
    expect(page, "37.5 %", true);
    free(page);
    r = open_report(&b, "glint trace", NULL);
    glint_report_stats(r, &good);
    page = finish(&b, r);
    expect(page, "id=\"alerts\"", false);
    free(page);
    close_bench(&b);
}

/* ---- Text ---- */

static void test_text(void) {
    static const struct {
        const char *text, *html;
    } cases[] = {{"plain é 日本", "plain é 日本"},
                 {"<b>&'\"", "&lt;b&gt;&amp;&#39;&quot;"},
                 {"\n\r\t\x01\x7f", "\\n\\r\\t\\u{1}\\u{7f}"},
                 {"\xE2\x80\xAE|\xE2\x80\xA8|\xC2\xAD", "\\u{202e}|\\u{2028}|\\u{ad}"},
                 {"\xFF\xC3", "\\xff\\xc3"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text;
        size_t n;
        FILE *out = open_memstream(&text, &n);
        report_text(out, cases[i].text, strlen(cases[i].text));
        fclose(out);
        CU_ASSERT_STRING_EQUAL(text, cases[i].html);
        free(text);
    }
}

/* ---- The file ---- */

static int files_in(const char *folder) {
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

static void test_file(void) {
    bench b = open_bench();
    glint_report *r = open_report(&b, "glint check", NULL);
    CU_ASSERT_NOT_EQUAL(access(b.path, F_OK), 0); /* not before it is complete */
    glint_report_close(&r);
    CU_ASSERT_EQUAL(files_in(b.folder), 0);
    r = open_report(&b, evil, evil); /* with nothing told */
    char *page = finish(&b, r);
    expect_alone(page);
    free(page);
    glint_error err;
    glint_report_options o = {"/no/such/folder/page", "t", b.model, "cpu", NULL, GLINT_FAST};
    r = NULL;
    CU_ASSERT_EQUAL(glint_report_open(&o, &r, &err), GLINT_BAD_INPUT);
    CU_ASSERT_PTR_NULL(r);
    o.path = "/dev/full";
    if (!glint_report_open(&o, &r, &err)) CU_ASSERT_EQUAL(glint_report_finish(r, &err), GLINT_BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "/dev/full"));
    glint_report_close(&r);
    close_bench(&b);
}

int main(void) {
    const support_case cases[] = {{"a check", test_check},         {"growth", test_growth},
                                  {"likeliest tokens", test_tops}, {"worst ops", test_worst},
                                  {"statistics", test_statistics}, {"text", test_text},
                                  {"the file", test_file}};
    return support_main("report", cases, sizeof cases / sizeof *cases);
}
