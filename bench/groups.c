/* glint_groups MODEL [DEVICE]: where the time of a step goes on a device of OpenGL ES, by kind of group, from the GPU's
 * own timer: a chunk of 512 tokens, and then a token behind it, greedy and with the likeliest tokens found for
 * sampling. Groups run one at a time here, each a dispatch at least, behind whole steps that keep the GPU awake, so
 * that it takes a minute or two; the last line of a report is the step as it really runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"
#include "core/adopt.h"
#include "core/base/clock.h"
#include "core/model.h"

enum { CHUNK = 512, CONTEXT = 1024, PAGES = CONTEXT / TAPE_PAGE, REPEATS = 15 };

static void must(glint_status s, const glint_error *err) {
    if (!s) return;
    fprintf(stderr, "glint_groups: %s\n", err->message);
    exit((int)s);
}

/* ---- The GPU's clock before the first and behind the last dispatch of a call ---- */

static const double WARM_UP = 0.5, LEAD = 0.005; /* seconds of work in which the GPU's clocks rise, and stay up */
static const gles_gl *gl;
static PFNGLDISPATCHCOMPUTEPROC dispatch;
static GLuint query[REPEATS][2];
static const GLuint *now; /* those of this call; NULL: it is not timed */
static bool begun;

static void GL_APIENTRY timed_dispatch(GLuint x, GLuint y, GLuint z) {
    if (now && !begun) gl->QueryCounterEXT(now[0], GL_TIMESTAMP_EXT);
    begun = true;
    dispatch(x, y, z);
    if (now) gl->QueryCounterEXT(now[1], GL_TIMESTAMP_EXT);
}

static void watch_dispatches(gles_gl *functions) {
    if (!functions->QueryCounterEXT || !functions->GetQueryObjectui64vEXT) {
        fprintf(stderr, "glint_groups: the driver has no timer (GL_EXT_disjoint_timer_query)\n");
        exit(GLINT_DEVICE);
    }
    gl = functions;
    dispatch = functions->DispatchCompute;
    functions->DispatchCompute = timed_dispatch;
    functions->GenQueriesEXT(2 * REPEATS, query[0]);
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, rising);
    return x[n / 2];
}

/* Microseconds of groups [first, first + n), the median of calls one behind the other: a GPU that waits for the host
 * between them slows down. */
static double time_groups(const backend *b, backend_program *p, const backend_batch *batch, int first, int n) {
    glint_error err = {""};
    backend_ticket ticket;
    double took[REPEATS] = {0};
    for (int i = 0; i < REPEATS; i++) {
        now = query[i];
        begun = false;
        must(b->run_groups(p, batch, first, n, &ticket, &err), &err);
    }
    now = NULL;
    gl->Finish();
    for (int i = 0; i < REPEATS && begun; i++) {
        GLuint64 at[2];
        for (int j = 0; j < 2; j++) gl->GetQueryObjectui64vEXT(query[i][j], GL_QUERY_RESULT_EXT, &at[j]);
        took[i] = 1e-3 * (double)(at[1] - at[0]);
    }
    return median(took, REPEATS);
}

/* ---- Kinds of groups ---- */

typedef enum kind { QKV, ATTENTION, OUTPUT, GATE_UP, DOWN, HEAD, CHOICE, OTHER, KINDS } kind;

static const char *const kind_names[KINDS] = {"q, k, v", "attention", "output", "gate, up",
                                              "down",    "head",      "choice", "other"};

static kind kind_of_product(const tape *t, const tape_op *op) {
    const tape_op *maker = &t->ops[t->values[op->in[0]].op];
    if (op->out == t->logits) return HEAD;
    if (maker->kind == TAPE_ATTEND) return OUTPUT;
    if (maker->kind == TAPE_GATE) return DOWN;
    for (int i = 0; i < t->n_ops; i++)
        if (t->ops[i].kind == TAPE_GATE && (t->ops[i].in[0] == op->out || t->ops[i].in[1] == op->out)) return GATE_UP;
    return QKV;
}

