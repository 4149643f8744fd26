/* What every device owes beside its ops: weights given back, pages kept, ids that it chose itself, the self-test. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/devices.h"
#include "core/instruments/self_test.h"
#include "tests/support/maker.h"
#include "tests/support/op_cases.h"

/* ---- Weights ---- */

/* By the words of backend_view, not by the code that devices share. */
static void canonical_row(const backend_view *v, int file_row, float *out) {
    const unsigned char *data = v->data;
    format_table[v->format].decode(data + (size_t)file_row * v->row_bytes, out,
                                   (size_t)(v->cols / format_table[v->format].block_values));
    for (int i = 0; i < v->cols && v->minus_one; i++) out[i] += 1.0f;
}

static void check_weight(const char *device, const backend_view *v) {
    glint_error err = {""};
    const backend *b = backend_of_device(device);
    backend_device *d;
    backend_weight *w;
    size_t cols = (size_t)v->cols, bytes = cols * sizeof(float);
    float *got = malloc((size_t)v->rows * bytes), *want = malloc(bytes);
    CU_ASSERT_FATAL(got && want);
    SUPPORT_OK(b->open(device, &(backend_options){.threads = 2}, &d, &err), &err);
    SUPPORT_OK(b->adopt(d, v, &w, &err), &err);
    SUPPORT_OK(b->weight_rows(d, w, 0, v->rows, got, &err), &err);
    for (int row = 0; row < v->rows; row++) {
        int in_head = v->rotary_adjacent ? row % v->head_dim : 0;
        int canonical = row - in_head + in_head / 2 + in_head % 2 * (v->head_dim / 2);
        canonical_row(v, row, want);
        CU_ASSERT(!memcmp(got + (size_t)canonical * cols, want, bytes));
    }
    SUPPORT_OK(b->weight_rows(d, w, v->rows - 1, 1, want, &err), &err);
    CU_ASSERT(!memcmp(got + (size_t)(v->rows - 1) * cols, want, bytes));
    b->release(d, w);
    b->close(d);
    free(got);
    free(want);
}

/* A matrix, in adjacent order or not; or a norm's vector stored minus one. */
static void check_weights(const char *device, format_id f, bool adjacent, bool minus_one) {
    enum { ROWS = 24, BLOCKS = 2, BYTES = ROWS * BLOCKS * 256 * 4 };
    static unsigned char data[BYTES + 1];
    support_random r = support_seed((uint64_t)f);
    int block = format_table[f].block_values, cols = BLOCKS * (block < 32 ? 32 : block);
    op_random_blocks(&r, f, data + 1, (size_t)(ROWS * cols / block));
    backend_view v = {.name = "w",
                      .format = f,
                      .data = data + 1,
                      .rows = minus_one ? 1 : ROWS,
                      .cols = cols,
                      .rotary_adjacent = adjacent,
                      .head_dim = 8,
                      .minus_one = minus_one};
    CU_ASSERT_FATAL(format_row_bytes(f, (uint64_t)cols, &v.row_bytes));
    check_weight(device, &v);
}

static void gives_weights_back(void) {
    glint_device_info list[OP_DEVICES + 1] = {{.name = "cpu:ref"}};
    int n = 1 + op_devices(list + 1);
    for (int d = 0; d < n; d++)
        for (format_id f = 0; f < FORMAT_COUNT; f++) {
            check_weights(list[d].name, f, false, false);
            check_weights(list[d].name, f, true, false);
            check_weights(list[d].name, f, false, true);
        }
}

/* ---- Cache ---- */

static void expect_page(rig *g, int group, int page, const float *want, size_t n) {
    glint_error err = {""};
    float *got = malloc(n * sizeof *got);
    CU_ASSERT_FATAL(got != NULL);
    SUPPORT_OK(g->backend->cache_read(g->cache, group, page, got, &err), &err);
    CU_ASSERT(!memcmp(got, want, n * sizeof *got));
    free(got);
}

/* Numbers that a half holds come back as they were, from every page; copying a page leaves the others alone. */
static void check_cache(op_case *c, op_device *device) {
    glint_error err = {""};
    rig g = op_open_rig(device, 2, GLINT_EXACT, &c->setup);
    for (int group = 0; group < c->tape.n_groups; group++) {
        size_t n = rig_page_numbers(&c->setup, group);
        float *pages = c->pages[group];
        int last = c->setup.pages - 1;
        for (size_t i = 0; i < n * (size_t)c->setup.pages; i++)
            pages[i] = format_f16_to_f32(format_f32_to_f16(pages[i]));
        for (int p = 0; p <= last; p++)
            SUPPORT_OK(g.backend->cache_write(g.cache, group, p, pages + (size_t)p * n, &err), &err);
        for (int p = 0; p <= last; p++) expect_page(&g, group, p, pages + (size_t)p * n, n);
        SUPPORT_OK(g.backend->cache_copy_page(g.cache, group, last, 0, &err), &err);
        expect_page(&g, group, 0, pages + (size_t)last * n, n);
        for (int p = 1; p <= last; p++) expect_page(&g, group, p, pages + (size_t)p * n, n);
    }
    rig_close(&g);
}

