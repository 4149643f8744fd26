/* The decode loop: prompt in, tokens out. Allocates nothing. */
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

static glint_status choose(glint_session *s, glint_sampler *sampler, bool need_logits, const float **logits,
                           int32_t *id, glint_error *err) {
    bool decided = false;
    *logits = NULL;
    glint_status status = GLINT_OK;
    if (sampler && s->top && !need_logits) status = choose_from_top(s, sampler, &decided, id, err);
    if (status || decided) return status;
    if (sampler || need_logits) status = glint_session_logits(s, 0, logits, err);
    if (status) return status;
    if (!sampler) return glint_session_argmax(s, 0, id, err);
    *id = glint_sampler_choose(sampler, *logits);
    return GLINT_OK;
}

/* Tells the user; true: stop. */
static bool tell(const glint_session *s, const glint_generate_options *o, glint_generated *g) {
    g->last = !o->ignore_end && glint_token_ends(s->model, g->id);
    return !o->token(g, o->user) || g->last;
}

static bool wants_more(const glint_session *s, const glint_generate_options *o, int told) {
    return told != o->n && glint_session_length(s, 0) < s->context; /* n 0: without end */
}

/* A step for each token, chosen on the host. `id` is the first one, not told yet. */
static glint_status decode_by_host(glint_session *s, glint_sampler *sampler, const glint_generate_options *o,
                                   glint_generated g, int *steps, glint_error *err) {
    while (!tell(s, o, &g) && wants_more(s, o, ++g.index)) {
        glint_status status = glint_session_step(s, &(glint_row){.token = g.id, .output = true}, 1, err);
        ++*steps;
        if (!status) status = choose(s, sampler, o->need_logits, &g.logits, &g.id, err);
        if (status) return status;
    }
    return GLINT_OK;
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
        bool more = wants_more(s, o, g.index + 1);
        ++*steps;
        if (more) status = session_step_previous(s, err);
        if (!status) status = session_chosen(s, ticket, &g.id, err);
        if (status == GLINT_DEVICE && !(status = session_recover(s, err))) return decode_on(s, o, g, steps, err);
        if (status) break;
        stop = tell(s, o, &g) || !more;
        if (stop && more) status = glint_session_cut(s, 0, glint_session_length(s, 0) - 1, err);
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
    glint_generated g = {0};
    status = choose(s, sampler, o->need_logits, &g.logits, &g.id, err);
    double decoding = base_seconds();
    glint_timings took = {.prefill_seconds = decoding - begin, .prefill_tokens = (int)o->n_prompt};
    if (!status) status = decode(s, sampler, o, g, &took.decode_tokens, err);
    took.decode_seconds = base_seconds() - decoding;
    if (timings) *timings = took;
    return status;
}
