/* Opening a session: choosing where the model goes, then weights, cache and programs there; and closing it again. */
#include "core/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int pick(int asked, int otherwise) {
    return asked > 0 ? asked : otherwise;
}

static int min_int(int a, int b) {
    return a < b ? a : b;
}

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

static glint_status make_room(glint_session *s, int sequences, glint_error *err) {
    size_t n = (size_t)s->batch;
    glint_status status = kv_open(&s->kv, &s->model->tape, sequences, s->context, s->batch, &s->memory, err);
    if (status) return status;
    s->rows = arena_array(&s->memory, n, sizeof *s->rows);
    s->last = arena_array(&s->memory, n, sizeof *s->last);
    s->new_rows = arena_array(&s->memory, (size_t)sequences, sizeof *s->new_rows);
    s->history = arena_array(&s->memory, (size_t)sequences, (size_t)s->context * sizeof *s->history);
    s->logits = arena_array(&s->memory, (size_t)s->model->tape.vocabulary, sizeof *s->logits);
    if (s->rows && s->last && s->new_rows && s->history && s->logits) return GLINT_OK;
    return base_fail(err, GLINT_INTERNAL, "out of memory for a batch");
}

static glint_status check_options(const glint_model *m, const glint_session_options *o, glint_error *err) {
    enum { MOST = 1 << 24, MOST_SEQUENCES = 4096 };
    if (o->context < 0 || o->context > MOST || o->batch < 0 || o->batch > MOST || o->outputs < 0 || o->outputs > MOST ||
        o->sequences < 0 || o->sequences > MOST_SEQUENCES || o->threads < 0 || o->threads > MOST_SEQUENCES)
        return base_fail(err, GLINT_USAGE, "context, batch, outputs, sequences or threads out of range");
    for (int i = 0; i < o->n_layers; i++)
        if (o->layers[i] < 0 || o->layers[i] >= m->tape.layers)
            return base_fail(err, GLINT_USAGE, "there is no layer %d: the model has %d", o->layers[i], m->tape.layers);
    return GLINT_OK;
}

static glint_status open_at(glint_model *model, const glint_session_options *o, const placement *where,
                            const char *reason, glint_session **out, glint_error *err) {
    enum { CONTEXT = 4096, BATCH = 512 };
    glint_session *s = calloc(1, sizeof *s);
    if (!s) return base_fail(err, GLINT_INTERNAL, "out of memory for a session");
    s->model = model;
    s->where = *where;
    placement_text(&model->tape, where, s->device_name);
    snprintf(s->reason, sizeof s->reason, "%s", reason);
    s->device_options = (backend_options){.threads = o->threads, .precision = o->precision};
    s->notice = o->notice;
    s->notice_user = o->notice_user;
    s->precision = o->precision;
    s->top = o->top;
    s->cache_f32 = o->cache_f32 || o->precision == GLINT_EXACT;
    s->context = pick(o->context, min_int(CONTEXT, model->context));
    s->batch = min_int(pick(o->batch, BATCH), s->context);
    int sequences = pick(o->sequences, 1);
    s->outputs = min_int(pick(o->outputs, sequences), s->batch);
    glint_status status = session_observe(s, o, err);
    if (!status) status = make_room(s, sequences, err);
    part_setup setup = session_setup(s);
    if (!status) status = split_open(&s->split, &s->where, &s->device_options, &setup, err);
    if (status)
        glint_session_close(&s);
    else
        *out = s;
    return status;
}

static glint_status open_on(glint_model *model, const glint_session_options *o, const char *device, const char *reason,
                            glint_session **out, glint_error *err) {
    placement where;
    placement_whole(&model->tape, device, &where);
    return open_at(model, o, &where, reason, out, err);
}

static glint_status open_split(glint_model *model, const glint_session_options *o, glint_session **out,
                               glint_error *err) {
    placement where;
    glint_status status = placement_parse(&model->tape, o->split, &where, err);
    return status ? status : open_at(model, o, &where, "asked for", out, err);
}

/* The first device that is no software. */
static bool find_hardware(char *name, size_t room) {
    enum { MOST = 32 };
    glint_device_info info[MOST];
    int n = 0;
    if (glint_devices(info, MOST, &n, NULL)) return false;
    for (int i = 0; i < n && i < MOST; i++)
        if (!info[i].software) {
            snprintf(name, room, "%s", info[i].name);
            return true;
        }
    return false;
}

/* GLINT_CPU=ref puts the oracle in the CPU's place. */
static glint_status open_cpu(glint_model *model, const glint_session_options *o, const char *reason,
                             glint_session **out, glint_error *err) {
    const char *mask = getenv("GLINT_CPU");
    bool oracle = mask && !strcmp(mask, "ref");
    return open_on(model, o, oracle ? "cpu:ref" : "cpu", oracle ? "GLINT_CPU=ref" : reason, out, err);
}

/* A GPU where there is one and the model fits, else the CPU. */
static glint_status open_automatic(glint_model *model, const glint_session_options *o, glint_session **out,
                                   glint_error *err) {
    char name[PLACEMENT_NAME];
    glint_error why = {.message = "no hardware GPU was found"};
    if (find_hardware(name, sizeof name)) {
        glint_status status = open_on(model, o, name, "a hardware GPU", out, &why);
        if (status != GLINT_DEVICE) {
            if (status && err) *err = why;
            return status;
        }
    }
    return open_cpu(model, o, why.message, out, err);
}

glint_status glint_session_open(glint_model *model, const glint_session_options *options, glint_session **out,
                                glint_error *err) {
    const glint_session_options defaults = {0}, *o = options ? options : &defaults;
    glint_status status = check_options(model, o, err);
    if (status) return status;
    if (o->split) return open_split(model, o, out, err);
    if (!o->device || !strcmp(o->device, "auto")) return open_automatic(model, o, out, err);
    if (!strcmp(o->device, "cpu")) return open_cpu(model, o, "asked for", out, err);
    return open_on(model, o, o->device, "asked for", out, err);
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
