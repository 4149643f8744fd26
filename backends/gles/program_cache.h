/* Linked programs on disk, a file each; programs.h says where and how they are named.
 *
 * A file is  magic[8]  checksum of all that follows (u64, gles_hash part by part)  format, driver, source and binary
 * bytes (u32 each)  then the driver's words (vendor, renderer, version, a line each), the composed source, and the
 * binary. Loading believes nothing: the checksum, the driver's words and the whole source must agree, and the driver
 * may still refuse. */
#ifndef BACKENDS_GLES_PROGRAM_CACHE_H
#define BACKENDS_GLES_PROGRAM_CACHE_H

#include "backends/gles/compose.h"
#include "backends/gles/folder.h"
#include "core/base/arena.h"

typedef struct gles_program_cache {
    gles_context *c;
    arena memory;
    const char *driver; /* its words; NULL: no cache */
    const char *folder;
    bool writes; /* until the first that fails */
    bool has_written;
    char notice[600]; /* the first that is worth one; empty: none */
} gles_program_cache;

/* Never fails: without a folder, memory or binary formats of the driver there is no cache. */
void gles_program_cache_open(gles_context *c, gles_program_cache *out);
/* Where programs were written the folder is kept from growing for ever: those of other drivers and builds go first. */
void gles_program_cache_close(gles_program_cache *k);

/* A linked program, or 0. */
GLuint gles_program_cache_load(gles_program_cache *k, const gles_composed *source);
void gles_program_cache_store(gles_program_cache *k, const gles_composed *source, GLuint program);

#endif