static kind kind_of_op(const tape *t, const tape_op *op) {
    static const kind kinds[TAPE_KINDS] = {
        [TAPE_EMBED] = OTHER,
        [TAPE_NORM] = OTHER,
        [TAPE_MATMUL] = OTHER,
        [TAPE_ADD] = OTHER,
        [TAPE_ROPE] = ATTENTION,
        [TAPE_HEAD_NORM] = ATTENTION,
        [TAPE_CACHE_WRITE] = ATTENTION,
        [TAPE_ATTEND] = ATTENTION,
        [TAPE_GATE] = OTHER,
        [TAPE_SELECT_ROWS] = OTHER,
        [TAPE_ARGMAX] = CHOICE,
        [TAPE_TOP_K] = CHOICE,
    };
    return op->kind == TAPE_MATMUL ? kind_of_product(t, op) : kinds[op->kind];
}

/* The first of its ops that is something in particular says what a group is. */
static kind kind_of_group(const tape *t, const backend_group *g) {
    kind k = OTHER;
    for (int i = g->first_op; i <= g->last_op && k == OTHER; i++) k = kind_of_op(t, &t->ops[i]);
    return k;
}

/* ---- Bytes of weights and cache ---- */

static double weight_bytes(const backend_weight *w) {
    double bytes = 0;
    for (int i = 0; i < w->n_slices; i++) bytes += (double)gles_slice_bytes(w->layout, w->slices[i].rows, w->cols);
    return bytes;
}

static double cache_bytes(const tape *t, const tape_op *op, const backend_cache *c, const backend_batch *b) {
    int first = b->position[0], seen = b->position[b->n_rows - 1] + 1, window = tape_window(t, op);
    int begin = window && first >= window ? first - window + 1 : 0;
    return 2.0 * (seen - begin) * (double)gles_cache_row_bytes(c, op->p.cache);
}

static double bytes_of(const tape *t, const backend_group *g, const backend_compile_request *r,
                       const backend_batch *b) {
    double bytes = 0;
    for (int i = g->first_op; i <= g->last_op; i++) {
        const tape_op *op = &t->ops[i];
        const backend_weight *w = op->weight[0] < 0 ? NULL : r->weights[op->weight[0]];
        if (op->kind == TAPE_MATMUL) bytes += weight_bytes(w);
        if (op->kind == TAPE_EMBED) bytes += weight_bytes(w) * b->n_rows / w->rows;
        if (op->kind == TAPE_ATTEND) bytes += cache_bytes(t, op, r->cache, b);
    }
    return bytes;
}

/* ---- Reports ---- */

/* A step, not timed. */
static void run_whole(const backend *b, backend_program *p, const backend_batch *batch, int n) {
    glint_error err = {""};
    backend_ticket ticket;
    must(b->run_groups(p, batch, 0, n, &ticket, &err), &err);
}

typedef struct line {
    int count;
    double us, bytes;
} line;

static void print_line(const char *name, const line *l, double bandwidth) {
    double rate = l->us > 0 ? 1e6 * l->bytes / l->us : 0;
    if (!l->count) return;
    printf("%-14s %5d %10.1f %8.2f %9.2f %9.1f %6.1f %%\n", name, l->count, l->us, l->us / l->count, 1e-6 * l->bytes,
           1e-9 * rate, 100 * rate / bandwidth);
}

