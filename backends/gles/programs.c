/* The table of programs: composing, compiling and linking what is not there yet. */
#include "backends/gles/program_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct program_row {
    struct program_row *next;
    const char *key; /* name and defines */
    GLuint id;
} program_row;

struct gles_programs {
    gles_context *c;
    const gles_source *sources;
    gles_program_cache cache;
    arena memory;
    program_row *rows;
    int compiled, loaded;
};

glint_status gles_programs_open(gles_context *c, gles_programs **out, glint_error *err) {
    return gles_programs_open_from(c, gles_sources, out, err);
}

glint_status gles_programs_open_from(gles_context *c, const gles_source *sources, gles_programs **out,
                                     glint_error *err) {
    gles_programs *p = calloc(1, sizeof *p);
    if (!p) return base_fail(err, GLINT_INTERNAL, "out of memory for programs");
    p->c = c;
    p->sources = sources;
    gles_program_cache_open(c, &p->cache);
    *out = p;
    return GLINT_OK;
}

void gles_programs_close(gles_programs **p) {
    if (!p || !*p) return;
    for (program_row *r = (*p)->rows; r; r = r->next) (*p)->c->gl.DeleteProgram(r->id);
    gles_program_cache_close(&(*p)->cache);
    arena_free(&(*p)->memory);
    free(*p);
    *p = NULL;
}

const char *gles_programs_notice(const gles_programs *p) {
    return p->cache.notice[0] ? p->cache.notice : NULL;
}

void gles_programs_count(const gles_programs *p, int *compiled, int *loaded) {
    *compiled = p->compiled;
    *loaded = p->loaded;
}

/* ---- Compiling ---- */

enum { LOG_BYTES = 16384 /* warnings may fill thousands before the error */ };

static glint_status refused(const gles_programs *p, const gles_composed *source, const char *what, const char *log,
                            glint_error *err) {
    char line[256];
    gles_log_line(source, log, line, sizeof line);
    return base_fail(err, GLINT_DEVICE, "%s: shader %s does not %s: %s", p->c->renderer, source->files[0], what, line);
}

/* The driver gave nothing out: with its own reason, where it has one. */
static glint_status no_object(const gles_programs *p, const char *what, glint_error *err) {
    glint_status s = gles_check(p->c, what, err);
    return s ? s : base_fail(err, GLINT_DEVICE, "%s: %s failed", p->c->renderer, what);
}

static glint_status compile_shader(gles_programs *p, const gles_composed *source, GLuint *out, glint_error *err) {
    const gles_gl *gl = &p->c->gl;
    GLint ok = 0, bytes = (GLint)source->bytes;
    GLuint shader = gl->CreateShader(GL_COMPUTE_SHADER);
    if (!shader) return no_object(p, "creating a shader", err);
    gl->ShaderSource(shader, 1, (const GLchar *const *)&source->text, &bytes);
    gl->CompileShader(shader);
    gl->GetShaderiv(shader, GL_COMPILE_STATUS, &ok);
    if (ok) {
        *out = shader;
        return GLINT_OK;
    }
    char log[LOG_BYTES] = "";
    gl->GetShaderInfoLog(shader, sizeof log, NULL, log);
    gl->DeleteShader(shader);
    return refused(p, source, "compile", log, err);
}

static glint_status link_program(gles_programs *p, const gles_composed *source, GLuint shader, GLuint *out,
                                 glint_error *err) {
    const gles_gl *gl = &p->c->gl;
    GLint ok = 0;
    GLuint program = gl->CreateProgram();
    if (!program) return no_object(p, "creating a program", err);
    gl->AttachShader(program, shader);
    gl->ProgramParameteri(program, GL_PROGRAM_BINARY_RETRIEVABLE_HINT, GL_TRUE);
    gl->LinkProgram(program);
    gl->GetProgramiv(program, GL_LINK_STATUS, &ok);
    if (ok) {
        *out = program;
        return GLINT_OK;
    }
    char log[LOG_BYTES] = "";
    gl->GetProgramInfoLog(program, sizeof log, NULL, log);
    gl->DeleteProgram(program);
    return refused(p, source, "link", log, err);
}

static glint_status build(gles_programs *p, const gles_composed *source, GLuint *out, glint_error *err) {
    GLuint shader;
    if ((*out = gles_program_cache_load(&p->cache, source))) {
        p->loaded++;
        return GLINT_OK;
    }
    glint_status s = compile_shader(p, source, &shader, err);
    if (s) return s;
    s = link_program(p, source, shader, out, err);
    p->c->gl.DeleteShader(shader);
    if (s) return s;
    p->compiled++;
    gles_program_cache_store(&p->cache, source, *out);
    return GLINT_OK;
}

/* ---- The table ---- */

static char *key_of(const char *name, const gles_define *defines, int n) {
    char *key = NULL;
    size_t bytes;
    FILE *f = open_memstream(&key, &bytes);
    if (!f) return NULL;
    fputs(name, f);
    for (int i = 0; i < n; i++) {
        const gles_define *d = &defines[i];
        if (d->text)
            fprintf(f, " %s=%s", d->name, d->text);
        else
            fprintf(f, " %s=%lld", d->name, (long long)d->value);
    }
    if (fclose(f) == 0) return key;
    free(key);
    return NULL;
}

static glint_status add_program(gles_programs *p, const char *key, const char *name, const gles_define *defines, int n,
                                GLuint *out, glint_error *err) {
    gles_composed source;
    program_row *row = arena_array(&p->memory, 1, sizeof *row);
    const char *kept = arena_text(&p->memory, key, strlen(key));
    if (!row || !kept) return base_fail(err, GLINT_INTERNAL, "%s: out of memory", name);
    glint_status s = gles_compose(p->sources, name, defines, n, &source, err);
    if (s) return s;
    s = build(p, &source, &row->id, err);
    gles_composed_free(&source);
    if (s) return s;
    row->key = kept;
    row->next = p->rows;
    p->rows = row;
    *out = row->id;
    return GLINT_OK;
}

glint_status gles_program_get(gles_programs *p, const char *name, const gles_define *defines, int n, GLuint *out,
                              glint_error *err) {
    char *key = key_of(name, defines, n);
    if (!key) return base_fail(err, GLINT_INTERNAL, "%s: out of memory", name);
    const program_row *row = p->rows;
    while (row && strcmp(row->key, key) != 0) row = row->next;
    glint_status s = GLINT_OK;
    if (row)
        *out = row->id;
    else
        s = add_program(p, key, name, defines, n, out, err);
    free(key);
    return s;
}
