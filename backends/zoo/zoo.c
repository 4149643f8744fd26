/* The device around a device: names, weights and caches. Programs are in zoo_program.c. */
#include "backends/zoo/zoo.h"

#include <stdlib.h>
#include <string.h>

/* ---- Names ---- */

static const zoo_fault *find_fault(const char *name, size_t bytes) {
    for (const zoo_fault *f = zoo_faults; f->name; f++)
        if (strlen(f->name) == bytes && !memcmp(f->name, name, bytes)) return f;
    return NULL;
}

glint_status zoo_parse(const char *text, size_t bytes, zoo_set *out, glint_error *err) {
    zoo_set set = {.n = 0};
    for (const char *end = text + bytes, *next; text < end; text = next + (next < end)) {
        next = memchr(text, '+', (size_t)(end - text));
        if (!next) next = end;
        const char *colon = memchr(text, ':', (size_t)(next - text)), *name_end = colon ? colon : next;
        const zoo_fault *f = find_fault(text, (size_t)(name_end - text));
        size_t where = colon ? (size_t)(next - colon - 1) : 0;
        if (!f || where >= ZOO_WHERE || set.n == ZOO_MOST)
            return base_fail(err, GLINT_USAGE,
                             "zoo: \"%.*s\": at most %d faults, F01 to F40, each with a place or without",
                             (int)(next - text), text, ZOO_MOST);
        set.fault[set.n] = f;
        if (where) memcpy(set.where[set.n], colon + 1, where);
        set.n++;
    }
    *out = set;
    return GLINT_OK;
}

/* Is the place the name itself, or its first words? */
static bool is_at(const char *where, const char *name) {
    size_t n = strlen(where);
    return !n || (!strncmp(where, name, n) && (!name[n] || name[n] == '.'));
}

unsigned zoo_faults_of(const zoo_set *s, const tape *t, int i) {
    const tape_op *op = &t->ops[i];
    const char *name = t->values[op->out >= 0 ? op->out : op->in[0]].name;
    unsigned out = 0;
    for (int k = 0; k < s->n; k++) {
        const zoo_fault *f = s->fault[k];
        if (f->kinds >> op->kind & 1 && (!f->fits || f->fits(t, i)) && is_at(s->where[k], name)) out |= 1u << k;
    }
    return out;
}

glint_status zoo_all_found(const zoo_set *s, unsigned found, glint_error *err) {
    for (int k = 0; k < s->n; k++)
        if (!(found >> k & 1))
            return base_fail(err, GLINT_USAGE, "zoo: %s (%s): nothing%s%s can have it", s->fault[k]->name,
                             s->fault[k]->words, *s->where[k] ? " at " : "", s->where[k]);
    return GLINT_OK;
}

/* ---- Device ---- */

/* These devices are only found by those who know their names. */
static int zoo_enumerate(glint_device_info *out, int capacity, glint_error *missing) {
    (void)out, (void)capacity, (void)missing;
    return 0;
}

static glint_status open_inner(backend_device *d, const char *name, const backend_options *options, glint_error *err) {
    const char *at = strchr(name, '@'), *faults = strchr(name, ':') + 1;
    if (!at || at < faults) return base_fail(err, GLINT_USAGE, "%s: \"zoo:FAULTS@DEVICE\" is what it takes", name);
    glint_status status = zoo_parse(faults, (size_t)(at - faults), &d->set, err);
    if (status) return status;
    d->backend = backend_of_device(at + 1);
    if (!d->backend) return base_fail(err, GLINT_USAGE, "%s: no such device", at + 1);
    return d->backend->open(at + 1, options, &d->inner, err);
}

static glint_status zoo_open(const char *name, const backend_options *options, backend_device **out, glint_error *err) {
    if (!strchr(name, ':')) return base_fail(err, GLINT_USAGE, "%s: no such device", name);
    backend_device *d = calloc(1, sizeof *d);
    if (!d) return base_fail(err, GLINT_INTERNAL, "%s: out of memory", name);
    glint_status status = open_inner(d, name, options, err);
    if (status)
        free(d);
    else
        *out = d;
    return status;
}

static void zoo_close(backend_device *d) {
    if (d) d->backend->close(d->inner);
    free(d);
}

/* ---- Weights ---- */

static void zoo_release(backend_device *d, backend_weight *w) {
    if (!w) return;
    d->backend->release(d->inner, w->inner);
    for (zoo_twin *t = w->twins; t; t = t->next) d->backend->release(d->inner, t->inner);
    arena_free(&w->memory);
    free(w);
}

