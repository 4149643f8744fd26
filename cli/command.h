/* The subcommands: a table in main.c, a function each. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdio.h>

#include "cli/options.h"

enum { /* the bits that the option table's `commands` are made of */
       CLI_RUN = 1,
       CLI_TOKENIZE = 2,
       CLI_INSPECT = 4,
       CLI_DEVICES = 8,
       CLI_BENCH = 16,
       CLI_PERPLEXITY = 32,
       CLI_TRACE = 64,
       CLI_CHECK = 128,
       CLI_DIFF = 256,
};

typedef struct cli_command {
    const char *name;
    unsigned bit;
    const char *arguments; /* of the usage line */
    const char *summary;   /* a few words, lower case */
    const char *details;   /* paragraphs for --help and the man page, separated by empty lines */
    /* Prints its result on standard output. An error's one line is the caller's to print. */
    glint_status (*run)(const cli_options *options, glint_error *err);
} cli_command;

extern const cli_command cli_commands[];
extern const int cli_n_commands;

glint_status cli_run(const cli_options *o, glint_error *err);
glint_status cli_tokenize(const cli_options *o, glint_error *err);
glint_status cli_inspect(const cli_options *o, glint_error *err);
glint_status cli_devices(const cli_options *o, glint_error *err);
glint_status cli_bench(const cli_options *o, glint_error *err);
glint_status cli_perplexity(const cli_options *o, glint_error *err);
glint_status cli_trace(const cli_options *o, glint_error *err);
glint_status cli_check(const cli_options *o, glint_error *err);
glint_status cli_diff(const cli_options *o, glint_error *err);

/* NULL: no subcommand of that name. */
const cli_command *cli_find_command(const char *name);

/* ---- Written from the tables: help.c, man.c, completion.c ---- */

void cli_help(FILE *out, const cli_command *command);                        /* NULL: the overview */
void cli_man(FILE *out, const cli_command *command);                         /* roff; NULL: glint(1) */
glint_status cli_completion(FILE *out, const char *shell, glint_error *err); /* bash, zsh or fish */

#endif
