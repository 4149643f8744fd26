/* Logits to a token: penalties, then top-k, top-p and min-p, then temperature, then one draw. From all logits,
 * candidates come out of a heap best first, only as many as the rules need; from the likeliest alone, they are there
 * already. NaN counts as -infinity; of nothing else, nothing is chosen. Nothing is allocated. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"

typedef glint_token_logit candidate;

struct glint_sampler {
    glint_sampling rules;
    int vocabulary;
    uint64_t random;
    int32_t *recent; /* ring of the last penalty_window tokens */
    int n_recent, next_recent;
    candidate *heap; /* [vocabulary]; the chosen ones are at its end, best last */
    double *weight;  /* [vocabulary], of the chosen ones, best first */
    float *penalised;
};

glint_sampling glint_sampling_default(void) {
    return (glint_sampling){
        .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repeat_penalty = 1, .penalty_window = 64};
}

static glint_status check(const glint_sampling *r, glint_error *err) {
    enum { LONGEST = 1 << 20 };
    if (!(r->temperature >= 0)) return base_fail(err, GLINT_USAGE, "the temperature must not be negative");
    if (r->top_k < 0) return base_fail(err, GLINT_USAGE, "top-k must not be negative");
    if (!(r->top_p > 0 && r->top_p <= 1)) return base_fail(err, GLINT_USAGE, "top-p must be above 0 and at most 1");
    if (!(r->min_p >= 0 && r->min_p < 1)) return base_fail(err, GLINT_USAGE, "min-p must be at least 0 and below 1");
    if (!(r->repeat_penalty > 0)) return base_fail(err, GLINT_USAGE, "the repeat penalty must be above 0");
    if (!isfinite(r->presence_penalty) || !isfinite(r->frequency_penalty))
        return base_fail(err, GLINT_USAGE, "penalties must be finite");
    if (r->penalty_window < 0 || r->penalty_window > LONGEST)
        return base_fail(err, GLINT_USAGE, "the penalty window must be between 0 and %d", LONGEST);
    return GLINT_OK;
}

glint_status glint_sampler_open(const glint_model *model, const glint_sampling *sampling, glint_sampler **out,
                                glint_error *err) {
    glint_status status = check(sampling, err);
    if (status) return status;
    glint_sampler *s = calloc(1, sizeof *s);
    if (!s) return base_fail(err, GLINT_INTERNAL, "out of memory for a sampler");
    size_t n = (size_t)model->tape.vocabulary;
    *s = (glint_sampler){.rules = *sampling, .vocabulary = (int)n, .random = sampling->seed};
    s->recent = calloc((size_t)sampling->penalty_window + 1, sizeof *s->recent);
    s->heap = calloc(n, sizeof *s->heap);
    s->weight = calloc(n, sizeof *s->weight);
    s->penalised = calloc(n, sizeof *s->penalised);
    if (!s->recent || !s->heap || !s->weight || !s->penalised) {
        glint_sampler_close(&s);
        return base_fail(err, GLINT_INTERNAL, "out of memory for a sampler");
    }
    *out = s;
    return GLINT_OK;
}

void glint_sampler_close(glint_sampler **sampler) {
    if (!sampler || !*sampler) return;
    free((*sampler)->recent);
    free((*sampler)->heap);
    free((*sampler)->weight);
    free((*sampler)->penalised);
    free(*sampler);
    *sampler = NULL;
}

void glint_sampler_accept(glint_sampler *s, int32_t id) {
    if (!s->rules.penalty_window || id < 0 || id >= s->vocabulary) return;
    s->recent[s->next_recent] = id;
    s->next_recent = (s->next_recent + 1) % s->rules.penalty_window;
    if (s->n_recent < s->rules.penalty_window) s->n_recent++;
}

/* ---- Rules ---- */

static float number(float x) {
    return isnan(x) ? -INFINITY : x;
}

static bool penalises(const glint_sampling *r) {
    return r->penalty_window && (r->repeat_penalty != 1 || r->presence_penalty != 0 || r->frequency_penalty != 0);
}

/* The logit of a token that is `count` times among the recent ones: pushed towards less likely, and lowered by presence
 * and by count. */
static float penalised(const glint_sampling *r, float x, int count) {
    x = x > 0 ? x / r->repeat_penalty : x * r->repeat_penalty;
    return x - r->presence_penalty - (float)count * r->frequency_penalty;
}

