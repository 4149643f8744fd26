/* The program from outside: help, wrong usage, bad input, and output that goes nowhere. */
#include "tests/support/cli.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/maker.h"

/* ---- Help and usage ---- */

static const char *const commands[] = {"run",   "tokenize",   "inspect", "devices",
                                       "bench", "perplexity", "trace",   "check"};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void test_help(void) {
    char begin[64];
    cli_expect_printed(RUN("--help"), "Usage: glint COMMAND", "perplexity");
    cli_expect_printed(RUN("help"), "Usage: glint COMMAND", "perplexity");
    cli_expect_printed(RUN("--version"), "glint ", GLINT_VERSION);
    for (int i = 0; i < COMMANDS; i++) {
        snprintf(begin, sizeof begin, "Usage: glint %s", commands[i]);
        cli_expect_printed(RUN(commands[i], "--help"), begin, "--json");
        cli_expect_printed(RUN(commands[i], "-h"), begin, "--json");
        cli_expect_printed(RUN("help", commands[i]), begin, "--json");
        cli_expect_printed(RUN("help", "man", commands[i]), ".TH GLINT", ".SH OPTIONS");
    }
    cli_expect_printed(RUN("help", "man"), ".TH GLINT 1", "GLINT_CPU");
    cli_expect_printed(RUN("help", "completion", "bash"), "# bash completion", "--precision");
    cli_expect_printed(RUN("help", "completion", "zsh"), "#compdef glint", "--precision");
    cli_expect_printed(RUN("help", "completion", "fish"), "complete -c glint", "precision");
}

static void test_usage(void) {
    cli_result r = cli_run("", -2, (const char *const[]){NULL});
    cli_expect_failure(r, 2, "a command is needed");
    cli_expect_failure(RUN("frobnicate"), 2, "unknown command 'frobnicate'");
    cli_expect_failure(RUN("help", "completion", "tcsh"), 2, "tcsh");
    for (int i = 0; i < COMMANDS; i++) {
        cli_expect_failure(RUN(commands[i], "--frobnicate"), 2, "unknown option '--frobnicate'");
        cli_expect_failure(RUN(commands[i], "-Z"), 2, "unknown option '-Z'");
    }
    cli_expect_failure(RUN("run", "more"), 2, "unexpected argument 'more'");
    cli_expect_failure(RUN("run", "-n"), 2, "needs an argument");
    cli_expect_failure(RUN("run", "--json=1"), 2, "takes no argument");
    cli_expect_failure(RUN("run", "-p", "a", "-n", "12x"), 2, "'12x' is not a whole number");
    cli_expect_failure(RUN("run", "-p", "a", "-n", ""), 2, "'' is not a whole number");
    cli_expect_failure(RUN("run", "-p", "a", "-n", " 1"), 2, "is not a whole number");
    cli_expect_failure(RUN("run", "-p", "a", "-n", "1-2"), 2, "'1-2' is not a whole number");
    cli_expect_failure(RUN("run", "-p", "a", "-n", "1\n2"), 2, "'1?2' is not a whole number");
    cli_expect_failure(RUN("run", "-p", "a", "--temp", "1-2"), 2, "'1-2' is not a number");
    cli_expect_failure(RUN("run", "-p", "a", "-n", "99999999999999999999"), 2, "is not between");
    cli_expect_failure(RUN("run", "-p", "a", "-t", "-1"), 2, "is not between");
    cli_expect_failure(RUN("run", "-p", "a", "--temp", "hot"), 2, "'hot' is not a number");
    cli_expect_failure(RUN("run", "-p", "a", "--temp", "nan"), 2, "'nan' is not a number");
    cli_expect_failure(RUN("run", "-p", "a", "--temp", "-1"), 2, "is not between");
    cli_expect_failure(RUN("run", "-p", "a", "--precision", "fastest"), 2, "is not one of fast|exact");
    cli_expect_failure(RUN("run", "-p", "a", "--precision", "exac"), 2, "is not one of fast|exact");
    cli_expect_failure(RUN("run", "-p", "a", "-d", "no\nsuch"), 2, "no?such");
    cli_expect_failure(RUN("run"), 2, "a text is needed");
    cli_expect_failure(RUN("run", "-p", "a", "--ids", "1"), 2, "only one of");
    cli_expect_failure(RUN("run", "--ids", "2,x"), 2, "'x' is not a token id");
    cli_expect_failure(RUN("run", "-p", "a", "--watch", "hippopotamus"), 2, "is not one token but");
    cli_expect_failure(RUN("run", "-p", "a", "--watch", "#2048"), 2, "the vocabulary ends before #2048");
    cli_expect_failure(RUN("trace", "-p", "a"), 2, "--output FILE");
    cli_expect_failure(RUN("trace", "-p", "a", "-o", "same.x", "--html", "same.x"), 2, "name one file");
    cli_expect_failure(RUN("trace", "-p", "a", "-o", "same.x", "--html", ".//same.x"), 2, "name one file");
    cli_expect_failure(RUN("trace", "-p", "a", "-o", "/nowhere/t", "--layers", "8"), 2, "8 is not one of 0 to 7");
    cli_expect_failure(RUN("perplexity", "-p", "To be or not", "-c", "2"), 2,
                       "a window of 2 tokens has no second half");
    cli_expect_failure(RUN("devices", "-d", "toaster"), 2, "toaster");
    cli_expect_failure(RUN("devices", "-d", "auto"), 2, "auto: no such device");
    cli_expect_failure(RUN("check", "-p", "a", "--layers", "x"), 2, "'x' is not a layer");
    cli_expect_failure(RUN("run", "-p", "a", "-s", "9223372036854775808"), 2, "between -1 and 9223372036854775807");
    cli_expect_failure(RUN("bench", "-p", "16", "-n", "4", "-c", "8"), 2,
                       "a prompt of 16 tokens does not fit a context of 8");
    cli_expect_failure(RUN("bench", "-p", "4", "-n", "16", "-c", "8"), 2,
                       "16 decoded tokens do not fit a context of 8");
    cli_expect_failure(RUN("bench", "-p", "0", "-n", "0"), 2, "nothing to measure");
    cli_expect_failure(RUN("bench", "--null", "-ngl", "3"), 2, "--null");
    cli_expect_failure(RUN("run", "-p", "a", "-c", "16777217"), 2, "--context: 16777217 is not between 0 and 16777216");
    cli_expect_failure(RUN("run", "-p", "a", "-d", "null:1"), 2, "null:1: no such device");
}

