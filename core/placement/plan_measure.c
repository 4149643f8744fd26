/* Taking a device's numbers: what starting and waiting cost, from a chain of tiny products; how fast it reads weights,
 * from layers of the model, as many bytes as no cache holds, and from its head behind them. */
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/size.h"
#include "core/instruments/rig.h"
#include "core/placement/plan.h"
#include "core/session.h"

enum { CHAIN = 33, CHAIN_WIDTH = 64, MOST_SAMPLES = 64, LEAST_SAMPLES = 3, POSITIONS = TAPE_PAGE };

/* ---- Timing a program ---- */

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A batch of one sequence, and room for what goes in and what comes out. */
typedef struct run {
    const rig *g;
    backend_batch b;
    int32_t *zeros, *position, *pages;
    tape_value in; /* TAPE_NONE: ids alone */
    float *given, *made;
    arena memory;
} run;

static int rows_of(const run *r, tape_value v) {
    return r->g->setup->tape->values[v].outputs ? r->b.n_outputs : r->b.n_rows;
}

static glint_status open_run(run *r, const rig *g, int rows, glint_error *err) {
    const tape *t = g->setup->tape;
    const int slots = g->setup->slots;
    *r = (run){.g = g, .b = {.n_rows = rows, .n_outputs = 1}, .in = TAPE_NONE};
    size_t n = (size_t)rows, width = (size_t)t->values[g->setup->observed[0]].width, in_width = 0;
    tape_value *in = arena_array(&r->memory, (size_t)t->n_values, sizeof *in);
    if (in && tape_inputs(t, g->setup->first_op, g->setup->n_ops, in)) r->in = in[0]; /* one value crosses an edge */
    if (r->in >= 0) in_width = (size_t)t->values[r->in].width;
    r->zeros = arena_array(&r->memory, n, sizeof *r->zeros);
    r->position = arena_array(&r->memory, n + 1, sizeof *r->position);
    r->pages = arena_array(&r->memory, (size_t)slots + 1, sizeof *r->pages);
    r->given = arena_array(&r->memory, n, in_width * sizeof *r->given);
    r->made = arena_array(&r->memory, n, width * sizeof *r->made);
    if (!in || !r->zeros || !r->position || !r->pages || !r->given || !r->made)
        return base_fail(err, GLINT_INTERNAL, "out of memory for a plan");
    for (int i = 0; i < rows; i++) r->position[i] = rows > 1 ? i : POSITIONS - 1;
    for (int i = 0; i < slots; i++) r->pages[i] = i;
    for (size_t i = 0; i < n * in_width; i++) r->given[i] = (float)((int)(i * 37 % 17) - 8) / 8;
    r->position[rows] = rows - 1;
    r->b.token = r->b.sequence = r->zeros;
    r->b.position = r->position;
    r->b.output = &r->position[rows];
    for (int i = 0; i < t->n_groups; i++) r->b.pages[i] = (backend_pages){r->pages, slots};
    return GLINT_OK;
}

/* Values in, a step, what it makes out. */
static glint_status use(const run *r, glint_error *err) {
    const rig *g = r->g;
    tape_value out = g->setup->observed[0];
    backend_ticket ticket;
    glint_status s = GLINT_OK;
    if (r->in >= 0) s = g->backend->write(g->program, r->in, 0, rows_of(r, r->in), r->given, err);
    if (!s) s = g->backend->step(g->program, &r->b, &ticket, err);
    if (!s) s = g->backend->read(g->program, ticket, out, 0, rows_of(r, out), r->made, err);
    return s;
}

/* Uses that do not count: the first is slow, and so are all of a GPU that has rested. Its clocks rise when it has
 * worked for a while (an H200's after a fifth of a second, to four times the speed). */
static glint_status wake(const run *r, const plan_device *d, glint_error *err) {
    static const double rest = 0.25, work = 0.4; /* seconds */
    bool rested = !d->software && base_seconds() - d->used > rest;
    glint_status s = use(r, err);
    double begin = base_seconds();
    while (!s && rested && base_seconds() - begin < work) s = use(r, err);
    return s;
}

/* The median of some uses: of a CPU for longer, because it shares its memory with other work. */
static glint_status time_use(const rig *g, int rows, plan_device *d, double *seconds, glint_error *err) {
    const double long_enough = d->software ? 0.3 : 0.1, too_long = 1; /* seconds of samples */
    double samples[MOST_SAMPLES], total = 0;
    int n = 0;
    run r;
    glint_status s = open_run(&r, g, rows, err);
    if (!s) s = wake(&r, d, err);
    for (; !s && n < MOST_SAMPLES && total < (n < LEAST_SAMPLES ? too_long : long_enough); n++) {
        double begin = base_seconds();
        s = use(&r, err);
        total += samples[n] = base_seconds() - begin;
    }
    d->used = base_seconds();
    arena_free(&r.memory);
    if (s) return s;
    qsort(samples, (size_t)n, sizeof *samples, rising);
    *seconds = samples[n / 2];
    return GLINT_OK;
}

