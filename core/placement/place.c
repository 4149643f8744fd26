#include "core/placement/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char processor[] = "cpu";

static const char *cpu_name(void) {
    const char *mask = getenv("GLINT_CPU");
    return mask && !strcmp(mask, "ref") ? "cpu:ref" : processor;
}

static bool is_cpu(const char *name) {
    return !strcmp(name, processor) || !strcmp(name, "cpu:ref");
}

/* ---- Placements that need no choice ---- */

/* Also under one name each: "gles" is the first GPU, and "cpu" what cpu_name says. */
static glint_status find_devices(const glint_session_options *o, placed *out, glint_error *err) {
    glint_status s = GLINT_OK;
    for (int i = 0; i < out->where.n && !s; i++) {
        placement_part *part = &out->where.parts[i];
        const char *name = strcmp(part->device, processor) ? part->device : cpu_name();
        s = plan_find_device(name, o->memory, &out->devices[i], err);
        if (!s) memcpy(part->device, out->devices[i].name, sizeof part->device);
    }
    return s;
}

static void say(placed *out, const char *reason) {
    snprintf(out->reason, sizeof out->reason, "%s", reason);
}

/* A processor's memory is a limit only where --memory says so: what it reads lies in files. */
static glint_status place_whole(const plan *p, const glint_session_options *o, const char *device, const char *reason,
                                placed *out, glint_error *err) {
    *out = (placed){.tentative = false};
    say(out, reason);
    placement_whole(&p->model->tape, device, &out->where);
    return o->memory || !is_cpu(device) ? find_devices(o, out, err) : GLINT_OK;
}

static glint_status place_on_cpu(const plan *p, const glint_session_options *o, const char *reason, placed *out,
                                 glint_error *err) {
    const char *name = cpu_name();
    return place_whole(p, o, name, strcmp(name, processor) ? "GLINT_CPU=ref" : reason, out, err);
}

/* A driver that failed may be why. */
static glint_status place_without_gpu(const plan *p, const glint_session_options *o, const glint_error *missing,
                                      placed *out, glint_error *err) {
    glint_error reason;
    const char *because = missing->message[0] ? ": " : "";
    base_fail(&reason, GLINT_DEVICE, "no hardware GPU was found%s%s", because, missing->message);
    return place_on_cpu(p, o, reason.message, out, err);
}

static glint_status place_split(const plan *p, const glint_session_options *o, placed *out, glint_error *err) {
    *out = (placed){.tentative = false};
    say(out, "asked for");
    glint_status s = placement_parse(&p->model->tape, o->split, &out->where, err);
    return s ? s : find_devices(o, out, err);
}

/* ---- The last layers on a GPU ---- */

static void add_part(placement *w, const char *device, int first, int end) {
    if (first >= end) return;
    w->parts[w->n] = (placement_part){.first = first, .end = end};
    snprintf(w->parts[w->n].device, sizeof w->parts[w->n].device, "%s", device);
    w->n++;
}

/* As llama.cpp counts: n layers from the last one back; more than there are is the head too, and then everything. */
static glint_status place_layers(const plan *p, const glint_session_options *o, const char *gpu, placed *out,
                                 glint_error *err) {
    int layers = p->model->tape.layers, n = o->gpu_layers;
    if (n > layers) return place_whole(p, o, gpu, "asked for", out, err);
    *out = (placed){.tentative = false};
    snprintf(out->reason, sizeof out->reason, "%d of %d layers were asked for", n, layers);
    add_part(&out->where, cpu_name(), 0, 1 + layers - n);
    add_part(&out->where, gpu, 1 + layers - n, layers + 1);
    add_part(&out->where, cpu_name(), layers + 1, layers + 2);
    return find_devices(o, out, err);
}

/* ---- Choosing ---- */

static void say_chosen(const char *failed, placed *out) {
    static const char chosen[] = "the fastest of all cuts that fit, by what the devices measured";
    snprintf(out->reason, sizeof out->reason, "%s%s%s", chosen, *failed ? "; " : "", failed);
}

