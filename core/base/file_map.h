/* Read-only file mappings and output files that appear only when complete. */
#ifndef CORE_BASE_FILE_MAP_H
#define CORE_BASE_FILE_MAP_H

#include <stdbool.h>
#include <stdio.h>

#include "core/base/status.h"

typedef struct file_map {
    const unsigned char *data; /* NULL for an empty file */
    size_t bytes;
} file_map;

/* Maps a regular file for reading. GLINT_BAD_INPUT, naming the path and the system's reason, when it cannot. */
glint_status file_map_open(const char *path, file_map *out, glint_error *err);
void file_map_close(file_map *m); /* an all-zero map is allowed */

/* An output file: written without a name where the system can, else beside its final name; renamed when complete. Owned
 * by the caller until file_out_commit or file_out_abort, which both end it. Errors: GLINT_BAD_INPUT with the system's
 * reason. */
typedef struct file_out {
    FILE *stream;           /* write here; errors are collected and reported by file_out_commit */
    char *path, *temporary; /* temporary "": it has no name */
} file_out;

glint_status file_out_open(const char *path, file_out *out, glint_error *err);
glint_status file_out_commit(file_out *out, glint_error *err);
void file_out_abort(file_out *out); /* harmless after commit, and on an all-zero file_out */

#endif
