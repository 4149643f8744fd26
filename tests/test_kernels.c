/* Every float32 kernel of every level that this machine has: against libm in double, format_table, and other levels. */
#include "tests/support/kernel_harness.h"

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

/* Prints what failed once, and makes the assertion. */
static bool expect(bool holds, const char *kernel, int level, int n) {
    if (!holds) printf("\n    %s, level %s, n %d\n", kernel, level_name(level), n);
    CU_ASSERT(holds);
    return holds;
}

/* Two results are the same where both are no number, or all their bits are the same. */
static bool same_bits(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

/* ---- Choosing a level ---- */

static void test_levels(void) {
    setenv("GLINT_CPU", "portable", 1);
    CU_ASSERT_EQUAL(cpu_best_level(), CPU_PORTABLE);
    setenv("GLINT_CPU", "ref", 1);
    CU_ASSERT_EQUAL(cpu_best_level(), levels[level_count - 1].level);
    unsetenv("GLINT_CPU");
    for (int l = 0; l < level_count; l++) {
        const cpu_kernels *k = &levels[l];
        for (int f = 0; f < FORMAT_COUNT; f++) {
            CU_ASSERT_PTR_NOT_NULL(k->decode[f]);
            bool plain = f == FORMAT_F32 || f == FORMAT_F16 || f == FORMAT_BF16;
            CU_ASSERT_EQUAL(k->dot_f32[f] != NULL, plain);
            CU_ASSERT_EQUAL(k->mix[f] != NULL, plain && f != FORMAT_BF16);
        }
        for (int g = 0; g < CPU_GATES; g++) CU_ASSERT_PTR_NOT_NULL(k->gate[g]);
        CU_ASSERT(k->rms_norm && k->exp_sum && k->max && k->f16_to_f32 && k->f32_to_f16);
    }
}

/* ---- exp ---- */

/* At most one float away from the correctly rounded result: every 499th float between 0 and 105, both signs, so that
 * denormal results and overflow are among them. */
static void check_exp_range(int l, float sign) {
    enum { N = 64, STEP = 499 };
    uint32_t worst = 0, bits = 0;
    float x[N], e[N], top = 105.0f, at = 0;
    for (bool more = true; more;) {
        for (int i = 0; i < N; i++, bits += STEP) {
            memcpy(&x[i], &bits, sizeof bits);
            e[i] = x[i] = sign * x[i];
        }
        more = fabsf(x[N - 1]) < top;
        levels[l].exp_sum(e, 0, N);
        for (int i = 0; i < N; i++) {
            uint32_t u = harness_ulp(e[i], (float)exp(x[i]));
            if (u > worst) worst = u, at = x[i];
        }
    }
    if (!expect(worst <= 1, "exp", l, N)) printf("    %u ULP at %a\n", worst, (double)at);
}

static void test_exp(void) {
    for (int l = 0; l < level_count; l++) {
        check_exp_range(l, 1);
        check_exp_range(l, -1);
        float x[5] = {-INFINITY, 0, -1000, NAN, 1000};
        levels[l].exp_sum(x, 0, 5);
        expect(x[0] == 0 && x[1] == 1 && x[2] == 0 && isnan(x[3]) && x[4] == INFINITY, "exp special", l, 5);
    }
}

static void test_exp_sum(void) {
    support_random r = support_seed(1);
    for (int s = 0; s < HARNESS_SIZES; s++)
        for (int l = 0; l < level_count; l++) {
            int n = harness_sizes[s];
            harness_buffer b = harness_open((size_t)n * sizeof(float), 4);
            float *x = b.data, max = support_uniform(&r, -1, 20);
            harness_random(&r, -20, max, x, (size_t)n);
            double want = 0;
            for (int i = 0; i < n; i++) want += exp((double)x[i] - max);
            float got = levels[l].exp_sum(x, max, n);
            expect(fabs(got - want) <= 2e-6 * want, "exp_sum", l, n);
            double kept = 0;
            for (int i = 0; i < n; i++) kept += x[i];
            expect(fabs(got - kept) <= 1e-6 * want, "exp_sum's terms", l, n);
            harness_close(&b);
        }
}

/* ---- Gates ---- */

static double act_value(int act, double x) {
    if (act == CPU_GATE_SILU) return x / (1 + exp(-x));
    if (act == CPU_GATE_GELU) return x / 2 * erfc(-x / sqrt(2));
    return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

/* exp carries the rounding of its argument u into the result, times u; |u| grows with x^3 for gelu_tanh. Where exp(u)
 * leaves the range of floats the result is 0, less than |x| 2^-128 away. */
static double act_bound(int act, double x) {
    double u = act == CPU_GATE_SILU ? fabs(x) : act == CPU_GATE_GELU ? x * x : fabs(1.6 * x + 0.072 * x * x * x);
    return 0x1p-24 * (8 + 4 * u) * fabs(act_value(act, x)) + 0x1p-128 * fabs(x);
}

static void test_gates(void) {
    support_random r = support_seed(2);
    for (int s = 0; s < HARNESS_SIZES; s++)
        for (int l = 0; l < level_count; l++)
            for (int act = 0; act < CPU_GATES; act++) {
                size_t n = (size_t)harness_sizes[s];
                harness_buffer g = harness_open(n * 4, 4), u = harness_open(n * 4, 8), out = harness_open(n * 4, 12);
                float *gate = g.data, *up = u.data, *y = out.data;
                harness_random(&r, -12, 12, gate, n);
                harness_random(&r, -2, 2, up, n);
                levels[l].gate[act](gate, up, y, (int)n);
                bool near = true;
                for (size_t i = 0; i < n; i++)
                    near &= fabs(y[i] - act_value(act, gate[i]) * up[i]) <= act_bound(act, gate[i]) * fabs(up[i]);
                expect(near, act == CPU_GATE_SILU ? "silu" : act == CPU_GATE_GELU ? "gelu" : "gelu_tanh", l, (int)n);
                harness_close(&g);
                harness_close(&u);
                harness_close(&out);
            }
}

static void test_gate_special(void) {
    for (int l = 0; l < level_count; l++)
        for (int act = 0; act < CPU_GATES; act++) {
            float gate[4] = {0, 100, -100, NAN}, up[4] = {3, 1, 1, 1}, y[4];
            levels[l].gate[act](gate, up, y, 4);
            expect(y[0] == 0 && y[1] == 100 && fabsf(y[2]) < 1e-30f && isnan(y[3]), "gate special", l, act);
        }
}

/* ---- Rows ---- */

static void test_rms_norm(void) {
    support_random r = support_seed(3);
    for (int s = 0; s < HARNESS_SIZES; s++)
        for (int l = 0; l < level_count; l++) {
            size_t n = (size_t)harness_sizes[s];
            harness_buffer a = harness_open(n * 4, 4), b = harness_open(n * 4, 8), out = harness_open(n * 4, 12);
            float *x = a.data, *w = b.data, *y = out.data, eps = 1e-6f;
            harness_random(&r, -3, 3, x, n);
            harness_random(&r, -2, 2, w, n);
            levels[l].rms_norm(x, w, eps, y, (int)n);
            double sum = 0;
            for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
            double scale = 1 / sqrt(sum / (double)n + eps);
            bool near = true;
            for (size_t i = 0; i < n; i++) near &= fabs(y[i] - x[i] * scale * w[i]) <= 2e-6 * fabs(x[i] * scale * w[i]);
            expect(near, "rms_norm", l, (int)n);
            harness_close(&a);
            harness_close(&b);
            harness_close(&out);
        }
}

static void test_max(void) {
    support_random r = support_seed(4);
    for (int s = 0; s < HARNESS_SIZES; s++)
        for (int l = 0; l < level_count; l++)
            for (int at = 0; at < harness_sizes[s]; at += 1 + harness_sizes[s] / 40) {
                int n = harness_sizes[s];
                harness_buffer a = harness_open((size_t)n * 4, 4);
                float *x = a.data;
                harness_random(&r, -9, -8, x, (size_t)n);
                x[at] = -7.5f;
                expect(levels[l].max(x, n) == -7.5f, "max", l, n);
                x[at] = -INFINITY;
                expect(n == 1 || levels[l].max(x, n) < -7.5f, "max", l, n);
                for (int i = 0; i < n; i++) x[i] = i == at ? -8.5f : NAN;
                expect(levels[l].max(x, n) == -8.5f, "max among NaN", l, n);
                x[at] = NAN;
                expect(levels[l].max(x, n) == -INFINITY, "max of NaN", l, n);
                harness_close(&a);
            }
}

/* ---- 16-bit numbers ---- */

static void test_f16_to_f32(void) {
    static uint16_t h[1 << 16];
    static float want[1 << 16];
    for (int i = 0; i < 1 << 16; i++) want[i] = format_f16_to_f32(h[i] = (uint16_t)i);
    for (int l = 0; l < level_count; l++)
        for (int n = 1 << 16; n > 65500; n -= 7) {
            harness_buffer out = harness_open((size_t)n * 4, 4);
            levels[l].f16_to_f32(h, out.data, n);
            expect(same_bits(out.data, want, (size_t)n), "f16_to_f32", l, n);
            harness_close(&out);
        }
}

/* Every half, every number halfway between two halves, and their neighbours. */
static void test_f32_to_f16(void) {
    enum { N = 8 };
    float x[N];
    uint16_t want[N];
    for (uint32_t h = 0; h < 0x7C00; h++) {
        float low = format_f16_to_f32((uint16_t)h),
              high = h == 0x7BFF ? 65536.0f : format_f16_to_f32((uint16_t)(h + 1));
        float half = (low + high) / 2;
        float cases[N] = {low, half, nextafterf(half, 0), nextafterf(half, INFINITY), -low, -half, high, -high};
        memcpy(x, cases, sizeof x);
        for (int i = 0; i < N; i++) want[i] = format_f32_to_f16(x[i]);
        for (int l = 0; l < level_count; l++) {
            float sixteen[2 * N];
            memcpy(sixteen, x, sizeof x);
            memcpy(sixteen + N, x, sizeof x);
            harness_buffer out = harness_open(19 * sizeof(uint16_t), 2);
            float all[19];
            memcpy(all, sixteen, sizeof sixteen);
            memcpy(all + 16, x, 3 * sizeof *x); /* one whole vector and a rest */
            uint16_t *y = out.data;
            levels[l].f32_to_f16(all, y, 19);
            bool same = !memcmp(y, want, sizeof want) && !memcmp(y + N, want, sizeof want) &&
                        !memcmp(y + 16, want, 3 * sizeof *want);
            if (!same || h % 1024 == 0) expect(same, "f32_to_f16", l, (int)h);
            CU_ASSERT_FATAL(harness_intact(&out));
            free(out.memory);
        }
    }
}

/* ---- Dot products ---- */

static const format_id plain_formats[3] = {FORMAT_F32, FORMAT_F16, FORMAT_BF16};

/* Random weights in a plain format at `w`, and their values. */
static void random_weights(support_random *r, format_id f, void *w, float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float v = support_uniform(r, -1, 1);
        uint32_t bits;
        memcpy(&bits, &v, sizeof bits);
        uint16_t half = f == FORMAT_F16 ? format_f32_to_f16(v) : (uint16_t)(bits >> 16);
        if (f == FORMAT_F32)
            ((float *)w)[i] = v;
        else
            ((uint16_t *)w)[i] = half;
        bits = (uint32_t)half << 16;
        if (f == FORMAT_F16) v = format_f16_to_f32(half);
        if (f == FORMAT_BF16) memcpy(&v, &bits, sizeof v);
        values[i] = v;
    }
}

/* |error| <= cols eps sum |w x|: the bound of any order of summing. */
static bool dot_near(const float *w, const float *x, int cols, float got) {
    double sum = 0, size = 0;
    for (int c = 0; c < cols; c++) {
        sum += (double)w[c] * x[c];
        size += fabs((double)w[c] * x[c]);
    }
    return fabs(got - sum) <= 0x1p-24 * (cols + 1) * size;
}

static void check_dot(support_random *r, int l, format_id f, int rows, int cols, int n_x) {
    size_t number = format_table[f].block_bytes, row_bytes = (size_t)cols * number;
    size_t x_stride = (size_t)cols + 3, y_stride = (size_t)rows + 5;
    harness_buffer wb = harness_open((size_t)rows * row_bytes, number),
                   xb = harness_open((size_t)n_x * x_stride * 4, 4);
    harness_buffer yb = harness_open(((size_t)(n_x - 1) * y_stride + (size_t)rows) * 4, 8);
    float *values = malloc((size_t)rows * (size_t)cols * sizeof *values), *x = xb.data, *y = yb.data, alone;
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    random_weights(r, f, wb.data, values, (size_t)rows * (size_t)cols);
    harness_random(r, -1, 1, x, (size_t)n_x * x_stride);
    levels[l].dot_f32[f](wb.data, row_bytes, rows, cols, x, x_stride, n_x, y, y_stride);
    bool near = true, same = true, apart = true;
    for (int i = 0; i < n_x; i++)
        for (int row = 0; row < rows; row++) {
            float got = y[(size_t)i * y_stride + (size_t)row];
            const float *xi = x + (size_t)i * x_stride;
            near &= dot_near(values + (size_t)row * (size_t)cols, xi, cols, got);
            levels[l].dot_f32[f]((char *)wb.data + (size_t)row * row_bytes, row_bytes, 1, cols, xi, x_stride, 1, &alone,
                                 1);
            same &= same_bits(&alone, &got, 1);
        }
    uint32_t fill; /* what lies between the rows of y is not written */
    for (int i = 0; i < n_x - 1; i++) {
        memcpy(&fill, y + (size_t)i * y_stride + (size_t)rows, sizeof fill);
        apart &= fill == 0xA5A5A5A5;
    }
    expect(near, "dot_f32", l, cols);
    expect(same, "dot_f32 alone and in a batch", l, cols);
    expect(apart, "dot_f32 between rows", l, cols);
    free(values);
    harness_close(&wb);
    harness_close(&xb);
    harness_close(&yb);
}

static void test_dot(void) {
    support_random r = support_seed(5);
    const int rows[] = {1, 3, 4, 9}, n_x[] = {1, 2, 5, 6, 13};
    for (int s = 0; s < HARNESS_SIZES; s++)
        for (int l = 0; l < level_count; l++)
            for (int i = 0; i < 3 * 4 * 5; i++)
                check_dot(&r, l, plain_formats[i % 3], rows[i / 3 % 4], harness_sizes[s], n_x[i / 12]);
}

static void test_mix(void) {
    support_random r = support_seed(6);
    const int rows[] = {1, 3, 64};
    for (int s = 0; s < HARNESS_SIZES; s++)
        for (int i = 0; i < 3 * 2 * level_count; i++) {
            int l = i / 6, n = rows[i % 3], cols = harness_sizes[s];
            format_id f = plain_formats[i / 3 % 2];
            size_t row_bytes = ((size_t)cols + 2) * format_table[f].block_bytes, all = (size_t)n * ((size_t)cols + 2);
            harness_buffer b = harness_open((size_t)n * row_bytes, 4), yb = harness_open((size_t)cols * 4, 4);
            float *values = malloc(all * sizeof *values), *y = yb.data, p[64];
            CU_ASSERT_PTR_NOT_NULL_FATAL(values);
            random_weights(&r, f, b.data, values, all);
            harness_random(&r, 0, 1, p, 64);
            for (int c = 0; c < cols; c++) y[c] = (float)c;
            levels[l].mix[f](p, b.data, row_bytes, n, y, cols);
            bool near = true;
            for (int c = 0; c < cols; c++) {
                double want = c, size = c;
                for (int j = 0; j < n; j++) {
                    double term = (double)p[j] * values[(size_t)j * ((size_t)cols + 2) + (size_t)c];
                    want += term;
                    size += fabs(term);
                }
                near &= fabs(y[c] - want) <= 0x1p-24 * (n + 1) * size;
            }
            expect(near, "mix", l, cols);
            free(values);
            harness_close(&b);
            harness_close(&yb);
        }
}

/* ---- Decoding ---- */

static void test_decode(void) {
    support_random r = support_seed(7);
    for (int f = 0; f < FORMAT_COUNT; f++)
        for (int l = 0; l < level_count; l++)
            for (size_t n = 1; n <= 40; n += n < 5 ? 1 : 7) {
                const format_row *row = &format_table[f];
                size_t bytes = n * row->block_bytes, values = n * row->block_values;
                harness_buffer in = harness_open(bytes, 1), out = harness_open(values * 4, 4);
                float *want = malloc(values * sizeof *want);
                CU_ASSERT_PTR_NOT_NULL_FATAL(want);
                for (size_t i = 0; i < bytes; i++) ((uint8_t *)in.data)[i] = (uint8_t)support_bits(&r);
                row->decode(in.data, want, n);
                levels[l].decode[f](in.data, out.data, n);
                expect(same_bits(out.data, want, values), row->name, l, (int)n);
                free(want);
                harness_close(&in);
                harness_close(&out);
            }
}

/* ---- Levels among themselves ---- */

/* AVX2 and AVX-512 add in the same order and fuse the same products. */
static void test_same_bits(void) {
    enum { N = 1001, ROWS = 7, XS = 8 };
    static float w[ROWS * N], x[XS * N], y[2][3][N], dots[2][ROWS * XS];
    if (level_count < 3) {
        support_skip("this processor has no AVX-512");
        return;
    }
    support_random r = support_seed(8);
    harness_random(&r, -5, 5, w, ROWS * N);
    harness_random(&r, -5, 5, x, XS * N);
    for (int i = 0; i < 2; i++) {
        const cpu_kernels *k = &levels[i + 1];
        k->dot_f32[FORMAT_F32](w, N * sizeof *w, ROWS, N, x, N, XS, dots[i], ROWS);
        k->rms_norm(x, w, 1e-5f, y[i][0], N);
        k->gate[CPU_GATE_GELU_TANH](x, w, y[i][1], N);
        memcpy(y[i][2], x, sizeof y[i][2]);
        y[i][2][0] = k->exp_sum(y[i][2], 4, N);
        k->mix[FORMAT_F32](x, w, N * sizeof *w, ROWS, y[i][2], N);
    }
    CU_ASSERT(same_bits(dots[0], dots[1], ROWS * XS));
    CU_ASSERT(same_bits(y[0][0], y[1][0], 3 * N));
}

/* ---- Speed ---- */

typedef struct speed_state {
    const cpu_kernels *k;
    format_id f;
    int rows, cols, n_x;
    void *w;
    float *x, *y;
} speed_state;

static void run_dot(void *p) {
    speed_state *s = p;
    size_t row_bytes = (size_t)s->cols * format_table[s->f].block_bytes;
    s->k->dot_f32[s->f](s->w, row_bytes, s->rows, s->cols, s->x, (size_t)s->cols, s->n_x, s->y, (size_t)s->rows);
}

static void run_decode(void *p) {
    speed_state *s = p;
    s->k->decode[s->f](s->w, s->y, (size_t)(s->rows * s->cols / format_table[s->f].block_values));
}

static void run_exp(void *p) {
    speed_state *s = p;
    memset(s->y, 0, (size_t)s->cols * sizeof(float));
    s->k->exp_sum(s->y, 1, s->cols);
}

static void run_gate(void *p) {
    speed_state *s = p;
    s->k->gate[CPU_GATE_GELU_TANH](s->x, s->x, s->y, s->cols);
}

static void print_speeds(const cpu_kernels *k, speed_state s) {
    const char *level = cpu_level_names[k->level];
    double values = (double)s.rows * s.cols;
    s.k = k;
    for (int i = 0; i < 3; i++)
        for (s.n_x = 1; s.n_x <= 12; s.n_x += 11) {
            char name[32];
            s.f = plain_formats[i];
            snprintf(name, sizeof name, "dot %s x%d", format_table[s.f].name, s.n_x);
            harness_speed(name, level, harness_seconds(run_dot, &s), 2 * values * s.n_x, "flop");
        }
    const format_id quantised[] = {FORMAT_Q4_0, FORMAT_Q5_0, FORMAT_Q8_0, FORMAT_Q4_K, FORMAT_Q5_K, FORMAT_Q6_K};
    for (int i = 0; i < 6; i++) {
        s.f = quantised[i];
        harness_speed(format_table[s.f].name, level, harness_seconds(run_decode, &s), values, "value");
    }
    harness_speed("exp_sum", level, harness_seconds(run_exp, &s), s.cols, "value");
    harness_speed("gelu_tanh", level, harness_seconds(run_gate, &s), s.cols, "value");
}

static void test_speed(void) {
    enum { ROWS = 32, COLS = 2048, XS = 12 };
    static float w[ROWS * COLS], x[XS * COLS], y[ROWS * COLS];
    for (int l = 0; l < level_count; l++)
        print_speeds(&levels[l], (speed_state){.rows = ROWS, .cols = COLS, .w = w, .x = x, .y = y});
}

int main(void) {
    level_count = (int)cpu_best_level() + 1;
    for (int l = 0; l < level_count; l++) cpu_kernels_for((cpu_level)l, &levels[l]);
    const support_case cases[] = {
        {"levels", test_levels},
        {"exp", test_exp},
        {"exp_sum", test_exp_sum},
        {"gates", test_gates},
        {"gate special values", test_gate_special},
        {"rms_norm", test_rms_norm},
        {"max", test_max},
        {"f16 to f32", test_f16_to_f32},
        {"f32 to f16", test_f32_to_f16},
        {"dot_f32", test_dot},
        {"mix", test_mix},
        {"decode", test_decode},
        {"AVX2 and AVX-512 give the same bits", test_same_bits},
        {"speed (GLINT_BENCH=1)", test_speed},
    };
    return support_main("kernels", cases, (int)(sizeof cases / sizeof *cases));
}
