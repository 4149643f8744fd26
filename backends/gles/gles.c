/* The backend "gles": devices, and the table of the contract. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"

/* ---- Devices: "gles:0", "gles:1" ... hardware in the order of EGL; "gles:llvmpipe" for the software renderer ---- */

enum { LARGEST_GROUP = 256, PRODUCT_GROUP = 512, ATTEND_GROUP = 1024, SOFTWARE_GROUPS = 64 };

typedef struct found {
    gles_place place;
    glint_device_info info;
} found;

static void driver_memory(gles_context *c, glint_device_info *info) {
    enum { TOTAL_KIB = 0x9048, FREE_KIB = 0x9049 }; /* NVX_gpu_memory_info; answers in an ES context too */
    GLint total = 0, available = 0;
    c->gl.GetIntegerv(TOTAL_KIB, &total);
    bool known = c->gl.GetError() == GL_NO_ERROR;
    c->gl.GetIntegerv(FREE_KIB, &available);
    known &= c->gl.GetError() == GL_NO_ERROR;
    if (!known) return;
    info->memory_bytes = (uint64_t)total << 10;
    info->free_bytes = (uint64_t)available << 10;
}

/* Opens each place once to learn what it is; those that fail are left out. */
static int find_devices(const gles_egl *egl, found out[GLES_MAX_DEVICES], glint_error *err) {
    gles_place places[GLES_MAX_DEVICES];
    int n = gles_places(egl, places), count = 0, hardware = 0;
    for (int i = 0; i < n; i++) {
        gles_context c;
        if (gles_context_open(egl, &places[i], &c, err)) continue;
        found *f = &out[count];
        *f = (found){.place = places[i], .info = {.software = c.software}};
        if (c.software)
            snprintf(f->info.name, sizeof f->info.name, "gles:llvmpipe");
        else
            snprintf(f->info.name, sizeof f->info.name, "gles:%d", hardware++);
        snprintf(f->info.description, sizeof f->info.description, "%.100s, %.80s", c.renderer, c.version);
        driver_memory(&c, &f->info);
        gles_context_close(&c);
        bool again = false; /* the software renderer can appear twice */
        for (int j = 0; j < count; j++) again |= !strcmp(out[j].info.name, f->info.name);
        count += !again;
    }
    return count;
}

static glint_status gles_enumerate(glint_device_info *out, int capacity, int *count, glint_error *err) {
    gles_egl egl;
    found all[GLES_MAX_DEVICES];
    (void)err;
    *count = 0;
    if (gles_egl_open(&egl, NULL)) return GLINT_OK; /* no library: no devices */
    *count = find_devices(&egl, all, NULL);
    for (int i = 0; i < *count && i < capacity; i++) out[i] = all[i].info;
    gles_egl_close(&egl);
    return GLINT_OK;
}

/* ---- Opening ---- */

static glint_status open_named(const char *name, gles_context *out, glint_error *err) {
    gles_egl egl;
    found all[GLES_MAX_DEVICES];
    glint_status s = gles_egl_open(&egl, err);
    if (s) return s;
    int n = find_devices(&egl, all, err);
    for (int i = 0; i < n; i++)
        if (!strcmp(all[i].info.name, name)) return gles_context_open(&egl, &all[i].place, out, err);
    gles_egl_close(&egl);
    return n ? base_fail(err, GLINT_USAGE, "%s: no such device", name) : GLINT_DEVICE; /* err says what failed */
}

static void gles_close(backend_device *d) {
    if (!d) return;
    if (!gles_context_use(&d->c, NULL)) {
        gles_memory_close(d);
        gles_programs_close(&d->programs);
    }
    gles_context_close(&d->c);
    free(d);
}

/* The largest power of two up to `wanted` that the device allows. */
static int group_size(const backend_device *d, int wanted) {
    while (wanted > d->c.limits.invocations) wanted /= 2;
    return wanted;
}

/* Products hold so much in registers that half as many of them run at a time as of a shader that holds nothing. */
static glint_status measure_groups(backend_device *d, glint_error *err) {
    int most;
    glint_status s = gles_measure_resident(d, d->product_threads, &most, err);
    if (!s) d->product_groups = most > 1 ? most / 2 : 1;
    return s;
}

static glint_status gles_open(const char *name, const backend_options *options, backend_device **out,
                              glint_error *err) {
    backend_device *d = calloc(1, sizeof *d);
    if (!d) return base_fail(err, GLINT_INTERNAL, "out of memory for a device");
    glint_status s = open_named(name, &d->c, err);
    if (s) {
        free(d);
        return s;
    }
    d->options = *options;
    d->threads = group_size(d, LARGEST_GROUP);
    d->product_threads = d->c.software ? d->threads : group_size(d, PRODUCT_GROUP);
    d->attend_threads = d->c.software ? d->threads : group_size(d, ATTEND_GROUP);
    d->product_groups = SOFTWARE_GROUPS;
    s = gles_programs_open(&d->c, &d->programs, err);
    if (!s) s = gles_memory_open(d, err);
    if (!s && !d->c.software) s = measure_groups(d, err);
    if (s)
        gles_close(d);
    else
        *out = d;
    return s;
}

const backend gles_backend = {
    .name = "gles",
    .asynchronous = true,
    .enumerate = gles_enumerate,
    .open = gles_open,
    .close = gles_close,
    .weight_bytes = gles_weight_bytes,
    .adopt = gles_adopt,
    .release = gles_release,
    .weight_rows = gles_weight_rows,
    .cache_open = gles_cache_open,
    .cache_close = gles_cache_close,
    .cache_copy_page = gles_cache_copy_page,
    .cache_read = gles_cache_read,
    .cache_write = gles_cache_write,
    .compile = gles_compile,
    .program_close = gles_program_close,
    .groups = gles_groups,
    .step = gles_step,
    .run_groups = gles_run_groups,
    .read = gles_read_value,
    .write = gles_write_value,
};
