/* Measuring how many work groups a device runs at a time. OpenGL ES has no word for the number of multiprocessors, but
 * products do best with as many work groups as run together: x is then made ready once in each. */
#include "backends/gles/device.h"

glint_status gles_measure_resident(backend_device *d, int threads, int *out, glint_error *err) {
    enum { OFFERED = 2048 };
    const gles_define defines[] = {{"THREADS", NULL, threads}, {"SUBGROUP", NULL, 0}};
    const uint32_t zeros[2] = {0};
    uint32_t seen[2];
    gles_buffer state;
    GLuint program;
    glint_status s = gles_program_get(d->programs, "resident.comp", defines, 2, &program, err);
    if (!s) s = gles_buffer_open(d, sizeof zeros, &state, err);
    if (s) return s;
    s = gles_write(d, &state, 0, sizeof zeros, zeros, err);
    d->c.gl.MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT | GL_SHADER_STORAGE_BARRIER_BIT);
    d->c.gl.UseProgram(program);
    d->c.gl.BindBufferBase(GL_SHADER_STORAGE_BUFFER, 3, state.id);
    d->c.gl.DispatchCompute(OFFERED, 1, 1);
    if (!s) s = gles_read(d, &state, 0, sizeof seen, seen, err);
    gles_buffer_close(d, &state);
    if (!s) *out = seen[1] > 0 ? (int)seen[1] : 1;
    return s;
}
