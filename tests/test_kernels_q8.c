/* The 8-bit dot products of every level that this machine has, against exact sums in double, and bit for bit against
 * themselves in other company; quantize_q8 against its definition. GLINT_BENCH=1 prints speed. */
#include "tests/support/kernel_harness.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/kernels.h"

static int level_count;
static cpu_kernels levels[CPU_LEVELS];

static const char *level_name(int l) {
    return cpu_level_names[levels[l].level];
}

/* ---- Random rows ---- */

/* Where the scale and the minimum of a block lie, -1 for none; scale_is_e8: one byte, a power of two. */
typedef struct layout {
    format_id format;
    int scale_at, min_at;
    bool scale_is_e8;
} layout;

static const layout layouts[] = {
    {FORMAT_Q4_0, 0, -1, false},   {FORMAT_Q4_1, 0, 2, false},    {FORMAT_Q5_0, 0, -1, false},
    {FORMAT_Q5_1, 0, 2, false},    {FORMAT_Q8_0, 0, -1, false},   {FORMAT_Q2_K, 80, 82, false},
    {FORMAT_Q3_K, 108, -1, false}, {FORMAT_Q4_K, 0, 2, false},    {FORMAT_Q5_K, 0, 2, false},
    {FORMAT_Q6_K, 208, -1, false}, {FORMAT_IQ4_NL, 0, -1, false}, {FORMAT_IQ4_XS, 0, -1, false},
    {FORMAT_MXFP4, 0, -1, true},
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

/* What scales and quants are like: ordinary, or one kind of extreme all over. */
typedef enum style { ORDINARY, MIXED_SCALES, SUBNORMAL, LOWEST, HIGHEST, STYLES } style;

static uint16_t random_half(support_random *r, style s) {
    static const uint16_t odd[] = {0, 0x8000, 1, 0x8001, 0x03FF, 0x3C00, 0xBC00, 0xA123};
    if (s == SUBNORMAL) return (uint16_t)(support_bits(r) & 0x83FF);
    if (s == MIXED_SCALES && support_below(r, 2)) return odd[support_below(r, 8)];
    return format_f32_to_f16(support_uniform(r, 1e-3f, 2e-2f) * (support_below(r, 4) ? 1.0f : -1.0f));
}

static void put_half(uint8_t *at, uint16_t h) {
    memcpy(at, &h, sizeof h);
}

static void random_block(support_random *r, const layout *t, style s, uint8_t *block) {
    int bytes = format_table[t->format].block_bytes;
    for (int i = 0; i < bytes; i++) block[i] = s == LOWEST ? 0 : s == HIGHEST ? 0xFF : (uint8_t)support_bits(r);
    /* Q8_0 reaches both ends of its range with its lowest and highest byte. */
    if (t->format == FORMAT_Q8_0 && s >= LOWEST) memset(block, s == LOWEST ? 0x80 : 0x7F, (size_t)bytes);
    if (t->scale_is_e8) {
        block[t->scale_at] = (uint8_t)(s == SUBNORMAL ? support_below(r, 3) : 118 + support_below(r, 8));
        return;
    }
    put_half(block + t->scale_at, random_half(r, s));
    if (t->min_at >= 0) put_half(block + t->min_at, random_half(r, s));
}

/* Weight rows, row_bytes apart, at an odd address; the last one ends where the allocation ends, so that a sanitizer
 * sees every read past it. */
typedef struct weights {
    uint8_t *memory, *rows;
    size_t row_bytes;
} weights;

static weights random_weights(support_random *r, const layout *t, style s, int n_rows, int cols) {
    const format_row *f = &format_table[t->format];
    enum { SHIFT = 1, GAP = 3 };
    size_t bytes = (size_t)(cols / f->block_values) * f->block_bytes;
    weights w = {.row_bytes = bytes + GAP};
    w.memory = malloc(SHIFT + (size_t)n_rows * w.row_bytes - GAP);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.memory);
    w.rows = w.memory + SHIFT;
    for (int row = 0; row < n_rows; row++)
        for (size_t at = 0; at < bytes; at += f->block_bytes)
            random_block(r, t, s, w.rows + (size_t)row * w.row_bytes + at);
    return w;
}

