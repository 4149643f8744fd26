/* Bookkeeping of the paged key/value cache: which page holds which positions of which sequence. Devices see page ids
 * only (backend_pages). Growing, cutting, forking and sliding windows are written here, once, for every backend.
 *
 * A page holds TAPE_PAGE positions of all caches of one group. Sequences share pages after a fork; a shared page is
 * copied when one of them writes to it. A group with a window keeps a ring of pages just long enough for the window
 * and one batch; older positions are dropped as the ring comes round. */
#ifndef CORE_KV_H
#define CORE_KV_H

#include "backends/backend.h"

typedef struct kv_group {
    int window, slots, pages; /* slots: table entries a sequence; pages: page ids there are */
    int32_t *table;           /* [sequence][slot] page id, -1: none */
    int32_t *block;           /* [sequence][slot] which position / TAPE_PAGE lies there, -1: none */
    int32_t *users;           /* [page] how many table entries name it */
    int32_t *free_pages;      /* stack of page ids without users */
    int n_free;
} kv_group;

typedef struct kv {
    int sequences, context, n_groups;
    int *length; /* [sequence] positions held */
    kv_group groups[TAPE_MAX_GROUPS];
} kv;

/* Copies a page on the device; called by kv_reserve for shared pages. */
typedef glint_status kv_copy_page(void *user, int group, int from, int to, glint_error *err);

/* Tables for the groups of `t`, empty. A batch has at most `batch` rows. Memory comes from `a`. */
glint_status kv_open(kv *k, const tape *t, int sequences, int context, int batch, arena *a, glint_error *err);
/* Sees to it that the next n positions of the sequence have pages of its own. Allocates nothing. The caller has checked
 * the context; lengths change only by kv_advance. */
glint_status kv_reserve(kv *k, int sequence, int n, kv_copy_page *copy, void *user, glint_error *err);
void kv_advance(kv *k, int sequence, int n);
/* Forgets positions from `length` on. GLINT_USAGE where a window has dropped what the next position must see. */
glint_status kv_cut(kv *k, int sequence, int length, glint_error *err);
/* `to` becomes the first `length` positions of `from`, sharing its pages. The same refusal as kv_cut. */
glint_status kv_fork(kv *k, int from, int to, int length, glint_error *err);

#endif
