/* The decode loop: prompt in, tokens out. Allocates nothing. */
#include <math.h>

#include "core/base/clock.h"
#include "core/session.h"

static glint_status choose_from_top(glint_session *s, glint_sampler *sampler, bool *decided, int32_t *id,
                                    glint_error *err) {
    glint_token_logit top[GLINT_TOP];
    int n;
    glint_status status = glint_session_top(s, 0, top, &n, err);
    if (!status) *decided = glint_sampler_choose_top(sampler, top, n, id);
    return status;
}

/* ---- Logits that are all NaN ---- */

/* Argmax names id 0 of them, which it seldom does of others: so a device's logits, which greedy decoding does not need,
 * are read only where it says 0 after another id. Not seen: NaN beside numbers, and what begins in a run of id 0. */
static bool is_suspicious(int32_t id, int32_t previous) {
    return id == 0 && previous != 0;
}

static bool any_number(const glint_session *s, const float *logits) {
    for (int i = 0; i < s->model->tape.vocabulary; i++)
        if (logits[i] > -INFINITY) return true;
    return false;
}

static glint_status expect_number(const glint_session *s, const float *logits, int index, glint_error *err) {
    return any_number(s, logits) ? GLINT_OK : model_no_logits(s->model, "new token", (size_t)index, err);
}

/* The logits of the step that a device is ahead by: those of the one before are gone, and NaN in the cache stays. A
 * device that fails here is replaced where its choice is read. */
static glint_status expect_number_ahead(glint_session *s, int index, glint_error *err) {
    glint_error ignored = {""};
    bool read = !session_read_earlier(s, session_ticket(s), s->model->tape.logits, s->logits, &ignored);
    return read ? expect_number(s, s->logits, index, err) : GLINT_OK;
}

/* ---- Choosing ---- */

static glint_status choose_greedily(glint_session *s, glint_generated *g, glint_error *err) {
    int32_t previous = g->id;
    const float *logits = g->logits;
    glint_status status = glint_session_argmax(s, 0, &g->id, err);
    if (status || !is_suspicious(g->id, previous)) return status;
    if (!logits) status = glint_session_logits(s, 0, &logits, err);
    return status ? status : expect_number(s, logits, g->index, err);
}

/* On entry g->id is the token before, -1 at the first. */
static glint_status choose(glint_session *s, glint_sampler *sampler, bool need_logits, glint_generated *g,
                           glint_error *err) {
    bool decided = false;
    g->logits = NULL;
    glint_status status = GLINT_OK;
    if (sampler && s->top && !need_logits) status = choose_from_top(s, sampler, &decided, &g->id, err);
    if (status || decided) return status;
    if (sampler || need_logits) status = glint_session_logits(s, 0, &g->logits, err);
    if (status) return status;
    if (!sampler) return choose_greedily(s, g, err);
    g->id = glint_sampler_choose(sampler, g->logits);
    return g->id < 0 ? model_no_logits(s->model, "new token", (size_t)g->index, err) : GLINT_OK;
}

static bool ends(const glint_session *s, const glint_generate_options *o, int32_t id) {
    return !o->ignore_end && glint_token_ends(s->model, id);
}

/* Tells the user; true: stop. */
static bool tell(const glint_session *s, const glint_generate_options *o, glint_generated *g) {
    g->last = ends(s, o, g->id);
    return !o->token(g, o->user) || g->last;
}

static bool wants_more(const glint_session *s, const glint_generate_options *o, int told) {
    return told != o->n && glint_session_length(s, 0) < s->context; /* n 0: without end */
}

/* Whether there is a step behind a token, as far as this is known before the user is told. */
static bool goes_on(const glint_session *s, const glint_generate_options *o, const glint_generated *g) {
    return !ends(s, o, g->id) && wants_more(s, o, g->index + 1);
}

static glint_status step_with(glint_session *s, int32_t id, int *steps, glint_error *err) {
    ++*steps;
    return glint_session_step(s, &(glint_row){.token = id, .output = true}, 1, err);
}