/* An empty name is no name; a text may be empty. */
static void test_masks(void) {
    setenv("GLINT_CPU", "avx3", 1);
    cli_expect_failure(RUN("run", "-p", "a", "-n", "1", "-d", "cpu"), 2, "GLINT_CPU: \"avx3\" is none of ");
    setenv("GLINT_CPU", "portable", 1);
    cli_expect_printed(RUN("run", "-p", "ROMEO:", "-n", "1", "-d", "cpu", "-q"), "", "");
    unsetenv("GLINT_CPU");
}

static void test_empty(void) {
    static const char *const options[][2] = {{"run", "-m"},          {"run", "-d"},         {"run", "--split"},
                                             {"run", "--memory"},    {"run", "-f"},         {"trace", "-o"},
                                             {"trace", "--html"},    {"trace", "--values"}, {"check", "--layers"},
                                             {"check", "--against"}, {"devices", "-d"},     {"inspect", "-d"}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        cli_expect_failure(RUN(options[i][0], options[i][1], ""), 2, ": '' is no ");
    cli_result r = RUN("run", "-p", "", "-n", "1"); /* the model's first token is there all the same */
    cli_expect_status(&r, 0, "run without text");
    cli_release(&r);
}

/* ---- Bad input ---- */

static void test_bad_input(void) {
    char data[1024];
    cli_expect_failure(RUN("run", "-m", "/no/such.gguf", "-p", "a"), 3, "/no/such.gguf: ");
    cli_expect_failure(RUN("run", "-m", "/", "-p", "a"), 3, "/");
    cli_expect_failure(RUN("run", "-m", GLINT_BINARY, "-p", "a"), 3, GLINT_BINARY ": ");
    cli_expect_failure(RUN("inspect", support_data(data, "quant_blocks.safetensors")), 3, data);
    cli_expect_failure(RUN("run", "-f", "/no/such/file"), 3, "/no/such/file: No such file or directory");
    cli_expect_failure(RUN("run", "-f", "/"), 3, "/: Is a directory");
    cli_expect_failure(RUN("tokenize", "-p", "ab\xff"), 3, "UTF-8");
    cli_expect_failure(RUN("perplexity", "-p", "a"), 3, "token");
    cli_expect_failure(RUN("run", "-m", support_data(data, "models/qwen2-shakespeare"), "-p", "a"), 3,
                       "tokenizer.json is not read yet; give ids");
    cli_expect_failure(RUN("run", "--ids", ""), 3, "makes no tokens");
    cli_expect_failure(RUN("run", "--ids", "2,2048"), 3, "token id 2048 is not one of 0 to 2047");
    cli_expect_failure(RUN("run", "--ids", "-1"), 3, "token id -1");
    cli_expect_failure(RUN("run", "-c", "8", "--ids", "2,3,4,5,6,7,8,9,10,11"), 3, "context");
    cli_expect_failure(RUN("tokenize", "--decode", "-p", "5 99999"), 3, "99999");
    cli_expect_failure(cli_run("\xff", -2, ARGUMENTS("tokenize", "-f", "-")), 3, "standard input: ");
}

static void test_unwritable(void) {
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(full >= 0);
    cli_expect_failure(cli_run("", full, ARGUMENTS("run", "-p", "a", "-n", "4", "-q")), 3, "standard output: No space");
    cli_expect_failure(cli_run("", full, ARGUMENTS("run", "-p", "a", "-n", "4", "--json")), 3,
                       "standard output: No space");
    cli_expect_failure(cli_run("", full, ARGUMENTS("inspect")), 3, "standard output: No space");
    cli_expect_failure(cli_run("", full, ARGUMENTS("tokenize", "-p", "a", "--json")), 3, "standard output: No space");
    cli_expect_failure(cli_run("", full, ARGUMENTS("--help")), 3, "standard output: No space");
    cli_expect_failure(cli_run("", full, ARGUMENTS("check", "-p", "x", "-d", "null")), 3, "standard output: No space");
    cli_expect_failure(cli_run("", -1, ARGUMENTS("tokenize", "-p", "a")), 3, "standard output: Bad file descriptor");
    close(full);
    cli_expect_failure(RUN("trace", "-p", "a", "-o", "/no/such/folder/t"), 3, "/no/such/folder/t: ");
    cli_expect_failure(RUN("trace", "-p", "a", "-o", "/dev/full"), 3, "/dev/full: ");
    struct stat st;
    CU_ASSERT(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode)); /* and it was not replaced by a file */
}

