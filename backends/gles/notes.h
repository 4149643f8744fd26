/* What is remembered of a device from start to start: lines "name: value" in a small file of the cache folder. A file
 * belongs to one driver, device, set of limits and build; where any of these is another, nothing is remembered. */
#ifndef BACKENDS_GLES_NOTES_H
#define BACKENDS_GLES_NOTES_H

#include "backends/gles/context.h"
#include "core/base/arena.h"

typedef struct gles_notes {
    arena memory;
    const char *folder, *path, *head; /* path NULL: nothing can be remembered */
    const char *lines;                /* each ends with a newline */
    const char *notice;               /* a file that is there, but not used; NULL: there is none such */
} gles_notes;

/* Never fails: without a folder or memory nothing is remembered. */
void gles_notes_open(const gles_context *c, gles_notes *out);
void gles_notes_close(gles_notes *n);

/* The value, in `out`; false: there is none. */
bool gles_note_get(const gles_notes *n, const char *name, char *out, size_t room);
/* Keeps one line of words under a name, also on disk where that can be done. */
void gles_note_set(gles_notes *n, const char *name, const char *value);

#endif
