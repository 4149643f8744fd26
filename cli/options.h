/* The options of every subcommand: one table that parsing, --help, the man pages and the completions are made from. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "glint.h"

enum { CLI_MAX_LIST = 64 };

typedef struct cli_list { /* values of an option that may be repeated */
    const char *items[CLI_MAX_LIST];
    int n;
} cli_list;

typedef struct cli_options {
    const char *model, *device, *split, *memory;
    int gpu_layers; /* -1: not given */
    bool plan;
    int precision, cache_type; /* index of the choice: fast, exact; f16, f32 */
    int threads, context, batch;
    const char *prompt, *file, *id_list; /* where the text comes from; at most one is given */
    bool escape;
    int n;
    glint_sampling sampling; /* all but the seed */
    int64_t seed;            /* -1: random */
    int top;
    cli_list watch;
    bool ids_only, no_special, decode;       /* tokenize */
    bool tensors, digest, card;              /* inspect */
    bool self_test;                          /* devices */
    int bench_prompt, bench_decode, repeats; /* bench */
    bool null;                               /* bench */
    int score;                               /* perplexity: half, all */
    const char *files[2];                    /* diff */
    const char *output, *values, *layers;    /* trace; layers: check too */
    const char *against;                     /* check */
    bool free_run, unfused, steps, bisect;   /* check */
    bool paths;                              /* check */
    const char *html;                        /* trace, check */
    bool json, quiet, verbose, help;
} cli_options;

typedef enum cli_kind {
    CLI_FLAG,
    CLI_TEXT,
    CLI_NAME /* a text that is not empty */,
    CLI_REPEATED,
    CLI_CHOICE,
    CLI_INT,
    CLI_INT64,
    CLI_FLOAT
} cli_kind;

typedef struct cli_option {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* NULL: takes none; of a CLI_CHOICE: the choices, "a|b" */
    const char *help;
    unsigned commands; /* the CLI_* bits of the subcommands that take it */
    cli_kind kind;
    size_t offset;    /* of its field in cli_options */
    double low, high; /* numbers: the range */
} cli_option;

extern const cli_option cli_option_table[];
extern const int cli_n_options;

/* Reads argv[1..] of the subcommand with the bit `command` into *out, defaults first. *operands is set to the first
 * argument that is no option (argv may be reordered). GLINT_USAGE names the option and the cause. */
glint_status cli_parse(unsigned command, int argc, char **argv, cli_options *out, int *operands, glint_error *err);

/* "2,105" or "2 105" to ids, malloc'ed; `what` names the source in messages, `noun` one of them. Signs are
 * allowed, ranges unchecked. */
glint_status cli_parse_ids(const char *text, const char *what, const char *noun, int32_t **ids, size_t *count,
                           glint_error *err);

#endif