/* Measures all devices (the CPU, which may have two stretches, once) and takes the fastest placement. */
static glint_status choose(const plan *p, const glint_session_options *o, const plan_device *gpus, int n, placed *out,
                           glint_error *err) {
    plan_device all[PLAN_DEVICES];
    backend_options options = {.threads = o->threads, .precision = o->precision};
    glint_error failed = {""};
    int count = 0;
    for (int i = 0; i < n && count < PLAN_DEVICES - 2; i++) {
        all[count] = gpus[i];
        count += !plan_measure(p, &options, false, &all[count], &failed); /* one that fails is not used */
    }
    glint_status s = plan_find_device(cpu_name(), o->memory, &all[count], err);
    if (!s) s = plan_measure(p, &options, false, &all[count], err);
    if (s) return s;
    all[count + 1] = all[count];
    count += 2;
    *out = (placed){.tentative = true};
    s = plan_choose(p, all, count, &out->where, err);
    for (int i = 0; i < out->where.n && !s; i++)
        for (int d = 0; d < count; d++)
            if (!strcmp(all[d].name, out->where.parts[i].device)) out->devices[i] = all[d];
    say_chosen(failed.message, out);
    return s;
}

/* The first hardware GPU where the model fits, or may; else GPUs and CPU share. Where some were tried, `why` says why
 * they did not work. */
static glint_status place_automatically(const plan *p, const glint_session_options *o, int tried, const char *why,
                                        placed *out, glint_error *err) {
    plan_device gpus[PLAN_DEVICES];
    int n = 0, all = p->model->tape.layers + 2;
    glint_error words;
    glint_status s = plan_find_hardware(o->memory, gpus, PLAN_DEVICES, &n, &words, err);
    if (s) return s;
    if (!n && !tried) return place_without_gpu(p, o, &words, out, err);
    if (tried >= n) return place_on_cpu(p, o, why, out, err);
    for (int i = tried; i < n; i++) {
        if (!plan_fits(p, &gpus[i], 0, all)) continue;
        *out = (placed){.devices = {gpus[i]}, .tentative = true, .tried = i + 1};
        say(out, tried ? why : "a hardware GPU");
        placement_whole(&p->model->tape, gpus[i].name, &out->where);
        return GLINT_OK;
    }
    s = choose(p, o, gpus + tried, n - tried, out, &words);
    out->tried = n;
    if (s == GLINT_DEVICE) return place_on_cpu(p, o, words.message, out, err);
    if (s && err) *err = words;
    return s;
}

glint_status place_instead(const plan *p, const glint_session_options *o, const char *why, placed *out,
                           glint_error *err) {
    glint_status s = place_automatically(p, o, out->tried, why, out, err);
    return s ? s : plan_check(p, &out->where, out->devices, err);
}

static glint_status place_on_gpu(const plan *p, const glint_session_options *o, placed *out, glint_error *err) {
    plan_device gpu;
    glint_error missing;
    int n = 0;
    bool named = o->device && strcmp(o->device, "auto") != 0;
    if (named) return place_layers(p, o, o->device, out, err);
    glint_status s = plan_find_hardware(o->memory, &gpu, 1, &n, &missing, err);
    if (s) return s;
    return n ? place_layers(p, o, gpu.name, out, err) : place_without_gpu(p, o, &missing, out, err);
}

glint_status place_session(const plan *p, const glint_session_options *o, placed *out, glint_error *err) {
    bool named = o->device && strcmp(o->device, "auto") != 0;
    glint_status s = plan_check_memory(o->memory, err);
    if (s) return s;
    if (o->split)
        s = place_split(p, o, out, err);
    else if (o->gpu_layers > 0)
        s = place_on_gpu(p, o, out, err);
    else if (!named)
        s = place_automatically(p, o, 0, NULL, out, err);
    else if (!strcmp(o->device, processor))
        s = place_on_cpu(p, o, "asked for", out, err);
    else
        s = place_whole(p, o, o->device, "asked for", out, err);
    return s ? s : plan_check(p, &out->where, out->devices, err); /* those that were not asked are left out */
}

/* ---- After a failure ---- */

glint_status place_again(const plan *p, const placement *before, int failed, const char *memory, placement *out,
                         glint_error *err) {
    plan_device left[PLAN_DEVICES];
    int n = 0;
    glint_error why; /* `err` holds what failed */
    for (int i = 0; i < before->n && n < PLAN_DEVICES - 1; i++) {
        if (!strcmp(before->parts[i].device, before->parts[failed].device)) continue;
        glint_status s = plan_find_device(before->parts[i].device, memory, &left[n++], err);
        if (s) return s;
    }
    if (n && !plan_choose(p, left, n, out, &why)) return GLINT_OK;
    if (is_cpu(before->parts[failed].device)) return GLINT_DEVICE;
    glint_status s = plan_find_device(cpu_name(), memory, &left[n++], err);
    return s ? s : plan_choose(p, left, n, out, err);
}