/* Activation rows, each in its own three allocations of the exact size. */
enum { MAX_X = 70 };
typedef struct activations {
    cpu_act x[MAX_X];
    int8_t *q[MAX_X];
    float *d[MAX_X], *sum[MAX_X];
    int n;
} activations;

static activations random_activations(support_random *r, style s, int n, int cols) {
    activations a = {.n = n};
    for (int i = 0; i < n; i++) {
        a.q[i] = malloc((size_t)cols);
        a.d[i] = malloc((size_t)cols / 32 * sizeof(float));
        a.sum[i] = malloc((size_t)cols / 32 * sizeof(float));
        CU_ASSERT_FATAL(a.q[i] && a.d[i] && a.sum[i]);
        for (int b = 0; b < cols / 32; b++) {
            int total = 0;
            for (int c = 32 * b; c < 32 * b + 32; c++) {
                int q = support_below(r, 255) - 127;
                if (s >= LOWEST && i % 3 < 2) q = i % 3 ? -127 : 127;
                a.q[i][c] = (int8_t)q;
                total += q;
            }
            a.d[i][b] = s == MIXED_SCALES && !support_below(r, 3) ? 0 : support_uniform(r, 1e-3f, 0.1f);
            a.sum[i][b] = a.d[i][b] * (float)total;
        }
        a.x[i] = (cpu_act){a.q[i], a.d[i], a.sum[i]};
    }
    return a;
}

static void free_activations(activations *a) {
    for (int i = 0; i < a->n; i++) free(a->q[i]), free(a->d[i]), free(a->sum[i]);
}

/* ---- Against exact sums ---- */

/* A row decoded, where an offset format's scaled part and minimum are apart (both exact; their difference is not). */
static void decode_parts(const layout *t, const uint8_t *row, int cols, float *scaled, float *minimum) {
    const format_row *f = &format_table[t->format];
    size_t blocks = (size_t)(cols / f->block_values), bytes = blocks * f->block_bytes;
    memset(minimum, 0, (size_t)cols * sizeof *minimum);
    if (t->min_at < 0) {
        f->decode(row, scaled, blocks);
        return;
    }
    uint8_t *copy = malloc(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, row, bytes);
    for (size_t b = 0; b < blocks; b++) put_half(copy + b * f->block_bytes + t->min_at, 0);
    f->decode(copy, scaled, blocks);
    memcpy(copy, row, bytes);
    for (size_t b = 0; b < blocks; b++) put_half(copy + b * f->block_bytes + t->scale_at, 0);
    f->decode(copy, minimum, blocks);
    free(copy);
}

/* Multiples of FLT_EPSILON times the sum of the terms' magnitudes that a dot may be off. The portable level adds all
 * parts to one number, the others to four, in turn. */
static const double dot_eps[CPU_LEVELS] = {[CPU_PORTABLE] = 8, [CPU_AVX2] = 4, [CPU_AVX512] = 4};

/* Is y the dot product but for float rounding? Where scale * d is subnormal it is a multiple of 2^-149, so that the
 * integer sum it multiplies counts too. */
static bool dot_is_right(double eps, const layout *t, const uint8_t *row, int cols, const cpu_act *x, float y) {
    float *scaled = malloc((size_t)cols * sizeof *scaled), *minimum = malloc((size_t)cols * sizeof *minimum);
    CU_ASSERT_FATAL(scaled && minimum);
    decode_parts(t, row, cols, scaled, minimum);
    double sum = 0, magnitude = 0, slack = 0;
    for (int c = 0; c < cols; c++) {
        double a = (double)x->d[c / 32] * x->q[c];
        sum += a * scaled[c] + a * minimum[c];
        magnitude += fabs(a * scaled[c]) + fabs(a * minimum[c]);
        if (t->scale_is_e8) slack += 0x1p-149 * 12 * abs(x->q[c]);
    }
    free(scaled);
    free(minimum);
    double error = fabs(y - sum), bound = eps * (double)FLT_EPSILON * magnitude + slack;
    if (!(error <= bound)) printf("\n    got %.9g, want %.9g, error %g, bound %g\n", y, sum, error, bound);
    return error <= bound;
}