static void keeps_pages(void) {
    op_each_case(check_cache);
}

/* ---- Tokens that the device chose ---- */

/* embed, logits and argmax over a table: each step embeds what the one before it chose. */
typedef struct chooser {
    tape t;
    backend_view views[2];
    tape_value embed;
    float table[2][40 * 32];
    rig_setup setup;
} chooser;

static void chooser_open(chooser *c) {
    enum { IDS = 40, WIDTH = 32 };
    support_random r = support_seed(0);
    tape_open(&c->t);
    for (int w = 0; w < 2; w++) {
        for (int i = 0; i < IDS * WIDTH; i++) c->table[w][i] = support_uniform(&r, -1, 1);
        tape_weight i = tape_add_weight(&c->t, "w", IDS, WIDTH, 0);
        c->views[i] = (backend_view){.name = "w",
                                     .format = FORMAT_F32,
                                     .data = c->table[w],
                                     .row_bytes = WIDTH * sizeof(float),
                                     .rows = IDS,
                                     .cols = WIDTH};
    }
    c->embed = tape_embed(&c->t, "embed", 0, 1);
    tape_value x = tape_select_rows(&c->t, "last", c->embed);
    c->t.logits = tape_matmul(&c->t, "logits", x, 1, TAPE_NONE);
    c->t.argmax = tape_argmax(&c->t, "argmax", c->t.logits);
    CU_ASSERT_EQUAL_FATAL(c->t.failure, GLINT_OK);
    c->setup = (rig_setup){.tape = &c->t, .n_ops = c->t.n_ops, .views = c->views, .max_rows = 3, .max_outputs = 2};
}

/* Four steps under way, read only afterwards: two rows that follow each other's choices, crosswise. */
static void follow(rig *g, const chooser *c, float chosen[BACKEND_IN_FLIGHT][2]) {
    glint_error err = {""};
    static const int32_t output[2] = {0, 2}, zeros[3] = {0};
    int32_t token[3] = {7, 0, 31};
    backend_ticket ticket[BACKEND_IN_FLIGHT];
    for (int i = 0; i < BACKEND_IN_FLIGHT; i++) {
        backend_batch b = {3, 2, token, zeros, zeros, output, {{0}}};
        SUPPORT_OK(g->backend->step(g->program, &b, &ticket[i], &err), &err);
        memcpy(token, (int32_t[]){BACKEND_PREVIOUS(1), 5, BACKEND_PREVIOUS(0)}, sizeof token);
    }
    for (int i = 0; i < BACKEND_IN_FLIGHT; i++)
        SUPPORT_OK(g->backend->read(g->program, ticket[i], c->t.argmax, 0, 2, chosen[i], &err), &err);
    float embed[3 * 32];
    SUPPORT_OK(g->backend->read(g->program, ticket[BACKEND_IN_FLIGHT - 1], c->embed, 0, 3, embed, &err), &err);
    const float *before = chosen[BACKEND_IN_FLIGHT - 2];
    CU_ASSERT(!memcmp(embed, c->table[0] + 32 * (int)before[1], 32 * sizeof(float)));
    CU_ASSERT(!memcmp(embed + 32, c->table[0] + 32 * 5, 32 * sizeof(float)));
    CU_ASSERT(!memcmp(embed + 64, c->table[0] + 32 * (int)before[0], 32 * sizeof(float)));
}

/* Every choice is the largest of the logits of the choice before, counted here in double. */
static void expect_choices(const chooser *c, float chosen[BACKEND_IN_FLIGHT][2]) {
    int token[2] = {7, 31};
    for (int i = 0; i < BACKEND_IN_FLIGHT; i++) {
        for (int r = 0; r < 2; r++) {
            double best = -INFINITY;
            int id = 0;
            for (int o = 0; o < 40; o++) {
                double sum = 0;
                for (int k = 0; k < 32; k++) sum += (double)c->table[1][32 * o + k] * c->table[0][32 * token[r] + k];
                if (sum > best) {
                    best = sum;
                    id = o;
                }
            }
            CU_ASSERT_EQUAL((int)chosen[i][r], id);
        }
        token[0] = (int)chosen[i][1];
        token[1] = (int)chosen[i][0];
    }
}

static void embeds_what_it_chose(void) {
    glint_device_info list[OP_DEVICES + 1] = {{.name = "cpu:ref"}};
    int n = 1 + op_devices(list + 1);
    for (int d = 0; d < n; d++) {
        chooser c;
        float chosen[BACKEND_IN_FLIGHT][2];
        chooser_open(&c);
        op_device device = {.name = list[d].name};
        rig g = op_open_rig(&device, 2, GLINT_EXACT, &c.setup);
        follow(&g, &c, chosen);
        expect_choices(&c, chosen);
        rig_close(&g);
        op_device_close(&device);
        tape_close(&c.t);
    }
}

/* ---- The self-test ---- */

static void count_op(const char *op, double share, void *user) {
    CU_ASSERT_EQUAL(strcmp(op, tape_kinds[*(int *)user].name), 0);
    CU_ASSERT(share <= 1);
    ++*(int *)user;
}

