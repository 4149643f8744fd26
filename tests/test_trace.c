/* Traces: every row is what a session steps through by itself, bit for bit, also where the device runs ahead of what is
 * read; the file holds the same rows; statistics are those of the whole tensor; globs choose what is watched. */
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/instruments/statistics.h"
#include "core/session.h"
#include "glint.h"
#include "tests/support/maker.h"
#include "tests/support/safetensors_view.h"

enum { PROMPT = 5, STEPS = 9, ROWS = PROMPT + STEPS, CHUNK = 3, MOST_VALUES = 512 };
static const int32_t prompt[PROMPT] = {2, 17, 300, 41, 5};

/* Rows of every value of a run, by value and position. */
typedef struct rows {
    int n_values;
    char name[MOST_VALUES][64];
    int width[MOST_VALUES];
    float *row[MOST_VALUES]; /* ROWS rows */
    int32_t ids[ROWS];
    int told; /* rows that came, of all values */
    int n_stats;
    glint_value_stats stats[MOST_VALUES];
} rows;

static glint_model *open_model(void) {
    glint_model *m = NULL;
    char buffer[1024];
    glint_error err;
    SUPPORT_OK(glint_model_open(support_data(buffer, "gemma3-shakespeare-Q4_K_M.gguf"), &m, &err), &err);
    return m;
}

static glint_session *open_session(glint_model *m, const char *device, const char *observe) {
    glint_session *s = NULL;
    glint_error err;
    glint_session_options o = {.device = device,
                               .precision = GLINT_EXACT,
                               .context = 64,
                               .batch = CHUNK,
                               .outputs = CHUNK,
                               .threads = 2,
                               .observe = observe};
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    return s;
}