static glint_status zoo_adopt(backend_device *d, const backend_view *view, backend_weight **out, glint_error *err) {
    backend_weight *w = calloc(1, sizeof *w);
    if (!w) return base_fail(err, GLINT_INTERNAL, "zoo: out of memory for a weight");
    w->view = *view;
    glint_status status = d->backend->adopt(d->inner, view, &w->inner, err);
    if (status)
        free(w);
    else
        *out = w;
    return status;
}

/* As the newest op with a fault has them. */
static glint_status zoo_weight_rows(backend_device *d, backend_weight *w, int first, int n, float *out,
                                    glint_error *err) {
    return d->backend->weight_rows(d->inner, w->twins ? w->twins->inner : w->inner, first, n, out, err);
}

/* ---- Cache ---- */

static bool uses(const backend_cache *c, int cache) {
    for (int i = c->first_op; i < c->first_op + c->n_ops; i++) {
        const tape_op *op = &c->tape->ops[i];
        if ((op->kind == TAPE_CACHE_WRITE || op->kind == TAPE_ATTEND) && op->p.cache == cache) return true;
    }
    return false;
}

size_t zoo_page_numbers(const backend_cache *c, int group, int cache) {
    size_t n = 0;
    for (int i = 0; i < cache; i++) {
        const tape_cache_info *info = &c->tape->caches[i];
        if (info->group == group && uses(c, i)) n += 2 * TAPE_PAGE * (size_t)info->kv_heads * (size_t)info->head_dim;
    }
    return n;
}

/* What an earlier sequence left. */
static glint_status fill_pages(backend_cache *c, const int *pages, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int g = 0; g < c->tape->n_groups && !status; g++) {
        size_t n = zoo_page_numbers(c, g, c->tape->n_caches);
        float *page = malloc(n * sizeof *page + 1);
        if (!page) return base_fail(err, GLINT_INTERNAL, "zoo: out of memory for a page");
        for (size_t i = 0; i < n; i++) page[i] = (float)(i * 37 % 64) / 32 - 1;
        for (int i = 0; i < pages[g] && !status; i++) status = c->backend->cache_write(c->inner, g, i, page, err);
        free(page);
    }
    return status;
}

static bool zoo_rounds(const backend_device *d) {
    return d->backend->rounds && d->backend->rounds(d->inner);
}

static void zoo_cache_close(backend_device *d, backend_cache *c) {
    if (c) d->backend->cache_close(d->inner, c->inner);
    free(c);
}

static glint_status zoo_cache_open(backend_device *d, const backend_cache_request *r, backend_cache **out,
                                   glint_error *err) {
    backend_cache *c = calloc(1, sizeof *c);
    if (!c) return base_fail(err, GLINT_INTERNAL, "zoo: out of memory for a cache");
    *c = (backend_cache){.backend = d->backend, .tape = r->tape, .first_op = r->first_op, .n_ops = r->n_ops};
    backend_cache_request inner = *r;
    bool used = false;
    for (int k = 0; k < d->set.n; k++) {
        if (d->set.fault[k]->half_cache) inner.f32 = false;
        used |= d->set.fault[k]->used_cache;
    }
    glint_status status = d->backend->cache_open(d->inner, &inner, &c->inner, err);
    if (!status && used) status = fill_pages(c, r->pages, err);
    if (status)
        zoo_cache_close(d, c);
    else
        *out = c;
    return status;
}

static glint_status zoo_cache_copy_page(backend_cache *c, int group, int from, int to, glint_error *err) {
    return c->backend->cache_copy_page(c->inner, group, from, to, err);
}

static glint_status zoo_cache_read(backend_cache *c, int group, int page, float *out, glint_error *err) {
    return c->backend->cache_read(c->inner, group, page, out, err);
}

static glint_status zoo_cache_write(backend_cache *c, int group, int page, const float *in, glint_error *err) {
    return c->backend->cache_write(c->inner, group, page, in, err);
}

extern const backend zoo_backend;
const backend zoo_backend = {
    .name = "zoo",
    .enumerate = zoo_enumerate,
    .open = zoo_open,
    .close = zoo_close,
    .rounds = zoo_rounds,
    .adopt = zoo_adopt,
    .release = zoo_release,
    .weight_rows = zoo_weight_rows,
    .cache_open = zoo_cache_open,
    .cache_close = zoo_cache_close,
    .cache_copy_page = zoo_cache_copy_page,
    .cache_read = zoo_cache_read,
    .cache_write = zoo_cache_write,
    .compile = zoo_compile,
    .program_close = zoo_program_close,
    .groups = zoo_groups,
    .step = zoo_step,
    .run_groups = zoo_run_groups,
    .read = zoo_read,
    .write = zoo_write,
};