static void tests_itself(void) {
    glint_device_info list[OP_DEVICES + 1] = {{.name = "cpu:ref"}};
    glint_error err = {""};
    int n = 1 + op_devices(list + 1);
    for (int d = 0; d < n; d++) {
        int ops = 0;
        SUPPORT_OK(glint_self_test(list[d].name, 2, count_op, &ops, &err), &err);
        CU_ASSERT_EQUAL(ops, TAPE_KINDS);
    }
    CU_ASSERT_EQUAL(glint_self_test("null", 1, NULL, NULL, &err), GLINT_MISMATCH);
    CU_ASSERT_EQUAL(glint_self_test("no such device", 1, NULL, NULL, &err), GLINT_USAGE);
}

/* ---- At the first use ---- */

static glint_status reads_wrong(backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n,
                                float *out, glint_error *err) {
    (void)p, (void)ticket, (void)v, (void)first_row, (void)err;
    if (n) out[0] = 77777;
    return GLINT_OK;
}

static void expect_opens(const char *name, glint_status want, const char *words) {
    const backend *b;
    backend_device *d;
    glint_error err = {""};
    glint_status s = device_open(name, &(backend_options){.precision = GLINT_FAST}, &b, &d, &err);
    CU_ASSERT_EQUAL(s, want);
    if (!strstr(err.message, words)) printf("\n    %s: \"%s\" lacks \"%s\"\n", name, err.message, words);
    CU_ASSERT(strstr(err.message, words) != NULL);
    if (!s) b->close(d);
}

static backend_verdict verdict_of(const char *name, glint_precision precision) {
    const backend *b = backend_of_device(name);
    backend_device *d;
    glint_error err = {""};
    SUPPORT_OK(b->open(name, &(backend_options){.precision = precision}, &d, &err), &err);
    backend_verdict v = b->verdict(d, &err);
    b->close(d);
    return v;
}

/* As if the driver computed something else: the test finds it, and the next start knows. */
static void find_wrong(const char *name) {
    const backend_options options = {.precision = GLINT_FAST};
    backend wrong = *backend_of_device(name);
    backend_device *d;
    glint_error err = {""};
    SUPPORT_OK(wrong.open(name, &options, &d, &err), &err);
    wrong.read = reads_wrong;
    CU_ASSERT_EQUAL(self_test_device(&wrong, d, &options, &err), GLINT_MISMATCH);
    wrong.close(d);
    CU_ASSERT_EQUAL(verdict_of(name, GLINT_FAST), BACKEND_WRONG);
}

static void is_tested_once(const char *name) {
    char folder[1024];
    maker_folder(folder);
    setenv("GLINT_CACHE_DIR", folder, 1);
    CU_ASSERT_EQUAL(verdict_of(name, GLINT_FAST), BACKEND_UNTESTED);
    expect_opens(name, GLINT_OK, "");
    CU_ASSERT_EQUAL(verdict_of(name, GLINT_FAST), BACKEND_SOUND);
    CU_ASSERT_EQUAL(verdict_of(name, GLINT_EXACT), BACKEND_UNTESTED);
    find_wrong(name);
    expect_opens(name, GLINT_DEVICE, "embed differs from the oracle");
    setenv("GLINT_SELF_TEST", "0", 1);
    expect_opens(name, GLINT_OK, "");
    setenv("GLINT_SELF_TEST", "1", 1);
    expect_opens(name, GLINT_OK, "");
    unsetenv("GLINT_SELF_TEST");
    CU_ASSERT_EQUAL(verdict_of(name, GLINT_FAST), BACKEND_SOUND);
    maker_remove(folder);
}

static void is_tested_at_first_use(void) {
    glint_device_info list[OP_DEVICES];
    const char *own = getenv("GLINT_CACHE_DIR");
    char *old = own ? strdup(own) : NULL;
    int n = op_devices(list), tested = 0;
    for (int d = 0; d < n; d++)
        if (backend_of_device(list[d].name)->verdict) {
            is_tested_once(list[d].name);
            tested++;
        };
    if (!tested) support_skip("no device of a driver");
    if (old)
        setenv("GLINT_CACHE_DIR", old, 1);
    else
        unsetenv("GLINT_CACHE_DIR");
    free(old);
    expect_opens("cpu:ref", GLINT_OK, "");
}

static void says_what_is_missing(void) {
    expect_opens("toaster", GLINT_USAGE, "toaster: no such device");
    if (backend_of_device("gles:99")) expect_opens("gles:99", GLINT_DEVICE, "gles:99: "); /* not in every build */
}

int main(void) {
    static const support_case cases[] = {
        {"gives weights back", gives_weights_back},
        {"keeps pages", keeps_pages},
        {"embeds what it chose", embeds_what_it_chose},
        {"tests itself", tests_itself},
        {"is tested at its first use", is_tested_at_first_use},
        {"says what is missing", says_what_is_missing},
    };
    return support_main("backends", cases, sizeof cases / sizeof *cases);
}