static void report(const char *title, const backend *b, backend_device *d, const backend_compile_request *r,
                   const backend_batch *batch, double bandwidth) {
    glint_error err = {""};
    backend_program *p;
    const backend_group *g;
    line lines[KINDS] = {{0}}, whole = {.count = 1};
    must(b->compile(d, r, &p, &err), &err);
    int n = b->groups(p, &g);
    for (double since = base_seconds(); base_seconds() - since < WARM_UP;) run_whole(b, p, batch, n);
    for (int i = 0; i < n; i++) {
        line *l = &lines[kind_of_group(r->tape, &g[i])];
        double bytes = bytes_of(r->tape, &g[i], r, batch);
        for (double since = base_seconds(); base_seconds() - since < LEAD;) run_whole(b, p, batch, n);
        l->count++;
        l->us += time_groups(b, p, batch, i, 1);
        l->bytes += bytes;
        whole.bytes += bytes;
    }
    whole.us = time_groups(b, p, batch, 0, n);
    printf("\n%s\n%-14s %5s %10s %8s %9s %9s %8s\n", title, "", "count", "us", "us each", "MB", "GB/s", "of it");
    for (int k = 0; k < KINDS; k++) print_line(kind_names[k], &lines[k], bandwidth);
    print_line("the step", &whole, bandwidth);
    b->program_close(p);
}

static void report_all(glint_model *m, const backend *b, backend_device *d, backend_weight **weights,
                       double bandwidth) {
    glint_error err = {""};
    const tape *t = &m->tape;
    int32_t ids[CHUNK], position[CHUNK], sequence[CHUNK] = {0}, page[PAGES], last = CHUNK - 1, zero = 0;
    for (int i = 0; i < CHUNK; i++) ids[i] = (int32_t)((uint32_t)i * 2654435761u % (uint32_t)t->vocabulary);
    for (int i = 0; i < CHUNK; i++) position[i] = i;
    for (int i = 0; i < PAGES; i++) page[i] = i;
    backend_batch chunk = {CHUNK, 1, ids, position, sequence, &last, {{0}}};
    backend_batch token = {1, 1, ids, &(int32_t){CHUNK}, sequence, &zero, {{0}}};
    backend_cache_request cache = {.tape = t, .n_ops = t->n_ops};
    const tape_value observed[] = {t->argmax, t->top};
    backend_compile_request r = {.tape = t,
                                 .n_ops = t->n_ops,
                                 .weights = weights,
                                 .max_sequences = 1,
                                 .max_rows = CHUNK,
                                 .max_outputs = 1,
                                 .observed = observed,
                                 .n_observed = 1};
    for (int g = 0; g < t->n_groups; g++) {
        chunk.pages[g] = token.pages[g] = (backend_pages){page, PAGES};
        cache.pages[g] = r.max_slots[g] = PAGES;
    }
    must(b->cache_open(d, &cache, &r.cache, &err), &err);
    report("a chunk of 512 tokens", b, d, &r, &chunk, bandwidth);
    r.max_rows = 1;
    report("a token behind 512, greedy", b, d, &r, &token, bandwidth);
    r.n_observed = 2;
    report("a token behind 512, with the likeliest", b, d, &r, &token, bandwidth);
    b->cache_close(d, r.cache);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    glint_error err = {""};
    const char *device = argc > 2 ? argv[2] : "gles:0";
    glint_model *m;
    backend_device *d;
    double bandwidth, one_dispatch;
    if (argc < 2 || argc > 3 || strncmp(device, "gles:", 5) != 0) {
        fprintf(stderr, "usage: glint_groups MODEL [gles:N]\n");
        return GLINT_USAGE;
    }
    const backend *b = backend_of_device(device);
    must(glint_model_open(argv[1], &m, &err), &err);
    must(b->open(device, &(backend_options){0}, &d, &err), &err);
    must(gles_measure_speed(d, &bandwidth, &one_dispatch, &err), &err);
    printf("%s: reads %.0f GB/s, a dispatch behind another costs %.1f us\n", d->c.renderer, 1e-9 * bandwidth,
           1e6 * one_dispatch);
    watch_dispatches(&d->c.gl);
    arena memory = {0};
    backend_weight **weights;
    const backend_view *views = model_views(m, &memory);
    if (!views) return GLINT_INTERNAL;
    must(adopt_range(b, d, &m->tape, 0, m->tape.n_ops, views, &memory, &weights, &err), &err);
    report_all(m, b, d, weights, bandwidth);
    adopt_release(b, d, &m->tape, weights);
    arena_free(&memory);
    b->close(d);
    glint_model_close(&m);
}
