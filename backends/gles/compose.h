/* Composing a shader: its defines, and its files with every #include replaced by the file. Pure text, no GL. */
#ifndef BACKENDS_GLES_COMPOSE_H
#define BACKENDS_GLES_COMPOSE_H

#include "backends/gles/programs.h"

enum { GLES_MAX_FILES = 16, GLES_MAX_DEPTH = 8 };

/* The files are numbered in the order of their first line, as #line tells the compiler. File 0 is the shader itself,
 * because compilers (Mesa's) say 0 where they lost the number. */
typedef struct gles_composed {
    char *text; /* NUL-terminated, owned */
    size_t bytes;
    const char *files[GLES_MAX_FILES]; /* borrowed from the sources */
    int n_files;
} gles_composed;

/* `#include "x.glsl"` names a file of `sources`, `#include WORD` the file that the define WORD has as its text. A file
 * is put in once, where it is first asked for (conditions are not looked at); a cycle, a missing file, and more than
 * GLES_MAX_FILES files or GLES_MAX_DEPTH levels are GLINT_INTERNAL. */
glint_status gles_compose(const gles_source *sources, const char *name, const gles_define *defines, int n,
                          gles_composed *out, glint_error *err);
void gles_composed_free(gles_composed *c);

/* The first line of a compiler's log that tells of an error, its file number replaced by the file's name. */
void gles_log_line(const gles_composed *c, const char *log, char *out, size_t room);

#endif