static int count_recent(const glint_sampler *s, int32_t id) {
    int count = 0;
    for (int i = 0; i < s->n_recent; i++) count += s->recent[i] == id;
    return count;
}

static const float *penalise(glint_sampler *s, const float *logits) {
    if (!penalises(&s->rules) || !s->n_recent) return logits;
    memcpy(s->penalised, logits, (size_t)s->vocabulary * sizeof *logits);
    for (int i = 0; i < s->n_recent; i++) { /* a token that is there twice comes to the same twice */
        int32_t id = s->recent[i];
        s->penalised[id] = penalised(&s->rules, logits[id], count_recent(s, id));
    }
    return s->penalised;
}

static int32_t likeliest(const float *logits, int n) {
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (number(logits[i]) > number(logits[best])) best = i;
    return best;
}

/* ---- The heap: a parent is at least as likely as its children; the smaller id first where equal ---- */

static bool better(candidate a, candidate b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static void sift(candidate *h, int n, int at) {
    candidate moving = h[at];
    for (int child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && better(h[child + 1], h[child])) child++;
        if (!better(h[child], moving)) break;
        h[at] = h[child];
    }
    h[at] = moving;
}

static void heap_fill(glint_sampler *s, const float *logits) {
    for (int32_t i = 0; i < s->vocabulary; i++) s->heap[i] = (candidate){i, number(logits[i])};
    for (int i = s->vocabulary / 2 - 1; i >= 0; i--) sift(s->heap, s->vocabulary, i);
}

/* Takes the i-th best out (i = 0, 1, ... in order); it stays at the end of the array. */
static candidate heap_take(glint_sampler *s, int i) {
    int last = s->vocabulary - 1 - i;
    candidate best = s->heap[0];
    s->heap[0] = s->heap[last];
    s->heap[last] = best;
    sift(s->heap, last, 0);
    return best;
}

static candidate chosen(const glint_sampler *s, int i) {
    return s->heap[s->vocabulary - 1 - i];
}

/* sum of exp(logit - max) over the candidates that top-k leaves. */
static double total_weight(const glint_sampler *s, const float *logits, float max, int n) {
    double sum = 0;
    if (n < s->vocabulary)
        for (int i = 0; i < n; i++) sum += s->weight[i];
    else
        for (int i = 0; i < n; i++) sum += exp((double)number(logits[i]) - max);
    return sum;
}

/* How many of the best n candidates remain after top-p and min-p. The first `taken` are out of the heap, with their
 * weights; the others are taken as they are needed. */
static int cut(glint_sampler *s, const float *logits, int n, int taken) {
    const glint_sampling *r = &s->rules;
    float max = taken ? chosen(s, 0).logit : s->heap[0].logit;
    double total = r->top_p < 1 ? total_weight(s, logits, max, n) : 0, sum = 0;
    for (int i = 0; i < n; i++) {
        if (i >= taken) s->weight[i] = exp((double)heap_take(s, i).logit - max);
        if (i && (s->weight[i] < r->min_p || (r->top_p < 1 && sum >= r->top_p * total))) return i;
        sum += s->weight[i];
    }
    return n;
}

static void weigh(glint_sampler *s, int n) {
    for (int i = 0; i < n; i++) s->weight[i] = exp((double)chosen(s, i).logit - chosen(s, 0).logit);
}

/* How many of the best candidates remain after top-k, top-p and min-p; they are taken out of the heap. */
static int keep(glint_sampler *s, const float *logits) {
    int k = s->rules.top_k;
    heap_fill(s, logits);
    if (!k || k >= s->vocabulary) return cut(s, logits, s->vocabulary, 0);
    for (int i = 0; i < k; i++) heap_take(s, i);
    weigh(s, k);
    return cut(s, logits, k, k);
}

