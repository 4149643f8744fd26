/* Devices: the public API's list of every backend's, what is known of one, and opening one for use. */
#include "core/devices.h"

#include <stdlib.h>
#include <string.h>

#include "core/instruments/self_test.h"

int glint_devices(glint_device_info *out, int capacity, glint_error *missing) {
    int total = 0;
    if (missing) *missing = (glint_error){""};
    for (const backend *const *b = backend_table; *b; b++) {
        int room = capacity > total ? capacity - total : 0;
        glint_error words = {""};
        total += (*b)->enumerate(room ? out + total : out, room, &words);
        if (words.message[0] && missing) base_fail(missing, GLINT_DEVICE, "%s: %s", (*b)->name, words.message);
    }
    return total;
}

/* ---- Opening ---- */

static glint_status open_device(const char *name, const backend_options *options, const backend **b,
                                backend_device **out, glint_error *err) {
    *b = backend_of_device(name);
    if (!*b) return base_fail(err, GLINT_USAGE, "%s: no such device", name);
    return (*b)->open(name, options, out, err);
}

static glint_status is_wrong(const char *name, const char *words, glint_error *err) {
    return base_fail(err, GLINT_DEVICE, "%s: fails its self-test: %s; GLINT_SELF_TEST=0 uses it all the same", name,
                     words);
}

static glint_status test(const char *name, const backend *b, backend_device *d, const backend_options *options,
                         glint_error *err) {
    glint_error words = {""};
    glint_status s = self_test_device(b, d, options, &words);
    if (s == GLINT_MISMATCH) return is_wrong(name, words.message, err);
    return s ? base_fail(err, s, "%s: in its self-test: %s", name, words.message) : GLINT_OK;
}

/* By the verdict of an earlier run, or of a test now. */
static glint_status expect_sound(const char *name, const backend *b, backend_device *d, const backend_options *options,
                                 glint_error *err) {
    const char *wish = getenv("GLINT_SELF_TEST");
    glint_error words = {""};
    if (!b->verdict || (wish && !strcmp(wish, "0"))) return GLINT_OK;
    backend_verdict v = wish && !strcmp(wish, "1") ? BACKEND_UNTESTED : b->verdict(d, &words);
    if (v == BACKEND_UNTESTED) return test(name, b, d, options, err);
    return v == BACKEND_SOUND ? GLINT_OK : is_wrong(name, words.message, err);
}

glint_status device_open(const char *name, const backend_options *options, const backend **b, backend_device **out,
                         glint_error *err) {
    backend_device *d;
    glint_status s = open_device(name, options, b, &d, err);
    if (s) return s;
    s = expect_sound(name, *b, d, options, err);
    if (s)
        (*b)->close(d);
    else
        *out = d;
    return s;
}

/* ---- Facts ---- */

static void tell_verdict(const backend *b, backend_device *d, const char *name, glint_device_report *report,
                         void *user) {
    glint_error words = {""};
    backend_verdict v = b->verdict(d, &words);
    const char *text = v == BACKEND_UNTESTED ? "not run yet" : v == BACKEND_SOUND ? "passed" : words.message;
    report(&(glint_device_fact){.name = name, .text = text}, user);
}

/* What a driver says is the same in both precisions; the self-test is not. */
glint_status glint_device_facts(const char *device, glint_device_report *report, void *user, glint_error *err) {
    static const char *const names[] = {[GLINT_FAST] = "self-test fast", [GLINT_EXACT] = "self-test exact"};
    glint_status s = GLINT_OK;
    bool more = true;
    for (int p = GLINT_FAST; p <= GLINT_EXACT && !s && more; p++) {
        const backend *b;
        backend_device *d;
        s = open_device(device, &(backend_options){.precision = (glint_precision)p}, &b, &d, err);
        if (s) break;
        if (p == GLINT_FAST && b->facts) s = b->facts(d, report, user, err);
        more = b->verdict != NULL;
        if (!s && more) tell_verdict(b, d, names[p], report, user);
        b->close(d);
    }
    return s;
}
