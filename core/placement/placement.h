/* Which stretch of the tape runs where. The tape is cut into pieces: piece 0 is what comes before the blocks
 * ("embed"), pieces 1 .. layers are the blocks, piece layers + 1 is what comes behind them ("head"). A placement gives
 * every piece to one part; parts follow the tape, and several may be on one device. */
#ifndef CORE_PLACEMENT_H
#define CORE_PLACEMENT_H

#include "core/tape.h"

enum { PLACEMENT_MOST = 32, PLACEMENT_NAME = 64, PLACEMENT_TEXT = 512 };

typedef struct placement_part {
    char device[PLACEMENT_NAME];
    int first, end; /* pieces [first, end) */
} placement_part;

typedef struct placement {
    placement_part parts[PLACEMENT_MOST]; /* rising, without gaps */
    int n;
} placement;

/* Everything on one device. */
void placement_whole(const tape *t, const char *device, placement *out);
/* "gles:0=0-12,cpu=13-25,head": for each device the pieces it runs: layers, ranges of layers, embed, head. Where embed
 * or head is not named it goes with the layer beside it. GLINT_USAGE: bad text; layers left out, named twice, or not
 * there. Whether there are such devices shows when they are opened. */
glint_status placement_parse(const tape *t, const char *text, placement *out, glint_error *err);
/* The same form, with every piece named; one device alone is its name. */
void placement_text(const tape *t, const placement *p, char out[PLACEMENT_TEXT]);

/* The first op of a piece; of piece layers + 2, the number of ops. Rows that want no output are dropped at the end of
 * the last block, so that they do not cross to a head elsewhere. */
int placement_op(const tape *t, int piece);
/* "layer 5", "layers 3 to 7, head": pieces [first, end) in words. */
void placement_pieces(const tape *t, int first, int end, char *out, size_t room);

#endif
