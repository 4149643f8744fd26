#include "backends/failing/failing.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"

typedef enum event { STEP, READ, ADOPT, EVENTS } event;
static const char *const event_names[EVENTS] = {"step", "read", "adopt"};

struct backend_device {
    const backend *inner;
    backend_device *device;
    event event; /* what fails */
    int left;    /* calls of it until then; 0: lost */
};

struct backend_cache {
    backend_device *owner;
    backend_cache *inner;
};

struct backend_program {
    backend_device *owner;
    backend_program *inner;
};

static atomic_int devices_open, rests;

int failing_devices_open(void) {
    return devices_open;
}
int failing_rests(void) {
    return rests;
}

/* Every call but those that close goes through here. */
static glint_status happen(backend_device *d, event e, glint_error *err) {
    if (d->left && d->event == e) d->left--;
    return d->left ? GLINT_OK : base_fail(err, GLINT_DEVICE, "the device was lost on purpose");
}

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "failing: out of memory");
}

/* ---- Devices ---- */

static int failing_enumerate(glint_device_info *out, int capacity, glint_error *missing) {
    const char *at = getenv("GLINT_FAILING");
    int n = 0, used;
    (void)missing;
    for (glint_device_info d = {.description = "a GPU, on purpose"}; at && sscanf(at, "%63s%n", d.name, &used) == 1;
         at += used)
        if (n++ < capacity) out[n - 1] = d;
    return n;
}

/* "failing:step7@DEVICE"; returns DEVICE, NULL where the name says nothing of the kind. */
static const char *read_name(const char *name, backend_device *d) {
    const char *text = name + strcspn(name, ":");
    for (int e = 0; e < EVENTS && *text; e++) {
        size_t n = strlen(event_names[e]);
        int used = 0;
        if (strncmp(text + 1, event_names[e], n) != 0) continue;
        d->event = (event)e;
        if (sscanf(text + 1 + n, "%d@%n", &d->left, &used) == 1 && used && d->left > 0) return text + 1 + n + used;
    }
    return NULL;
}

static glint_status failing_open(const char *name, const backend_options *options, backend_device **out,
                                 glint_error *err) {
    backend_device *d = calloc(1, sizeof *d);
    if (!d) return no_memory(err);
    const char *inner = read_name(name, d);
    d->inner = inner ? backend_of_device(inner) : NULL;
    glint_status s = d->inner ? d->inner->open(inner, options, &d->device, err)
                              : base_fail(err, GLINT_USAGE, "%s: no such device", name);
    if (s) {
        free(d);
        return s;
    }
    devices_open++;
    *out = d;
    return GLINT_OK;
}

static void failing_close(backend_device *d) {
    if (!d) return;
    d->inner->close(d->device);
    devices_open--;
    free(d);
}

/* ---- Weights, which are the inner device's ---- */

static glint_status failing_adopt(backend_device *d, const backend_view *view, backend_weight **out, glint_error *err) {
    glint_status s = happen(d, ADOPT, err);
    return s ? s : d->inner->adopt(d->device, view, out, err);
}

static void failing_release(backend_device *d, backend_weight *w) {
    d->inner->release(d->device, w);
}

static glint_status failing_weight_rows(backend_device *d, backend_weight *w, int first, int n, float *out,
                                        glint_error *err) {
    glint_status s = happen(d, EVENTS, err);
    return s ? s : d->inner->weight_rows(d->device, w, first, n, out, err);
}

/* ---- Cache ---- */

static void failing_cache_close(backend_device *d, backend_cache *c) {
    if (c) d->inner->cache_close(d->device, c->inner);
    free(c);
}

static glint_status failing_cache_open(backend_device *d, const backend_cache_request *r, backend_cache **out,
                                       glint_error *err) {
    backend_cache *c = calloc(1, sizeof *c);
    if (!c) return no_memory(err);
    c->owner = d;
    glint_status s = happen(d, EVENTS, err);
    if (!s) s = d->inner->cache_open(d->device, r, &c->inner, err);
    if (s)
        free(c);
    else
        *out = c;
    return s;
}

