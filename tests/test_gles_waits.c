/* Waiting for steps: when one is due, and that a thread which waits sleeps until shortly before. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gles/pieces.h"
#include "tests/support/op_cases.h"
#include "tests/support/own_clock.h"

/* ---- When a step is due ---- */

static void begin_rows(backend_program *p, int n) {
    gles_pieces_begin(p, n);
    p->steps++;
}

static void begin_step(backend_program *p) {
    begin_rows(p, 1);
}

static void end_step(backend_program *p, double seconds, bool late) {
    base_sleep(seconds);
    gles_pieces_waited(p, late);
}

/* Is the oldest step due when it has taken so long, from its beginning or, if that is later, from the end of the one
 * before? */
static bool is_due(const backend_program *p, double seconds) {
    const gles_run *r = &p->runs[p->waited % BACKEND_IN_FLIGHT];
    return fabs(gles_pieces_due(p) - fmax(r->began, p->device->order.ended) - seconds) < 0.01 * seconds;
}

/* Two steps of as many rows, one after the other, that took as long tell how long the next one takes. */
static void test_due(void) {
    const double took = 10;
    double group[1];
    backend_device d = {0};
    backend_program p = {
        .device = &d, .request.max_rows = 128, .row_seconds = INFINITY, .group_seconds = group, .n_groups = 1};
    begin_step(&p);
    gles_pieces_watched(&p, 1, 0, took); /* of its groups */
    end_step(&p, took, false);
    begin_step(&p);
    CU_ASSERT_EQUAL(gles_pieces_due(&p), 0); /* one alone tells nothing */
    end_step(&p, took, false);
    begin_step(&p);
    begin_step(&p);
    CU_ASSERT(is_due(&p, took));
    end_step(&p, took, false);
    CU_ASSERT(is_due(&p, took)); /* it began behind step 2 */
    end_step(&p, took, true);
    begin_step(&p);
    CU_ASSERT_EQUAL(gles_pieces_due(&p), 0); /* the one before it came late */
    end_step(&p, took, true);
    begin_step(&p);
    end_step(&p, took, false);
    begin_step(&p);
    CU_ASSERT(is_due(&p, took));
    end_step(&p, took / 2, false);
    begin_step(&p);
    CU_ASSERT_EQUAL(gles_pieces_due(&p), 0); /* the last two differ */
    end_step(&p, took / 2, false);
    begin_step(&p);
    CU_ASSERT(is_due(&p, took / 2));
    end_step(&p, took / 2, false);
    begin_rows(&p, 100);
    CU_ASSERT_EQUAL(gles_pieces_due(&p), 0);
    end_step(&p, took / 2, false);
    begin_rows(&p, 100);
    CU_ASSERT_EQUAL(gles_pieces_due(&p), 0); /* the last two differ in this */
    end_step(&p, took / 2, false);
    begin_rows(&p, 100);
    CU_ASSERT(is_due(&p, took / 2));
    end_step(&p, took / 2, false);
    begin_rows(&p, 0); /* some groups of a step */
    CU_ASSERT_EQUAL(gles_pieces_due(&p), 0);
}

/* When a step began that nobody waited for the end of is not known, and then not when the next one began either:
 * neither of the same program, as of a prompt in chunks, nor of another one on the device. */
static void test_unknown(void) {
    const double took = 10;
    backend_device d = {0};
    backend_program p = {.device = &d, .request.max_rows = 1, .row_seconds = INFINITY}, other = p;
    for (int i = 0; i < 2; i++) {
        begin_step(&p);
        end_step(&p, took, false);
    }
    begin_step(&other);
    begin_step(&p);
    CU_ASSERT_EQUAL(gles_pieces_due(&p), 0);
    end_step(&p, 2 * took, false);
    CU_ASSERT_DOUBLE_EQUAL(p.row_seconds, took, 0.01); /* not learnt from */
    gles_pieces_waited(&other, false);                 /* behind the other one: it is over anyway */
    CU_ASSERT(isinf(other.row_seconds));
    begin_step(&p);
    end_step(&p, took, false);
    CU_ASSERT_DOUBLE_EQUAL(p.row_seconds, took, 0.01);
    begin_step(&p);
    CU_ASSERT(is_due(&p, took));
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
    double began = base_seconds(), slept = clock_slept;
    run_steps(&c, &g, STEPS);
    double took = base_seconds() - began, looked = took - (clock_slept - slept);
    CU_ASSERT(took >= STEPS * lasts && took < 1.01 * STEPS * lasts);
    CU_ASSERT(looked < 0.13 * took); /* an eighth, and 0.1 ms; all of it where the thread looked */
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

/* ---- No answer ---- */

static GLenum GL_APIENTRY no_answer(GLsync fence, GLbitfield flags, GLuint64 timeout) {
    (void)fence, (void)flags, (void)timeout;
    return GL_TIMEOUT_EXPIRED;
}

static GLenum GL_APIENTRY failure(GLsync fence, GLbitfield flags, GLuint64 timeout) {
    (void)fence, (void)flags, (void)timeout;
    return GL_WAIT_FAILED; /* and no error beside it */
}

/* A device that gave no answer once is lost, whatever it says later: what it has left of the step may be anything. */
static void lose(const char *name, PFNGLCLIENTWAITSYNCPROC wait, const char *words) {
    op_device device = {.name = name};
    op_case c;
    op_case_open(&c, 0);
    rig g = op_open_rig(&device, 1, GLINT_EXACT, &c.setup);
    gles_gl *gl = &g.device->c.gl;
    tape_value v = c.tape.ops[c.setup.first_op].out;
    float *out = calloc((size_t)rig_rows(&g, &c.batch, v), (size_t)c.tape.values[v].width * sizeof *out);
    glint_error err = {""};
    backend_ticket ticket;
    CU_ASSERT_FATAL(out != NULL);
    op_case_write_operands(&c, &g, 0, c.batch.n_rows);
    SUPPORT_OK(g.backend->step(g.program, &c.batch, &ticket, &err), &err);
    PFNGLCLIENTWAITSYNCPROC sound = gl->ClientWaitSync;
    for (int i = 0; i < 2; i++) {
        gl->ClientWaitSync = i ? sound : wait;
        CU_ASSERT_EQUAL(g.backend->read(g.program, ticket, v, 0, 1, out, &err), GLINT_DEVICE);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, i ? "lost before" : words));
    }
    CU_ASSERT_EQUAL(g.backend->step(g.program, &c.batch, &ticket, &err), GLINT_DEVICE);
    free(out);
    rig_close(&g);
    op_device_close(&device);
    op_case_close(&c);
}

static void test_no_answer(void) {
    glint_device_info list[OP_DEVICES];
    int n = support_gles(list, OP_DEVICES);
    for (int i = 0; i < n; i++) {
        lose(list[i].name, no_answer, "no answer");
        lose(list[i].name, failure, "waiting failed");
    }
}

int main(void) {
    static const support_case cases[] = {
        {"due", test_due}, {"not known", test_unknown}, {"sleeps", test_sleeps}, {"no answer", test_no_answer}};
    return support_main("gles waits", cases, sizeof cases / sizeof *cases);
}
