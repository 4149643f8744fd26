/* What kind of fault a failed comparison shows: the ops that made the value since it had the reference's numbers, and
 * those numbers, go to the diagnosis. */
#include <math.h>
#include <string.h>

#include "core/instruments/check.h"
#include "core/instruments/diagnose.h"

enum { MOST_DIAGNOSES = 32 /* a diagnosis may take a second; what fails after so many has the same cause */ };

/* ---- The ops to look at ---- */

/* The first op that values inside [first_op, op], which nobody could see, come from. An attention is looked at with the
 * cache write before it. */
static int first_unseen(const check *c, int first_op, int i) {
    const tape_op *op = &c->tape->ops[i];
    int first = i;
    for (int k = 0; k < 2; k++) {
        if (op->in[k] < 0) continue;
        int made = c->tape->values[op->in[k]].op;
        if (made < first_op || c->got[op->in[k]]) continue;
        int before = first_unseen(c, first_op, made);
        if (before < first) first = before;
    }
    for (int w = i - 1; op->kind == TAPE_ATTEND && w >= 0; w--) {
        const tape_op *write = &c->tape->ops[w];
        if (write->kind != TAPE_CACHE_WRITE || write->p.cache != op->p.cache) continue;
        int before = w >= first_op ? first_unseen(c, first_op, w) : w;
        return before < first ? before : first;
    }
    return first;
}

/* An operand that failed by itself, in the same group. */
static const char *failed_operand(const check *c, const tape_op *op) {
    for (int k = 0; k < 2; k++)
        if (op->in[k] >= 0 && c->bad[op->in[k]]) return c->tape->values[op->in[k]].name;
    return NULL;
}

/* What comes out by chance has no other cause worth looking for. */
static glint_status not_reproducible(glint_comparison *out) {
    out->kind = "not reproducible";
    out->reason = "another result when run again on the same inputs";
    return GLINT_OK;
}

/* ---- Asking ---- */

static glint_status take_words(check *c, const diagnose_finding *f, const char *value, glint_comparison *out,
                               glint_error *err) {
    const char *where = f->value >= 0 ? c->tape->values[f->value].name : value;
    out->kind = f->kind;
    out->cause = strcmp(where, value) ? where : "";
    out->reason = *out->cause ? arena_printf(&c->work, "at %s: %s", where, f->reason)
                              : arena_text(&c->work, f->reason, strlen(f->reason));
    return out->reason ? GLINT_OK : check_no_memory(err);
}

static glint_status ask(check *c, int first, int last, tape_value v, const float *tested, const float *expected,
                        glint_comparison *out, glint_error *err) {
    size_t n = (size_t)c->tape->n_values;
    tape_value *in = arena_array(&c->work, n, sizeof *in);
    const float **rows = arena_array(&c->work, n, sizeof *rows);
    if (!in || !rows) return check_no_memory(err);
    const rig *cache = c->file ? &c->tested->rig : &c->oracle.rig; /* also of what lies behind the last position */
    diagnose_case d = {.tape = c->tape,
                       .first_op = first,
                       .n_ops = last - first + 1,
                       .views = c->views,
                       .batch = &c->batch,
                       .cache = cache->cache ? cache : NULL,
                       .in = in,
                       .in_rows = rows,
                       .out = v,
                       .tested = tested,
                       .reference = expected,
                       .tape_suspected = c->file != NULL};
    int n_in = tape_inputs(c->tape, first, d.n_ops, in);
    glint_status status = GLINT_OK;
    for (int i = 0; i < n_in && !status; i++) {
        float *known;
        status = check_expect(c, in[i], &known, err);
        rows[i] = known ? known : c->got[in[i]]; /* what the file lacks, the device made */
    }
    diagnose_finding found;
    if (!status) status = diagnose_range(&d, &found, err);
    return status ? status : take_words(c, &found, out->value, out, err);
}

glint_status check_diagnose(check *c, int first_op, const tape_op *op, const float *tested, const float *expected,
                            glint_comparison *out, glint_error *err) {
    int last = (int)(op - c->tape->ops);
    const char *operand = failed_operand(c, op);
    c->bad[op->out] = true;
    if (out->differs_from_itself) return not_reproducible(out);
    if (operand) {
        out->reason = arena_printf(&c->work, "made from %s, which failed", operand);
        return out->reason ? GLINT_OK : check_no_memory(err);
    }
    if (c->diagnosed++ >= MOST_DIAGNOSES) return GLINT_OK;
    return ask(c, c->file ? first_op : first_unseen(c, first_op, last), last, op->out, tested, expected, out, err);
}

/* ---- Caches ---- */

/* The keys (0) or values (1) of rows that hold both. */
static float *half(check *c, const float *both, size_t width, size_t which) {
    size_t rows = (size_t)c->batch.n_rows;
    float *out = arena_array(&c->work, rows * width, sizeof *out);
    for (size_t r = 0; r < rows && out; r++)
        memcpy(out + r * width, both + (2 * r + which) * width, width * sizeof *out);
    return out;
}

static double squared_error(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += isfinite(a[i]) ? ((double)a[i] - b[i]) * ((double)a[i] - b[i]) : INFINITY;
    return sum;
}

glint_status check_diagnose_cache(check *c, int first_op, const tape_op *op, int strays, const float *tested,
                                  const float *expected, glint_comparison *out, glint_error *err) {
    size_t width = (size_t)out->width / 2, n = (size_t)c->batch.n_rows * width;
    float *t[2], *r[2];
    if (out->differs_from_itself) return not_reproducible(out);
    if (strays) {
        out->kind = "shifted position";
        out->reason = arena_printf(&c->work, "%d rows of positions that this step does not write have changed", strays);
        return out->reason ? GLINT_OK : check_no_memory(err);
    }
    for (size_t i = 0; i < 2; i++) {
        t[i] = half(c, tested, width, i);
        r[i] = half(c, expected, width, i);
        if (!t[i] || !r[i]) return check_no_memory(err);
    }
    int which = squared_error(t[1], r[1], n) > squared_error(t[0], r[0], n);
    tape_value v = op->in[which];
    int made = c->tape->values[v].op;
    if (made >= first_op && !c->got[v] && c->diagnosed++ < MOST_DIAGNOSES)
        return ask(c, first_unseen(c, first_op, made), made, v, t[which], r[which], out, err);
    diagnose_finding found;
    diagnose_values(&(diagnose_tensors){t[which], r[which], c->batch.n_rows, (int)width, op->p.head_dim, c->tape,
                                        c->tape->values[v].name},
                    &found);
    found.value = TAPE_NONE;
    return take_words(c, &found, out->value, out, err);
}
