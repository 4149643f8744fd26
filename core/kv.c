#include "core/kv.h"

#include <string.h>

#include "core/base/size.h"

static int blocks_of(int positions) {
    return (positions + TAPE_PAGE - 1) / TAPE_PAGE;
}

glint_status kv_open(kv *k, const tape *t, int sequences, int context, int batch, arena *a, glint_error *err) {
    *k = (kv){.sequences = sequences, .context = context, .n_groups = t->n_groups};
    k->length = arena_array(a, (size_t)sequences, sizeof *k->length);
    bool good = k->length != NULL;
    for (int g = 0; g < t->n_groups && good; g++) {
        kv_group *q = &k->groups[g];
        q->window = t->groups[g].window;
        q->slots = blocks_of(context);
        /* A batch may begin and end inside a page, and so may the window before it. */
        if (q->window) q->slots = size_least(q->slots, blocks_of(size_least(q->window, context) + batch) + 1);
        size_t entries = (size_t)sequences * (size_t)q->slots;
        q->pages = (int)entries;
        q->table = arena_array(a, entries, sizeof *q->table);
        q->block = arena_array(a, entries, sizeof *q->block);
        q->users = arena_array(a, entries, sizeof *q->users);
        q->free_pages = arena_array(a, entries, sizeof *q->free_pages);
        good = q->table && q->block && q->users && q->free_pages;
        for (size_t i = 0; good && i < entries; i++) {
            q->table[i] = q->block[i] = -1;
            q->free_pages[i] = (int32_t)(entries - 1 - i);
        }
        q->n_free = (int)entries;
    }
    return good ? GLINT_OK : base_fail(err, GLINT_INTERNAL, "out of memory for the page tables");
}

static void drop(kv_group *g, int32_t entry) {
    int32_t page = g->table[entry];
    if (page >= 0 && --g->users[page] == 0) g->free_pages[g->n_free++] = page;
    g->table[entry] = g->block[entry] = -1;
}

/* A page of its own for table entry `entry`, which will hold `block`. Never fails: a sequence has at most as many pages
 * as slots, and there are that many for each. */
static int32_t take(kv_group *g, int32_t entry, int block) {
    int32_t page = g->free_pages[--g->n_free];
    g->users[page] = 1;
    g->table[entry] = page;
    g->block[entry] = block;
    return page;
}

static glint_status reserve_block(kv *k, int group, int sequence, int block, kv_copy_page *copy, void *user,
                                  glint_error *err) {
    kv_group *g = &k->groups[group];
    int32_t entry = sequence * g->slots + block % g->slots;
    int32_t page = g->table[entry];
    bool holds = page >= 0 && g->block[entry] == block;
    if (page >= 0 && g->users[page] == 1) { /* its own: go on in it, or let the ring come round */
        g->block[entry] = block;
        return GLINT_OK;
    }
    if (page >= 0) g->users[page]--; /* shared: the others keep it */
    int32_t own = take(g, entry, block);
    return holds ? copy(user, group, page, own, err) : GLINT_OK;
}

glint_status kv_reserve(kv *k, int sequence, int n, kv_copy_page *copy, void *user, glint_error *err) {
    int first = k->length[sequence] / TAPE_PAGE, end = blocks_of(k->length[sequence] + n);
    for (int g = 0; g < k->n_groups; g++)
        for (int b = first; b < end; b++) {
            glint_status s = reserve_block(k, g, sequence, b, copy, user, err);
            if (s) return s;
        }
    return GLINT_OK;
}

void kv_advance(kv *k, int sequence, int n) {
    k->length[sequence] += n;
}

/* Blocks that position `length`, the next one, must see in group g: [first, end). */
static int first_needed(const kv_group *g, int length) {
    int oldest = g->window && length > g->window ? length - g->window + 1 : 0;
    return oldest / TAPE_PAGE;
}

static glint_status check_held(const kv *k, int sequence, int length, glint_error *err) {
    if (length > k->length[sequence])
        return base_fail(err, GLINT_USAGE, "sequence %d has %d tokens, not %d", sequence, k->length[sequence], length);
    for (int i = 0; i < k->n_groups; i++) {
        const kv_group *g = &k->groups[i];
        for (int b = first_needed(g, length); b < blocks_of(length); b++)
            if (g->block[sequence * g->slots + b % g->slots] != b)
                return base_fail(err, GLINT_USAGE,
                                 "sequence %d cannot go back to %d tokens: its window of %d has dropped what they need",
                                 sequence, length, g->window);
    }
    return GLINT_OK;
}

glint_status kv_cut(kv *k, int sequence, int length, glint_error *err) {
    glint_status s = check_held(k, sequence, length, err);
    if (s) return s;
    for (int i = 0; i < k->n_groups; i++) {
        kv_group *g = &k->groups[i];
        for (int32_t e = sequence * g->slots; e < (sequence + 1) * g->slots; e++)
            if (g->block[e] >= blocks_of(length)) drop(g, e);
    }
    k->length[sequence] = length;
    return GLINT_OK;
}

glint_status kv_fork(kv *k, int from, int to, int length, glint_error *err) {
    glint_status s = check_held(k, from, length, err);
    if (s || from == to) return s ? s : kv_cut(k, to, length, err);
    for (int i = 0; i < k->n_groups; i++) {
        kv_group *g = &k->groups[i];
        for (int slot = 0; slot < g->slots; slot++) {
            int32_t source = from * g->slots + slot, target = to * g->slots + slot;
            drop(g, target);
            if (g->block[source] < 0 || g->block[source] >= blocks_of(length)) continue;
            g->table[target] = g->table[source];
            g->block[target] = g->block[source];
            g->users[g->table[source]]++;
        }
    }
    k->length[to] = length;
    return GLINT_OK;
}
