#include "backends/gles/program_cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file_map.h"
#include "core/base/size.h"

typedef struct file_head {
    char magic[8];
    uint64_t checksum; /* from `format` to the end of the file */
    uint32_t format, driver_bytes, source_bytes, binary_bytes;
} file_head;
_Static_assert(sizeof(file_head) == 32, "no padding: it is written as it is");

static const char file_magic[8] = "glprog2";
enum { LARGEST_FOLDER = 64 << 20 };

static const char *path_of(gles_program_cache *k, const gles_composed *source) {
    uint64_t h = gles_hash(gles_hash(GLES_HASH, k->driver, strlen(k->driver)), source->text, source->bytes);
    return arena_printf(&k->memory, "%s/%016llx.program", k->folder, (unsigned long long)h);
}

static void notice(gles_program_cache *k, const char *what, const char *why) {
    if (!k->notice[0]) snprintf(k->notice, sizeof k->notice, "program cache: %s%s", what, why);
}

void gles_program_cache_open(gles_context *c, gles_program_cache *out) {
    GLint formats = 0;
    *out = (gles_program_cache){.c = c, .writes = true};
    c->gl.GetIntegerv(GL_NUM_PROGRAM_BINARY_FORMATS, &formats);
    if (formats < 1) return;
    out->folder = gles_cache_folder(&out->memory);
    if (out->folder) out->driver = arena_printf(&out->memory, "%s\n%s\n%s\n", c->vendor, c->renderer, c->version);
}

void gles_program_cache_close(gles_program_cache *k) {
    if (k->has_written) gles_folder_prune(k->folder, LARGEST_FOLDER);
    arena_free(&k->memory);
    *k = (gles_program_cache){0};
}

/* Of the head behind the checksum, then of each part. */
static uint64_t checksum(const file_head *head, const void *driver, const void *source, const void *binary) {
    size_t skip = offsetof(file_head, format);
    uint64_t sum = gles_hash(GLES_HASH, (const char *)head + skip, sizeof *head - skip);
    sum = gles_hash(sum, driver, head->driver_bytes);
    sum = gles_hash(sum, source, head->source_bytes);
    return gles_hash(sum, binary, head->binary_bytes);
}

/* ---- Loading ---- */

static bool same(const unsigned char *at, const char *text, uint32_t n) {
    return strlen(text) == n && !memcmp(at, text, n);
}

/* NULL, and where the binary lies; or what is wrong with the file. */
static const char *check_file(const gles_program_cache *k, const gles_composed *source, const file_map *m,
                              file_head *head, const unsigned char **binary) {
    size_t bytes = sizeof *head;
    if (m->bytes < bytes) return " is cut off";
    memcpy(head, m->data, sizeof *head);
    if (memcmp(head->magic, file_magic, sizeof file_magic) != 0) return " is no program of this version";
    if (!size_add(bytes, head->driver_bytes, &bytes) || !size_add(bytes, head->source_bytes, &bytes) ||
        !size_add(bytes, head->binary_bytes, &bytes) || bytes != m->bytes)
        return " is cut off";
    const unsigned char *at = m->data + sizeof *head, *text = at + head->driver_bytes;
    if (checksum(head, at, text, text + head->source_bytes) != head->checksum) return " is damaged";
    if (!same(at, k->driver, head->driver_bytes)) return " is another driver's";
    at += head->driver_bytes;
    if (!same(at, source->text, head->source_bytes)) return " is another shader's";
    *binary = at + head->source_bytes;
    return NULL;
}

/* 0 where the driver refuses; it says so with an error or only with the status. */
static GLuint program_of(const gles_gl *gl, const file_head *head, const unsigned char *binary) {
    GLint ok = 0;
    GLuint program = gl->CreateProgram();
    gl->ProgramBinary(program, head->format, binary, (GLsizei)head->binary_bytes);
    bool error = gl->GetError() != GL_NO_ERROR;
    gl->GetProgramiv(program, GL_LINK_STATUS, &ok);
    if (ok && !error) return program;
    gl->DeleteProgram(program);
    return 0;
}

GLuint gles_program_cache_load(gles_program_cache *k, const gles_composed *source) {
    const char *path = k->driver ? path_of(k, source) : NULL, *wrong;
    const unsigned char *binary;
    file_map m;
    file_head head;
    glint_error err;
    GLuint program = 0;
    if (!path || (access(path, F_OK) != 0 && errno == ENOENT)) return 0;
    if (file_map_open(path, &m, &err)) {
        notice(k, err.message, "; compiled instead");
        return 0;
    }
    wrong = check_file(k, source, &m, &head, &binary);
    if (!wrong && !(program = program_of(&k->c->gl, &head, binary))) wrong = " is refused by the driver";
    file_map_close(&m);
    if (!wrong) gles_folder_touch(path);
    if (wrong) {
        char what[512];
        snprintf(what, sizeof what, "%s%s", path, wrong);
        notice(k, what, "; compiled instead and written anew");
    }
    return program;
}

/* ---- Storing ---- */

static glint_status write_file(gles_program_cache *k, const gles_composed *source, const file_head *head,
                               const void *binary, glint_error *err) {
    file_out f;
    const char *path = path_of(k, source);
    if (!path) return base_fail(err, GLINT_INTERNAL, "out of memory");
    gles_folder_make(k->folder);
    glint_status s = file_out_open(path, &f, err);
    if (s) return s;
    fwrite(head, sizeof *head, 1, f.stream);
    fwrite(k->driver, head->driver_bytes, 1, f.stream);
    fwrite(source->text, head->source_bytes, 1, f.stream);
    fwrite(binary, head->binary_bytes, 1, f.stream);
    return file_out_commit(&f, err);
}

static void store(gles_program_cache *k, const gles_composed *source, uint32_t format, const void *binary,
                  uint32_t bytes) {
    file_head head = {.format = format,
                      .driver_bytes = (uint32_t)strlen(k->driver),
                      .source_bytes = (uint32_t)source->bytes,
                      .binary_bytes = bytes};
    glint_error err;
    memcpy(head.magic, file_magic, sizeof file_magic);
    head.checksum = checksum(&head, k->driver, source->text, binary);
    k->has_written = true;
    if (!write_file(k, source, &head, binary, &err)) return;
    k->writes = false;
    notice(k, err.message, "; programs will be compiled again at the next start");
}

void gles_program_cache_store(gles_program_cache *k, const gles_composed *source, GLuint program) {
    const gles_gl *gl = &k->c->gl;
    GLint room = 0;
    GLsizei bytes = 0;
    GLenum format = 0;
    if (!k->driver || !k->writes || source->bytes > UINT32_MAX) return;
    gl->GetProgramiv(program, GL_PROGRAM_BINARY_LENGTH, &room);
    void *binary = room > 0 ? malloc((size_t)room) : NULL;
    if (binary) gl->GetProgramBinary(program, room, &bytes, &format, binary);
    if (binary && gl->GetError() == GL_NO_ERROR && bytes > 0) store(k, source, format, binary, (uint32_t)bytes);
    free(binary);
}
