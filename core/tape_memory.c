/* Places for the values of a range in one scratch buffer, used again when their last reader is done. */
#include "core/tape.h"

#include "core/base/size.h"

/* A stretch of the scratch that is taken until the group `until` is over. */
typedef struct stretch {
    size_t begin, end;
    int until;
} stretch;

static int group_at(const int *group_of, int i) {
    return group_of ? group_of[i] : i;
}

/* The group of the last reader of v inside the range; the writer's own group where nobody reads it. */
static int last_use(const tape *t, int first, int n, const int *group_of, tape_value v) {
    int last = 0;
    for (int i = 0; i < n; i++) {
        const tape_op *op = &t->ops[first + i];
        if (op->in[0] == v || op->in[1] == v || op->out == v) last = group_at(group_of, i);
    }
    return last;
}

/* Lowest gap of `bytes` among the stretches that are still taken when group `now` runs; they are sorted by begin. */
static size_t find_gap(stretch *s, int *count, int now, size_t bytes, int *at) {
    int kept = 0;
    for (int i = 0; i < *count; i++)
        if (s[i].until >= now) s[kept++] = s[i];
    *count = kept;
    size_t begin = 0;
    for (*at = 0; *at < kept; (*at)++) {
        if (s[*at].begin >= begin && s[*at].begin - begin >= bytes) break;
        begin = s[*at].end;
    }
    return begin;
}

static void insert(stretch *s, int *count, int at, stretch new) {
    for (int i = (*count)++; i > at; i--) s[i] = s[i - 1];
    s[at] = new;
}

glint_status tape_plan_memory(const tape *t, int first, int n, const int *group_of, const bool *keep, int rows,
                              int outs, size_t row_align, size_t align, arena *a, tape_plan *out, glint_error *err) {
    tape_plan plan = {.offset = arena_array(a, (size_t)t->n_values, sizeof *plan.offset)};
    stretch *taken = arena_array(a, (size_t)t->n_values + 1, sizeof *taken);
    tape_value *inputs = arena_array(a, (size_t)t->n_values, sizeof *inputs);
    if (!plan.offset || !taken || !inputs) return base_fail(err, GLINT_INTERNAL, "out of memory for a program");
    int count = 0, n_inputs = tape_inputs(t, first, n, inputs);
    for (int v = 0; v < t->n_values; v++) plan.offset[v] = SIZE_MAX;
    for (int i = -n_inputs; i < n; i++) { /* the inputs first: they are there before the first group */
        tape_value v = i < 0 ? inputs[i + n_inputs] : t->ops[first + i].out;
        if (v < 0) continue;
        size_t bytes;
        if (!size_align((uint64_t)t->values[v].width * sizeof(float), row_align, &bytes) ||
            !size_mul(bytes, (uint64_t)(t->values[v].outputs ? outs : rows), &bytes) ||
            !size_align(bytes, align, &bytes))
            return base_fail(err, GLINT_DEVICE, "%s: too large for a program", t->values[v].name);
        int at, now = i < 0 ? 0 : group_at(group_of, i);
        size_t begin = find_gap(taken, &count, now, bytes, &at);
        int until = i < 0 || (keep && keep[v]) ? n : last_use(t, first, n, group_of, v);
        insert(taken, &count, at, (stretch){begin, begin + bytes, until});
        plan.offset[v] = begin;
        if (begin + bytes > plan.total_bytes) plan.total_bytes = begin + bytes;
    }
    *out = plan;
    return GLINT_OK;
}
