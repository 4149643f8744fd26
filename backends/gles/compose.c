#include "backends/gles/compose.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct composer {
    const gles_source *sources;
    const gles_define *defines;
    int n_defines;
    FILE *stream;
    gles_composed *out;
    bool open[GLES_MAX_FILES]; /* not finished yet: including it again would be a cycle */
} composer;

/* ---- The preamble ---- */

static void write_preamble(const composer *k) {
    bool subgroup = false;
    for (int i = 0; i < k->n_defines; i++) {
        const gles_define *d = &k->defines[i];
        subgroup |= !d->text && d->value && !strcmp(d->name, "SUBGROUP");
    }
    fputs("#version 310 es\n", k->stream);
    if (subgroup)
        fputs("#extension GL_KHR_shader_subgroup_basic : require\n"
              "#extension GL_KHR_shader_subgroup_arithmetic : require\n"
              "#extension GL_KHR_shader_subgroup_shuffle : require\n",
              k->stream);
    fputs("precision highp float;\nprecision highp int;\n", k->stream);
    for (int i = 0; i < k->n_defines; i++) {
        const gles_define *d = &k->defines[i];
        if (d->text)
            fprintf(k->stream, "#define %s %s\n", d->name, d->text);
        else
            fprintf(k->stream, "#define %s %lld\n", d->name, (long long)d->value);
    }
}

/* ---- Includes ---- */

typedef struct words {
    const char *at;
    int n;
} words;

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    return at;
}

/* Is this line an #include? Then what stands behind it, up to the first blank. */
static bool parse_include(const char *at, const char *end, words *out) {
    static const char word[] = "include";
    at = skip_blanks(at, end);
    if (at == end || *at != '#') return false;
    at = skip_blanks(at + 1, end);
    size_t n = sizeof word - 1;
    if ((size_t)(end - at) <= n || memcmp(at, word, n) != 0 || !strchr(" \t\"", at[n])) return false;
    at = skip_blanks(at + n, end);
    out->at = at;
    while (at < end && !isspace((unsigned char)*at)) at++;
    out->n = (int)(at - out->at);
    return true;
}

/* The text of the define that the word names; the word itself, without its quotes, where it is quoted. */
static bool include_name(const composer *k, words w, words *out) {
    if (w.n > 2 && w.at[0] == '"' && w.at[w.n - 1] == '"') {
        *out = (words){w.at + 1, w.n - 2};
        return true;
    }
    for (int i = 0; i < k->n_defines; i++) {
        const gles_define *d = &k->defines[i];
        if (!d->text || strlen(d->name) != (size_t)w.n || memcmp(d->name, w.at, (size_t)w.n) != 0) continue;
        *out = (words){d->text, (int)strlen(d->text)};
        return true;
    }
    return false;
}

static const gles_source *find_source(const gles_source *sources, words name) {
    for (; sources->name; sources++)
        if (strlen(sources->name) == (size_t)name.n && !memcmp(sources->name, name.at, (size_t)name.n)) return sources;
    return NULL;
}

/* -1: not put in yet. */
static int file_number(const gles_composed *c, const char *name) {
    for (int i = 0; i < c->n_files; i++)
        if (c->files[i] == name) return i;
    return -1;
}

/* ---- Files ---- */

static void put_place(const composer *k, int file, int line) {
    fprintf(k->stream, "#line %d\n", (file + 1) * GLES_FILE_LINES + line);
}

static glint_status put_file(composer *k, const gles_source *s, int depth, glint_error *err);

/* An #include of file `number`, line `line`: the file in its place, and back; an empty line where it is in already. */
static glint_status put_include(composer *k, words w, int number, int line, int depth, glint_error *err) {
    const char *from = k->out->files[number];
    words name;
    if (!include_name(k, w, &name))
        return base_fail(err, GLINT_INTERNAL, "%s:%d: #include %.*s names no file", from, line, w.n, w.at);
    const gles_source *s = find_source(k->sources, name);
    if (!s)
        return base_fail(err, GLINT_INTERNAL, "%s:%d: there is no shader file \"%.*s\"", from, line, name.n, name.at);
    int seen = file_number(k->out, s->name);
    if (seen >= 0 && k->open[seen])
        return base_fail(err, GLINT_INTERNAL, "%s:%d: including \"%s\" makes a cycle", from, line, s->name);
    if (seen >= 0) {
        fputc('\n', k->stream);
        return GLINT_OK;
    }
    if (depth == GLES_MAX_DEPTH || k->out->n_files == GLES_MAX_FILES)
        return base_fail(err, GLINT_INTERNAL, "%s:%d: including \"%s\" is one too many (%d levels, %d files)", from,
                         line, s->name, GLES_MAX_DEPTH, GLES_MAX_FILES);
    glint_status status = put_file(k, s, depth + 1, err);
    if (!status) put_place(k, number, line + 1);
    return status;
}

