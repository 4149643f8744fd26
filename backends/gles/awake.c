/* Keeping a GPU awake while another device does its part of a token. NVIDIA's driver lowers the clocks of a GPU that
 * works for a tenth of the time to a fifth, and what is left for it to do then takes five times as long. One invocation
 * that does nothing but look at a word in the host's memory keeps it busy; the host sets the word before the next
 * commands. OpenGL ES does not promise that a running shader sees it, so that this is tried out first, and looking ends
 * by itself in any case. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"
#include "core/base/clock.h"

enum { MAP_PERSISTENT = 0x0040, MAP_COHERENT = 0x0080 };
enum { TRIAL_LOOKS = 1000, MOST_LOOKS = 60000 /* llvmpipe ends loops at 65,535 */, MOST_DISPATCHES = 32 };

static const double longest = 10e-3; /* seconds of a dispatch, so that others come to use the device too */

/* n dispatches, one after the other. */
static void look(backend_device *d, uint32_t looks, int n) {
    const gles_gl *gl = &d->c.gl;
    gles_awake *a = &d->awake;
    a->number++;
    gl->UseProgram(a->program);
    gl->BindBufferBase(GL_SHADER_STORAGE_BUFFER, 0, a->buffer);
    gl->Uniform4ui(0, a->number, looks, 0, 0);
    for (int i = 0; i < n; i++) {
        gl->DispatchCompute(1, 1, 1);
        gl->MemoryBarrier(GL_SHADER_STORAGE_BARRIER_BIT);
    }
    gl->Flush();
}

static void stop(gles_awake *a) {
    *a->word = a->number;
    atomic_thread_fence(memory_order_seq_cst); /* now, not when the write buffer is full */
}

/* Without a word that is mapped there is nothing to look at. */
static void open_word(backend_device *d) {
    const gles_gl *gl = &d->c.gl;
    const GLbitfield flags = GL_MAP_READ_BIT | GL_MAP_WRITE_BIT | MAP_PERSISTENT | MAP_COHERENT;
    gles_awake *a = &d->awake;
    gl->GenBuffers(1, &a->buffer);
    gl->BindBuffer(GL_COPY_WRITE_BUFFER, a->buffer);
    gl->BufferStorageEXT(GL_COPY_WRITE_BUFFER, GLES_OFFSET, NULL, flags);
    a->word = gl->MapBufferRange(GL_COPY_WRITE_BUFFER, 0, GLES_OFFSET, flags);
    if (a->word) {
        stop(a);
        return;
    }
    gles_clear_errors(&d->c);
}

/* How long a look takes, and whether a shader that runs sees what the host writes. */
static void try_out(backend_device *d) {
    const double start = 1e-3; /* seconds until it surely runs */
    gles_awake *a = &d->awake;
    double begin = base_seconds();
    look(d, TRIAL_LOOKS, 1);
    d->c.gl.Finish();
    double looks = longest / (base_seconds() - begin) * TRIAL_LOOKS;
    a->looks = looks < MOST_LOOKS ? (uint32_t)looks : MOST_LOOKS;
    begin = base_seconds();
    look(d, a->looks, 1);
    while (base_seconds() - begin < start) continue;
    stop(a);
    d->c.gl.Finish();
    a->works = d->c.software || base_seconds() - begin < longest / 2;
}

static bool wanted(const gles_context *c) {
    const char *mask = getenv("GLINT_GLES_AWAKE");
    if (!c->limits.maps) return false;
    return mask ? !strcmp(mask, "1") : !c->software && strstr(c->vendor, "NVIDIA");
}

glint_status gles_awake_open(backend_device *d, glint_error *err) {
    if (d->awake.buffer || !wanted(&d->c)) return GLINT_OK;
    const gles_define defines[] = {{"SUBGROUP", NULL, 0}};
    glint_status s = gles_program_get(d->programs, "awake.comp", defines, GLES_COUNT(defines), &d->awake.program, err);
    if (!s) open_word(d);
    if (!s && d->awake.word) try_out(d);
    return s ? s : gles_check(&d->c, "trying to stay awake", err);
}

void gles_awake_close(backend_device *d) {
    if (d->awake.buffer) d->c.gl.DeleteBuffers(1, &d->awake.buffer);
    d->awake = (gles_awake){0};
}

/* As many dispatches as would have lasted through the rest before. */
void gles_rest(backend_device *d) {
    gles_awake *a = &d->awake;
    if (!a->works || a->resting || gles_context_use(&d->c, NULL)) return;
    double n = 1 + a->rested / longest;
    look(d, a->looks, n < MOST_DISPATCHES ? (int)n : MOST_DISPATCHES);
    a->began = base_seconds();
    a->resting = true;
}

glint_status gles_use(backend_device *d, glint_error *err) {
    gles_awake *a = &d->awake;
    if (a->resting) {
        stop(a);
        a->rested = base_seconds() - a->began;
        a->resting = false;
    }
    glint_status s = gles_context_use(&d->c, err);
    return s || !d->c.lost ? s : base_fail(err, GLINT_DEVICE, "%s: it was lost before", d->c.renderer);
}
