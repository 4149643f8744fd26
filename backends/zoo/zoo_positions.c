/* Faults in the positions that a device works with. */
#include "backends/zoo/zoo_hooks.h"

/* The next row of the same sequence; -1: none. */
static int next_row(const backend_batch *b, int row) {
    for (int i = row + 1; i < b->n_rows; i++)
        if (b->sequence[i] == b->sequence[row]) return i;
    return -1;
}

/* The position at which this batch's rows of the sequence begin. */
static int first_position(const backend_batch *b, int row) {
    for (int i = 0; i < row; i++)
        if (b->sequence[i] == b->sequence[row]) return b->position[i];
    return b->position[row];
}

/* F19 */
void zoo_later(zoo_run *r) {
    for (int i = 0; i < r->batch->n_rows; i++) r->position[i]++;
}

/* F20 */
void zoo_restart(zoo_run *r) {
    for (int i = 0; i < r->batch->n_rows; i++) r->position[i] -= first_position(r->batch, i);
}

/* F23: keys of the whole batch lie in the cache already. */
void zoo_sees_next(zoo_run *r) {
    for (int i = 0; i < r->batch->n_rows; i++)
        if (next_row(r->batch, i) >= 0) r->position[i] = r->batch->position[next_row(r->batch, i)];
}

/* F28 */
void zoo_wrong_slot(zoo_run *r) {
    for (int i = 0; i < r->batch->n_rows; i++)
        if (first_position(r->batch, i) > 0) r->position[i]--;
}

/* F29: the newest row of a sequence sees its page to the end. */
void zoo_sees_page(zoo_run *r) {
    for (int i = 0; i < r->batch->n_rows; i++)
        if (next_row(r->batch, i) < 0) r->position[i] |= TAPE_PAGE - 1;
}