static void check_values(int l, const layout *t, style s, int cols) {
    enum { ROWS = 5, XS = 5 };
    support_random r = support_seed((uint64_t)(t->format * 100 + (int)s * 10000 + cols));
    weights w = random_weights(&r, t, s, ROWS, cols);
    activations a = random_activations(&r, s, XS, cols);
    float y[XS][ROWS];
    levels[l].dot_q8[t->format](w.rows, w.row_bytes, ROWS, cols, a.x, XS, y[0], ROWS);
    bool right = true;
    for (int i = 0; i < XS; i++)
        for (int row = 0; row < ROWS; row++)
            right = right && dot_is_right(dot_eps[levels[l].level], t, w.rows + (size_t)row * w.row_bytes, cols,
                                          &a.x[i], y[i][row]);
    if (!right)
        printf("    %s, level %s, %d columns, style %d\n", format_table[t->format].name, level_name(l), cols, s);
    CU_ASSERT(right);
    free_activations(&a);
    free(w.memory);
}

/* Block counts: one, few, odd, and those of rows of 896 and 1152. */
static const int block_counts[] = {1, 2, 3, 5, 7, 28, 36};
enum { COUNTS = sizeof block_counts / sizeof *block_counts };

static void test_values(void) {
    for (int l = 0; l < level_count; l++)
        for (int f = 0; f < LAYOUTS; f++)
            for (int s = 0; s < STYLES; s++)
                for (int n = 0; n < COUNTS; n++) {
                    int values = format_table[layouts[f].format].block_values;
                    if (values == 32 || block_counts[n] <= 7)
                        check_values(l, &layouts[f], (style)s, block_counts[n] * values);
                }
}

/* ---- A dot is the same in any company ---- */

typedef struct company {
    int n_rows, n_x;
} company;

/* Every n_rows and n_x up to 9, and sizes around the tiles of the AVX-512 level (16 and 64 rows, 64 activations). */
static const company large[] = {{16, 4}, {17, 5}, {63, 4}, {64, 64}, {65, 65}, {80, 70}, {3, 39}, {70, 2}};
enum { SMALL = 9, LARGE = sizeof large / sizeof *large, MAX_ROWS = 80 };

/* Calls with the last n_rows and n_x rows, and compares with the dots that were calculated one at a time. */
static void check_company(int l, const layout *t, company c, int cols, const weights *w, const activations *a,
                          const float *alone) {
    size_t stride = (size_t)c.n_rows + 3;
    harness_buffer y = harness_open((size_t)c.n_x * stride * sizeof(float), 4);
    const float *got = y.data;
    float untouched = got[0];
    int row0 = MAX_ROWS - c.n_rows, x0 = MAX_X - c.n_x;
    levels[l].dot_q8[t->format](w->rows + (size_t)row0 * w->row_bytes, w->row_bytes, c.n_rows, cols, a->x + x0, c.n_x,
                                y.data, stride);
    bool same = true;
    for (int i = 0; i < c.n_x; i++, got += stride) {
        same = same && !memcmp(got, alone + (x0 + i) * MAX_ROWS + row0, (size_t)c.n_rows * sizeof *got);
        for (size_t k = (size_t)c.n_rows; k < stride; k++) same = same && !memcmp(got + k, &untouched, sizeof *got);
    }
    if (!same)
        printf("\n    %s, level %s, %d rows, %d activations, %d columns\n", format_table[t->format].name, level_name(l),
               c.n_rows, c.n_x, cols);
    CU_ASSERT(same);
    harness_close(&y);
}

