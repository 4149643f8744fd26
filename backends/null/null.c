/* Device "null" computes nothing: every value reads as zeros. What a session costs on it is the engine's own overhead.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"

struct backend_device {
    int nothing;
};

struct backend_weight {
    int cols;
};

struct backend_cache {
    size_t page_numbers[TAPE_MAX_GROUPS]; /* what reading a page gives */
};

struct backend_program {
    const tape *tape;
    backend_group group; /* the whole range */
    backend_ticket steps;
};

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "null: out of memory");
}

/* ---- Device and weights ---- */

static int null_enumerate(glint_device_info *out, int capacity, glint_error *missing) {
    (void)missing;
    if (capacity > 0)
        out[0] = (glint_device_info){
            .name = "null", .description = "computes nothing, to measure the engine's overhead", .software = true};
    return 1;
}

static glint_status null_open(const char *name, const backend_options *options, backend_device **out,
                              glint_error *err) {
    (void)options;
    if (strcmp(name, "null") != 0) return base_fail(err, GLINT_USAGE, "%s: no such device", name);
    backend_device *d = calloc(1, sizeof *d);
    if (!d) return no_memory(err);
    *out = d;
    return GLINT_OK;
}

static void null_close(backend_device *d) {
    free(d);
}

static glint_status null_adopt(backend_device *d, const backend_view *view, backend_weight **out, glint_error *err) {
    (void)d;
    backend_weight *w = malloc(sizeof *w);
    if (!w) return no_memory(err);
    w->cols = view->cols;
    *out = w;
    return GLINT_OK;
}

static void null_release(backend_device *d, backend_weight *w) {
    (void)d;
    free(w);
}

static glint_status null_weight_rows(backend_device *d, backend_weight *w, int first, int n, float *out,
                                     glint_error *err) {
    (void)d, (void)first, (void)err;
    memset(out, 0, (size_t)n * (size_t)w->cols * sizeof *out);
    return GLINT_OK;
}

/* ---- Cache ---- */

static glint_status null_cache_open(backend_device *d, const backend_cache_request *r, backend_cache **out,
                                    glint_error *err) {
    (void)d;
    backend_cache *c = calloc(1, sizeof *c);
    if (!c) return no_memory(err);
    for (int i = r->first_op; i < r->first_op + r->n_ops; i++)
        if (r->tape->ops[i].kind == TAPE_CACHE_WRITE) {
            const tape_cache_info *info = &r->tape->caches[r->tape->ops[i].p.cache];
            c->page_numbers[info->group] += 2 * TAPE_PAGE * (size_t)info->kv_heads * (size_t)info->head_dim;
        }
    *out = c;
    return GLINT_OK;
}

static void null_cache_close(backend_device *d, backend_cache *c) {
    (void)d;
    free(c);
}

static glint_status null_cache_copy_page(backend_cache *c, int group, int from, int to, glint_error *err) {
    (void)c, (void)group, (void)from, (void)to, (void)err;
    return GLINT_OK;
}

static glint_status null_cache_read(backend_cache *c, int group, int page, float *out, glint_error *err) {
    (void)page, (void)err;
    memset(out, 0, c->page_numbers[group] * sizeof *out);
    return GLINT_OK;
}

static glint_status null_cache_write(backend_cache *c, int group, int page, const float *in, glint_error *err) {
    (void)c, (void)group, (void)page, (void)in, (void)err;
    return GLINT_OK;
}

/* ---- Programs ---- */

static glint_status null_compile(backend_device *d, const backend_compile_request *r, backend_program **out,
                                 glint_error *err) {
    (void)d;
    backend_program *p = calloc(1, sizeof *p);
    if (!p) return no_memory(err);
    *p = (backend_program){.tape = r->tape, .group = {.first_op = r->first_op, .last_op = r->first_op + r->n_ops - 1}};
    *out = p;
    return GLINT_OK;
}

static void null_program_close(backend_program *p) {
    free(p);
}

static int null_groups(const backend_program *p, const backend_group **out) {
    *out = &p->group;
    return 1;
}

static glint_status null_step(backend_program *p, const backend_batch *b, backend_ticket *ticket, glint_error *err) {
    (void)b, (void)err;
    *ticket = p->steps++;
    return GLINT_OK;
}

static glint_status null_run_groups(backend_program *p, const backend_batch *b, int first, int n,
                                    backend_ticket *ticket, glint_error *err) {
    (void)first, (void)n;
    return null_step(p, b, ticket, err);
}

static glint_status null_read(backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n, float *out,
                              glint_error *err) {
    (void)ticket, (void)first_row, (void)err;
    memset(out, 0, (size_t)n * (size_t)p->tape->values[v].width * sizeof *out);
    return GLINT_OK;
}

static glint_status null_write(backend_program *p, tape_value v, int first_row, int n, const float *in,
                               glint_error *err) {
    (void)p, (void)v, (void)first_row, (void)n, (void)in, (void)err;
    return GLINT_OK;
}

extern const backend null_backend;
const backend null_backend = {
    .name = "null",
    .enumerate = null_enumerate,
    .open = null_open,
    .close = null_close,
    .adopt = null_adopt,
    .release = null_release,
    .weight_rows = null_weight_rows,
    .cache_open = null_cache_open,
    .cache_close = null_cache_close,
    .cache_copy_page = null_cache_copy_page,
    .cache_read = null_cache_read,
    .cache_write = null_cache_write,
    .compile = null_compile,
    .program_close = null_program_close,
    .groups = null_groups,
    .step = null_step,
    .run_groups = null_run_groups,
    .read = null_read,
    .write = null_write,
};