/* ---- Starting and waiting ---- */

static glint_status time_chain(const tape *t, const backend_view *views, int n_ops, plan_device *d, backend_device *on,
                               const backend_options *o, double *seconds, int *groups, glint_error *err) {
    const backend_group *list;
    rig g;
    rig_setup setup = {.tape = t,
                       .first_op = 1,
                       .n_ops = n_ops,
                       .views = views,
                       .max_rows = 1,
                       .max_outputs = 1,
                       .observed = &t->ops[n_ops].out,
                       .n_observed = 1};
    glint_status s = rig_open_on(&g, d->backend, on, o, &setup, err);
    if (!s) s = time_use(&g, 1, d, seconds, err);
    if (!s) *groups = d->backend->groups(g.program, &list);
    rig_close(&g);
    return s;
}

/* Tiny products one after the other: what each takes is what starting it takes. */
static glint_status measure_launch(plan_device *d, backend_device *on, const backend_options *o, glint_error *err) {
    static const float numbers[CHAIN_WIDTH * CHAIN_WIDTH] = {0};
    tape t;
    tape_open(&t);
    tape_weight w = tape_add_weight(&t, "chain", CHAIN_WIDTH, CHAIN_WIDTH, 0);
    tape_value h = tape_embed(&t, "embed", w, 1);
    for (int i = 0; i < CHAIN; i++) h = tape_matmul(&t, "product", h, w, TAPE_NONE);
    backend_view view = {.name = "chain",
                         .format = FORMAT_F32,
                         .data = numbers,
                         .row_bytes = CHAIN_WIDTH * sizeof(float),
                         .rows = CHAIN_WIDTH,
                         .cols = CHAIN_WIDTH};
    double one = 0, all = 0;
    int few = 0, many = 0;
    glint_status s = t.failure ? base_fail(err, t.failure, "%s", t.error.message) : GLINT_OK;
    if (!s) s = time_chain(&t, &view, 1, d, on, o, &one, &few, err);
    if (!s) s = time_chain(&t, &view, CHAIN, d, on, o, &all, &many, err);
    tape_close(&t);
    if (s) return s;
    d->launch = many > few && all > one ? (all - one) / (many - few) : 0;
    d->step = one > d->launch * few ? one - d->launch * few : 0;
    return s;
}

/* ---- Reading weights ---- */

/* Pieces [first, end) as a rig, with what it needs. */
typedef struct stretch {
    const plan *p;
    plan_device *d;
    backend_device *on;
    const backend_options *options;
    backend_view *views;
    int first, end;
} stretch;

static glint_status time_stretch(const stretch *x, int rows, double *seconds, int *groups, glint_error *err) {
    const tape *t = &x->p->model->tape;
    const backend_group *list;
    int first = placement_op(t, x->first), stop = placement_op(t, x->end);
    tape_value out = x->end > t->layers + 1 ? t->argmax : t->ops[stop - 1].out;
    int pages = (rows > POSITIONS ? rows : POSITIONS) / TAPE_PAGE + 1;
    rig g;
    rig_setup setup = {.tape = t,
                       .first_op = first,
                       .n_ops = stop - first,
                       .views = x->views,
                       .max_rows = rows,
                       .max_outputs = 1,
                       .pages = pages,
                       .slots = pages,
                       .cache_f32 = x->p->sizes.cache_f32,
                       .observed = &out,
                       .n_observed = 1};
    glint_status s = rig_open_on(&g, x->d->backend, x->on, x->options, &setup, err);
    if (!s) s = time_use(&g, rows, x->d, seconds, err);
    if (!s && groups) *groups = x->d->backend->groups(g.program, &list);
    rig_close(&g);
    return s;
}

/* The pace of pieces [first, end) that explains what was measured: `seconds`, of which `beside` are not theirs. */
static plan_pace pace_of(const stretch *x, int first, int end, double seconds, double beside, int groups) {
    double bytes = 0;
    plan near = *x->p; /* with as short a context as was measured */
    near.sizes.context = 2 * POSITIONS;
    plan_device unit = *x->d; /* of which a step's seconds are its bytes */
    unit.launch = unit.rate = 0;
    unit.layer.bandwidth = unit.head.bandwidth = 1;
    for (int piece = first; piece < end; piece++) bytes += plan_piece_seconds(&near, &unit, piece, 1);
    double reading = seconds - beside - groups * x->d->launch;
    double least = seconds / 20; /* what is left of a device that does nothing but start */
    return (plan_pace){(double)groups / (end - first), bytes / (reading > least ? reading : least)};
}

