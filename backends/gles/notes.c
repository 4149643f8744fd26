#include "backends/gles/notes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends/gles/folder.h"
#include "backends/gles/programs.h"
#include "core/base/file_map.h"

static uint64_t hash_sources(void) {
    uint64_t h = GLES_HASH;
    for (const gles_source *s = gles_sources; s->name; s++) h = gles_hash(h, s->text, s->bytes);
    return h;
}

/* The lines that a file must begin with. */
static const char *make_head(gles_notes *n, const gles_context *c) {
    const gles_limits *l = &c->limits;
    return arena_printf(&n->memory, "Glint %s %016llx\n%s\n%s\n%s\n%lld %lld %lld %lld %lld %lld %lld %lld\n",
                        GLINT_VERSION, (unsigned long long)hash_sources(), c->vendor, c->renderer, c->version,
                        (long long)l->block, (long long)l->shared, (long long)l->invocations, (long long)l->groups,
                        (long long)l->blocks, (long long)l->align, (long long)l->subgroup, (long long)l->maps);
}

/* The lines behind the head; NULL: the file is another device's, or damaged. */
static const char *read_lines(gles_notes *n, const file_map *m) {
    size_t skip = strlen(n->head);
    bool whole = m->bytes >= skip && m->data[m->bytes - 1] == '\n' && !memchr(m->data, 0, m->bytes);
    if (!whole || memcmp(m->data, n->head, skip) != 0) return NULL;
    return arena_text(&n->memory, (const char *)m->data + skip, m->bytes - skip);
}

void gles_notes_open(const gles_context *c, gles_notes *out) {
    file_map m = {0};
    *out = (gles_notes){.lines = ""};
    out->folder = gles_cache_folder(&out->memory);
    out->head = make_head(out, c);
    if (!out->folder || !out->head) return;
    uint64_t h = gles_hash(GLES_HASH, out->head, strlen(out->head));
    out->path = arena_printf(&out->memory, "%s/%016llx.device", out->folder, (unsigned long long)h);
    glint_error why;
    if (!out->path || (access(out->path, F_OK) != 0 && errno == ENOENT)) return;
    if (file_map_open(out->path, &m, &why)) {
        out->notice = arena_text(&out->memory, why.message, strlen(why.message));
        return;
    }
    const char *lines = read_lines(out, &m);
    if (lines)
        out->lines = lines;
    else
        out->notice = arena_printf(&out->memory, "%s is damaged; what it knew is found out again", out->path);
    file_map_close(&m);
    gles_folder_touch(out->path);
}

void gles_notes_close(gles_notes *n) {
    arena_free(&n->memory);
    *n = (gles_notes){0};
}

/* The line of this name, with its name. */
static const char *find(const gles_notes *n, const char *name) {
    size_t length = strlen(name);
    for (const char *line = n->lines; *line; line = strchr(line, '\n') + 1)
        if (!strncmp(line, name, length) && !strncmp(line + length, ": ", 2)) return line;
    return NULL;
}

bool gles_note_get(const gles_notes *n, const char *name, char *out, size_t room) {
    const char *line = find(n, name);
    if (!line) return false;
    line += strlen(name) + 2;
    snprintf(out, room, "%.*s", (int)strcspn(line, "\n"), line);
    return true;
}

static void write_notes(const gles_notes *n) {
    file_out f;
    gles_folder_make(n->folder);
    if (file_out_open(n->path, &f, NULL)) return;
    fputs(n->head, f.stream);
    fputs(n->lines, f.stream);
    file_out_commit(&f, NULL);
}

void gles_note_set(gles_notes *n, const char *name, const char *value) {
    const char *old = find(n, name), *rest = old ? strchr(old, '\n') + 1 : "";
    int before = old ? (int)(old - n->lines) : (int)strlen(n->lines);
    const char *lines = arena_printf(&n->memory, "%.*s%s: %s\n%s", before, n->lines, name, value, rest);
    if (!lines) return;
    n->lines = lines;
    if (n->path) write_notes(n);
}
