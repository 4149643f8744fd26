/* The decode loop: prompt in, tokens out. Allocates nothing. */
#include "core/session.h"

static glint_status choose(glint_session *s, glint_sampler *sampler, bool need_logits, const float **logits,
                           int32_t *id, glint_error *err) {
    *logits = NULL;
    glint_status status = GLINT_OK;
    if (sampler || need_logits) status = glint_session_logits(s, 0, logits, err);
    if (status) return status;
    if (!sampler) return glint_session_argmax(s, 0, id, err);
    *id = glint_sampler_choose(sampler, *logits);
    return GLINT_OK;
}

glint_status glint_generate(glint_session *s, glint_sampler *sampler, const glint_generate_options *o,
                            glint_timings *timings, glint_error *err) {
    if (!o->n_prompt) return base_fail(err, GLINT_BAD_INPUT, "the prompt has no tokens");
    double begin = session_seconds();
    glint_status status = glint_session_feed(s, 0, o->prompt, o->n_prompt, err);
    if (status) return status;
    for (size_t i = 0; sampler && i < o->n_prompt; i++) glint_sampler_accept(sampler, o->prompt[i]);
    double decoding = session_seconds();
    glint_timings took = {.prefill_seconds = decoding - begin, .prefill_tokens = (int)o->n_prompt};
    for (int i = 0; !o->n || i < o->n; i++) {
        glint_generated g = {.index = i};
        status = choose(s, sampler, o->need_logits, &g.logits, &g.id, err);
        if (status) break;
        g.last = !o->ignore_end && glint_token_ends(s->model, g.id);
        if (!o->token(&g, o->user) || g.last) break;
        if (i + 1 == o->n || glint_session_length(s, 0) == s->context) break;
        status = glint_session_step(s, &(glint_row){.token = g.id, .output = true}, 1, err);
        if (status) break;
        took.decode_tokens++;
    }
    took.decode_seconds = session_seconds() - decoding;
    if (timings) *timings = took;
    return status;
}
