/* Uploads in pieces: several threads fill segments of the staging ring while the device copies those filled earlier.
 * Only the thread that owns the device calls OpenGL. */
#ifndef BACKENDS_GLES_UPLOAD_H
#define BACKENDS_GLES_UPLOAD_H

#include "core/base/status.h"

typedef struct backend_device backend_device;
typedef struct gles_crew gles_crew;

/* The threads that fill, beside the one that owns the device; they sleep between uploads. */
glint_status gles_crew_open(int threads, gles_crew **out, glint_error *err);
void gles_crew_close(gles_crew **crew);

/* What is uploaded. Piece i (at most GLES_SEGMENT_BYTES) is filled by any thread, then copied from its segment by the
 * owning one, in the order of the pieces. */
typedef struct gles_upload {
    int pieces;
    void (*fill)(const struct gles_upload *u, int piece, unsigned char *segment);
    void (*copy)(const struct gles_upload *u, backend_device *d, int piece, int segment);
    const void *what;
} gles_upload;

/* Returns when every piece has been filled and its copy submitted. */
glint_status gles_upload_run(backend_device *d, const gles_upload *u, glint_error *err);

#endif
