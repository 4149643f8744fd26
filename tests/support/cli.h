/* What tests of the program from outside share: running it, and what it must print where. */
#ifndef TESTS_SUPPORT_CLI_H
#define TESTS_SUPPORT_CLI_H

#include "tests/support/support.h"

#include <jansson.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct cli_result { /* cli_release() frees the texts */
    int status;             /* exit status; 128 + n: ended by signal n */
    char *out, *err;
    size_t out_bytes;
} cli_result;

/* `out` < -1: standard output is collected; -1: it is closed; else where it goes. */
cli_result cli_run(const char *input, int out, const char *const *arguments);
void cli_release(cli_result *r);

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RUN(...)       cli_run("", -2, ARGUMENTS(__VA_ARGS__))

/* Starts the program and goes on; waits for its end. `out` -1: standard output is closed. */
pid_t cli_start(const char *const *arguments, int in, int out, int err);
int cli_finish(pid_t pid); /* a status as above */
/* Returns when the signal has arrived, or has ended the program. */
void cli_signal(pid_t pid, int signal);
/* The file from its begin as text, which the caller frees; closes it. */
char *cli_read_all(FILE *f, size_t *bytes);

/* `what` says in a message what was run. */
void cli_expect_status(const cli_result *r, int status, const char *what);
/* Success; standard output as JSON, for the caller to let go. */
json_t *cli_expect_json(const cli_result *r);
/* Success, and nothing on standard error; releases the result. */
void cli_expect_printed(cli_result r, const char *begin, const char *words);
/* A failure: nothing on standard output, one line on standard error that begins with the program's name and has these
 * words; releases the result. */
void cli_expect_failure(cli_result r, int status, const char *words);

/* The greedy continuation of "ROMEO:\n" that transformers gives with the weights of the default model. */
extern const char cli_greedy[];

#endif
