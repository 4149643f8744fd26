/* What planning knows of a device before anything is measured: its memory, and a guess at its pace. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/placement/plan.h"

/* ---- "gles:0=8G,cpu=16G" ---- */

/* "8G", "512M", "1.5GiB": bytes; 0 where it is nothing of the kind. */
static double read_size(const char *text, size_t n) {
    static const char units[] = "KMGT";
    char *end;
    size_t digits = strspn(text, "0123456789.");
    double x = digits ? strtod(text, &end) : 0;
    if (!digits || digits > n || end != text + digits || !isfinite(x)) return 0;
    const char *unit = digits < n && text[digits] > ' ' ? strchr(units, text[digits] & ~0x20) : NULL;
    for (const char *u = units; unit && u <= unit; u++) x *= 1024;
    const char *rest = text + digits + (unit != NULL);
    size_t left = n - digits - (unit != NULL);
    bool good = left == 0 || (left == 1 && *rest == 'B') || (unit && left == 2 && !strncmp(rest, "iB", 2));
    return good ? x : 0;
}

static const char *next_item(const char *item) {
    item += strcspn(item, ",");
    return item + strspn(item, ", ");
}

static bool names(const char *item, const char *device) {
    size_t n = strlen(device);
    return n && !strncmp(item, device, n) && item[n] == '=';
}

/* The bytes of one item of `memory`. Its backend must be there, its device need not: one list serves machines with and
 * without a GPU. */
static glint_status read_item(const char *memory, const char *item, double *bytes, glint_error *err) {
    char name[PLACEMENT_NAME];
    size_t n = strcspn(item, ","), equals = strcspn(item, "=");
    double x = equals < n ? read_size(item + equals + 1, n - equals - 1) : 0;
    if (!equals || x < 1)
        return base_fail(err, GLINT_USAGE, "memory: \"%.*s\" is not DEVICE=SIZE, as gles:0=8G", (int)n, item);
    snprintf(name, sizeof name, "%.*s", (int)equals, item);
    if (equals >= sizeof name || !backend_of_device(name))
        return base_fail(err, GLINT_USAGE, "memory: %s: no such device", name);
    for (const char *before = memory; before < item; before = next_item(before))
        if (names(before, name)) return base_fail(err, GLINT_USAGE, "memory: %s is named twice", name);
    *bytes = x;
    return GLINT_OK;
}

/* What `memory` says of a device, which may have two names; *bytes is left alone where it says nothing. All of it is
 * read, so that a mistake is told whichever device is meant. */
static glint_status read_memory(const char *memory, const char *name, const char *alias, double *bytes,
                                glint_error *err) {
    bool found = false;
    for (const char *item = memory; item && (*item || item == memory); item = next_item(item)) {
        double x = 0;
        glint_status s = read_item(memory, item, &x, err);
        if (s) return s;
        if (!names(item, name) && !names(item, alias)) continue;
        if (found) return base_fail(err, GLINT_USAGE, "memory: %s is named twice, once as %s", name, alias);
        found = true;
        *bytes = x;
    }
    return GLINT_OK;
}

glint_status plan_check_memory(const char *memory, glint_error *err) {
    double bytes = 0;
    return read_memory(memory, "", "", &bytes, err);
}

/* ---- Devices ---- */

enum { KNOWN = 32 };

/* Guesses, until something is measured: good enough to prefer a GPU to a CPU, and a CPU to a software renderer. */
static void guess(plan_device *d) {
    enum { HARDWARE, PROCESSOR, SOFTWARE };
    static const struct {
        double step, launch, bandwidth;
    } paces[] = {[HARDWARE] = {6e-5, 3e-6, 4e11}, [PROCESSOR] = {2e-5, 2e-6, 2e10}, [SOFTWARE] = {2e-4, 4e-5, 2e9}};
    int kind = !d->software ? HARDWARE : !strcmp(d->name, "cpu") ? PROCESSOR : SOFTWARE;
    d->step = paces[kind].step;
    d->launch = paces[kind].launch;
    d->layer = (plan_pace){6, paces[kind].bandwidth};
    d->head = (plan_pace){3, paces[kind].bandwidth};
}

/* Some of what is free is left to the driver and to others. */
static double usable(const glint_device_info *info) {
    uint64_t bytes = info->free_bytes ? info->free_bytes : info->memory_bytes;
    return (double)(bytes - bytes / 16);
}

/* The other name of all[i]: "gles" is the first GPU. */
static const char *alias_of(const glint_device_info *all, int i) {
    const backend *b = backend_of_device(all[i].name);
    for (int k = 0; k < i; k++)
        if (!all[k].software && backend_of_device(all[k].name) == b) return "";
    return all[i].software ? "" : b->name;
}

static glint_status describe(const backend *b, const glint_device_info *info, const char *alias, const char *memory,
                             plan_device *out, glint_error *err) {
    *out = (plan_device){.backend = b, .software = info->software, .memory_bytes = usable(info)};
    memcpy(out->name, info->name, sizeof out->name);
    guess(out);
    return read_memory(memory, out->name, alias, &out->memory_bytes, err);
}

glint_status plan_find_device(const char *name, const char *memory, plan_device *out, glint_error *err) {
    glint_device_info all[KNOWN], nothing = {.software = true};
    const backend *b = backend_of_device(name);
    if (!b || strlen(name) >= sizeof nothing.name) return base_fail(err, GLINT_USAGE, "%s: no such device", name);
    snprintf(nothing.name, sizeof nothing.name, "%s", name);
    int n = b->enumerate(all, KNOWN, NULL);
    for (int i = 0; i < n && i < KNOWN; i++) {
        const char *alias = alias_of(all, i);
        if (!strcmp(alias, name) || !strcmp(all[i].name, name)) return describe(b, &all[i], alias, memory, out, err);
    }
    return describe(b, &nothing, "", memory, out, err); /* whether it is there shows when it is opened */
}

glint_status plan_find_hardware(const char *memory, plan_device *out, int room, int *n, glint_error *missing,
                                glint_error *err) {
    glint_device_info all[KNOWN];
    int count = glint_devices(all, KNOWN, missing);
    *n = 0;
    for (int i = 0; i < count && i < KNOWN && *n < room; i++) {
        if (all[i].software) continue;
        glint_status s = describe(backend_of_device(all[i].name), &all[i], alias_of(all, i), memory, &out[*n], err);
        if (s) return s;
        ++*n;
    }
    return GLINT_OK;
}
