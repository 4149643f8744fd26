/* Steps cut into pieces that are submitted one by one, because a device that is busy for seconds may be reset, and
 * shows nothing on a screen meanwhile. How long a row takes is known from the steps before; a group has the share in it
 * that its operations and bytes have. */
#ifndef BACKENDS_GLES_PIECES_H
#define BACKENDS_GLES_PIECES_H

#include "backends/gles/device.h"

/* p->share, when the groups are known. */
glint_status gles_pieces_open(backend_program *p, glint_error *err);
/* The end of a piece that begins with group `first`: as many groups as take 100 ms, but at least one. A step
 * of which nothing is known yet goes group by group. */
int gles_piece_end(const backend_program *p, int n_rows, int first, int end);
/* The present step begins; the step `ticket` has been waited for. */
void gles_pieces_begin(backend_program *p, int n_rows);
void gles_pieces_waited(backend_program *p, backend_ticket ticket);

#endif