static rows *new_rows(const glint_session *s) {
    const glint_value_info *info;
    rows *r = calloc(1, sizeof *r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    r->n_values = glint_session_values(s, &info);
    CU_ASSERT_FATAL(r->n_values <= MOST_VALUES);
    for (int v = 0; v < r->n_values; v++) {
        snprintf(r->name[v], sizeof r->name[v], "%s", info[v].name);
        r->width[v] = info[v].width;
        r->row[v] = calloc(ROWS, (size_t)info[v].width * sizeof(float));
        CU_ASSERT_PTR_NOT_NULL_FATAL(r->row[v]);
    }
    return r;
}

static void free_rows(rows *r) {
    for (int v = 0; v < r->n_values; v++) free(r->row[v]);
    free(r);
}

static int find_value(const rows *r, const char *name) {
    for (int v = 0; v < r->n_values; v++)
        if (!strcmp(r->name[v], name)) return v;
    CU_FAIL_FATAL("no such value");
    return -1;
}

static void on_rows(const glint_value_rows *v, void *user) {
    rows *r = user;
    int i = find_value(r, v->name);
    CU_ASSERT_FATAL(v->first_row + v->rows <= ROWS && v->width == r->width[i]);
    memcpy(r->row[i] + v->first_row * v->width, v->tested, (size_t)v->rows * (size_t)v->width * sizeof(float));
    memcpy(r->ids + v->first_row, v->ids, (size_t)v->rows * sizeof *v->ids);
    r->told += v->rows;
}

static void on_stats(const glint_value_stats *v, void *user) {
    rows *r = user;
    CU_ASSERT_FATAL(r->n_stats < MOST_VALUES);
    r->stats[r->n_stats++] = *v;
}

static rows *trace(glint_session *s, const char *path) {
    rows *r = new_rows(s);
    glint_error err;
    glint_trace_options o = {prompt, PROMPT, NULL, STEPS, path, on_rows};
    SUPPORT_OK(glint_trace(s, &o, on_stats, r, &err), &err);
    CU_ASSERT_EQUAL(r->told, ROWS * r->n_values);
    CU_ASSERT_EQUAL(r->n_stats, r->n_values);
    return r;
}

/* The same by hand: a step at a time, everything read before the next one. */
static rows *step_through(glint_session *s) {
    rows *r = new_rows(s);
    glint_error err;
    memcpy(r->ids, prompt, sizeof prompt);
    for (int p = 0; p < ROWS; p++) {
        if (p >= PROMPT) SUPPORT_OK(glint_session_argmax(s, 0, &r->ids[p], &err), &err);
        SUPPORT_OK(glint_session_step(s, &(glint_row){.token = r->ids[p], .output = true}, 1, &err), &err);
        for (int v = 0; v < r->n_values; v++)
            SUPPORT_OK(glint_session_value(s, v, 0, 1, r->row[v] + p * r->width[v], &err), &err);
    }
    return r;
}

/* ---- Rows ---- */

static void expect_same(const rows *got, const rows *want, const char *device) {
    CU_ASSERT_EQUAL_FATAL(got->n_values, want->n_values);
    CU_ASSERT_EQUAL(memcmp(got->ids, want->ids, sizeof got->ids), 0);
    for (int v = 0; v < got->n_values; v++)
        for (int p = 0; p < ROWS; p++) {
            size_t bytes = (size_t)got->width[v] * sizeof(float), at = (size_t)p * (size_t)got->width[v];
            bool same = !memcmp(got->row[v] + at, want->row[v] + at, bytes);
            if (!same) printf("\n    %s, %s, position %d: other bits", device, got->name[v], p);
            CU_ASSERT_FATAL(same);
        }
}

static void compare_on(glint_model *m, const char *device, const char *observe) {
    glint_session *s = open_session(m, device, observe), *by_hand = open_session(m, device, observe);
    rows *got = trace(s, NULL), *want = step_through(by_hand), *again = trace(s, NULL);
    expect_same(got, want, device);
    expect_same(again, want, device);
    free_rows(got);
    free_rows(want);
    free_rows(again);
    glint_session_close(&s);
    glint_session_close(&by_hand);
}

static void test_rows(void) {
    glint_model *m = open_model();
    glint_device_info gpu;
    compare_on(m, "cpu", "*");
    compare_on(m, "cpu:ref", "layers.0.out,logits,norm");
    if (support_gles(&gpu, 1)) {
        compare_on(m, gpu.name, "*");
        compare_on(m, gpu.name, "layers.0.out");
    }
    glint_model_close(&m);
}

/* Every value of the last BACKEND_IN_FLIGHT steps can be read, not only of the last one. */
static void test_lasting(void) {
    glint_model *m = open_model();
    glint_session *s = open_session(m, "cpu", "*"), *by_hand = open_session(m, "cpu", "*");
    rows *want = step_through(by_hand);
    glint_error err;
    float *row = calloc((size_t)glint_model_vocabulary(m), sizeof *row);
    backend_ticket tickets[BACKEND_IN_FLIGHT];
    CU_ASSERT_FATAL(row && session_values_last(s));
    SUPPORT_OK(glint_session_feed(s, 0, prompt, PROMPT, &err), &err);
    SUPPORT_OK(glint_session_step(s, &(glint_row){.token = want->ids[PROMPT], .output = true}, 1, &err), &err);
    for (int i = 0; i < BACKEND_IN_FLIGHT; i++) {
        tickets[i] = session_ticket(s);
        if (i + 1 < BACKEND_IN_FLIGHT) SUPPORT_OK(session_step_previous(s, &err), &err);
    }
    for (int i = 0; i < BACKEND_IN_FLIGHT; i++)
        for (int v = 0; v < want->n_values; v++) {
            size_t width = (size_t)want->width[v];
            SUPPORT_OK(session_read_earlier(s, tickets[i], s->value_ids[v], row, &err), &err);
            CU_ASSERT_EQUAL(memcmp(row, want->row[v] + (size_t)(PROMPT + i) * width, width * sizeof *row), 0);
        }
    free(row);
    free_rows(want);
    glint_session_close(&s);
    glint_session_close(&by_hand);
    glint_model_close(&m);
}

/* ---- The file ---- */

static void test_file(void) {
    glint_model *m = open_model();
    glint_session *s = open_session(m, "cpu", "layers.*.out,logits,argmax");
    char folder[1024], path[1100];
    maker_folder(folder);
    snprintf(path, sizeof path, "%s/t.safetensors", folder);
    rows *r = trace(s, path);
    safetensors_view view;
    CU_ASSERT_FATAL(safetensors_view_open(path, &view));
    safetensors_entry e;
    for (int v = 0; v < r->n_values; v++) {
        CU_ASSERT_FATAL(safetensors_view_find(&view, r->name[v], &e));
        CU_ASSERT_EQUAL_FATAL(e.bytes, sizeof(float) * ROWS * (size_t)r->width[v]);
        CU_ASSERT_EQUAL(memcmp(e.data, r->row[v], e.bytes), 0);
    }
    CU_ASSERT_FATAL(safetensors_view_find(&view, "ids", &e));
    CU_ASSERT_EQUAL(memcmp(e.data, r->ids, sizeof r->ids), 0);
    const float *argmax = r->row[find_value(r, "argmax")];
    for (int p = PROMPT; p < ROWS; p++) CU_ASSERT_EQUAL((int32_t)argmax[p - 1], r->ids[p]);
    safetensors_view_close(&view);
    free_rows(r);
    glint_session_close(&s);
    glint_model_close(&m);
    maker_remove(folder);
}

/* ---- Statistics ---- */

static void expect_stats(const glint_value_stats *s, const float *x, int width) {
    size_t n = (size_t)ROWS * (size_t)width, zero = 0, negative = 0, worst = 0;
    double low = x[0], high = x[0], sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
        sum += x[i];
        squares += (double)x[i] * x[i];
        zero += x[i] == 0;
        negative += x[i] < 0;
        if (fabsf(x[i]) > fabsf(x[worst])) worst = i;
    }
    CU_ASSERT_EQUAL(s->n, n);
    CU_ASSERT_EQUAL(s->rows, ROWS);
    CU_ASSERT_EQUAL(s->width, width);
    CU_ASSERT_EQUAL(s->minimum, low);
    CU_ASSERT_EQUAL(s->maximum, high);
    CU_ASSERT_DOUBLE_EQUAL(s->mean, sum / (double)n, 1e-9 * (fabs(low) + fabs(high)));
    CU_ASSERT_DOUBLE_EQUAL(s->rms, sqrt(squares / (double)n), 1e-9 * s->rms);
    CU_ASSERT_DOUBLE_EQUAL(s->share_negative, (double)negative / (double)n, 1e-12);
    CU_ASSERT_EQUAL(s->largest, fabs(x[worst]));
    CU_ASSERT_EQUAL(s->largest_row, (int)(worst / (size_t)width));
    CU_ASSERT_EQUAL(s->largest_index, (int)(worst % (size_t)width));
    CU_ASSERT_EQUAL(s->zero, zero);
    CU_ASSERT_EQUAL(s->nan + s->inf, 0);
}

