/* Comparing two tensors: every number of a comparison, in one piece and in several. */
#include "core/instruments/measure.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "tests/support/support.h"

enum { ROWS = 3, WIDTH = 4, N = ROWS * WIDTH };
static const float reference[N] = {1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12};

static glint_comparison compare(const float *tested, const float *other, const double *bound) {
    glint_comparison c = {.share = 7, .nan = 7}; /* begin clears it */
    measure m;
    measure_begin(&m, &c, WIDTH);
    measure_rows(&m, tested, other, bound, 1);
    measure_rows(&m, tested + WIDTH, other + WIDTH, bound ? bound + WIDTH : NULL, ROWS - 1);
    measure_end(&m);
    return c;
}

static void copy(float *x) {
    memcpy(x, reference, sizeof reference);
}

static void test_equal(void) {
    float x[N];
    double bound[N] = {0};
    copy(x);
    x[0] = 1;
    glint_comparison c = compare(x, reference, bound);
    CU_ASSERT(c.rows == ROWS && c.width == WIDTH && c.nmse == 0 && c.largest == 0 && c.ulp == 0 && c.share == 0);
    CU_ASSERT(fabs(c.cosine - 1) < 1e-15);
    CU_ASSERT(c.nan + c.inf + c.unwritten + c.sign_flips == 0);
}

static void test_numbers(void) {
    float x[N];
    double bound[N];
    copy(x);
    for (int i = 0; i < N; i++) bound[i] = 0.25;
    x[6] = nextafterf(7, 8);
    x[9] = -9.5f; /* row 2, index 1 */
    glint_comparison c = compare(x, reference, bound);
    CU_ASSERT(c.largest == 0.5 && c.row == 2 && c.index == 1 && c.there == -9.5f && c.reference == -10);
    CU_ASSERT(c.ulp == 524288 && c.ulp_row == 2 && c.ulp_index == 1);
    CU_ASSERT(c.share == 2);
    double step = x[6] - 7.0;
    CU_ASSERT(fabs(c.nmse - (0.25 + step * step) / 650) < 1e-15);
    CU_ASSERT(c.cosine < 1 && c.cosine > 0.999);
}

/* Ordered floats go through zero without a gap, and both zeros are one. */
static void test_ulp(void) {
    float x[N] = {FLT_TRUE_MIN}, y[N] = {-FLT_TRUE_MIN};
    x[1] = -0.0f;
    CU_ASSERT(compare(x, y, NULL).ulp == 2);
}

static void test_sign_flips(void) {
    float x[N];
    double bound[N];
    copy(x);
    for (int i = 0; i < N; i++) bound[i] = 1.5, x[i] = -x[i];
    CU_ASSERT(compare(x, reference, bound).sign_flips == N - 1); /* 1 is within its bound */
    CU_ASSERT(compare(x, reference, NULL).sign_flips == N);
    CU_ASSERT(fabs(compare(x, reference, NULL).cosine + 1) < 1e-15);
}

static void test_bad_numbers(void) {
    float x[N];
    double wide[N];
    copy(x);
    for (int i = 0; i < N; i++) wide[i] = INFINITY;
    x[5] = INFINITY;
    measure_poison(&x[7], 2); /* the end of row 1 and the beginning of row 2 */
    glint_comparison c = compare(x, reference, wide);
    CU_ASSERT(c.nan == 2 && c.inf == 1 && c.unwritten == 2);
    CU_ASSERT(c.row == 1 && c.index == 1 && isinf(c.largest));
    CU_ASSERT(isinf(c.share) && isinf(c.nmse));
    copy(x);
    x[3] = NAN;
    c = compare(x, reference, wide);
    CU_ASSERT(c.nan == 1 && c.unwritten == 0 && c.row == 0 && c.index == 3 && isinf(c.share));
    CU_ASSERT(isinf(compare(x, x, wide).share)); /* NaN beside itself is not right either */
}

static void test_zeros(void) {
    float zero[N] = {0}, x[N] = {0};
    CU_ASSERT(compare(x, zero, NULL).nmse == 0 && compare(x, zero, NULL).cosine == 1);
    x[2] = 1;
    CU_ASSERT(isinf(compare(x, zero, NULL).nmse));
    CU_ASSERT(compare(zero, x, NULL).nmse == 1 && compare(zero, x, NULL).cosine == 0);
}

int main(void) {
    const support_case cases[] = {
        {"equal", test_equal},           {"numbers", test_numbers},         {"ulp", test_ulp},
        {"sign flips", test_sign_flips}, {"bad numbers", test_bad_numbers}, {"zeros", test_zeros}};
    return support_main("measure", cases, sizeof cases / sizeof *cases);
}
