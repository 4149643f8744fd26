/* The backend "gles": devices, and the table of the contract. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/gles/device.h"
#include "backends/gles/kernel_memory.h"

/* ---- Devices: "gles:0", "gles:1" ... hardware in the order of EGL; "gles:llvmpipe" for the software renderer ---- */

enum {
    LARGEST_GROUP = 256,
    PRODUCT_GROUP = 512,
    DECODE_GROUP = 512,
    TEAM = 32 /* lanes that add up by themselves */,
    SOFTWARE_GROUPS = 64,
    SOFTWARE_DECODE = 64
};

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

/* What the driver does not tell the kernel may. */
static void find_memory(gles_context *c, const gles_place *place, glint_device_info *info) {
    enum { RENDER_NODE = 0x3377 }; /* EGL_DRM_RENDER_NODE_FILE_EXT */
    driver_memory(c, info);
    if (info->memory_bytes || info->software || !place->device) return;
    const char *words = c->egl.QueryDeviceStringEXT(place->device, EGL_EXTENSIONS);
    bool has_node = words && gles_has_word(words, "EGL_EXT_device_drm_render_node");
    const char *node = has_node ? c->egl.QueryDeviceStringEXT(place->device, RENDER_NODE) : NULL;
    if (node) gles_kernel_memory("/sys", node, info);
}

/* "gles" is the first device that is no software. */
static bool is_called(const glint_device_info *d, const char *name) {
    return !strcmp(d->name, name) || (!strcmp(name, "gles") && !d->software);
}

/* Opens each place once to learn what it is; those that fail are left out, and where no device of EGL works Mesa's
 * surfaceless platform or the default display may. The context of the device `wanted` (NULL: none) stays open in
 * `kept`, and the search ends there: a context takes long to make. err->message must be empty. */
static int find_devices(const gles_egl *egl, glint_device_info out[GLES_MAX_DEVICES], const char *wanted,
                        gles_context *kept, glint_error *err) {
    gles_place places[GLES_MAX_DEVICES];
    int n = gles_places(egl, places), count = 0, hardware = 0;
    for (int i = 0; i < n && !(count && !places[i].device); i++) {
        gles_context c;
        glint_error why;
        if (gles_context_open(egl, &places[i], &c, &why)) {
            if (err && !err->message[0]) *err = why; /* the first reason says most */
            continue;
        }
        glint_device_info *f = &out[count];
        *f = (glint_device_info){.software = c.software};
        if (c.software)
            snprintf(f->name, sizeof f->name, "gles:llvmpipe");
        else
            snprintf(f->name, sizeof f->name, "gles:%d", hardware++);
        snprintf(f->description, sizeof f->description, "%.100s, %.80s", c.renderer, c.version);
        find_memory(&c, &places[i], f);
        if (wanted && is_called(f, wanted)) {
            *kept = c;
            return count + 1;
        }
        gles_context_close(&c);
        bool again = false; /* the software renderer can appear twice */
        for (int j = 0; j < count; j++) again |= !strcmp(out[j].name, f->name);
        count += !again;
    }
    return count;
}

static int gles_enumerate(glint_device_info *out, int capacity, glint_error *missing) {
    gles_egl egl;
    glint_device_info all[GLES_MAX_DEVICES];
    if (gles_egl_open(&egl, missing)) return 0;
    int n = find_devices(&egl, all, NULL, NULL, missing);
    for (int i = 0; i < n && i < capacity; i++) out[i] = all[i];
    gles_egl_close(&egl);
    return n;
}

/* ---- Opening ---- */

/* A device that is not there may be one that failed: then it says why. */
static glint_status open_named(const char *name, gles_context *out, glint_error *err) {
    gles_egl egl;
    glint_device_info all[GLES_MAX_DEVICES];
    glint_error why = {""};
    glint_status s = gles_egl_open(&egl, &why);
    int n = s ? 0 : find_devices(&egl, all, name, out, &why);
    if (n && is_called(&all[n - 1], name)) return GLINT_OK;
    gles_egl_close(&egl);
    if (!n || why.message[0]) return base_fail(err, GLINT_DEVICE, "%s: %s", name, why.message);
    return base_fail(err, GLINT_DEVICE, "%s: there is no such device here; OpenGL ES has %s%s", name, all[0].name,
                     n > 1             ? " and others"
                     : all[0].software ? ", a software renderer"
                                       : " alone");
}

static const char *gles_notice(const backend_device *d) {
    const char *of_programs = gles_programs_notice(d->programs);
    return of_programs ? of_programs : d->notes.notice;
}

static void gles_close(backend_device *d) {
    if (!d) return;
    gles_use(d, NULL); /* it rests no more; one that was lost is closed too */
    if (!gles_context_use(&d->c, NULL)) {
        gles_awake_close(d);
        gles_crew_close(&d->crew);
        gles_memory_close(d);
        gles_programs_close(&d->programs);
    }
    gles_notes_close(&d->notes);
    gles_context_close(&d->c);
    free(d);
}

/* The largest power of two up to `wanted` that the device allows. */
static int group_size(const backend_device *d, int wanted) {
    while (wanted > d->c.limits.invocations) wanted /= 2;
    return wanted;
}

/* How many groups of the products' size run at a time: measured once, then known from the notes. */
static glint_status count_resident(backend_device *d, int *out, glint_error *err) {
    char words[16];
    if (gles_note_get(&d->notes, "resident", words, sizeof words) && (*out = atoi(words)) > 0) return GLINT_OK;
    glint_status s = gles_measure_resident(d, d->product_threads, out, err);
    if (s) return s;
    snprintf(words, sizeof words, "%d", *out);
    gles_note_set(&d->notes, "resident", words);
    return s;
}

/* Products hold so much in registers that half as many of them run at a time as of a shader that holds nothing. */
static glint_status choose_groups(backend_device *d, glint_error *err) {
    int most;
    glint_status s = count_resident(d, &most, err);
    if (!s) d->product_groups = most > 1 ? most / 2 : 1;
    d->decode_groups = d->product_groups * (d->product_threads / d->decode_threads); /* as many invocations */
    return s;
}

/* A thread for each core, the device's owner being one of them. */
static glint_status open_crew(backend_device *d, glint_error *err) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return gles_crew_open(cores > 1 ? (int)cores - 1 : 0, &d->crew, err);
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
    d->decode_threads = d->c.limits.subgroup == TEAM ? group_size(d, DECODE_GROUP) : TEAM;
    d->product_groups = SOFTWARE_GROUPS;
    d->decode_groups = SOFTWARE_DECODE;
    gles_notes_open(&d->c, &d->notes);
    s = gles_programs_open(&d->c, &d->programs, err);
    if (!s) s = gles_memory_open(d, err);
    if (!s) s = open_crew(d, err);
    if (!s && !d->c.software) s = choose_groups(d, err);
    if (s)
        gles_close(d);
    else
        *out = d;
    return s;
}

const backend gles_backend = {
    .name = "gles",
    .asynchronous = true,
    .snapshots = true,
    .enumerate = gles_enumerate,
    .open = gles_open,
    .close = gles_close,
    .facts = gles_facts,
    .verdict = gles_verdict,
    .keep_verdict = gles_keep_verdict,
    .notice = gles_notice,
    .weight_bytes = gles_weight_bytes,
    .expect = gles_expect,
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
    .rest = gles_rest,
};