/* A name as long as the system lets it be, for which a temporary one has to be found, and one that is longer. */
static void test_long_names(void) {
    char folder[1024], path[1024 + NAME_MAX + 3];
    struct stat st;
    maker_folder(folder);
    size_t n = strlen(folder);
    memcpy(path, folder, n);
    memset(path + n, 'x', NAME_MAX + 2);
    path[n] = '/';
    path[n + 1 + NAME_MAX] = 0;
    cli_result r = RUN("trace", "-p", "a", "-q", "-o", path);
    cli_expect_status(&r, 0, "the longest name");
    cli_release(&r);
    CU_ASSERT(stat(path, &st) == 0 && st.st_size > 0);
    unlink(path);
    memcpy(path + n + 1 + NAME_MAX, "x", 2);
    cli_expect_failure(RUN("trace", "-p", "a", "-o", path), 3, "File name too long");
    cli_expect_failure(RUN("trace", "-p", "a", "-o", ""), 2, "'' is no FILE");
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* it is empty */
}

int main(void) {
    static const support_case cases[] = {
        {"help, man pages, completions", test_help},
        {"wrong usage", test_usage},
        {"masks of instruction sets", test_masks},
        {"empty names", test_empty},
        {"bad input", test_bad_input},
        {"long names", test_long_names},
        {"unwritable output", test_unwritable},
    };
    return support_main("cli usage", cases, sizeof cases / sizeof *cases);
}
