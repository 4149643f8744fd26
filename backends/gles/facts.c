/* What `glint devices` tells of a device, and what the self-test found when it ran last. */
#include <stdio.h>
#include <string.h>

#include "backends/gles/device.h"

/* ---- Verdicts: a note for each precision, "sound" or what failed ---- */

static const char sound[] = "sound";

static const char *verdict_name(const backend_device *d) {
    return d->options.precision == GLINT_EXACT ? "self-test exact" : "self-test fast";
}

backend_verdict gles_verdict(backend_device *d, glint_error *words) {
    if (!gles_note_get(&d->notes, verdict_name(d), words->message, sizeof words->message)) return BACKEND_UNTESTED;
    return strcmp(words->message, sound) ? BACKEND_WRONG : BACKEND_SOUND;
}

void gles_keep_verdict(backend_device *d, backend_verdict v, const char *words) {
    gles_note_set(&d->notes, verdict_name(d), v == BACKEND_SOUND ? sound : words);
}

/* ---- Facts ---- */

/* Extensions that something is made of here, where they are. */
static const char *const extensions[] = {"GL_EXT_buffer_storage", "GL_KHR_shader_subgroup", "GL_KHR_robustness"};

static void tell(glint_device_report *report, void *user, const char *name, const char *text) {
    report(&(glint_device_fact){.name = name, .text = text}, user);
}

static void tell_number(glint_device_report *report, void *user, const char *name, double number, const char *unit) {
    report(&(glint_device_fact){.name = name, .number = number, .unit = unit}, user);
}

static void tell_extensions(const backend_device *d, glint_device_report *report, void *user) {
    char list[256] = "";
    size_t at = 0;
    for (int i = 0; i < GLES_COUNT(extensions); i++)
        if (gles_has_word(d->c.extensions, extensions[i]))
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at ? " " : "", extensions[i] + strlen("GL_"));
    tell(report, user, "extensions used", at ? list : "none");
}

static void tell_limits(const gles_limits *l, glint_device_report *report, void *user) {
    const struct {
        const char *name, *unit;
        int64_t value;
    } rows[] = {{"storage block", "bytes", l->block},
                {"storage blocks of a shader", "", l->blocks},
                {"offset alignment", "bytes", l->align},
                {"shared memory of a group", "bytes", l->shared},
                {"invocations of a group", "", l->invocations},
                {"groups of a dispatch", "", l->groups},
                {"subgroup", "", l->subgroup}};
    for (int i = 0; i < GLES_COUNT(rows); i++)
        tell_number(report, user, rows[i].name, (double)rows[i].value, rows[i].unit);
}

glint_status gles_facts(backend_device *d, glint_device_report *report, void *user, glint_error *err) {
    double bandwidth, dispatch;
    glint_status s = gles_measure_speed(d, &bandwidth, &dispatch, err);
    if (s) return s;
    tell(report, user, "vendor", d->c.vendor);
    tell(report, user, "renderer", d->c.renderer);
    tell(report, user, "version", d->c.version);
    tell_limits(&d->c.limits, report, user);
    tell_extensions(d, report, user);
    tell_number(report, user, "read bandwidth", bandwidth, "bytes/s");
    tell_number(report, user, "dispatch", dispatch, "s");
    return GLINT_OK;
}
