/* The sampler against its definition: which tokens may be chosen, how often, and that a seed repeats. */
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "glint.h"

enum { DRAWS = 20000 };

static glint_model *open_model(void) {
    char path[1024];
    glint_error err;
    glint_model *m = NULL;
    SUPPORT_OK(glint_model_open(support_data(path, "gguf/stories260K-f32.gguf"), &m, &err), &err);
    return m;
}

static glint_sampling off(void) {
    glint_sampling r = glint_sampling_default();
    r.top_k = 0;
    r.top_p = 1;
    r.min_p = 0;
    r.temperature = 1;
    r.seed = support_seed(3).state;
    return r;
}

static glint_sampler *open_sampler(const glint_model *m, glint_sampling rules) {
    glint_error err;
    glint_sampler *s = NULL;
    SUPPORT_OK(glint_sampler_open(m, &rules, &s, &err), &err);
    return s;
}

static float *random_logits(const glint_model *m, uint64_t salt) {
    int n = glint_model_vocabulary(m);
    float *l = malloc((size_t)n * sizeof *l);
    support_random r = support_seed(salt);
    for (int i = 0; i < n; i++) l[i] = support_uniform(&r, -4, 4);
    return l;
}

/* ---- The definition, with a full sort ---- */

static const float *sorted_by;

static int likelier(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    if (sorted_by[x] != sorted_by[y]) return sorted_by[x] > sorted_by[y] ? -1 : 1;
    return x - y;
}

/* Probability of each token under the rules. */
static void define(const float *l, int n, glint_sampling r, double *p) {
    int *order = malloc((size_t)n * sizeof *order);
    for (int i = 0; i < n; i++) order[i] = i;
    sorted_by = l;
    qsort(order, (size_t)n, sizeof *order, likelier);
    int kept = r.top_k && r.top_k < n ? r.top_k : n;
    double total = 0, sum = 0;
    for (int i = 0; i < kept; i++) total += exp((double)l[order[i]] - l[order[0]]);
    int last = 0;
    for (; last < kept && (last == 0 || sum < r.top_p * total || r.top_p == 1); last++) {
        double w = exp((double)l[order[last]] - l[order[0]]);
        if (last && w < r.min_p) break;
        sum += w;
    }
    memset(p, 0, (size_t)n * sizeof *p);
    total = 0;
    for (int i = 0; i < last; i++) total += p[order[i]] = exp(((double)l[order[i]] - l[order[0]]) / r.temperature);
    for (int i = 0; i < n; i++) p[i] /= total;
    free(order);
}

/* Frequencies of many draws lie within 5 standard deviations of the definition, and never outside its support. */
static void check_draws(const glint_model *m, const float *l, glint_sampling rules) {
    int n = glint_model_vocabulary(m);
    double *p = malloc((size_t)n * sizeof *p);
    int *count = calloc((size_t)n, sizeof *count);
    glint_sampler *s = open_sampler(m, rules);
    define(l, n, rules, p);
    for (int i = 0; i < DRAWS; i++) count[glint_sampler_choose(s, l)]++;
    for (int i = 0; i < n; i++) {
        if (p[i] == 0) CU_ASSERT_EQUAL(count[i], 0);
        CU_ASSERT(fabs(count[i] - DRAWS * p[i]) <= 5 * sqrt(DRAWS * p[i] * (1 - p[i])) + 5);
    }
    glint_sampler_close(&s);
    free(count);
    free(p);
}

static void test_distribution(void) {
    glint_model *m = open_model();
    float *l = random_logits(m, 1);
    glint_sampling rules[5] = {off(), off(), off(), off(), glint_sampling_default()};
    rules[0].temperature = 0.5f;
    rules[1].top_k = 5;
    rules[2].top_p = 0.3f;
    rules[3].min_p = 0.6f;
    for (int i = 0; i < 5; i++) check_draws(m, l, rules[i]);
    free(l);
    glint_model_close(&m);
}

static void test_greedy_and_ties(void) {
    glint_model *m = open_model();
    float *l = random_logits(m, 2);
    glint_sampling r = off();
    r.temperature = 0;
    l[40] = l[70] = 9;
    glint_sampler *s = open_sampler(m, r);
    for (int i = 0; i < 10; i++) CU_ASSERT_EQUAL(glint_sampler_choose(s, l), 40);
    glint_sampler_close(&s);
    free(l);
    glint_model_close(&m);
}