static void check_companies(int l, const layout *t, int cols) {
    static float alone[MAX_X * MAX_ROWS];
    support_random r = support_seed((uint64_t)(t->format * 1000 + cols));
    weights w = random_weights(&r, t, MIXED_SCALES, MAX_ROWS, cols);
    activations a = random_activations(&r, MIXED_SCALES, MAX_X, cols);
    for (int i = 0; i < MAX_X; i++)
        for (int row = 0; row < MAX_ROWS; row++)
            levels[l].dot_q8[t->format](w.rows + (size_t)row * w.row_bytes, w.row_bytes, 1, cols, &a.x[i], 1,
                                        &alone[i * MAX_ROWS + row], 1);
    for (int n_rows = 1; n_rows <= SMALL; n_rows++)
        for (int n_x = 1; n_x <= SMALL; n_x++) check_company(l, t, (company){n_rows, n_x}, cols, &w, &a, alone);
    for (int k = 0; k < LARGE; k++) check_company(l, t, large[k], cols, &w, &a, alone);
    free_activations(&a);
    free(w.memory);
}

static void test_company(void) {
    for (int l = 0; l < level_count; l++)
        for (int f = 0; f < LAYOUTS; f++) {
            int values = format_table[layouts[f].format].block_values;
            check_companies(l, &layouts[f], values == 32 ? 15 * values : values);
            check_companies(l, &layouts[f], values == 32 ? 4 * values : 3 * values);
        }
}

static void test_slots(void) {
    for (int l = 0; l < level_count; l++)
        for (int f = 0; f < FORMAT_COUNT; f++) {
            bool wanted = false;
            for (int k = 0; k < LAYOUTS; k++) wanted = wanted || layouts[k].format == (format_id)f;
            CU_ASSERT_EQUAL(levels[l].dot_q8[f] != NULL, wanted);
        }
}

/* ---- quantize_q8 ---- */

/* One block against the definition in kernels.h. */
static bool block_is_right(const float x[32], const int8_t q[32], float d, float sum) {
    float largest = 0;
    int total = 0;
    for (int i = 0; i < 32; i++) largest = fmaxf(largest, fabsf(x[i])), total += q[i];
    float want = largest / 127 < FLT_MIN ? 0 : largest / 127;
    bool right = d == want && sum == d * (float)total;
    for (int i = 0; i < 32; i++) {
        double error = fabs((double)x[i] - (double)d * q[i]);
        right = right && q[i] >= -127 && (d > 0 ? error <= d * (0.5 + 1e-4) : q[i] == 0);
    }
    return right;
}

enum { QUANTIZE_BLOCKS = 40 };

static void check_quantize(int l, const float *x) {
    enum { COLS = 32 * QUANTIZE_BLOCKS };
    harness_buffer q = harness_open(COLS, 1), d = harness_open(QUANTIZE_BLOCKS * sizeof(float), 4),
                   sum = harness_open(QUANTIZE_BLOCKS * sizeof(float), 8);
    int8_t first_q[COLS];
    float first_d[QUANTIZE_BLOCKS], first_sum[QUANTIZE_BLOCKS];
    levels[l].quantize_q8(x, COLS, q.data, d.data, sum.data);
    levels[0].quantize_q8(x, COLS, first_q, first_d, first_sum);
    CU_ASSERT(!memcmp(first_q, q.data, sizeof first_q));
    CU_ASSERT(!memcmp(first_d, d.data, sizeof first_d));
    CU_ASSERT(!memcmp(first_sum, sum.data, sizeof first_sum));
    for (int b = 0; b < QUANTIZE_BLOCKS; b++) {
        bool right = block_is_right(x + 32 * b, first_q + 32 * b, first_d[b], first_sum[b]);
        if (!right) printf("\n    quantize_q8, level %s, block %d\n", level_name(l), b);
        CU_ASSERT(right);
    }
    harness_close(&q);
    harness_close(&d);
    harness_close(&sum);
}

static void test_quantize(void) {
    static const float sizes[] = {1, 1e-6f, 1e6f, 1e30f, 1e-36f, 1e-38f, 1e-44f, 0};
    static float x[32 * QUANTIZE_BLOCKS];
    for (int l = 0; l < level_count; l++) {
        support_random r = support_seed(7);
        for (int b = 0; b < QUANTIZE_BLOCKS; b++) harness_random(&r, -sizes[b % 8], sizes[b % 8], x + 32 * b, 32);
        x[5] = FLT_MAX;
        x[32 + 5] = -x[32 + 6];
        check_quantize(l, x);
    }
}