static glint_status put_file(composer *k, const gles_source *s, int depth, glint_error *err) {
    int number = k->out->n_files++, line = 0;
    k->out->files[number] = s->name;
    k->open[number] = true;
    put_place(k, number, 1);
    for (const char *at = s->text, *end = at + s->bytes; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
        words w;
        line++;
        if (parse_include(at, stop, &w)) {
            glint_status status = put_include(k, w, number, line, depth, err);
            if (status) return status;
        } else {
            fwrite(at, 1, (size_t)(stop - at), k->stream);
            fputc('\n', k->stream);
        }
        at = stop + 1;
    }
    k->open[number] = false;
    return GLINT_OK;
}

glint_status gles_compose(const gles_source *sources, const char *name, const gles_define *defines, int n,
                          gles_composed *out, glint_error *err) {
    gles_composed c = {0};
    const gles_source *s = find_source(sources, (words){name, (int)strlen(name)});
    if (!s) return base_fail(err, GLINT_INTERNAL, "there is no shader file \"%s\"", name);
    composer k = {.sources = sources, .defines = defines, .n_defines = n, .out = &c};
    k.stream = open_memstream(&c.text, &c.bytes);
    if (!k.stream) return base_fail(err, GLINT_INTERNAL, "%s: out of memory", name);
    write_preamble(&k);
    glint_status status = put_file(&k, s, 1, err);
    bool bad = ferror(k.stream) != 0;
    bad |= fclose(k.stream) != 0;
    if (!status && bad) status = base_fail(err, GLINT_INTERNAL, "%s: out of memory", name);
    if (status)
        gles_composed_free(&c);
    else
        *out = c;
    return status;
}

void gles_composed_free(gles_composed *c) {
    free(c->text);
    *c = (gles_composed){0};
}

/* ---- What the compiler says ---- */

static bool says_error(const char *at, size_t n) {
    for (size_t i = 0; i + 5 <= n; i++)
        if (!strncasecmp(at + i, "error", 5)) return true;
    return false;
}

static words error_line(const char *log) {
    words first = {NULL, 0};
    for (size_t n; *log; log += n + (log[n] != 0)) {
        n = strcspn(log, "\r\n");
        if (says_error(log, n)) return (words){log, (int)n};
        if (n && !first.at) first = (words){log, (int)n};
    }
    static const char none[] = "no reason was given";
    return first.at ? first : (words){none, sizeof none - 1};
}

/* The line number at `at` where it is told as drivers tell it, "0:LINE(5):", "0(LINE) :" or "ERROR: 0:LINE:", and the
 * rest; 0: no place here. */
static int line_number(const char *at, const char *end, const char **rest) {
    const char *p = at;
    int line = 0;
    while (p < end && isdigit((unsigned char)*p)) p++;
    if (p == at || p == end || (*p != ':' && *p != '(')) return 0;
    bool bracket = *p == '(';
    for (p++; p < end && isdigit((unsigned char)*p) && line <= (GLES_MAX_FILES + 1) * GLES_FILE_LINES; p++)
        line = 10 * line + *p - '0';
    *rest = p + (bracket && p < end && *p == ')');
    return line;
}

void gles_log_line(const gles_composed *c, const char *log, char *out, size_t room) {
    words line = error_line(log);
    const char *end = line.at + line.n, *rest = end;
    for (const char *at = line.at; at < end; at++) {
        int number = line_number(at, end, &rest), file = number / GLES_FILE_LINES - 1;
        if (file < 0 || file >= c->n_files) continue;
        snprintf(out, room, "%.*s%s:%d%.*s", (int)(at - line.at), line.at, c->files[file], number % GLES_FILE_LINES,
                 (int)(end - rest), rest);
        return;
    }
    snprintf(out, room, "%.*s", line.n, line.at);
}
