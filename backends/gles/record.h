/* What the files that record single ops share. */
#ifndef BACKENDS_GLES_RECORD_H
#define BACKENDS_GLES_RECORD_H

#include "backends/gles/device.h"

/* Appends the commands of one op. */
typedef glint_status gles_record_fn(backend_program *p, const tape_op *op, glint_error *err);

/* ---- record_command.c, beside what device.h has of it ---- */

/* Where the op's operands and result are, the result's width, and the op's own parameters. */
gles_params gles_params_of(const backend_program *p, const tape_op *op);
/* Does a dispatch of the op count rows or output rows? */
enum gles_rows gles_rows_of(const backend_program *p, const tape_op *op);

/* Many rows in `fast` go through tiles; few, and all in `exact`, in a way that keeps the bits of each, whatever their
 * number. */
bool gles_is_tiled(const backend_program *p, int most_rows);

/* ---- Ops that record.c leaves to others ---- */

gles_record_fn gles_record_matmul;                    /* record_matmul.c */
gles_record_fn gles_record_argmax, gles_record_top_k; /* record_pick.c */
/* Floats of scratch that such an op needs; 0 for any other. */
uint32_t gles_pick_spare(const backend_compile_request *r, const tape_op *op);

#endif
