/* Cases on devices. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gles/layouts.h"
#include "tests/support/op_cases.h"

/* Lowered limits concern gles alone: a run with them is one more look at its devices. */
static bool is_under_test(const char *name) {
    if (getenv("GLINT_GLES_LIMITS") && strncmp(name, "gles:", 5)) return false;
    return strcmp(name, "cpu:ref") && strcmp(name, "null");
}

int op_devices(glint_device_info out[OP_DEVICES]) {
    int n = 0;
    for (const backend *const *b = backend_table; *b; b++) {
        glint_device_info found[OP_DEVICES];
        int count = (*b)->enumerate(found, OP_DEVICES, NULL);
        for (int i = 0; i < count && n < OP_DEVICES; i++)
            if (is_under_test(found[i].name)) out[n++] = found[i];
    }
    if (!n) support_skip("no device to test");
    return n;
}

void op_device_close(op_device *d) {
    for (int t = 0; t <= OP_THREADS; t++)
        for (int p = 0; p <= GLINT_EXACT; p++)
            if (d->open[t][p]) d->backend->close(d->open[t][p]);
    *d = (op_device){.name = d->name};
}

#if defined(GLINT_GLES) && defined(__SANITIZE_ADDRESS__)
/* Does an earlier format lie as this one does in the memory of a GPU? */
static bool is_repeated(const op_case *c, const char *device) {
    bool found = false;
    for (format_id f = 0; f < c->format && c->format < FORMAT_COUNT; f++)
        found |= gles_layout_of(f) == gles_layout_of(c->format);
    return found && !strncmp(device, "gles:", 5);
}
#else
static bool is_repeated(const op_case *c, const char *device) {
    (void)c, (void)device;
    return false;
}
#endif

static bool is_meant(op_where where, const glint_device_info *d) {
    bool gpu = !strncmp(d->name, "gles:", 5);
    return where == OP_EVERYWHERE || (gpu && (where == OP_GPUS || !d->software));
}

static void each_case(bool large, void (*test)(op_case *c, op_device *device)) {
    glint_device_info list[OP_DEVICES];
    int n = op_devices(list);
    for (int d = 0; d < n; d++) {
        op_device device = {.name = list[d].name};
        for (int i = 0; i < op_cases(); i++) {
            op_where where = op_case_where(i);
            op_case c;
            if ((where != OP_EVERYWHERE) != large || !is_meant(where, &list[d])) continue;
            op_case_open(&c, i);
            if (!is_repeated(&c, device.name)) test(&c, &device);
            op_case_close(&c);
        }
        op_device_close(&device);
    }
}

void op_each_case(void (*test)(op_case *c, op_device *device)) {
    each_case(false, test);
}

void op_each_large_case(void (*test)(op_case *c, op_device *device)) {
    each_case(true, test);
}

rig op_open_rig(op_device *device, int threads, glint_precision precision, const rig_setup *setup) {
    backend_device **d = &device->open[threads][precision];
    backend_options options = {.threads = threads, .precision = precision};
    glint_error err = {""};
    rig g;
    if (!device->backend) device->backend = backend_of_device(device->name);
    if (!*d) SUPPORT_OK(device->backend->open(device->name, &options, d, &err), &err);
    SUPPORT_OK(rig_open_on(&g, device->backend, *d, &options, setup, &err), &err);
    return g;
}

void op_case_write_operands(const op_case *c, rig *g, int first, int n) {
    glint_error err = {""};
    for (int v = 0; v < c->tape.n_values; v++)
        if (c->operand[v]) {
            const float *rows = c->operand[v] + (size_t)first * (size_t)c->tape.values[v].width;
            SUPPORT_OK(g->backend->write(g->program, v, 0, n, rows, &err), &err);
        }
}

void op_case_write_pages(const op_case *c, rig *g) {
    glint_error err = {""};
    for (int group = 0; group < c->tape.n_groups; group++)
        for (int p = 0; p < c->setup.pages; p++) {
            const float *page = c->pages[group] + (size_t)p * rig_page_numbers(&c->setup, group);
            SUPPORT_OK(g->backend->cache_write(g->cache, group, p, page, &err), &err);
        }
}
