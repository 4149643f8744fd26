/* Which values of the tape a session's user may look at: those that match a glob, of the layers asked for. */
#include <fnmatch.h>
#include <string.h>

#include "core/session.h"

static bool layer_wanted(const glint_session_options *o, int layer) {
    if (!o->layers) return true;
    for (int i = 0; i < o->n_layers; i++)
        if (layer == TAPE_NONE || o->layers[i] == layer) return true;
    return false;
}

/* Marks what matches; a glob that finds nothing is a mistake of whoever wrote it. */
static glint_status mark(const tape *t, const glint_session_options *o, const char *glob, bool *wanted,
                         glint_error *err) {
    bool any = false;
    for (tape_value v = 0; v < t->n_values; v++) {
        const tape_value_info *i = &t->values[v];
        if (fnmatch(glob, i->name, 0) != 0 || !layer_wanted(o, i->layer)) continue;
        wanted[v] = any = true;
    }
    return any ? GLINT_OK : base_fail(err, GLINT_USAGE, "no value is named \"%s\" in the layers asked for", glob);
}

static glint_status mark_all(const tape *t, const glint_session_options *o, bool *wanted, arena *memory,
                             glint_error *err) {
    char *globs = arena_text(memory, o->observe, strlen(o->observe)), *rest;
    if (!globs) return base_fail(err, GLINT_INTERNAL, "out of memory for the value list");
    char *glob = strtok_r(globs, ",", &rest);
    glint_status status = mark(t, o, glob ? glob : "", wanted, err);
    while (!status && (glob = strtok_r(NULL, ",", &rest))) status = mark(t, o, glob, wanted, err);
    return status;
}

glint_status session_observe(glint_session *s, const glint_session_options *o, glint_error *err) {
    enum { OWN = 3 }; /* what sessions read themselves */
    const tape *t = &s->model->tape;
    size_t n = (size_t)t->n_values;
    bool *wanted = arena_array(&s->memory, n, sizeof *wanted);
    s->values = arena_array(&s->memory, n, sizeof *s->values);
    s->value_ids = arena_array(&s->memory, n + OWN, sizeof *s->value_ids);
    if (!wanted || !s->values || !s->value_ids)
        return base_fail(err, GLINT_INTERNAL, "out of memory for the value list");
    glint_status status = o->observe ? mark_all(t, o, wanted, &s->memory, err) : GLINT_OK;
    for (tape_value v = 0; v < t->n_values; v++) {
        const tape_value_info *i = &t->values[v];
        if (!wanted[v]) continue;
        s->values[s->n_values] = (glint_value_info){i->name, i->width, i->layer, i->outputs};
        s->value_ids[s->n_values++] = v;
    }
    s->value_ids[s->n_values] = t->logits;
    s->value_ids[s->n_values + 1] = t->argmax;
    s->value_ids[s->n_values + 2] = t->top;
    return status;
}
