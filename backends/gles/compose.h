/* Composing a shader: its defines, and its files with every #include replaced by the file. Pure text, no GL. */
#ifndef BACKENDS_GLES_COMPOSE_H
#define BACKENDS_GLES_COMPOSE_H

#include "backends/gles/programs.h"

/* #line tells the compiler that line n of file i is line (i + 1) * GLES_FILE_LINES + n: drivers lose the number of a
 * file that #line could give (Mesa), but not that of a line, of which 16 bits are enough here. */
enum { GLES_MAX_FILES = 15, GLES_MAX_DEPTH = 8, GLES_FILE_LINES = 4000 };

typedef struct gles_composed {
    char *text; /* NUL-terminated, owned */
    size_t bytes;
    const char *files[GLES_MAX_FILES]; /* in the order of their first lines; borrowed from the sources */
    int n_files;
} gles_composed;

/* `#include "x.glsl"` names a file of `sources`, `#include WORD` the file that the define WORD has as its text. A file
 * is put in once, where it is first asked for (conditions are not looked at); a cycle, a missing file, and more than
 * GLES_MAX_FILES files or GLES_MAX_DEPTH levels are GLINT_INTERNAL. */
glint_status gles_compose(const gles_source *sources, const char *name, const gles_define *defines, int n,
                          gles_composed *out, glint_error *err);
void gles_composed_free(gles_composed *c);

/* The first line of a compiler's log that tells of an error, its place told as file and line. */
void gles_log_line(const gles_composed *c, const char *log, char *out, size_t room);

#endif
