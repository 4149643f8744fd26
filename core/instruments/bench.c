/* Tokens a second for a prompt and for decoding, and the bytes that a token costs. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/session.h"

enum { MOST_REPEATS = 1000 };

/* Ids that every vocabulary has and that repeat late. */
static int32_t bench_id(const glint_session *s, int i) {
    return (int32_t)((uint32_t)i * 2654435761u % (uint32_t)s->model->tape.vocabulary);
}

static glint_status prompt(glint_session *s, int n, double *seconds, glint_error *err) {
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    if (!ids) return base_fail(err, GLINT_INTERNAL, "out of memory for a prompt");
    for (int i = 0; i < n; i++) ids[i] = bench_id(s, i);
    glint_status status = glint_session_cut(s, 0, 0, err);
    double begin = base_seconds();
    int32_t next;
    if (!status) status = glint_session_feed(s, 0, ids, (size_t)n, err);
    if (!status) status = glint_session_argmax(s, 0, &next, err);
    *seconds = base_seconds() - begin;
    free(ids);
    return status;
}

static bool go_on(const glint_generated *g, void *user) {
    (void)g;
    (void)user;
    return true;
}

/* Greedy, as glint_generate does it: the first token is the prompt, so that n tokens take n steps. */
static glint_status decode(glint_session *s, int n, double *seconds, glint_error *err) {
    int32_t id = bench_id(s, 1);
    glint_generate_options o = {.prompt = &id, .n_prompt = 1, .n = n, .ignore_end = true, .token = go_on};
    glint_status status = glint_session_cut(s, 0, 0, err);
    double begin = base_seconds();
    if (!status) status = glint_generate(s, NULL, &o, NULL, err);
    *seconds = base_seconds() - begin;
    return status;
}

/* What one step over `rows` rows reads: weights in their own format, and the cache at `context` positions. */
static double step_bytes(const glint_session *s, double rows, double context) {
    const tape *t = &s->model->tape;
    double bytes = 0;
    for (int i = 0; i < t->n_ops; i++) {
        const tape_op *op = &t->ops[i];
        tape_cost cost = tape_kinds[op->kind].cost(t, op, rows, context);
        double share = op->kind == TAPE_ATTEND && !s->cache_f32 ? 0.5 : 1;
        if (op->weight[0] >= 0) {
            const format_row *f = &format_table[s->model->weight_data[op->weight[0]]->format];
            share = (double)f->block_bytes / f->block_values / sizeof(float);
        }
        bytes += cost.bytes * share;
    }
    return bytes;
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef glint_status measure(glint_session *s, int n, double *seconds, glint_error *err);

/* Pages, caches, threads; and the clocks of a GPU, which rise when it has worked for a while (an H200's after a fifth
 * of a second). A few tokens tell whether there is time for as many as are measured. */
static glint_status warm_up(glint_session *s, measure *one, int n, glint_error *err) {
    enum { FEW = 16 };
    const double enough = 0.5; /* seconds */
    double seconds, begin = base_seconds();
    int some = n < FEW ? n : FEW;
    glint_status status;
    do {
        status = one(s, some, &seconds, err);
        if (seconds / some * n < enough) some = n;
    } while (!status && base_seconds() - begin < enough);
    return status;
}

static glint_status run(glint_session *s, measure *one, int n, int repeats, glint_bench_row *row, glint_error *err) {
    double rates[MOST_REPEATS], seconds;
    glint_status status = warm_up(s, one, n, err);
    for (int i = 0; i < repeats && !status; i++) {
        status = one(s, n, &seconds, err);
        rates[i] = n / seconds;
    }
    if (status) return status;
    qsort(rates, (size_t)repeats, sizeof *rates, rising);
    row->minimum = rates[0];
    row->median = (rates[(repeats - 1) / 2] + rates[repeats / 2]) / 2;
    row->maximum = rates[repeats - 1];
    return GLINT_OK;
}

static glint_status check(const glint_session *s, const glint_bench_options *o, glint_error *err) {
    if (o->repeats < 1 || o->repeats > MOST_REPEATS)
        return base_fail(err, GLINT_USAGE, "%d repeats: not between 1 and %d", o->repeats, MOST_REPEATS);
    if (o->prompt < 0 || o->prompt > s->context)
        return base_fail(err, GLINT_USAGE, "a prompt of %d tokens does not fit a context of %d", o->prompt, s->context);
    if (o->decode < 0 || o->decode > s->context)
        return base_fail(err, GLINT_USAGE, "%d decoded tokens do not fit a context of %d", o->decode, s->context);
    return GLINT_OK;
}

glint_status glint_bench(glint_session *s, const glint_bench_options *o, glint_bench_row out[2], int *count,
                         glint_error *err) {
    glint_status status = check(s, o, err);
    if (status) return status;
    int n = 0, failures = s->failures;
    if (o->prompt) {
        glint_bench_row *row = &out[n++];
        double steps = (double)((o->prompt + s->batch - 1) / s->batch), rows = (double)o->prompt / steps;
        *row = (glint_bench_row){.bytes_per_token = steps * step_bytes(s, rows, o->prompt) / o->prompt};
        snprintf(row->test, sizeof row->test, "pp%d", o->prompt);
        status = run(s, prompt, o->prompt, o->repeats, row, err);
    }
    if (o->decode && !status) {
        glint_bench_row *row = &out[n++];
        *row = (glint_bench_row){.bytes_per_token = step_bytes(s, 1, o->decode / 2.0)};
        snprintf(row->test, sizeof row->test, "tg%d", o->decode);
        status = run(s, decode, o->decode, o->repeats, row, err);
    }
    *count = n;
    if (!status && s->failures > failures)
        return base_fail(err, GLINT_DEVICE, "%s; what was measured is of more than one device", s->reason);
    return status;
}