/* From a step of some layers, and one of the head. On a CPU the head runs behind those layers and counts for what is
 * added: alone it would lie in the last cache of a large one, where a token's other weights push it out. */
static glint_status measure_paces(const stretch *layers, plan_device *d, glint_error *err) {
    stretch x = *layers;
    double some, all;
    int some_groups, all_groups, head = x.end;
    glint_status s = time_stretch(&x, 1, &some, &some_groups, err);
    if (s) return s;
    d->layer = d->head = pace_of(&x, x.first, head, some, d->step, some_groups);
    x.end++;
    if (!d->software || !plan_fits(x.p, d, x.first, x.end)) {
        x.first = head;
        some = d->step;
        some_groups = 0;
    }
    if (!plan_fits(x.p, d, x.first, x.end)) return GLINT_OK;
    s = time_stretch(&x, 1, &all, &all_groups, err);
    if (!s) d->head = pace_of(&x, head, x.end, all, some, all_groups - some_groups);
    return s;
}

/* How much longer a whole chunk takes than one row tells how fast the device computes. On a GPU what goes in and comes
 * out is not little beside it: fewer layers tell what is theirs (0: there are too few of them). */
static glint_status measure_rate(const stretch *layers, int more, int fewer, plan_device *d, glint_error *err) {
    const tape *t = &layers->p->model->tape;
    const int rows = layers->p->sizes.batch, end = layers->end;
    plan near = *layers->p; /* as much context as a chunk sees */
    near.sizes.context = rows;
    double many, few = 0, one = 0, flops = 0;
    if (rows < 2) return GLINT_OK;
    stretch x = *layers;
    x.first = end - more;
    glint_status s = time_stretch(&x, rows, &many, NULL, err);
    x.first = end - fewer;
    if (!s && fewer) s = time_stretch(&x, rows, &few, NULL, err);
    if (s) return s;
    for (int i = placement_op(t, end - more); i < placement_op(t, end - fewer); i++)
        flops += tape_kinds[t->ops[i].kind].cost(t, &t->ops[i], rows - 1, rows / 2.0).flops;
    for (int piece = end - more; piece < end - fewer; piece++) one += plan_piece_seconds(&near, d, piece, 1);
    if (!fewer) one += d->step;
    double computing = many - few - one, least = many / 20;
    d->rate = flops / (computing > least ? computing : least);
    if (!fewer) return GLINT_OK;
    double crossing = few - plan_seconds(&near, d, end - fewer, end, rows);
    d->row = crossing > 0 ? crossing / (rows - 1) : 0;
    return GLINT_OK;
}

/* The last layers: more than a cache holds, but not more than half of the device's memory. */
static int first_of_layers(const plan *p, const plan_device *d) {
    const double wanted = 256 << 20;
    int layers = p->model->tape.layers, first = layers;
    for (; first > 1; first--) {
        double bytes = plan_needs(p, d, first, layers + 1).weights;
        double next = plan_needs(p, d, first - 1, layers + 1).weights;
        if (bytes >= wanted || (d->memory_bytes > 0 && next > d->memory_bytes / 2)) break;
    }
    return first;
}

static glint_status measure_pieces(stretch *x, bool prompts, glint_error *err) {
    enum { MORE = 6, FEWER = 2 };
    const tape *t = &x->p->model->tape;
    arena memory = {0};
    x->views = model_views(x->p->model, &memory);
    glint_status s = x->views ? GLINT_OK : base_fail(err, GLINT_INTERNAL, "out of memory for a plan");
    x->first = first_of_layers(x->p, x->d);
    x->end = t->layers + 1;
    if (!s) s = measure_paces(x, x->d, err);
    int more = x->d->software ? 1 : size_least(x->end - x->first, MORE);
    if (!s && prompts) s = measure_rate(x, more, more > FEWER ? FEWER : 0, x->d, err);
    arena_free(&memory);
    return s;
}

glint_status plan_measure(const plan *p, const backend_options *options, bool prompts, plan_device *d,
                          glint_error *err) {
    part on; /* for its device alone */
    glint_error why;
    glint_status s = part_open(&on, d->name, options, err);
    if (s) return s;
    stretch x = {.p = p, .d = d, .on = on.device, .options = options};
    s = measure_launch(d, on.device, options, &why);
    if (!s) s = measure_pieces(&x, prompts, &why);
    d->measured = !s;
    part_close(&on);
    return s ? base_fail(err, s, "%s: %s", d->name, why.message) : GLINT_OK;
}
