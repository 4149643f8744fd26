/* Steps cut into pieces that are submitted one by one, because a device that is busy for seconds may be reset, and
 * shows nothing on a screen meanwhile. How long a step takes is known from the steps before. One that takes longer than
 * a piece may is watched, once and whenever steps have become longer: each group of ops is waited for. Then cuts are
 * between groups, and where one takes longer than a piece may, between the work groups of its dispatches. */
#ifndef BACKENDS_GLES_PIECES_H
#define BACKENDS_GLES_PIECES_H

#include "backends/gles/device.h"

/* When the groups are known. */
glint_status gles_pieces_open(backend_program *p, glint_error *err);
/* Is the next group to be waited for? Nothing may be known of it, and of the step only that it is long, or not even
 * that: what the first groups took, and the share in a step that their operations and bytes have, tells. */
bool gles_pieces_watch(const backend_program *p, int n_rows);
/* Group g of a batch of n_rows took so long. */
void gles_pieces_watched(backend_program *p, int n_rows, int g, double seconds);
/* The end of a piece that begins with group `first`: as many groups as take 100 ms, but at least one. */
int gles_piece_end(const backend_program *p, int n_rows, int first, int end);
/* Into how many pieces each dispatch of group g is cut; 1: it is not, UINT32_MAX: into as many as is of use, since
 * nothing is known. */
uint32_t gles_pieces_of_group(const backend_program *p, int n_rows, int g);
/* Work groups in x and y of each of n pieces of a dispatch of x by y: of at least `least`, which run at the same time
 * anyway, so that fewer would take as long. */
typedef struct gles_piece {
    uint32_t x, y;
} gles_piece;
gles_piece gles_cut(uint32_t x, uint32_t y, uint32_t n, uint32_t least);
/* The present step begins; n_rows 0: it is not a whole one. */
void gles_pieces_begin(backend_program *p, int n_rows);
/* Steps are waited for in their order. When the oldest one that is on its way should be over, or later, if it takes as
 * long as those before; 0: that is not known. */
double gles_pieces_due(const backend_program *p);
/* It has been waited for. late: it was over before, so that how long it took is not known. */
void gles_pieces_waited(backend_program *p, bool late);

#endif
