/* Every kind of fault that values alone can show, made on purpose in random tensors; and healthy values, of which
 * nothing may be said. */
#include "core/instruments/diagnose.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/instruments/measure.h"
#include "tests/support/support.h"

enum { ROWS = 12, WIDTH = 192, HEAD_DIM = 32, N = ROWS * WIDTH };

typedef struct pair {
    float reference[N], tested[N];
    support_random random;
} pair;

static float unit(support_random *r) {
    float sum = 0;
    for (int i = 0; i < 6; i++) sum += support_uniform(r, -1, 1);
    return sum / 1.4f;
}

static diagnose_finding judge(const pair *p, int rows, int width) {
    diagnose_finding f;
    diagnose_values(&(diagnose_tensors){.tested = p->tested,
                                        .reference = p->reference,
                                        .rows = rows,
                                        .width = width,
                                        .head_dim = HEAD_DIM,
                                        .value = "x"},
                    &f);
    return f;
}

/* ---- Faults ---- */

typedef void fault(pair *p);

static float *at(float *x, int row, int i) {
    return &x[row * WIDTH + i];
}

static void times_sqrt_width(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i] * sqrtf(WIDTH);
}
static void over_sqrt_head(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i] / sqrtf(HEAD_DIM);
}
static void halved(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i] / 2;
}
static void negated(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = -p->reference[i];
}
static void moved_up(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i] + 0.3f;
}
static void mean_removed(pair *p) {
    for (int r = 0; r < ROWS; r++) {
        double mean = 0;
        for (int i = 0; i < WIDTH; i++) mean += *at(p->reference, r, i) / (double)WIDTH;
        for (int i = 0; i < WIDTH; i++)
            *at(p->tested, r, i) = (float)((*at(p->reference, r, i) - mean) * (1 + 0.1 * r));
    }
}
static void row_factors(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i] * (1 - 0.01f * (float)(1 + i / WIDTH));
}
static void column_factors(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i] * (1 + 0.1f * (float)(i % WIDTH % 7));
}
static void column_offsets(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i] - 0.1f * (float)(i % WIDTH % 5);
}
static void transposed(pair *p) {
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < WIDTH; i++) p->tested[i * ROWS + r] = *at(p->reference, r, i);
}
static void heads_transposed(pair *p) {
    enum { HEADS = WIDTH / HEAD_DIM };
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < WIDTH; i++)
            *at(p->tested, r, i % HEAD_DIM * HEADS + i / HEAD_DIM) = *at(p->reference, r, i);
}
static void adjacent(pair *p) {
    for (int i = 0; i < N; i++) {
        int d = i % HEAD_DIM, half = HEAD_DIM / 2;
        p->tested[i - d + (d < half ? 2 * d : 2 * (d - half) + 1)] = p->reference[i];
    }
}
static void halves(pair *p) {
    for (int i = 0; i < N; i++) {
        int d = i % HEAD_DIM, half = HEAD_DIM / 2;
        p->tested[i] = p->reference[i - d + (d < half ? 2 * d : 2 * (d - half) + 1)];
    }
}
static void later(pair *p) {
    memcpy(p->tested + 2 * WIDTH, p->reference, (N - 2 * WIDTH) * sizeof(float));
}
static void earlier(pair *p) {
    memcpy(p->tested, p->reference + WIDTH, (N - WIDTH) * sizeof(float));
}
static void elements(pair *p) {
    memcpy(p->tested, p->reference + 4, (N - 4) * sizeof(float));
}
static void elements_and_poison(pair *p) {
    memcpy(p->tested, p->reference + 8, (N - 8) * sizeof(float));
    measure_poison(&p->tested[N - 8], 8);
}
static void heads_moved(pair *p) {
    for (int i = 0; i < N; i++) {
        int h = i % WIDTH / HEAD_DIM;
        p->tested[i] = p->reference[i + ((h % 2 * 3 + h / 2) - h) * HEAD_DIM];
    }
}
static void rows_moved(pair *p) {
    for (int r = 0; r < ROWS; r++)
        memcpy(at(p->tested, r, 0), at(p->reference, r * 5 % ROWS, 0), WIDTH * sizeof(float));
}
static void blocks_moved(pair *p) {
    for (int i = 0; i < N; i++) {
        int b = i % WIDTH / 16;
        p->tested[i] = p->reference[i + (b * 7 % 12 - b) * 16];
    }
}
static void nibbles(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i ^ 1];
}
static void rows_repeat(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i % (5 * WIDTH)];
}
static void columns_repeat(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i - i % WIDTH + i % WIDTH % 120];
}
static void uncapped(pair *p) {
    for (int i = 0; i < N; i++) {
        p->tested[i] = 8 * p->reference[i];
        p->reference[i] = 10 * tanhf(p->tested[i] / 10);
    }
}
static void zero_rows(pair *p) {
    memset(at(p->tested, 8, 0), 0, 4 * WIDTH * sizeof(float));
}
static void zero_columns(pair *p) {
    for (int r = 0; r < ROWS; r++) memset(at(p->tested, r, 128), 0, 64 * sizeof(float));
}
static void all_zero(pair *p) {
    memset(p->tested, 0, sizeof p->tested);
}
static void poison_rows(pair *p) {
    measure_poison(at(p->tested, 9, 0), 3 * WIDTH);
}
static void poison_columns(pair *p) {
    for (int r = 0; r < ROWS; r++) measure_poison(at(p->tested, r, 190), 2);
}
static void poison_some(pair *p) {
    measure_poison(at(p->tested, 3, 7), 5);
}
static void last_wrong(pair *p) {
    for (int r = 0; r < ROWS; r++) *at(p->tested, r, WIDTH - 1) += 3;
}
static void nan_somewhere(pair *p) {
    *at(p->tested, 4, 5) = NAN;
}
static void inf_beyond_half(pair *p) {
    *at(p->reference, 2, 3) = 70000;
    *at(p->tested, 2, 3) = INFINITY;
}
static void as_half(pair *p) {
    for (int i = 0; i < N; i++) p->tested[i] = format_f16_to_f32(format_f32_to_f16(p->reference[i]));
}
static void as_bfloat(pair *p) {
    for (int i = 0; i < N; i++) {
        uint32_t u;
        memcpy(&u, &p->reference[i], 4);
        u &= 0xFFFF0000;
        memcpy(&p->tested[i], &u, 4);
    }
}

