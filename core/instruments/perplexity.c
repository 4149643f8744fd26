/* Mean negative log-likelihood of a text: how surprised the model is by each next token. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/session.h"

typedef struct scores {
    double sum, squares;
    size_t n;
    size_t begin; /* of the window in the text */
} scores;

/* -ln softmax(logits)[id], in double. */
static double surprise(const float *logits, int n, int32_t id) {
    float max = logits[0];
    for (int i = 1; i < n; i++)
        if (logits[i] > max) max = logits[i];
    double sum = 0;
    for (int i = 0; i < n; i++) sum += exp((double)logits[i] - max);
    return log(sum) - ((double)logits[id] - max);
}

/* One window from an empty cache; rows from `first` on predict the id after them. */
static glint_status score_window(glint_session *s, const int32_t *ids, int n, int first, scores *sum,
                                 glint_error *err) {
    int chunk = s->outputs < s->batch ? s->outputs : s->batch, vocabulary = s->model->tape.vocabulary;
    glint_status status = glint_session_cut(s, 0, 0, err);
    for (int at = 0; at < n && !status; at += chunk) {
        int rows = n - at < chunk ? n - at : chunk, outputs = 0;
        for (int r = 0; r < rows; r++)
            s->rows[r] = (glint_row){.token = ids[at + r], .output = at + r >= first && at + r + 1 < n};
        status = glint_session_step(s, s->rows, rows, err);
        for (int r = 0; r < rows && !status; r++) {
            const float *logits;
            if (at + r < first || at + r + 1 >= n) continue;
            status = glint_session_logits(s, outputs++, &logits, err);
            if (status) break;
            double nll = surprise(logits, vocabulary, ids[at + r + 1]);
            if (isnan(nll)) status = model_no_logits(s->model, "token", sum->begin + (size_t)(at + r) + 1, err);
            *sum = (scores){sum->sum + nll, sum->squares + nll * nll, sum->n + 1, sum->begin};
        }
    }
    return status;
}

static void finish(const scores *sum, glint_perplexity *out) {
    double n = (double)sum->n, mean = sum->sum / n, variance = sum->squares / n - mean * mean;
    out->mean_nll = mean;
    out->perplexity = exp(mean);
    out->standard_error = sum->n > 1 && variance > 0 ? sqrt(variance / (n - 1)) : 0;
    out->scored = sum->n;
}

glint_status glint_perplexity_run(glint_session *s, const int32_t *ids, size_t n, int window, glint_score score,
                                  glint_progress *progress, void *user, glint_perplexity *out, glint_error *err) {
    if (window < 2 || window > s->context)
        return base_fail(err, GLINT_USAGE, "a window of %d tokens in a context of %d", window, s->context);
    bool half = score == GLINT_SCORE_HALF;
    int first = half ? window / 2 : 0; /* row that predicts a token scored */
    if (first + 1 >= window)
        return base_fail(err, GLINT_USAGE, "a window of %d tokens has no second half to score: 3 at least", window);
    size_t windows = n / (size_t)window + (!half && n % (size_t)window >= 2);
    if (!windows)
        return base_fail(err, GLINT_BAD_INPUT, "the text has %zu tokens, fewer than a window of %d needs", n, window);
    int32_t *copy = malloc((size_t)window * sizeof *copy);
    if (!copy) return base_fail(err, GLINT_INTERNAL, "out of memory for a window");
    int32_t bos = half && s->model->words ? tokenizer_bos(s->model->words) : -1;
    scores sum = {0};
    glint_status status = GLINT_OK;
    for (size_t w = 0; w < windows && !status; w++) {
        size_t begin = w * (size_t)window;
        int length = n - begin < (size_t)window ? (int)(n - begin) : window;
        memcpy(copy, ids + begin, (size_t)length * sizeof *copy);
        if (bos >= 0) copy[0] = bos;
        sum.begin = begin;
        status = score_window(s, copy, length, first, &sum, err);
        if (progress) progress(w + 1, windows, user);
    }
    free(copy);
    if (status) return status;
    *out = (glint_perplexity){.windows = windows};
    finish(&sum, out);
    return GLINT_OK;
}
