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

/* Where no logit is a number, nothing is chosen; one is enough. */
static void test_no_number(void) {
    glint_model *m = open_model();
    float *l = random_logits(m, 5);
    int n = glint_model_vocabulary(m);
    int32_t id;
    glint_token_logit top[GLINT_TOP];
    glint_sampling rules[3] = {off(), off(), glint_sampling_default()};
    rules[0].temperature = 0;
    for (int i = 0; i < n; i++) l[i] = i % 2 ? NAN : -INFINITY;
    for (int i = 0; i < GLINT_TOP; i++) top[i] = (glint_token_logit){i, -INFINITY};
    for (int i = 0; i < 3; i++) {
        glint_sampler *s = open_sampler(m, rules[i]);
        l[77] = NAN;
        CU_ASSERT_EQUAL(glint_sampler_choose(s, l), -1);
        CU_ASSERT_FALSE(glint_sampler_choose_top(s, top, GLINT_TOP, &id));
        l[77] = -3;
        CU_ASSERT_EQUAL(glint_sampler_choose(s, l), 77);
        glint_sampler_close(&s);
    }
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

/* ---- From the likeliest alone ---- */

/* What a session gives: the likeliest by a full sort. */
static void find_top(const float *l, int n, glint_token_logit top[GLINT_TOP]) {
    int *order = malloc((size_t)n * sizeof *order);
    for (int i = 0; i < n; i++) order[i] = i;
    sorted_by = l;
    qsort(order, (size_t)n, sizeof *order, likelier);
    for (int i = 0; i < GLINT_TOP; i++) top[i] = (glint_token_logit){order[i], l[order[i]]};
    free(order);
}

/* Logits of which many are equal, some NaN or -infinity in all but what `top` is made from. */
static void fill_logits(support_random *r, int n, float *l, float *ranked) {
    bool equal = support_below(r, 2), odd = support_below(r, 2);
    float spread = support_uniform(r, 0.5f, 8);
    for (int i = 0; i < n; i++) {
        l[i] = support_uniform(r, -spread, spread);
        if (equal) l[i] = roundf(2 * l[i]) / 2;
        if (odd && !support_below(r, 4)) l[i] = support_below(r, 2) ? NAN : -INFINITY;
        ranked[i] = isnan(l[i]) ? -INFINITY : l[i];
    }
}

typedef struct decisions {
    int total, by_top;
} decisions;

/* Two samplers of one seed, one with all logits, one with the likeliest where they decide: always the same token. */
static decisions compare_choices(const glint_model *m, glint_sampling rules, int draws, uint64_t salt) {
    int n = glint_model_vocabulary(m);
    float *l = malloc((size_t)n * sizeof *l), *ranked = malloc((size_t)n * sizeof *ranked);
    glint_sampler *a = open_sampler(m, rules), *b = open_sampler(m, rules);
    glint_token_logit top[GLINT_TOP];
    support_random r = support_seed(salt);
    decisions d = {0, 0};
    for (; d.total < draws; d.total++) {
        if (d.total % 8 == 0) fill_logits(&r, n, l, ranked);
        if (d.total % 8 == 0) find_top(ranked, n, top);
        int32_t want = glint_sampler_choose(a, l), got = -1;
        bool decided = glint_sampler_choose_top(b, top, GLINT_TOP, &got);
        if (!decided) got = glint_sampler_choose(b, l);
        d.by_top += decided;
        CU_ASSERT_EQUAL(got, want);
    }
    glint_sampler_close(&a);
    glint_sampler_close(&b);
    free(l);
    free(ranked);
    return d;
}

/* Rules under which the likeliest always decide. */
static void test_top_decides(void) {
    glint_model *m = open_model();
    glint_sampling rules[7];
    for (int i = 0; i < 7; i++) rules[i] = glint_sampling_default();
    rules[1].top_k = GLINT_TOP;
    rules[2].top_k = 1;
    rules[3].temperature = 3;
    rules[4].top_p = 1, rules[4].min_p = 0;
    rules[5].top_p = 0.5f;
    rules[6].temperature = 0;
    for (int i = 0; i < 7; i++) {
        const char *why = NULL;
        CU_ASSERT(glint_sampling_uses_top(&rules[i], &why) && why != NULL);
        CU_ASSERT_EQUAL(compare_choices(m, rules[i], 4000, 10 + (uint64_t)i).by_top, 4000);
    }
    glint_model_close(&m);
}

/* Penalties: mostly decided, and the same in any case. */
static void test_top_with_penalties(void) {
    glint_model *m = open_model();
    glint_sampling rules[5];
    for (int i = 0; i < 5; i++) rules[i] = glint_sampling_default();
    rules[0].repeat_penalty = 1.1f;
    rules[1].presence_penalty = 1;
    rules[2].frequency_penalty = 0.3f, rules[2].repeat_penalty = 1.3f;
    rules[3].temperature = 0, rules[3].repeat_penalty = 1.5f;
    rules[4].top_k = GLINT_TOP, rules[4].presence_penalty = 30, rules[4].temperature = 5;
    for (int i = 0; i < 5; i++) {
        decisions d = compare_choices(m, rules[i], 4000, 20 + (uint64_t)i);
        CU_ASSERT(glint_sampling_uses_top(&rules[i], NULL));
        CU_ASSERT(i == 4 ? d.by_top < d.total / 2 : d.by_top > d.total / 2);
    }
    glint_model_close(&m);
}

/* Rules that look further, or that can make a token likelier. */
static void test_top_is_not_enough(void) {
    glint_model *m = open_model();
    glint_sampling rules[5];
    for (int i = 0; i < 5; i++) rules[i] = glint_sampling_default();
    rules[0].top_k = 0;
    rules[1].top_k = GLINT_TOP + 1;
    rules[2].repeat_penalty = 0.9f;
    rules[3].presence_penalty = -0.1f;
    rules[4].frequency_penalty = -0.1f;
    for (int i = 0; i < 5; i++) {
        const char *why = NULL;
        CU_ASSERT(!glint_sampling_uses_top(&rules[i], &why) && why != NULL);
        CU_ASSERT_EQUAL(compare_choices(m, rules[i], 500, 30 + (uint64_t)i).by_top, 0);
    }
    glint_model_close(&m);
}

/* ---- In a session ---- */

enum { NEW_TOKENS = 24, DEVICES = 16 };
static const int32_t prompt[] = {1, 403, 407, 261, 378};
enum { PROMPT = sizeof prompt / sizeof *prompt };

static glint_session *open_session(glint_model *m, const char *device, bool top) {
    glint_session_options o = {.device = device, .threads = 1, .context = 128, .top = top};
    glint_session *s = NULL;
    glint_error err;
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    return s;
}

/* Every device but the empty one. */
static void each_device(void (*test)(glint_model *m, const char *device)) {
    glint_device_info info[DEVICES];
    int n = glint_devices(info, DEVICES, NULL);
    glint_model *m = open_model();
    for (int i = 0; i < n && i < DEVICES; i++)
        if (strcmp(info[i].name, "null") != 0) test(m, info[i].name);
    glint_model_close(&m);
}

static void check_top(glint_model *m, const char *device) {
    glint_session *s = open_session(m, device, true), *without = open_session(m, device, false);
    glint_token_logit want[GLINT_TOP], got[GLINT_TOP];
    const float *l;
    int n = 0;
    glint_error err;
    for (int i = 0; i < PROMPT; i++) {
        SUPPORT_OK(glint_session_feed(s, 0, &prompt[i], 1, &err), &err);
        SUPPORT_OK(glint_session_logits(s, 0, &l, &err), &err);
        SUPPORT_OK(glint_session_top(s, 0, got, &n, &err), &err);
        find_top(l, glint_model_vocabulary(m), want);
        CU_ASSERT_EQUAL(n, GLINT_TOP);
        for (int j = 0; j < n; j++) CU_ASSERT(got[j].id == want[j].id && got[j].logit == want[j].logit);
    }
    CU_ASSERT_EQUAL(glint_session_top(s, 1, got, &n, &err), GLINT_USAGE);
    SUPPORT_OK(glint_session_feed(without, 0, prompt, PROMPT, &err), &err);
    CU_ASSERT_EQUAL(glint_session_top(without, 0, got, &n, &err), GLINT_USAGE);
    glint_session_close(&s);
    glint_session_close(&without);
}

static void test_session_top(void) {
    each_device(check_top);
}

typedef struct written {
    int32_t ids[NEW_TOKENS];
    int n, all; /* tokens; those of them that came with all logits */
} written;

static bool write_token(const glint_generated *g, void *user) {
    written *w = user;
    w->ids[w->n++] = g->id;
    w->all += g->logits != NULL;
    return true;
}

static written generate(const glint_model *m, glint_session *s, glint_sampling rules) {
    written w = {.n = 0};
    glint_sampler *sampler = open_sampler(m, rules);
    glint_generate_options o = {
        .prompt = prompt, .n_prompt = PROMPT, .n = NEW_TOKENS, .ignore_end = true, .token = write_token, .user = &w};
    glint_error err;
    SUPPORT_OK(glint_session_cut(s, 0, 0, &err), &err);
    SUPPORT_OK(glint_generate(s, sampler, &o, NULL, &err), &err);
    CU_ASSERT_EQUAL(w.n, NEW_TOKENS);
    glint_sampler_close(&sampler);
    return w;
}

/* The same text with and without; all logits are read only where the rules want them. */
static void check_generation(glint_model *m, const char *device) {
    glint_sampling rules[4];
    for (int i = 0; i < 4; i++) rules[i] = glint_sampling_default();
    rules[1].repeat_penalty = 1.2f, rules[1].frequency_penalty = 0.1f;
    rules[2].temperature = 0, rules[2].presence_penalty = 1;
    rules[3].top_k = 0;
    glint_session *with = open_session(m, device, true), *without = open_session(m, device, false);
    for (int i = 0; i < 4; i++) {
        written got = generate(m, with, rules[i]), want = generate(m, without, rules[i]);
        CU_ASSERT(!memcmp(got.ids, want.ids, sizeof got.ids));
        CU_ASSERT_EQUAL(want.all, NEW_TOKENS);
        CU_ASSERT(i == 0 ? got.all == 0 : i == 3 ? got.all == NEW_TOKENS : got.all < NEW_TOKENS / 2);
    }
    glint_session_close(&with);
    glint_session_close(&without);
}

static void test_same_text(void) {
    each_device(check_generation);
}

static bool write_three(const glint_generated *g, void *user) {
    return write_token(g, user) && ((written *)user)->n != 3;
}

/* A text that the user ends after three tokens and goes on with is the same text: no step is left behind. */
static void check_stopped(glint_model *m, const char *device) {
    glint_session *s = open_session(m, device, true);
    written got = {.n = 0}, want = generate(m, s, glint_sampling_default());
    glint_sampler *sampler = open_sampler(m, glint_sampling_default());
    glint_generate_options o = {
        .prompt = prompt, .n_prompt = PROMPT, .ignore_end = true, .token = write_three, .user = &got};
    glint_error err;
    SUPPORT_OK(glint_session_cut(s, 0, 0, &err), &err);
    SUPPORT_OK(glint_generate(s, sampler, &o, NULL, &err), &err);
    CU_ASSERT_EQUAL(got.n, 3);
    CU_ASSERT_EQUAL(glint_session_length(s, 0), PROMPT + 2);
    o.prompt = &got.ids[2];
    o.n_prompt = 1;
    o.n = NEW_TOKENS - 3;
    SUPPORT_OK(glint_generate(s, sampler, &o, NULL, &err), &err);
    CU_ASSERT(!memcmp(got.ids, want.ids, sizeof got.ids));
    glint_sampler_close(&sampler);
    glint_session_close(&s);
}

static void test_stopped(void) {
    each_device(check_stopped);
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
    const support_case cases[] = {{"distribution", test_distribution},
                                  {"greedy and ties", test_greedy_and_ties},
                                  {"a seed repeats", test_seed_repeats},
                                  {"no number", test_no_number},
                                  {"penalties", test_penalties},
                                  {"the likeliest decide", test_top_decides},
                                  {"the likeliest with penalties", test_top_with_penalties},
                                  {"the likeliest are not enough", test_top_is_not_enough},
                                  {"the likeliest of a session", test_session_top},
                                  {"the same text from the likeliest", test_same_text},
                                  {"stopped by the user", test_stopped},
                                  {"standing", test_standing},
                                  {"refusals", test_refusals}};
    return support_main("sampler", cases, sizeof cases / sizeof *cases);
}