static void test_statistics(void) {
    glint_model *m = open_model();
    glint_session *s = open_session(m, "cpu", "*");
    rows *r = trace(s, NULL);
    for (int v = 0; v < r->n_values; v++) {
        CU_ASSERT_STRING_EQUAL(r->stats[v].name, r->name[v]);
        expect_stats(&r->stats[v], r->row[v], r->width[v]);
    }
    free_rows(r);
    glint_session_close(&s);
    glint_model_close(&m);
}

static void test_odd_numbers(void) {
    float x[2][11] = {{-3, NAN, 0, INFINITY, 2, -0.0F, 1, -INFINITY, -4, NAN, 1}, {5, -5, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    statistics s;
    statistics_begin(&s, "v", 11);
    statistics_rows(&s, x[0], 7, 2);
    statistics_end(&s);
    const glint_value_stats *v = &s.value;
    CU_ASSERT(v->n == 22 && v->nan == 2 && v->inf == 2 && v->zero == 10 && v->rows == 2);
    CU_ASSERT(v->minimum == -5 && v->maximum == 5 && v->largest == 5);
    CU_ASSERT(v->largest_row == 8 && v->largest_index == 0);
    CU_ASSERT_DOUBLE_EQUAL(v->mean, -2 / 18.0, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(v->rms, sqrt((9 + 4 + 1 + 16 + 1 + 25 + 25 + 1) / 18.0), 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(v->share_negative, 3 / 18.0, 1e-15);
    float nothing = NAN;
    statistics_begin(&s, "v", 1);
    statistics_rows(&s, &nothing, 0, 1);
    statistics_end(&s);
    CU_ASSERT(v->nan == 1 && v->largest_row == -1);
    CU_ASSERT(isnan(v->minimum) && isnan(v->maximum) && isnan(v->mean) && isnan(v->rms) && isnan(v->largest));
}

/* ---- What is watched ---- */

static void expect_values(glint_model *m, const char *observe, const int *layers, int n_layers, const char *want) {
    glint_session *s = NULL;
    glint_error err;
    glint_session_options o = {
        .device = "null", .context = 64, .observe = observe, .layers = layers, .n_layers = n_layers};
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    const glint_value_info *info;
    char names[4096] = "";
    for (int v = 0, n = glint_session_values(s, &info); v < n; v++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", v ? " " : "", info[v].name);
    CU_ASSERT_STRING_EQUAL(names, want);
    glint_session_close(&s);
}

static void test_globs(void) {
    glint_model *m = open_model();
    expect_values(m, "logits,layers.[13].out,embed", NULL, 0, "embed layers.1.out layers.3.out logits");
    expect_values(m, "layers.2.out,layers.2.*t", NULL, 0, "layers.2.attn.out layers.2.ffn.act layers.2.out");
    expect_values(m, "*.mid", (const int[]){5, 0}, 2, "layers.0.mid layers.5.mid");
    static const char *const wrong[][2] = {
        {"layers.0.out,nonsense", "\"nonsense\""}, {"", "\"\""}, {",", "\"\""}, {"layers.8.out", "layers.8.out"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        glint_session *s = NULL;
        glint_error err = {""};
        glint_session_options o = {.device = "null", .context = 64, .observe = wrong[i][0]};
        CU_ASSERT_EQUAL(glint_session_open(m, &o, &s, &err), GLINT_USAGE);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, wrong[i][1]));
    }
    glint_model_close(&m);
}

int main(void) {
    const support_case cases[] = {{"rows", test_rows},
                                  {"values that last", test_lasting},
                                  {"the file", test_file},
                                  {"statistics", test_statistics},
                                  {"numbers that are none", test_odd_numbers},
                                  {"what is watched", test_globs}};
    return support_main("trace", cases, sizeof cases / sizeof *cases);
}
