/* What the subcommands print with: messages, quoted text, JSON values, tables. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <jansson.h>
#include <stdio.h>

#include "glint.h"

/* Writes one line of words to `err`, control characters as '?', and returns `status`. */
glint_status cli_fail(glint_error *err, glint_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* Text between double quotes on one line: control characters and bytes that are not UTF-8 as escapes. */
void print_quoted(FILE *out, const char *text, size_t bytes);
/* A size in bytes as a person reads it: "1.9 MB". */
const char *print_bytes(char buffer[32], double bytes);
/* A count of `n` things: "1 token", "2 tokens". */
const char *print_count(char buffer[48], size_t n, const char *thing);

/* A JSON string; what is not UTF-8 becomes U+FFFD. */
json_t *print_json_text(const char *text, size_t bytes);
json_t *print_json_name(const char *text); /* the same of a path or a name */
/* A JSON number, or null where x is not finite. */
json_t *print_json_number(double x);
/* Writes a document, or with `line` a single line at once, to standard output, and releases it. */
glint_status print_json(json_t *document, bool line, glint_error *err);

/* Flushes standard output: GLINT_BAD_INPUT with the system's reason when anything could not be written. */
glint_status print_flush(glint_error *err);

/* A table whose columns are as wide as their widest cell; cells are printed when the table ends. */
typedef struct print_table {
    int columns;
    const char *align; /* a character a column: 'l' or 'r' */
    char **cells;
    int n, room;
    bool failed; /* out of memory */
} print_table;

/* `headers` holds a name for each character of `align`. */
void print_table_open(print_table *t, const char *align, const char *const *headers);
void print_table_cell(print_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes the table to standard output, or nothing, and releases it. */
glint_status print_table_end(print_table *t, glint_error *err);
void print_table_discard(print_table *t);

#endif