static void test_seed_repeats(void) {
    glint_model *m = open_model();
    float *l = random_logits(m, 4);
    glint_sampling r = off(), other = off();
    other.seed++;
    glint_sampler *a = open_sampler(m, r), *b = open_sampler(m, r), *c = open_sampler(m, other);
    int differ = 0;
    for (int i = 0; i < 200; i++) {
        int32_t x = glint_sampler_choose(a, l);
        CU_ASSERT_EQUAL(x, glint_sampler_choose(b, l));
        differ += x != glint_sampler_choose(c, l);
    }
    CU_ASSERT(differ > 100);
    glint_sampler_close(&a);
    glint_sampler_close(&b);
    glint_sampler_close(&c);
    free(l);
    glint_model_close(&m);
}

static void test_penalties(void) {
    glint_model *m = open_model();
    int n = glint_model_vocabulary(m);
    float *l = calloc((size_t)n, sizeof *l);
    glint_sampling r = off();
    r.temperature = 0;
    l[5] = 4, l[6] = 3, l[7] = 2.5f;
    r.repeat_penalty = 1.5f; /* 5: 4 / 1.5 = 2.67 < 3; then 6: 2 < 2.5; then 7: 1.67; then 5 again is the best */
    glint_sampler *s = open_sampler(m, r);
    const int32_t repeat[] = {5, 6, 5, 5};
    CU_ASSERT_EQUAL(glint_sampler_choose(s, l), repeat[0]);
    CU_ASSERT_EQUAL(glint_sampler_choose(s, l), repeat[1]);
    CU_ASSERT_EQUAL(glint_sampler_choose(s, l), repeat[2]); /* 2.67 > 2.5 */
    glint_sampler_close(&s);
    r.repeat_penalty = 1;
    r.frequency_penalty = 0.6f; /* 5: 4, 3.4, 2.8 < 3 */
    s = open_sampler(m, r);
    const int32_t frequency[] = {5, 5, 6, 5, 7};
    for (int i = 0; i < 5; i++) CU_ASSERT_EQUAL(glint_sampler_choose(s, l), frequency[i]);
    glint_sampler_close(&s);
    r.frequency_penalty = 0;
    r.presence_penalty = 1.2f; /* 5: 2.8 once seen, however often */
    r.penalty_window = 2;
    s = open_sampler(m, r);
    const int32_t presence[] = {5, 6, 5, 5, 6};
    for (int i = 0; i < 5; i++) CU_ASSERT_EQUAL(glint_sampler_choose(s, l), presence[i]);
    glint_sampler_close(&s);
    free(l);
    glint_model_close(&m);
}

static void test_standing(void) {
    const float l[] = {1, 3, 2, 3, -1};
    glint_candidate top[8];
    CU_ASSERT_EQUAL(glint_top(l, 5, 3, top), 3);
    CU_ASSERT(top[0].id == 1 && top[1].id == 3 && top[2].id == 2);
    double total = exp(1) + 2 * exp(3) + exp(2) + exp(-1), sum = 0;
    CU_ASSERT_DOUBLE_EQUAL(top[0].probability, exp(3) / total, 1e-12);
    CU_ASSERT_EQUAL(glint_top(l, 5, 8, top), 5);
    for (int i = 0; i < 5; i++) {
        glint_candidate c = glint_standing(l, 5, top[i].id);
        CU_ASSERT(c.rank == top[i].rank && c.logit == top[i].logit);
        CU_ASSERT_DOUBLE_EQUAL(c.probability, top[i].probability, 1e-12);
        sum += c.probability;
    }
    CU_ASSERT_DOUBLE_EQUAL(sum, 1, 1e-12);
}

static void test_refusals(void) {
    glint_model *m = open_model();
    glint_error err;
    glint_sampler *s = NULL;
    glint_sampling bad[] = {off(), off(), off(), off(), off()};
    bad[0].temperature = -1;
    bad[1].top_p = 0;
    bad[2].min_p = 1;
    bad[3].repeat_penalty = 0;
    bad[4].presence_penalty = NAN;
    for (int i = 0; i < 5; i++) CU_ASSERT_EQUAL(glint_sampler_open(m, &bad[i], &s, &err), GLINT_USAGE);
    glint_model_close(&m);
}

int main(void) {
    const support_case cases[] = {{"distribution", test_distribution},   {"greedy and ties", test_greedy_and_ties},
                                  {"a seed repeats", test_seed_repeats}, {"penalties", test_penalties},
                                  {"standing", test_standing},           {"refusals", test_refusals}};
    return support_main("sampler", cases, sizeof cases / sizeof *cases);
}
