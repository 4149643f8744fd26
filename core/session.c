/* Opening a session: choosing where the model goes, then weights, cache and programs there; and closing it again. */
#include "core/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/placement/place.h"

/* ---- Memory ---- */

part_setup session_setup(const glint_session *s) {
    return (part_setup){.model = s->model,
                        .kv = &s->kv,
                        .batch = s->batch,
                        .outputs = s->outputs,
                        .cache_f32 = s->cache_f32,
                        .observed = s->value_ids,
                        .n_observed = s->n_values + 2 + s->top,
                        .n_snapshots = s->where.n == 1 ? s->n_values : 0};
}

static glint_status make_room(glint_session *s, const glint_session_options *o, int sequences, glint_error *err) {
    size_t n = (size_t)s->batch;
    glint_status status = kv_open(&s->kv, &s->model->tape, sequences, s->context, s->batch, &s->memory, err);
    if (status) return status;
    s->rows = arena_array(&s->memory, n, sizeof *s->rows);
    s->last = arena_array(&s->memory, n, sizeof *s->last);
    s->new_rows = arena_array(&s->memory, (size_t)sequences, sizeof *s->new_rows);
    s->history = arena_array(&s->memory, (size_t)sequences, (size_t)s->context * sizeof *s->history);
    s->logits = arena_array(&s->memory, (size_t)s->model->tape.vocabulary, sizeof *s->logits);
    s->memory_asked = o->memory ? arena_text(&s->memory, o->memory, strlen(o->memory)) : NULL;
    if (o->memory && !s->memory_asked) return base_fail(err, GLINT_INTERNAL, "out of memory for a session");
    if (s->rows && s->last && s->new_rows && s->history && s->logits) return GLINT_OK;
    return base_fail(err, GLINT_INTERNAL, "out of memory for a batch");
}

static glint_status check_layers(const glint_model *m, const glint_session_options *o, glint_error *err) {
    for (int i = 0; i < o->n_layers; i++)
        if (o->layers[i] < 0 || o->layers[i] >= m->tape.layers)
            return base_fail(err, GLINT_USAGE, "there is no layer %d: the model has %d", o->layers[i], m->tape.layers);
    return GLINT_OK;
}

/* What devices want people to know. */
static void pass_on_notices(const glint_session *s) {
    for (int i = 0; i < s->split.n && s->notice; i++) {
        const part *p = &s->split.parts[i];
        const char *line = p->backend->notice && !p->borrowed ? p->backend->notice(p->device) : NULL;
        if (line) s->notice(line, s->notice_user);
    }
}

static glint_status open_at(glint_model *model, const glint_session_options *o, const plan_sizes *sizes,
                            const placed *at, glint_session **out, glint_error *err) {
    glint_session *s = calloc(1, sizeof *s);
    if (!s) return base_fail(err, GLINT_INTERNAL, "out of memory for a session");
    s->model = model;
    s->where = at->where;
    placement_text(&model->tape, &at->where, s->device_name);
    snprintf(s->reason, sizeof s->reason, "%s", at->reason);
    s->device_options = (backend_options){.threads = o->threads, .precision = o->precision};
    s->notice = o->notice;
    s->notice_user = o->notice_user;
    s->precision = o->precision;
    s->top = o->top;
    s->cache_f32 = sizes->cache_f32;
    s->context = sizes->context;
    s->batch = sizes->batch;
    s->outputs = sizes->outputs;
    glint_status status = session_observe(s, o, err);
    if (!status) status = make_room(s, o, sizes->sequences, err);
    part_setup setup = session_setup(s);
    if (!status) status = split_open(&s->split, &s->where, &s->device_options, &setup, err);
    if (!status) pass_on_notices(s);
    if (status)
        glint_session_close(&s);
    else
        *out = s;
    return status;
}

static glint_status open_planned(glint_model *model, const glint_session_options *o, const plan *p, glint_session **out,
                                 glint_error *err) {
    placed at;
    glint_error why;
    glint_status status = place_session(p, o, &at, err);
    while (!status && (status = open_at(model, o, &p->sizes, &at, out, &why))) {
        if (status != GLINT_DEVICE || !at.tentative) return base_fail(err, status, "%s", why.message);
        status = place_instead(p, o, why.message, &at, err);
    }
    return status;
}

glint_status glint_session_open(glint_model *model, const glint_session_options *options, glint_session **out,
                                glint_error *err) {
    const glint_session_options defaults = {0}, *o = options ? options : &defaults;
    plan p = {0};
    plan_sizes sizes;
    glint_status status = check_layers(model, o, err);
    if (!status) status = plan_sizes_of(model, o, &sizes, err);
    if (!status) status = plan_open(&p, model, &sizes, err);
    if (!status) status = open_planned(model, o, &p, out, err);
    plan_close(&p);
    return status;
}

void glint_session_close(glint_session **session) {
    if (!session || !*session) return;
    glint_session *s = *session;
    split_close(&s->split);
    arena_free(&s->memory);
    free(s);
    *session = NULL;
}

const char *glint_session_device(const glint_session *s) {
    return s->device_name;
}
const char *glint_session_reason(const glint_session *s) {
    return s->reason;
}
int glint_session_context(const glint_session *s) {
    return s->context;
}
int glint_session_batch(const glint_session *s) {
    return s->batch;
}

int glint_session_values(const glint_session *s, const glint_value_info **out) {
    *out = s->values;
    return s->n_values;
}