static const struct {
    const char *name;
    fault *make;
    const char *kind, *words; /* words: a part of the reason */
} faults[] = {
    {"times sqrt(width)", times_sqrt_width, "constant factor", "sqrt(width)"},
    {"over sqrt(head_dim)", over_sqrt_head, "constant factor", "1/sqrt(head_dim)"},
    {"halved", halved, "constant factor", "1/2"},
    {"negated", negated, "constant factor", "-1"},
    {"an offset", moved_up, "offset", "0.3"},
    {"mean removed", mean_removed, "mean removed", "mean"},
    {"factors by row", row_factors, "factor by row", "0.88"},
    {"factors by column", column_factors, "factor by column", "1.6"},
    {"offsets by column", column_offsets, "offset by column", "bias"},
    {"transposed", transposed, "transpose", "rows and columns"},
    {"heads transposed", heads_transposed, "transpose", "heads"},
    {"adjacent for halves", adjacent, "half/adjacent permutation", "each head"},
    {"halves for adjacent", halves, "half/adjacent permutation", "each head"},
    {"two rows later", later, "shifted position", "r - 2"},
    {"one row earlier", earlier, "shifted position", "r + 1"},
    {"four elements early", elements, "shift by elements", "-4"},
    {"eight early, the last unwritten", elements_and_poison, "shift by elements", "-8"},
    {"heads in another order", heads_moved, "head permutation", "0 3 1 4 2 5"},
    {"rows in another order", rows_moved, "row/block permutation", "rows"},
    {"blocks in another order", blocks_moved, "row/block permutation", "blocks of 16"},
    {"pairs swapped", nibbles, "permutation inside a block", "1 0 3 2"},
    {"rows repeat", rows_repeat, "periodic rows", "after 5"},
    {"columns repeat", columns_repeat, "periodic rows", "after 120"},
    {"no cap", uncapped, "saturation missing", "c = 10"},
    {"zero rows", zero_rows, "unwritten tail", "rows from 8"},
    {"zero columns", zero_columns, "unwritten tail", "element 128"},
    {"all zero", all_zero, "unwritten", "zeros: all of it"},
    {"rows unwritten", poison_rows, "unwritten tail", "rows from 9"},
    {"columns unwritten", poison_columns, "unwritten tail", "element 190"},
    {"some unwritten", poison_some, "unwritten", "(3,7)"},
    {"last logit", last_wrong, "tail", "last 1"},
    {"NaN", nan_somewhere, "NaN/Inf", "(4,5)"},
    {"Inf beyond half", inf_beyond_half, "NaN/Inf", "65504"},
    {"half precision", as_half, "precision loss", "half"},
    {"bfloat16", as_bfloat, "precision loss", "bfloat16"},
};

