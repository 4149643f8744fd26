/* Linked programs on disk, a file each; programs.h says where and how they are named.
 *
 * A file is  magic[8]  checksum of all that follows (u64)  format, driver, source and binary bytes (u32 each)  then the
 * driver's words (vendor, renderer, version, a line each), the composed source, and the binary. Loading believes
 * nothing: the checksum, the driver's words and the whole source must agree, and the driver may still refuse. */
#ifndef BACKENDS_GLES_PROGRAM_CACHE_H
#define BACKENDS_GLES_PROGRAM_CACHE_H

#include "backends/gles/compose.h"
#include "core/base/arena.h"

typedef struct gles_program_cache {
    gles_context *c;
    arena memory;
    const char *driver; /* its words; NULL: no cache */
    const char *folder;
    bool writes;      /* until the first that fails */
    char notice[600]; /* the first that is worth one; empty: none */
} gles_program_cache;

/* The folder for what Glint may forget, in `memory`: $GLINT_CACHE_DIR, else $XDG_CACHE_HOME/glint, else ~/.cache/glint.
 * Not made yet. NULL: the environment names none, or memory is out. */
const char *gles_cache_folder(arena *memory);

/* Never fails: without a folder, memory or binary formats of the driver there is no cache. */
void gles_program_cache_open(gles_context *c, gles_program_cache *out);
void gles_program_cache_close(gles_program_cache *k);

/* A linked program, or 0. */
GLuint gles_program_cache_load(gles_program_cache *k, const gles_composed *source);
void gles_program_cache_store(gles_program_cache *k, const gles_composed *source, GLuint program);

#endif
