/* How fast a device reads and how long a dispatch takes, for people to look at: nothing is chosen by it. */
#include "backends/gles/device.h"
#include "core/base/clock.h"

enum { STATE_WORDS = 2 };

/* Seconds for n dispatches, one after the other, each through `quads` of the memory bound. */
static glint_status run(backend_device *d, const gles_buffer *state, uint32_t quads, GLuint groups, int n, double *out,
                        glint_error *err) {
    const uint32_t words[STATE_WORDS] = {quads, 0};
    const gles_gl *gl = &d->c.gl;
    glint_status s = gles_write(d, state, 0, sizeof words, words, err);
    if (s) return s;
    gl->MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT | GL_SHADER_STORAGE_BARRIER_BIT);
    gl->Finish();
    double since = base_seconds();
    for (int i = 0; i < n; i++) {
        gl->DispatchCompute(groups, 1, 1);
        gl->MemoryBarrier(GL_SHADER_STORAGE_BARRIER_BIT);
    }
    gl->Finish();
    *out = base_seconds() - since;
    return gles_check(&d->c, "measuring", err);
}

/* Through `bytes` of memory, at least twice, until it has taken a few milliseconds: the best of three. */
static glint_status measure_reading(backend_device *d, const gles_buffer *state, size_t bytes, double *rate,
                                    glint_error *err) {
    enum { REPEATS = 3, MOST_PASSES = 64 };
    const double enough = 5e-3;
    uint32_t quads = (uint32_t)(bytes / 16);
    GLuint groups = 2 * (GLuint)d->product_groups;
    double took = 0;
    int passes = 2;
    glint_status s = run(d, state, quads, groups, 1, &took, err); /* the first is slow: the program, the pages */
    while (!s && passes < MOST_PASSES && !(s = run(d, state, quads, groups, passes, &took, err)) && took < enough)
        passes *= 2;
    *rate = 0;
    for (int i = 0; i < REPEATS && !s; i++) {
        s = run(d, state, quads, groups, passes, &took, err);
        double now = (double)bytes * passes / took;
        if (now > *rate) *rate = now;
    }
    return s;
}

/* Memory that no cache holds, as far as there is any; on the CPU's memory less will do. */
static glint_status open_memory(backend_device *d, gles_buffer *out, glint_error *err) {
    size_t bytes = d->c.software ? 32 << 20 : 512 << 20;
    if (bytes > (size_t)d->c.limits.block) bytes = (size_t)d->c.limits.block;
    glint_status s = gles_buffer_open(d, bytes, out, err);
    while (s && (bytes /= 2) >= 1 << 20) s = gles_buffer_open(d, bytes, out, err);
    return s;
}

glint_status gles_measure_speed(backend_device *d, double *bandwidth, double *dispatch, glint_error *err) {
    enum { DISPATCHES = 200 };
    const gles_define defines[] = {{"THREADS", NULL, d->product_threads}, {"SUBGROUP", NULL, 0}};
    gles_buffer memory = {0}, state = {0};
    GLuint program;
    glint_status s = gles_use(d, err);
    if (!s) s = gles_program_get(d->programs, "measure.comp", defines, GLES_COUNT(defines), &program, err);
    if (!s) s = gles_buffer_open(d, STATE_WORDS * sizeof(uint32_t), &state, err);
    if (!s) s = open_memory(d, &memory, err);
    if (!s) {
        d->c.gl.UseProgram(program);
        d->c.gl.BindBufferBase(GL_SHADER_STORAGE_BUFFER, 0, memory.id);
        d->c.gl.BindBufferBase(GL_SHADER_STORAGE_BUFFER, 3, state.id);
        s = measure_reading(d, &state, memory.bytes, bandwidth, err);
    }
    if (!s) s = run(d, &state, 0, 1, DISPATCHES, dispatch, err);
    *dispatch /= DISPATCHES;
    gles_buffer_close(d, &memory);
    gles_buffer_close(d, &state);
    return s;
}