static glint_status take_back(glint_session *s, glint_error *err) {
    return glint_session_cut(s, 0, glint_session_length(s, 0) - 1, err);
}

/* A step for each token, chosen on the host. `id` is the first one, not told yet. A device that works by itself does so
 * while the user is told; its step is taken back where the user ends the text. */
static glint_status decode_by_host(glint_session *s, glint_sampler *sampler, const glint_generate_options *o,
                                   glint_generated g, int *steps, glint_error *err) {
    for (;; ++g.index) {
        bool more = goes_on(s, o, &g), early = more && session_runs_ahead(s);
        glint_status status = early ? step_with(s, g.id, steps, err) : GLINT_OK;
        bool stop = tell(s, o, &g) || !more;
        if (stop && early && !status) status = take_back(s, err);
        if (stop || status) return status;
        if (!early) status = step_with(s, g.id, steps, err);
        if (!status) status = choose(s, sampler, o->need_logits, &g, err);
        if (status) return status;
    }
}

static glint_status decode(glint_session *s, glint_sampler *sampler, const glint_generate_options *o, glint_generated g,
                           int *steps, glint_error *err);

/* After a device was lost on the way: the step that was waited for has been repeated elsewhere. */
static glint_status decode_on(glint_session *s, const glint_generate_options *o, glint_generated g, int *steps,
                              glint_error *err) {
    glint_status status = glint_session_argmax(s, 0, &g.id, err);
    return status ? status : decode(s, NULL, o, g, steps, err);
}

/* The device goes on with what it chose itself; the host is always one step behind, and takes the last one back when
 * the text ended before it. */
static glint_status decode_ahead(glint_session *s, const glint_generate_options *o, glint_generated g, int *steps,
                                 glint_error *err) {
    if (tell(s, o, &g) || !wants_more(s, o, ++g.index)) return GLINT_OK;
    glint_status status = glint_session_step(s, &(glint_row){.token = g.id, .output = true}, 1, err);
    if (!status && !session_runs_ahead(s)) return ++*steps, decode_on(s, o, g, steps, err);
    for (bool stop = false; !status && !stop; ++g.index) {
        backend_ticket ticket = session_ticket(s);
        int32_t previous = g.id;
        bool more = wants_more(s, o, g.index + 1);
        ++*steps;
        if (more) status = session_step_previous(s, err);
        if (!status) status = session_chosen(s, ticket, &g.id, err);
        if (status == GLINT_DEVICE && !(status = session_recover(s, err))) return decode_on(s, o, g, steps, err);
        if (!status && is_suspicious(g.id, previous)) status = expect_number_ahead(s, g.index, err);
        if (status) break;
        stop = tell(s, o, &g) || !more;
        if (stop && more) status = take_back(s, err);
    }
    return status;
}

static glint_status decode(glint_session *s, glint_sampler *sampler, const glint_generate_options *o, glint_generated g,
                           int *steps, glint_error *err) {
    bool ahead = !sampler && !o->need_logits && session_runs_ahead(s);
    return ahead ? decode_ahead(s, o, g, steps, err) : decode_by_host(s, sampler, o, g, steps, err);
}

glint_status glint_generate(glint_session *s, glint_sampler *sampler, const glint_generate_options *o,
                            glint_timings *timings, glint_error *err) {
    if (!o->n_prompt) return base_fail(err, GLINT_BAD_INPUT, "the prompt has no tokens");
    double begin = base_seconds();
    glint_status status = glint_session_feed(s, 0, o->prompt, o->n_prompt, err);
    if (status) return status;
    for (size_t i = 0; sampler && i < o->n_prompt; i++) glint_sampler_accept(sampler, o->prompt[i]);
    glint_generated g = {.id = -1};
    status = choose(s, sampler, o->need_logits, &g, err);
    double decoding = base_seconds();
    glint_timings took = {.prefill_seconds = decoding - begin, .prefill_tokens = (int)o->n_prompt};
    if (!status) status = decode(s, sampler, o, g, &took.decode_tokens, err);
    took.decode_seconds = base_seconds() - decoding;
    if (timings) *timings = took;
    return status;
}
