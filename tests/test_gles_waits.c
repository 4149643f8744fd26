/* Waiting for steps: when one is due, and that a thread which waits sleeps until shortly before. */
#include <stdlib.h>
#include <time.h>

#include "backends/gles/pieces.h"
#include "core/base/clock.h"
#include "tests/support/op_cases.h"

/* ---- When a step is due ---- */

static void rest(long milliseconds) {
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

static void begin_step(backend_program *p) {
    gles_pieces_begin(p, 1);
    p->steps++;
}

/* Two steps, one after the other, have to tell how long they take. */
static void test_due(void) {
    double known[1];
    backend_program p = {.request.max_rows = 1, .row_seconds = 1e9, .group_seconds = known};
    begin_step(&p);
    CU_ASSERT_EQUAL(gles_pieces_due(&p, 0), 0);
    rest(2);
    gles_pieces_waited(&p, 0, false);
    CU_ASSERT_EQUAL(gles_pieces_due(&p, 0), 0); /* it is over */
    CU_ASSERT_EQUAL(gles_pieces_due(&p, 1), 0); /* it has not begun */
    begin_step(&p);
    double took = p.row_seconds;
    CU_ASSERT_DOUBLE_EQUAL(gles_pieces_due(&p, 1), p.runs[1].began + took, 1e-9);
    begin_step(&p);
    rest(30);
    gles_pieces_waited(&p, 1, false);
    CU_ASSERT(p.row_seconds > took);
    CU_ASSERT_DOUBLE_EQUAL(gles_pieces_due(&p, 2), p.ended + took, 1e-9); /* the less of two, behind step 1 */
    gles_pieces_waited(&p, 2, true);
    begin_step(&p);
    CU_ASSERT_EQUAL(gles_pieces_due(&p, 3), 0); /* the one before it came late */
    gles_pieces_waited(&p, 3, false);
    begin_step(&p);
    CU_ASSERT(gles_pieces_due(&p, 4) > 0);
    gles_pieces_begin(&p, 0); /* some of its groups */
    p.steps++;
    gles_pieces_waited(&p, 4, false);
    CU_ASSERT_EQUAL(gles_pieces_due(&p, 5), 0);
}

/* ---- Sleeping ---- */

static double over; /* by base_seconds: when the step is */
static PFNGLFLUSHPROC flush;
static PFNGLCLIENTWAITSYNCPROC wait_sync;
static const double lasts = 0.05;

/* A device on which every step lasts that long, and a driver that looks at it all the time. */
static void GL_APIENTRY begin_lasting(void) {
    over = base_seconds() + lasts;
    flush();
}

static GLenum GL_APIENTRY look_until_over(GLsync fence, GLbitfield flags, GLuint64 timeout) {
    while (timeout && base_seconds() < over) continue;
    return base_seconds() < over ? GL_TIMEOUT_EXPIRED : wait_sync(fence, flags, timeout);
}

static double thread_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* n steps that are waited for. */
static void run_steps(const op_case *c, rig *g, int n) {
    glint_error err = {""};
    tape_value v = c->tape.ops[c->setup.first_op].out;
    float *out = calloc((size_t)rig_rows(g, &c->batch, v), (size_t)c->tape.values[v].width * sizeof *out);
    CU_ASSERT_FATAL(out != NULL);
    for (int i = 0; i < n; i++) {
        backend_ticket ticket;
        SUPPORT_OK(g->backend->step(g->program, &c->batch, &ticket, &err), &err);
        SUPPORT_OK(g->backend->read(g->program, ticket, v, 0, rig_rows(g, &c->batch, v), out, &err), &err);
        CU_ASSERT(base_seconds() >= over);
    }
    free(out);
}

static void try_sleeping(const char *name) {
    enum { KNOWN = 3, STEPS = 8 };
    op_device device = {.name = name};
    op_case c;
    op_case_open(&c, 0);
    rig g = op_open_rig(&device, 1, GLINT_EXACT, &c.setup);
    gles_gl *gl = &g.device->c.gl;
    op_case_write_operands(&c, &g, 0, c.batch.n_rows);
    flush = gl->Flush;
    wait_sync = gl->ClientWaitSync;
    gl->Flush = begin_lasting;
    gl->ClientWaitSync = look_until_over;
    run_steps(&c, &g, KNOWN);
    double began = base_seconds(), worked = thread_seconds();
    run_steps(&c, &g, STEPS);
    worked = thread_seconds() - worked;
    double took = base_seconds() - began;
    if (worked > 0.4 * took) printf("\n    %s: %.3f s of %.3f worked", name, worked, took);
    CU_ASSERT(took >= STEPS * lasts);
    CU_ASSERT(worked <= 0.4 * took); /* an eighth, and 0.1 ms; all of it where the thread looked */
    gl->Flush = flush;
    gl->ClientWaitSync = wait_sync;
    rig_close(&g);
    op_device_close(&device);
    op_case_close(&c);
}

static void test_sleeps(void) {
    glint_device_info list[OP_DEVICES];
    int n = support_gles(list, OP_DEVICES);
    for (int i = 0; i < n; i++) try_sleeping(list[i].name);
}

int main(void) {
    static const support_case cases[] = {{"due", test_due}, {"sleeps", test_sleeps}};
    return support_main("gles waits", cases, sizeof cases / sizeof *cases);
}