/* splitmix64 (Steele, Lea, Flood 2014): 53 bits of it as a number in [0, 1). */
static double draw(glint_sampler *s) {
    uint64_t z = s->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

/* One of the best n candidates, by their weights at the temperature; -1: none is a number. */
static int32_t pick(glint_sampler *s, int n) {
    float max = chosen(s, 0).logit;
    double sum = 0;
    if (max == -INFINITY) return -1;
    for (int i = 0; i < n; i++) sum += s->weight[i] = exp(((double)chosen(s, i).logit - max) / s->rules.temperature);
    double at = draw(s) * sum;
    int i = 0;
    while (i + 1 < n && (at -= s->weight[i]) >= 0) i++;
    return chosen(s, i).id;
}

int32_t glint_sampler_choose(glint_sampler *s, const float *logits) {
    const float *l = penalise(s, logits);
    int32_t id = s->rules.temperature > 0 ? pick(s, keep(s, l)) : likeliest(l, s->vocabulary);
    if (s->rules.temperature == 0 && number(l[id]) == -INFINITY) id = -1;
    glint_sampler_accept(s, id);
    return id;
}

/* ---- From the likeliest alone ---- */

bool glint_sampling_uses_top(const glint_sampling *r, const char **why) {
    bool raises = r->repeat_penalty < 1 || r->presence_penalty < 0 || r->frequency_penalty < 0;
    const char *no = NULL, *yes = "top-k looks no further";
    if (r->temperature == 0) yes = "temperature 0 takes the first";
    if (penalises(r)) yes = "penalties seldom bring others into question; all logits are read when they do";
    if (r->temperature > 0 && r->top_k == 0) no = "top-k is off";
    if (r->temperature > 0 && r->top_k > GLINT_TOP) no = "top-k goes beyond the likeliest that a device finds";
    if (penalises(r) && raises) no = "these penalties can make any token likelier";
    if (why) *why = no ? no : yes;
    return !no;
}

/* Penalties applied, in order, at the end of the heap's array as heap_take leaves them. */
static void place_top(glint_sampler *s, const candidate *top, int n) {
    bool penalties = penalises(&s->rules);
    for (int i = 0; i < n; i++) {
        candidate c = top[i];
        int count = penalties ? count_recent(s, c.id) : 0, at = i;
        if (count) c.logit = number(penalised(&s->rules, c.logit, count));
        candidate *last = &s->heap[s->vocabulary - 1];
        for (; at > 0 && better(c, last[1 - at]); at--) last[-at] = last[1 - at];
        last[-at] = c;
    }
}

/* Tokens that are not among the likeliest come behind the last of them, and penalties only move them further back: as
 * many candidates are known for certain as are not worse than that last one was before its penalty. */
bool glint_sampler_choose_top(glint_sampler *s, const glint_token_logit *top, int n, int32_t *id) {
    int k = s->rules.temperature > 0 ? s->rules.top_k : 1;
    if (!glint_sampling_uses_top(&s->rules, NULL) || k > n || (k == s->vocabulary && k > 1)) return false;
    if (number(top[0].logit) == -INFINITY) return false;
    place_top(s, top, n);
    if (better(top[n - 1], chosen(s, k - 1))) return false;
    weigh(s, k);
    *id = s->rules.temperature > 0 ? pick(s, cut(s, NULL, k, k)) : chosen(s, 0).id;
    glint_sampler_accept(s, *id);
    return true;
}

/* ---- Standing ---- */

static double log_total(const float *logits, int n, float max) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += exp((double)logits[i] - max);
    return log(sum);
}

int glint_top(const float *logits, int vocabulary, int k, glint_candidate *out) {
    int n = 0;
    for (int32_t id = 0; id < vocabulary; id++) {
        if (n == k && (n == 0 || !(logits[id] > out[n - 1].logit))) continue;
        int at = n < k ? n++ : n - 1;
        for (; at > 0 && logits[id] > out[at - 1].logit; at--) out[at] = out[at - 1];
        out[at] = (glint_candidate){.id = id, .logit = logits[id]};
    }
    double total = n ? log_total(logits, vocabulary, out[0].logit) : 0;
    for (int i = 0; i < n; i++) {
        out[i].rank = i + 1;
        out[i].probability = exp((double)out[i].logit - out[0].logit - total);
    }
    return n;
}

glint_candidate glint_standing(const float *logits, int vocabulary, int32_t id) {
    float max = logits[likeliest(logits, vocabulary)];
    glint_candidate c = {.id = id, .rank = 1, .logit = logits[id]};
    for (int32_t i = 0; i < vocabulary; i++) c.rank += logits[i] > c.logit || (logits[i] == c.logit && i < id);
    c.probability = exp((double)c.logit - max - log_total(logits, vocabulary, max));
    return c;
}
