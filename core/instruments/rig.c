/* Opening a range of a tape on a device, and what every reader of a rig asks. */
#include "core/instruments/rig.h"

#include <math.h>

#include "core/adopt.h"

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a comparison");
}

static glint_status open_cache(rig *g, glint_error *err) {
    const rig_setup *s = g->setup;
    backend_cache_request r = {.tape = s->tape, .first_op = s->first_op, .n_ops = s->n_ops, .f32 = s->cache_f32};
    if (!s->tape->n_groups) return GLINT_OK;
    for (int i = 0; i < s->tape->n_groups; i++) r.pages[i] = rig_pages(s, i);
    return g->backend->cache_open(g->device, &r, &g->cache, err);
}

static bool is_observed(const rig_setup *s, tape_value v) {
    for (int i = 0; i < s->n_observed; i++)
        if (s->observed[i] == v) return true;
    return !s->observed;
}

static glint_status compile(rig *g, glint_error *err) {
    const rig_setup *s = g->setup;
    tape_value *observed = arena_array(&g->memory, (size_t)s->tape->n_values, sizeof *observed);
    if (!observed) return no_memory(err);
    backend_compile_request r = {.tape = s->tape,
                                 .first_op = s->first_op,
                                 .n_ops = s->n_ops,
                                 .weights = g->weights,
                                 .cache = g->cache,
                                 .max_rows = s->max_rows,
                                 .max_sequences = s->pages > 0 ? s->pages : 1, /* each has one at least */
                                 .max_outputs = s->max_outputs,
                                 .observed = observed,
                                 .n_observed = tape_inputs(s->tape, s->first_op, s->n_ops, observed)};
    for (int i = 0; i < s->n_ops; i++) {
        tape_value v = s->tape->ops[s->first_op + i].out;
        if (v >= 0 && is_observed(s, v)) observed[r.n_observed++] = v;
    }
    for (int i = 0; i < s->tape->n_groups; i++) r.max_slots[i] = rig_slots(s, i);
    return g->backend->compile(g->device, &r, &g->program, err);
}

static glint_status open_range(rig *g, glint_error *err) {
    const rig_setup *s = g->setup;
    glint_status status =
        adopt_range(g->backend, g->device, s->tape, s->first_op, s->n_ops, s->views, &g->memory, &g->weights, err);
    if (!status) status = open_cache(g, err);
    if (!status && s->max_rows) status = compile(g, err);
    return status;
}

glint_status rig_open(rig *g, const char *device, const backend_options *options, const rig_setup *setup,
                      glint_error *err) {
    *g = (rig){.backend = backend_of_device(device), .setup = setup, .options = *options};
    if (!g->backend) return base_fail(err, GLINT_USAGE, "there is no device \"%s\"", device);
    glint_status status = g->backend->open(device, options, &g->device, err);
    return status ? status : open_range(g, err);
}

glint_status rig_open_on(rig *g, const backend *b, backend_device *device, const backend_options *options,
                         const rig_setup *setup, glint_error *err) {
    *g = (rig){.backend = b, .setup = setup, .options = *options, .device = device, .borrowed = true};
    return open_range(g, err);
}

glint_status rig_open_beside(rig *g, const rig *owner, const rig_setup *setup, glint_error *err) {
    *g = (rig){.backend = owner->backend,
               .setup = setup,
               .options = owner->options,
               .device = owner->device,
               .borrowed = true,
               .beside = true,
               .weights = owner->weights,
               .cache = owner->cache};
    return compile(g, err);
}

static void close_shared(rig *g) {
    g->backend->cache_close(g->device, g->cache);
    adopt_release(g->backend, g->device, g->setup->tape, g->weights);
}

void rig_close(rig *g) {
    if (g->device) {
        g->backend->program_close(g->program);
        if (!g->beside) close_shared(g);
        if (!g->borrowed) g->backend->close(g->device);
    }
    arena_free(&g->memory);
    *g = (rig){0};
}

bool rig_rounds(const rig *g) {
    return g->backend->rounds && g->backend->rounds(g->device);
}

int rig_pages(const rig_setup *s, int group) {
    return s->group_slots[group] ? s->group_slots[group] : s->pages;
}

int rig_slots(const rig_setup *s, int group) {
    return s->group_slots[group] ? s->group_slots[group] : s->slots;
}

/* Is the cache one of the range's? */
static bool has_cache(const rig_setup *s, int cache) {
    for (int i = s->first_op; i < s->first_op + s->n_ops; i++) {
        const tape_op *op = &s->tape->ops[i];
        if ((op->kind == TAPE_CACHE_WRITE || op->kind == TAPE_ATTEND) && op->p.cache == cache) return true;
    }
    return false;
}

/* Numbers in the part of a page that belongs to the range's caches of `group` before `cache`. */
static size_t numbers_before(const rig_setup *s, int group, int cache) {
    size_t n = 0;
    for (int i = 0; i < cache; i++) {
        const tape_cache_info *info = &s->tape->caches[i];
        if (info->group == group && has_cache(s, i))
            n += 2 * TAPE_PAGE * (size_t)info->kv_heads * (size_t)info->head_dim;
    }
    return n;
}

size_t rig_page_numbers(const rig_setup *s, int group) {
    return numbers_before(s, group, s->tape->n_caches);
}

size_t rig_page_first(const rig_setup *s, int cache) {
    return numbers_before(s, s->tape->caches[cache].group, cache);
}

glint_status rig_poison(rig *g, glint_error *err) {
    const rig_setup *s = g->setup;
    glint_status status = GLINT_OK;
    for (int i = 0; i < s->n_ops && !status; i++) {
        tape_value v = s->tape->ops[s->first_op + i].out;
        if (v < 0 || !is_observed(s, v)) continue;
        int rows = s->tape->values[v].outputs ? s->max_outputs : s->max_rows;
        size_t n = (size_t)rows * (size_t)s->tape->values[v].width;
        float *nans = arena_array(&g->memory, n, sizeof *nans);
        if (!nans) return no_memory(err);
        for (size_t k = 0; k < n; k++) nans[k] = NAN;
        status = g->backend->write(g->program, v, 0, rows, nans, err);
    }
    return status;
}

int rig_rows(const rig *g, const backend_batch *b, tape_value v) {
    return g->setup->tape->values[v].outputs ? b->n_outputs : b->n_rows;
}