/* Healthy but for the fault; with `noise`, both sides round as a fast device does. */
static void make_pair(pair *p, uint64_t salt, fault *make, float noise) {
    p->random = support_seed(salt);
    for (int i = 0; i < N; i++) p->tested[i] = p->reference[i] = unit(&p->random) + 0.2f;
    if (make) make(p);
    for (int i = 0; i < N && noise > 0; i++) p->tested[i] *= 1 + noise * unit(&p->random);
}

static void test_faults(void) {
    static pair p;
    for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
        make_pair(&p, f, faults[f].make, 0);
        diagnose_finding got = judge(&p, ROWS, WIDTH);
        bool good = !strcmp(got.kind, faults[f].kind) && strstr(got.reason, faults[f].words);
        if (!good) printf("\n    %s: \"%s\": %s", faults[f].name, got.kind, got.reason);
        CU_ASSERT(good && !strchr(got.reason, '\n'));
    }
}

/* An error of 0.3 % in every number hides none of the large faults. */
static void test_noise(void) {
    static pair p;
    for (size_t f = 0; f < 26; f++) {
        if (faults[f].make == row_factors) continue; /* as large as the noise itself */
        make_pair(&p, f, faults[f].make, 3e-3f);
        diagnose_finding got = judge(&p, ROWS, WIDTH);
        if (strcmp(got.kind, faults[f].kind)) printf("\n    %s: \"%s\": %s", faults[f].name, got.kind, got.reason);
        CU_ASSERT_STRING_EQUAL(got.kind, faults[f].kind);
    }
}

/* ---- Healthy ---- */

/* Rounding of float32 and of 8-bit activations, of all shapes; and numbers that have nothing to do with each other. */
static void test_healthy(void) {
    static pair p;
    static const float noises[] = {0, 1e-7f, 1e-4f, 1e-2f, 0.1f};
    static const int shapes[][2] = {{ROWS, WIDTH}, {1, WIDTH}, {2, 64}, {3, 1}, {1, 1}, {ROWS, 32}};
    for (int n = 0; n < 5; n++)
        for (int s = 0; s < 6; s++) {
            make_pair(&p, (uint64_t)(100 + n), NULL, noises[n]);
            diagnose_finding got = judge(&p, shapes[s][0], shapes[s][1]);
            bool one = shapes[s][0] * shapes[s][1] <= 3; /* a factor explains any one number */
            if (*got.kind && !one) printf("\n    noise %g, shape %d: \"%s\": %s", noises[n], s, got.kind, got.reason);
            CU_ASSERT(!*got.kind || one);
        }
    make_pair(&p, 200, NULL, 0);
    for (int i = 0; i < N; i++) p.tested[i] = unit(&p.random);
    CU_ASSERT_STRING_EQUAL(judge(&p, ROWS, WIDTH).kind, "");
    memset(p.reference, 0, sizeof p.reference);
    CU_ASSERT_STRING_EQUAL(judge(&p, ROWS, WIDTH).kind, "");
}

int main(void) {
    const support_case cases[] = {
        {"every kind", test_faults}, {"every kind in noise", test_noise}, {"healthy values", test_healthy}};
    return support_main("diagnose", cases, sizeof cases / sizeof *cases);
}
