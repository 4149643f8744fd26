/* Shader programs: glsl/NAME.comp composed with its #includes and the #defines of a variant, compiled once, kept in
 * memory for the life of the device and on disk between runs.
 *
 * The disk cache lies in $GLINT_CACHE_DIR, else $XDG_CACHE_HOME/glint, else ~/.cache/glint; a file a program, named by
 * a hash of vendor, renderer, version and composed source, which it also holds inside and checks on loading. A stale or
 * damaged file is rebuilt, with one line of notice for the log; a folder that cannot be written only costs a warning.
 * Files appear under their name only when complete. */
#ifndef BACKENDS_GLES_PROGRAMS_H
#define BACKENDS_GLES_PROGRAMS_H

#include "backends/gles/context.h"

typedef struct gles_programs gles_programs;

typedef struct gles_define {
    const char *name;
    const char *text; /* NULL: `value` */
    int64_t value;
} gles_define;

/* A source file embedded at build time: "matvec.comp", "layouts/q5.glsl". The list ends with a name of NULL. */
typedef struct gles_source {
    const char *name;
    const char *text;
    size_t bytes;
} gles_source;
extern const gles_source gles_sources[];

/* The context must be current in all calls. */
glint_status gles_programs_open(gles_context *c, gles_programs **out, glint_error *err);
/* The same over other sources, for tests. `sources` must outlive the programs. */
glint_status gles_programs_open_from(gles_context *c, const gles_source *sources, gles_programs **out,
                                     glint_error *err);
void gles_programs_close(gles_programs **p);

/* The GL program of glsl/NAME.comp with these #defines (a variant is looked up first: cheap, but not for a step). The
 * preamble is "#version 310 es", the subgroup extension where a define SUBGROUP is not 0, and highp for float and int.
 * GLINT_DEVICE with the compiler's first line when it does not compile. */
glint_status gles_program_get(gles_programs *p, const char *name, const gles_define *defines, int n, GLuint *out,
                              glint_error *err);

/* One line on what happened on disk that the user should know; NULL: nothing. Valid until close. */
const char *gles_programs_notice(const gles_programs *p);
/* Programs compiled, and programs taken from disk. */
void gles_programs_count(const gles_programs *p, int *compiled, int *loaded);

#endif