static glint_status failing_cache_copy_page(backend_cache *c, int group, int from, int to, glint_error *err) {
    glint_status s = happen(c->owner, EVENTS, err);
    return s ? s : c->owner->inner->cache_copy_page(c->inner, group, from, to, err);
}

static glint_status failing_cache_read(backend_cache *c, int group, int page, float *out, glint_error *err) {
    glint_status s = happen(c->owner, EVENTS, err);
    return s ? s : c->owner->inner->cache_read(c->inner, group, page, out, err);
}

static glint_status failing_cache_write(backend_cache *c, int group, int page, const float *in, glint_error *err) {
    glint_status s = happen(c->owner, EVENTS, err);
    return s ? s : c->owner->inner->cache_write(c->inner, group, page, in, err);
}

/* ---- Programs ---- */

static void failing_program_close(backend_program *p) {
    if (p) p->owner->inner->program_close(p->inner);
    free(p);
}

static glint_status failing_compile(backend_device *d, const backend_compile_request *r, backend_program **out,
                                    glint_error *err) {
    backend_compile_request inner = *r;
    backend_program *p = calloc(1, sizeof *p);
    if (!p) return no_memory(err);
    p->owner = d;
    inner.cache = r->cache ? r->cache->inner : NULL;
    glint_status s = happen(d, EVENTS, err);
    if (!s) s = d->inner->compile(d->device, &inner, &p->inner, err);
    if (s)
        free(p);
    else
        *out = p;
    return s;
}

static int failing_groups(const backend_program *p, const backend_group **out) {
    return p->owner->inner->groups(p->inner, out);
}

static glint_status failing_step(backend_program *p, const backend_batch *b, backend_ticket *ticket, glint_error *err) {
    glint_status s = happen(p->owner, STEP, err);
    return s ? s : p->owner->inner->step(p->inner, b, ticket, err);
}

static glint_status failing_run_groups(backend_program *p, const backend_batch *b, int first, int n,
                                       backend_ticket *ticket, glint_error *err) {
    glint_status s = happen(p->owner, STEP, err);
    return s ? s : p->owner->inner->run_groups(p->inner, b, first, n, ticket, err);
}

static bool failing_rounds(const backend_device *d) {
    return d->inner->rounds && d->inner->rounds(d->device);
}

static glint_status failing_read(backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n,
                                 float *out, glint_error *err) {
    glint_status s = happen(p->owner, READ, err);
    return s ? s : p->owner->inner->read(p->inner, ticket, v, first_row, n, out, err);
}

static glint_status failing_write(backend_program *p, tape_value v, int first_row, int n, const float *in,
                                  glint_error *err) {
    glint_status s = happen(p->owner, EVENTS, err);
    return s ? s : p->owner->inner->write(p->inner, v, first_row, n, in, err);
}

static void failing_rest(backend_device *d) {
    rests++;
    if (d->inner->rest) d->inner->rest(d->device);
}

extern const backend failing_backend;
const backend failing_backend = {
    .name = "failing",
    .asynchronous = true, /* so that running ahead is tested too */
    .enumerate = failing_enumerate,
    .open = failing_open,
    .close = failing_close,
    .rounds = failing_rounds,
    .adopt = failing_adopt,
    .release = failing_release,
    .weight_rows = failing_weight_rows,
    .cache_open = failing_cache_open,
    .cache_close = failing_cache_close,
    .cache_copy_page = failing_cache_copy_page,
    .cache_read = failing_cache_read,
    .cache_write = failing_cache_write,
    .compile = failing_compile,
    .program_close = failing_program_close,
    .groups = failing_groups,
    .step = failing_step,
    .run_groups = failing_run_groups,
    .read = failing_read,
    .write = failing_write,
    .rest = failing_rest,
};
