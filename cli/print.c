#include "cli/print.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

glint_status cli_fail(glint_error *err, glint_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    for (unsigned char *p = (unsigned char *)err->message; *p; p++)
        if (*p < 0x20 || *p == 0x7F) *p = '?';
    return status;
}

/* ---- Text ---- */

/* Length of the UTF-8 character at s, 0 where there is none (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_length(const unsigned char *s, size_t bytes) {
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    if (n == 0 || n > bytes) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F)) return 0;
    if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F)) return 0;
    return n;
}

static bool is_control(const unsigned char *s, size_t length) {
    return (length == 1 && (s[0] < 0x20 || s[0] == 0x7F)) || (length == 2 && s[0] == 0xC2 && s[1] < 0xA0);
}

void print_quoted(FILE *out, const char *text, size_t bytes) {
    const unsigned char *s = (const unsigned char *)text;
    fputc('"', out);
    for (size_t i = 0; i < bytes;) {
        size_t n = utf8_length(s + i, bytes - i);
        if (s[i] == '\n')
            fputs("\\n", out);
        else if (s[i] == '\t')
            fputs("\\t", out);
        else if (s[i] == '\r')
            fputs("\\r", out);
        else if (s[i] == '"' || s[i] == '\\')
            fprintf(out, "\\%c", s[i]);
        else if (n && !is_control(s + i, n))
            fwrite(s + i, 1, n, out);
        else
            for (size_t k = 0; k < (n ? n : 1); k++) fprintf(out, "\\x%02x", s[i + k]);
        i += n ? n : 1;
    }
    fputc('"', out);
}

const char *print_bytes(char buffer[32], double bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    int unit = 0;
    for (; bytes >= 1000 && unit < 4; unit++) bytes /= 1000;
    snprintf(buffer, 32, unit && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return buffer;
}

const char *print_count(char buffer[48], size_t n, const char *thing) {
    snprintf(buffer, 48, "%zu %s%s", n, thing, n == 1 ? "" : "s");
    return buffer;
}

/* ---- JSON ---- */

json_t *print_json_text(const char *text, size_t bytes) {
    char *clean = malloc(3 * bytes + 1); /* U+FFFD is three bytes long */
    if (!clean) return NULL;
    size_t n = 0;
    for (size_t i = 0; i < bytes;) {
        size_t length = utf8_length((const unsigned char *)text + i, bytes - i);
        memcpy(clean + n, length ? text + i : "\xEF\xBF\xBD", length ? length : 3);
        n += length ? length : 3;
        i += length ? length : 1;
    }
    json_t *string = json_stringn(clean, n);
    free(clean);
    return string;
}

json_t *print_json_name(const char *text) {
    return print_json_text(text, strlen(text));
}

json_t *print_json_number(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

glint_status print_json(json_t *document, bool line, glint_error *err) {
    if (!document) return cli_fail(err, GLINT_INTERNAL, "out of memory");
    size_t flags = JSON_REAL_PRECISION(17) | (line ? JSON_COMPACT : JSON_INDENT(2));
    int failed = json_dumpf(document, stdout, flags);
    json_decref(document);
    if (!failed) putchar('\n');
    return !failed && !line ? GLINT_OK : print_flush(err);
}

glint_status print_flush(glint_error *err) {
    bool failed = ferror(stdout);
    int why = failed ? errno : 0;
    if (fflush(stdout) != 0) {
        failed = true;
        why = errno;
    }
    if (!failed) return GLINT_OK;
    return cli_fail(err, GLINT_BAD_INPUT, "standard output: %s", strerror(why ? why : EIO));
}

/* ---- Tables ---- */

void print_table_open(print_table *t, const char *align, const char *const *headers) {
    *t = (print_table){.columns = (int)strlen(align), .align = align};
    for (int i = 0; i < t->columns; i++) print_table_cell(t, "%s", headers[i]);
}

void print_table_cell(print_table *t, const char *format, ...) {
    if (t->n == t->room) {
        char **more = realloc(t->cells, (size_t)(t->room * 2 + 64) * sizeof *more);
        t->failed |= !more;
        if (!more) return;
        t->cells = more;
        t->room = t->room * 2 + 64;
    }
    va_list args;
    va_start(args, format);
    int n = vasprintf(&t->cells[t->n], format, args);
    va_end(args);
    if (n < 0)
        t->failed = true;
    else
        t->n++;
}

/* Columns that a text takes on a terminal, near enough: characters, not bytes. */
static int width_of(const char *s) {
    int n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static int column_width(const print_table *t, int column) {
    int width = 0;
    for (int i = column; i < t->n; i += t->columns)
        if (width_of(t->cells[i]) > width) width = width_of(t->cells[i]);
    return width;
}

static void print_cell(const print_table *t, int i, int width) {
    int column = i % t->columns, pad = width - width_of(t->cells[i]);
    bool last = column == t->columns - 1, right = t->align[column] == 'r';
    if (column) fputs("  ", stdout);
    printf("%*s%s%*s", right ? pad : 0, "", t->cells[i], right || last ? 0 : pad, "");
    if (last) putchar('\n');
}

glint_status print_table_end(print_table *t, glint_error *err) {
    int widths[32];
    bool failed = t->failed;
    for (int c = 0; c < t->columns; c++) widths[c] = column_width(t, c);
    for (int i = 0; i < t->n && !failed; i++) print_cell(t, i, widths[i % t->columns]);
    print_table_discard(t);
    return failed ? cli_fail(err, GLINT_INTERNAL, "out of memory") : GLINT_OK;
}

void print_table_discard(print_table *t) {
    for (int i = 0; i < t->n; i++) free(t->cells[i]);
    free(t->cells);
    *t = (print_table){0};
}
