#include "core/tokenizer/merge.h"

#include <stdlib.h>

bool merge_add(merge_work *w, uint32_t start, uint32_t bytes, int32_t id) {
    if (w->n == w->symbols_capacity) {
        size_t capacity = w->n ? 2 * w->n : 64;
        merge_symbol *more = realloc(w->symbols, capacity * sizeof *more);
        if (!more) return false;
        w->symbols = more;
        w->symbols_capacity = capacity;
    }
    int32_t at = (int32_t)w->n++;
    w->symbols[at] = (merge_symbol){start, bytes, id, at - 1, -1};
    if (at) w->symbols[at - 1].next = at;
    return true;
}

static bool before(const merge_candidate *a, const merge_candidate *b) {
    return a->cost < b->cost || (a->cost == b->cost && a->left < b->left);
}

static bool heap_push(merge_work *w, merge_candidate c) {
    if (w->heap_n == w->heap_capacity) {
        size_t capacity = w->heap_n ? 2 * w->heap_n : 64;
        merge_candidate *more = realloc(w->heap, capacity * sizeof *more);
        if (!more) return false;
        w->heap = more;
        w->heap_capacity = capacity;
    }
    size_t at = w->heap_n++;
    for (size_t parent; at && before(&c, &w->heap[parent = (at - 1) / 2]); at = parent) w->heap[at] = w->heap[parent];
    w->heap[at] = c;
    return true;
}

static merge_candidate heap_pop(merge_work *w) {
    merge_candidate top = w->heap[0], last = w->heap[--w->heap_n];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < w->heap_n; at = child) {
        if (child + 1 < w->heap_n && before(&w->heap[child + 1], &w->heap[child])) child++;
        if (!before(&w->heap[child], &last)) break;
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = last;
    return top;
}

/* Pushes the merge of `left` with its right neighbour, where there is one. */
static bool consider(merge_work *w, int32_t left, merge_rule *rule, const void *context) {
    const merge_symbol *a = &w->symbols[left];
    if (a->next < 0) return true;
    const merge_symbol *b = &w->symbols[a->next];
    merge_candidate c = {.left = left, .bytes = a->bytes + b->bytes};
    return !rule(context, a, b, &c.cost, &c.id) || heap_push(w, c);
}

bool merge_run(merge_work *w, merge_rule *rule, const void *context) {
    w->heap_n = 0;
    for (size_t i = 0; i + 1 < w->n; i++)
        if (!consider(w, (int32_t)i, rule, context)) return false;
    while (w->heap_n) {
        merge_candidate c = heap_pop(w);
        merge_symbol *a = &w->symbols[c.left];
        if (!a->bytes || a->next < 0) continue;
        merge_symbol *b = &w->symbols[a->next];
        if (a->bytes + b->bytes != c.bytes) continue;
        a->bytes = c.bytes;
        a->id = c.id;
        a->next = b->next;
        b->bytes = 0;
        if (a->next >= 0) w->symbols[a->next].prev = c.left;
        if (a->prev >= 0 && !consider(w, a->prev, rule, context)) return false;
        if (!consider(w, c.left, rule, context)) return false;
    }
    return true;
}

void merge_free(merge_work *w) {
    free(w->symbols);
    free(w->heap);
    *w = (merge_work){0};
}
