/* The barrier across work groups that decode.comp needs between phases: trying out how many of them meet. OpenGL has no
 * word for it, so the program itself is run, with phases of nothing: it is what holds the registers and the memory. */
#include <stdio.h>
#include <stdlib.h>

#include "backends/gles/phases.h"

static const char note[] = "meeting";
enum { WARM_UP = 4 /* barriers in a trial, and one more phase */ };

static glint_status try_groups(backend_program *p, const gles_buffer *nothing, uint32_t groups, bool *met,
                               glint_error *err) {
    enum { PATIENCE = 1 << 16 }; /* looks at the counter: some milliseconds */
    backend_device *d = p->device;
    const gles_gl *gl = &d->c.gl;
    uint32_t state[2] = {0};
    glint_status s = gles_write(d, &d->grid, 0, sizeof state, state, err);
    if (s) return s;
    gl->MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT | GL_SHADER_STORAGE_BARRIER_BIT | GL_UNIFORM_BARRIER_BIT);
    gl->UseProgram(p->decode);
    gl->BindBufferBase(GL_SHADER_STORAGE_BUFFER, 7, d->grid.id);
    gl->BindBufferBase(GL_UNIFORM_BUFFER, 0, nothing->id);
    gl->Uniform4ui(0, 0, WARM_UP + 1, 0, PATIENCE);
    gl->DispatchCompute(groups, 1, 1);
    s = gles_read(d, &d->grid, 0, sizeof state, state, err);
    *met = !s && !state[1];
    d->arrived = state[0];
    if (!s && state[1]) s = gles_write(d, &d->grid, 0, sizeof state, (uint32_t[2]){0}, err), d->arrived = 0;
    return s;
}

/* As many as met last time, where that is known. A software renderer's run one after the other: one alone is sure to
 * meet itself. (llvmpipe ends a shader without a word when its loops have turned 65,535 times, and a whole step of a
 * larger model in one work group does.) */
static int first_guess(const backend_device *d) {
    char words[16];
    if (d->c.software) return gles_fusion_of(d) == GLES_FUSE_STEP;
    int groups = d->decode_groups, noted = 0;
    if (gles_note_get(&d->notes, note, words, sizeof words)) noted = atoi(words);
    if (noted > 0 && noted < groups) groups = noted;
    return groups < d->c.limits.meeting ? groups : (int)d->c.limits.meeting;
}

static void note_groups(backend_device *d, int groups) {
    char words[16];
    snprintf(words, sizeof words, "%d", groups);
    gles_note_set(&d->notes, note, words);
}

glint_status gles_grid_measure(backend_program *p, glint_error *err) {
    backend_device *d = p->device;
    size_t bytes = (size_t)p->window * sizeof(gles_phase);
    gles_buffer nothing = {0};
    gles_phase *phases = calloc(1, bytes);
    if (!phases) return base_fail(err, GLINT_INTERNAL, "out of memory for a trial");
    for (int i = 0; i <= WARM_UP; i++) phases[i].kind = GLES_PHASE_NOTHING;
    glint_status s = d->grid.id ? GLINT_OK : gles_buffer_open(d, GLES_OFFSET, &d->grid, err);
    if (!s) s = gles_buffer_open(d, bytes, &nothing, err);
    if (!s) s = gles_write(d, &nothing, 0, bytes, phases, err);
    bool met = false;
    int groups = first_guess(d);
    while (!s && !met && groups) {
        s = try_groups(p, &nothing, (uint32_t)groups, &met, err);
        if (!met) groups /= 2;
    }
    if (met && !d->c.software) note_groups(d, groups);
    p->meets = met;
    d->meets |= met;
    p->groups_at_once = (uint32_t)(met ? groups : d->decode_groups);
    gles_buffer_close(d, &nothing);
    free(phases);
    return s;
}
