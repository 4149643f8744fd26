/* The public plan: where a session would run, what each part needs, and how long it will take by what the devices
 * measure now. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/placement/place.h"

struct glint_plan {
    plan p;
    placed placed;
    char split[PLACEMENT_TEXT];
    char pieces[PLACEMENT_MOST][96];
    glint_plan_part parts[PLACEMENT_MOST];
    double token_seconds;               /* of a token */
    double first_seconds, next_seconds; /* of a prompt's first chunk, of each one behind it */
};

/* The numbers of every part's device; of one that is named twice, once. */
static glint_status measure(glint_plan *g, const glint_session_options *o, glint_error *err) {
    const placement *w = &g->placed.where;
    plan_device *devices = g->placed.devices;
    backend_options options = {.threads = o->threads, .precision = o->precision};
    glint_status s = GLINT_OK;
    for (int i = 0; i < w->n && !s; i++) {
        int same = 0;
        while (strcmp(w->parts[same].device, w->parts[i].device) != 0) same++;
        devices[i] = devices[same];
        if (same < i) continue;
        s = plan_find_device(w->parts[i].device, o->memory, &devices[i], err);
        if (!s) s = plan_measure(&g->p, &options, true, &devices[i], err);
    }
    return s;
}

static void fill_part(glint_plan *g, int i) {
    const placement_part *q = &g->placed.where.parts[i];
    const plan_device *d = &g->placed.devices[i];
    plan_bytes b = plan_needs(&g->p, d, q->first, q->end);
    placement_pieces(&g->p.model->tape, q->first, q->end, g->pieces[i], sizeof g->pieces[i]);
    g->parts[i] = (glint_plan_part){.device = q->device,
                                    .pieces = g->pieces[i],
                                    .weight_bytes = b.weights,
                                    .cache_bytes = b.cache,
                                    .scratch_bytes = b.scratch,
                                    .memory_bytes = d->memory_bytes,
                                    .token_seconds = plan_seconds(&g->p, d, q->first, q->end, 1),
                                    .prompt_seconds = plan_seconds(&g->p, d, q->first, q->end, g->p.sizes.batch)};
}

/* A token goes through all parts, and so does the first chunk of a prompt. The others follow it, so that only the
 * slowest part counts; all that the host computes itself is one part. */
static void add_up(glint_plan *g) {
    double host = 0;
    for (int i = 0; i < g->placed.where.n; i++) {
        const glint_plan_part *q = &g->parts[i];
        g->token_seconds += q->token_seconds;
        g->first_seconds += q->prompt_seconds;
        if (!g->placed.devices[i].backend->asynchronous)
            host += q->prompt_seconds;
        else if (q->prompt_seconds > g->next_seconds)
            g->next_seconds = q->prompt_seconds;
    }
    if (host > g->next_seconds) g->next_seconds = host;
}

static glint_status fill(glint_plan *g, const glint_model *model, const glint_session_options *o, glint_error *err) {
    plan_sizes sizes;
    glint_status s = plan_sizes_of(model, o, &sizes, err);
    if (!s) s = plan_open(&g->p, model, &sizes, err);
    if (!s) s = place_session(&g->p, o, &g->placed, err);
    glint_error why;
    while (!s && (s = measure(g, o, &why))) {
        if (s != GLINT_DEVICE || !g->placed.tentative) return base_fail(err, s, "%s", why.message);
        s = place_instead(&g->p, o, why.message, &g->placed, err);
    }
    if (s) return s;
    placement_text(&model->tape, &g->placed.where, g->split);
    for (int i = 0; i < g->placed.where.n; i++) fill_part(g, i);
    add_up(g);
    return GLINT_OK;
}

glint_status glint_plan_open(const glint_model *model, const glint_session_options *options, glint_plan **out,
                             glint_error *err) {
    const glint_session_options defaults = {0};
    glint_plan *g = calloc(1, sizeof *g);
    if (!g) return base_fail(err, GLINT_INTERNAL, "out of memory for a plan");
    glint_status s = fill(g, model, options ? options : &defaults, err);
    if (s)
        glint_plan_close(&g);
    else
        *out = g;
    return s;
}

void glint_plan_close(glint_plan **g) {
    if (!g || !*g) return;
    plan_close(&(*g)->p);
    free(*g);
    *g = NULL;
}

int glint_plan_parts(const glint_plan *g, const glint_plan_part **out) {
    *out = g->parts;
    return g->placed.where.n;
}
const char *glint_plan_split(const glint_plan *g) {
    return g->split;
}
const char *glint_plan_reason(const glint_plan *g) {
    return g->placed.reason;
}
double glint_plan_token_seconds(const glint_plan *g) {
    return g->token_seconds;
}
double glint_plan_prompt_seconds(const glint_plan *g, int n) {
    double chunks = (double)n / g->p.sizes.batch;
    return chunks > 1 ? g->first_seconds + (chunks - 1) * g->next_seconds : chunks * g->first_seconds;
}
int glint_plan_batch(const glint_plan *g) {
    return g->p.sizes.batch;
}
