/* What backends in host memory share: a page store for keys and values, the values of a program, the ids that argmax
 * chose, and rows of weights in canonical order. A backend embeds host_program in its backend_program and adds its own
 * kernels; the cache functions fit the contract's entries as they are. */
#ifndef BACKENDS_HOST_H
#define BACKENDS_HOST_H

#include "backends/view.h"

/* ---- Keys and values ---- */

enum { HOST_KEY, HOST_VALUE };

typedef struct host_cache_group {
    unsigned char *data; /* [page][cache of the range][key, value][TAPE_PAGE][kv_heads * head_dim] */
    size_t page_numbers; /* numbers in a page, all caches of the range */
} host_cache_group;

struct backend_cache {
    const tape *tape;
    bool f32; /* float, else uint16_t with float16 bits */
    host_cache_group group[TAPE_MAX_GROUPS];
    size_t *first; /* by tape cache: its first number inside a page of its group */
    arena memory;
};

glint_status host_cache_open(backend_device *d, const backend_cache_request *r, backend_cache **out, glint_error *err);
void host_cache_close(backend_device *d, backend_cache *c);
glint_status host_cache_copy_page(backend_cache *c, int group, int from, int to, glint_error *err);
glint_status host_cache_read(backend_cache *c, int group, int page, float *out, glint_error *err);
glint_status host_cache_write(backend_cache *c, int group, int page, const float *in, glint_error *err);

/* The page that holds a position of a sequence. */
static inline int host_page(const backend_pages *p, int sequence, int position) {
    return p->table[(size_t)sequence * (size_t)p->slots + (size_t)(position / TAPE_PAGE % p->slots)];
}
/* kv_heads * head_dim numbers (float or uint16_t) of one position: `offset` = position % TAPE_PAGE; rows of following
 * offsets follow. `which` is HOST_KEY or HOST_VALUE. */
void *host_cache_row(const backend_cache *c, int cache, int which, int page, int offset);

/* ---- Programs ---- */

typedef struct host_program {
    const tape *tape;
    backend_compile_request request; /* weights and cache are borrowed; `observed` is not kept */
    float **value;                   /* by tape value: its rows; NULL where it has no place */
    bool *kept;                      /* by tape value: observed, or argmax; its place is its own */
    bool *written;                   /* by tape value: what host_write may set: observed, or an input of the range */
    backend_group *groups;
    int n_groups;
    backend_ticket steps; /* tickets given so far */
    size_t *snapshot;     /* by tape value: where its rows begin among those that outlast a step; SIZE_MAX: nowhere */
    float *lasting[BACKEND_IN_FLIGHT]; /* those rows, by ticket % BACKEND_IN_FLIGHT: argmax's ids, and snapshots */
    const float *previous;             /* the ids that argmax chose last */
    arena memory;                      /* of the program: backends may add to it while compiling */
} host_program;

/* Lays out the values of r's range, each place a multiple of `align` bytes, all filled with NaN. group_of[i] is the
 * group of op r->first_op + i, rising from 0 (NULL: an op a group). Close it also after an error. */
glint_status host_program_open(host_program *p, const backend_compile_request *r, const int *group_of, size_t align,
                               glint_error *err);
void host_program_close(host_program *p);

/* Rows of value v in batch b. */
static inline int host_rows(const host_program *p, const backend_batch *b, tape_value v) {
    return p->tape->values[v].outputs ? b->n_outputs : b->n_rows;
}
/* Does a step compute this op? top_k only where its result is observed. */
static inline bool host_computes(const host_program *p, const tape_op *op) {
    return op->kind != TAPE_TOP_K || p->kept[op->out];
}
/* The id of row `row`, through BACKEND_PREVIOUS where asked. */
int host_token(const host_program *p, const backend_batch *b, int row);
/* Ends a run of groups [first, first + n): copies what was computed and outlasts the step, and gives the ticket. */
backend_ticket host_finish(host_program *p, const backend_batch *b, int first, int n);

/* The contract's read and write. GLINT_USAGE for a value that was not asked for at compile time. */
glint_status host_read(const host_program *p, backend_ticket ticket, tape_value v, int first_row, int n, float *out,
                       glint_error *err);
glint_status host_write(host_program *p, tape_value v, int first_row, int n, const float *in, glint_error *err);

#endif