/* With a largest value of 127 the scale is 1: halves go to the even side. */
static void test_quantize_ties(void) {
    for (int l = 0; l < level_count; l++) {
        float x[32] = {127, 0.5f, 1.5f, -0.5f, -1.5f, -2.5f, 126.5f, -126.5f}, d, sum;
        static const int8_t want[32] = {127, 0, 2, 0, -2, -2, 126, -126};
        int8_t q[32];
        levels[l].quantize_q8(x, 32, q, &d, &sum);
        CU_ASSERT_EQUAL(d, 1);
        CU_ASSERT_EQUAL(sum, 125);
        CU_ASSERT(!memcmp(q, want, sizeof q));
    }
}

/* What is no number stays none, in the scale. */
static void test_quantize_nan(void) {
    for (int l = 0; l < level_count; l++) {
        static const int8_t zeros[32];
        float x[32] = {1, NAN, 2}, d, sum;
        int8_t q[32];
        levels[l].quantize_q8(x, 32, q, &d, &sum);
        CU_ASSERT(isnan(d) && isnan(sum) && !memcmp(q, zeros, sizeof q));
        x[1] = -INFINITY;
        levels[l].quantize_q8(x, 32, q, &d, &sum);
        CU_ASSERT(isinf(d) && isnan(sum) && !memcmp(q, zeros, sizeof q));
    }
}

/* ---- Speed ---- */

typedef struct speed_run {
    cpu_dot_q8_fn *dot;
    weights w;
    activations a;
    int n_rows, cols, n_x;
    float *y;
} speed_run;

static void run_dot(void *state) {
    speed_run *s = state;
    s->dot(s->w.rows, s->w.row_bytes, s->n_rows, s->cols, s->a.x, s->n_x, s->y, (size_t)s->n_rows);
}

/* Weights of 64 MiB, more than the caches hold, where each is used once; of 256 KiB where it is used often. */
static void print_speed(int l, const layout *t, int n_x) {
    const format_row *f = &format_table[t->format];
    support_random r = support_seed(9);
    int cols = f->block_values == 32 ? 1152 : 6912;
    size_t row_bytes = (size_t)(cols / f->block_values) * f->block_bytes;
    speed_run s = {.dot = levels[l].dot_q8[t->format], .cols = cols, .n_x = n_x};
    s.n_rows = (int)((n_x <= 2 ? (size_t)64 << 20 : (size_t)256 << 10) / row_bytes / 64 * 64 + 64);
    s.w = random_weights(&r, t, ORDINARY, s.n_rows, cols);
    s.a = random_activations(&r, ORDINARY, n_x, cols);
    s.y = malloc((size_t)s.n_rows * (size_t)n_x * sizeof *s.y);
    double seconds = harness_seconds(run_dot, &s), values = (double)s.n_rows * cols;
    char name[32];
    snprintf(name, sizeof name, "%s x %d", f->name, n_x);
    harness_speed(name, level_name(l), seconds, (double)s.n_rows * (double)row_bytes, "B");
    if (n_x > 2) harness_speed(name, level_name(l), seconds, values * n_x, "MAC");
    free(s.y);
    free_activations(&s.a);
    free(s.w.memory);
}

static void test_speed(void) {
    const char *wanted = getenv("GLINT_BENCH");
    if (!wanted || strcmp(wanted, "1") != 0) return;
    static const int counts[] = {1, 2, 4, 8, 32};
    printf("\n");
    for (int l = 0; l < level_count; l++)
        for (int f = 0; f < LAYOUTS; f++)
            for (int n = 0; n < (int)(sizeof counts / sizeof *counts); n++) print_speed(l, &layouts[f], counts[n]);
}

int main(void) {
    for (cpu_level l = 0; l <= cpu_best_level(); l++) cpu_kernels_for(l, &levels[level_count++]);
    static const support_case cases[] = {
        {"slots", test_slots},
        {"values", test_values},
        {"company", test_company},
        {"quantize", test_quantize},
        {"quantize ties", test_quantize_ties},
        {"quantize nan", test_quantize_nan},
        {"speed", test_speed},
    };
    return support_main("8-bit kernels", cases, sizeof cases / sizeof *cases);
}
