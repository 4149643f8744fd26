/* The device "cpu": weights read in place, one parallel region a step, steps that are done when they return. */
#include "backends/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

#ifdef GLINT_BLAS
#include <cblas.h>
#endif

/* ---- Device ---- */

static int cpu_enumerate(glint_device_info *out, int capacity, glint_error *missing) {
    (void)missing;
    if (capacity > 0) cpu_describe(out);
    return 1;
}

/* "cpu", or "cpu:avx2" for kernels of a lower level than the best. */
static bool find_level(const char *name, cpu_level *level) {
    *level = cpu_best_level();
    if (!strcmp(name, "cpu")) return true;
    for (int l = CPU_PORTABLE; l <= (int)cpu_best_level(); l++) {
        *level = (cpu_level)l;
        if (!strcmp(name + strlen("cpu:"), cpu_level_names[l])) return true;
    }
    return false;
}

static glint_status cpu_open(const char *name, const backend_options *options, backend_device **out, glint_error *err) {
    cpu_level level;
    if (!find_level(name, &level)) return base_fail(err, GLINT_USAGE, "%s: no such device", name);
    if (!cpu_mask_is_known())
        return base_fail(err, GLINT_USAGE, "GLINT_CPU: \"%s\" is none of ref, portable, avx2, avx512",
                         getenv("GLINT_CPU"));
    backend_device *d = calloc(1, sizeof *d);
    if (!d) return base_fail(err, GLINT_INTERNAL, "cpu: out of memory");
    cpu_kernels_for(level, &d->k);
    d->precision = options->precision;
    d->threads = options->threads > 0 ? options->threads : team_processors();
#ifdef GLINT_BLAS
    openblas_set_num_threads(1); /* the threads are ours: each calls OpenBLAS for its own part */
#endif
    *out = d;
    return GLINT_OK;
}

static void cpu_close(backend_device *d) {
    free(d);
}

static bool cpu_rounds(const backend_device *d) {
    return d->precision == GLINT_FAST;
}

/* ---- Weights ---- */

static void cpu_release(backend_device *d, backend_weight *w) {
    (void)d;
    if (w) free(w->vector);
    free(w);
}

static glint_status cpu_adopt(backend_device *d, const backend_view *view, backend_weight **out, glint_error *err) {
    if (view->minus_one && view->rows > 1)
        return base_fail(err, GLINT_BAD_INPUT, "%s: a matrix stored as w - 1", view->name);
    backend_weight *w = calloc(1, sizeof *w);
    if (w && view->rows == 1) w->vector = calloc((size_t)view->cols, sizeof *w->vector);
    if (!w || (view->rows == 1 && !w->vector)) {
        cpu_release(d, w);
        return base_fail(err, GLINT_INTERNAL, "%s: out of memory", view->name);
    }
    w->view = *view;
    w->view.name = NULL; /* the caller's */
    if (w->vector) host_weight_row(view, 0, w->vector);
    *out = w;
    return GLINT_OK;
}

static glint_status cpu_weight_rows(backend_device *d, backend_weight *w, int first, int n, float *out,
                                    glint_error *err) {
    (void)d, (void)err;
    for (int i = 0; i < n; i++) host_weight_row(&w->view, first + i, out + (size_t)i * (size_t)w->view.cols);
    return GLINT_OK;
}

/* ---- Steps ---- */

static int cpu_groups(const backend_program *p, const backend_group **out) {
    *out = p->host.groups;
    return p->host.n_groups;
}

static glint_status run_groups(backend_program *p, const backend_batch *b, int first, int n, backend_ticket *ticket,
                               glint_error *err) {
    (void)err;
    cpu_run_groups(p, b, first, n);
    *ticket = host_finish(&p->host, b, first, n);
    return GLINT_OK;
}

static glint_status cpu_step(backend_program *p, const backend_batch *b, backend_ticket *ticket, glint_error *err) {
    return run_groups(p, b, 0, p->host.n_groups, ticket, err);
}

static glint_status cpu_read(backend_program *p, backend_ticket ticket, tape_value v, int first_row, int n, float *out,
                             glint_error *err) {
    return host_read(&p->host, ticket, v, first_row, n, out, err);
}

static glint_status cpu_write(backend_program *p, tape_value v, int first_row, int n, const float *in,
                              glint_error *err) {
    return host_write(&p->host, v, first_row, n, in, err);
}

extern const backend cpu_backend;
const backend cpu_backend = {
    .name = "cpu",
    .snapshots = true,
    .enumerate = cpu_enumerate,
    .open = cpu_open,
    .close = cpu_close,
    .rounds = cpu_rounds,
    .adopt = cpu_adopt,
    .release = cpu_release,
    .weight_rows = cpu_weight_rows,
    .cache_open = host_cache_open,
    .cache_close = host_cache_close,
    .cache_copy_page = host_cache_copy_page,
    .cache_read = host_cache_read,
    .cache_write = host_cache_write,
    .compile = cpu_compile,
    .program_close = cpu_program_close,
    .groups = cpu_groups,
    .step = cpu_step,
    .run_groups = run_groups,
    .read = cpu_read,
    .write = cpu_write,
};
