/* Ops that pick the largest numbers of each row: larger ones first, the smaller id first where equal; NaN counts as
 * -infinity. */
#include <math.h>

#include "backends/cpu/cpu.h"

static const float *row_of(const cpu_call *c, int r, int *n) {
    *n = c->tape->values[c->op->in[0]].width;
    return c->in[0] + (size_t)r * (size_t)*n;
}

static int index_of_largest(const cpu_kernels *k, const float *x, int n) {
    float largest = k->max(x, n);
    for (int i = 0; i < n && largest > -INFINITY; i++)
        if (x[i] == largest) return i;
    return 0;
}

void cpu_argmax(const cpu_call *c) {
    int begin, end, n;
    cpu_my_rows(c, &begin, &end);
    for (int r = begin; r < end; r++) {
        const float *x = row_of(c, r, &n);
        c->out[r] = (float)index_of_largest(c->k, x, n);
    }
}

/* The best numbers so far, best first. */
typedef struct best_list {
    float *id, *value; /* room for k */
    int n, k;
} best_list;

/* A number that comes behind those of the list that are as large: ids rise. */
static void insert(best_list *l, float x, int id) {
    int at = l->n < l->k ? l->n++ : l->n - 1;
    for (; at > 0 && x > l->value[at - 1]; at--) {
        l->value[at] = l->value[at - 1];
        l->id[at] = l->id[at - 1];
    }
    l->value[at] = x;
    l->id[at] = (float)id;
}

/* Most blocks of a row hold nothing that the list wants: one look at their largest number is enough. */
static void find_top(const cpu_kernels *kernels, const float *x, int n, best_list *l) {
    enum { BLOCK = 256 };
    for (int first = 0; first < n; first += BLOCK) {
        int end = first + BLOCK < n ? first + BLOCK : n;
        if (l->n == l->k && !(kernels->max(x + first, end - first) > l->value[l->k - 1])) continue;
        for (int i = first; i < end; i++)
            if (l->n < l->k || x[i] > l->value[l->k - 1]) insert(l, isnan(x[i]) ? -INFINITY : x[i], i);
    }
}

void cpu_top_k(const cpu_call *c) {
    int begin, end, n;
    cpu_my_rows(c, &begin, &end);
    for (int r = begin; r < end; r++) {
        const float *x = row_of(c, r, &n);
        float *out = c->out + (size_t)r * (size_t)c->width;
        find_top(c->k, x, n, &(best_list){.id = out, .value = out + c->op->p.k, .k = c->op->p.k});
    }
}
