/* The program from outside: what it prints where, and what it exits with. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- Running the program ---- */

enum { MAX_ARGUMENTS = 32 };

typedef struct result {
    int status; /* exit status; 128 + n: ended by signal n */
    char *out, *err;
    size_t out_bytes;
} result;

static char *read_all(FILE *f, size_t *bytes) {
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(1, n + 1);
    *bytes = fread(text, 1, n, f);
    fclose(f);
    return text;
}

static pid_t start(const char *const *arguments, int in, int out, int err) {
    const char *argv[MAX_ARGUMENTS + 2] = {"glint"};
    for (int i = 0; i < MAX_ARGUMENTS && arguments[i]; i++) argv[i + 1] = arguments[i];
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, 0);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&files, out, 1);
    else
        posix_spawn_file_actions_addclose(&files, 1);
    posix_spawn_file_actions_adddup2(&files, err, 2);
    pid_t pid = -1;
    CU_ASSERT_EQUAL_FATAL(posix_spawn(&pid, GLINT_BINARY, &files, NULL, (char **)argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

static int finish(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* `out` < -1: standard output is collected; -1: it is closed. */
static result run_with(const char *input, int out, const char *const *arguments) {
    FILE *in = tmpfile(), *collected = tmpfile(), *err = tmpfile();
    CU_ASSERT_FATAL(in && collected && err);
    fputs(input, in);
    rewind(in);
    result r;
    size_t bytes;
    r.status = finish(start(arguments, fileno(in), out < -1 ? fileno(collected) : out, fileno(err)));
    r.out = read_all(collected, &r.out_bytes);
    r.err = read_all(err, &bytes);
    fclose(in);
    return r;
}

static void release(result *r) {
    free(r->out);
    free(r->err);
}

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RUN(...)       run_with("", -2, ARGUMENTS(__VA_ARGS__))

static void expect_status(const result *r, int status, const char *what) {
    if (r->status != status) printf("\n    %s: exit status %d, not %d: %s", what, r->status, status, r->err);
    CU_ASSERT_EQUAL(r->status, status);
}

static json_t *expect_json(const result *r) {
    json_error_t e;
    expect_status(r, 0, "json");
    json_t *document = json_loads(r->out, 0, &e);
    if (!document) printf("\n    %s in: %.200s", e.text, r->out);
    CU_ASSERT_PTR_NOT_NULL_FATAL(document);
    return document;
}

/* A failure: nothing on standard output, one line on standard error that begins with the program's name. */
static void expect_failure(result r, int status, const char *words) {
    size_t n = strlen(r.err);
    bool one_line = n > 7 && strncmp(r.err, "glint: ", 7) == 0 && strchr(r.err, '\n') == r.err + n - 1;
    expect_status(&r, status, words);
    if (!one_line || !strstr(r.err, words)) printf("\n    not one line with \"%s\": %s", words, r.err);
    CU_ASSERT(one_line);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, words));
    CU_ASSERT_EQUAL(r.out_bytes, 0);
    CU_ASSERT_EQUAL(strstr(r.err, "--help') ") != NULL || strstr(r.err, "--help')\n") != NULL, status == 2);
    release(&r);
}

/* The greedy continuation of "ROMEO:\n" that transformers gives with this file's weights. */
static const char greedy[] =
    "O, do not swear, poor man! thou shouldst bride it;\nI, fool, thou wilt a whistl of sweet flower.";

static void expect_greedy(result r) {
    expect_status(&r, 0, "greedy");
    CU_ASSERT_STRING_EQUAL(r.out, greedy);
    release(&r);
}

/* ---- Help and usage ---- */

static const char *const commands[] = {"run",   "tokenize",   "inspect", "devices",
                                       "bench", "perplexity", "trace",   "check"};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void expect_printed(result r, const char *begin, const char *words) {
    expect_status(&r, 0, words);
    CU_ASSERT_EQUAL(strncmp(r.out, begin, strlen(begin)), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, words));
    CU_ASSERT_STRING_EQUAL(r.err, "");
    release(&r);
}

static void test_help(void) {
    char begin[64];
    expect_printed(RUN("--help"), "Usage: glint COMMAND", "perplexity");
    expect_printed(RUN("help"), "Usage: glint COMMAND", "perplexity");
    expect_printed(RUN("--version"), "glint ", GLINT_VERSION);
    for (int i = 0; i < COMMANDS; i++) {
        snprintf(begin, sizeof begin, "Usage: glint %s", commands[i]);
        expect_printed(RUN(commands[i], "--help"), begin, "--json");
        expect_printed(RUN(commands[i], "-h"), begin, "--json");
        expect_printed(RUN("help", commands[i]), begin, "--json");
        expect_printed(RUN("help", "man", commands[i]), ".TH GLINT", ".SH OPTIONS");
    }
    expect_printed(RUN("help", "man"), ".TH GLINT 1", "GLINT_CPU");
    expect_printed(RUN("help", "completion", "bash"), "# bash completion", "--precision");
    expect_printed(RUN("help", "completion", "zsh"), "#compdef glint", "--precision");
    expect_printed(RUN("help", "completion", "fish"), "complete -c glint", "precision");
}

static void test_usage(void) {
    result r = run_with("", -2, (const char *const[]){NULL});
    expect_failure(r, 2, "a command is needed");
    expect_failure(RUN("frobnicate"), 2, "unknown command 'frobnicate'");
    expect_failure(RUN("help", "completion", "tcsh"), 2, "tcsh");
    for (int i = 0; i < COMMANDS; i++) {
        expect_failure(RUN(commands[i], "--frobnicate"), 2, "unknown option '--frobnicate'");
        expect_failure(RUN(commands[i], "-Z"), 2, "unknown option '-Z'");
    }
    expect_failure(RUN("run", "more"), 2, "unexpected argument 'more'");
    expect_failure(RUN("run", "-n"), 2, "needs an argument");
    expect_failure(RUN("run", "--json=1"), 2, "takes no argument");
    expect_failure(RUN("run", "-p", "a", "-n", "12x"), 2, "'12x' is not a whole number");
    expect_failure(RUN("run", "-p", "a", "-n", ""), 2, "'' is not a whole number");
    expect_failure(RUN("run", "-p", "a", "-n", " 1"), 2, "is not a whole number");
    expect_failure(RUN("run", "-p", "a", "-n", "1-2"), 2, "'1-2' is not a whole number");
    expect_failure(RUN("run", "-p", "a", "-n", "1\n2"), 2, "'1?2' is not a whole number");
    expect_failure(RUN("run", "-p", "a", "--temp", "1-2"), 2, "'1-2' is not a number");
    expect_failure(RUN("run", "-p", "a", "-n", "99999999999999999999"), 2, "is not between");
    expect_failure(RUN("run", "-p", "a", "-t", "-1"), 2, "is not between");
    expect_failure(RUN("run", "-p", "a", "--temp", "hot"), 2, "'hot' is not a number");
    expect_failure(RUN("run", "-p", "a", "--temp", "nan"), 2, "'nan' is not a number");
    expect_failure(RUN("run", "-p", "a", "--temp", "-1"), 2, "is not between");
    expect_failure(RUN("run", "-p", "a", "--precision", "fastest"), 2, "is not one of fast|exact");
    expect_failure(RUN("run", "-p", "a", "--precision", "exac"), 2, "is not one of fast|exact");
    expect_failure(RUN("run", "-p", "a", "-d", "no\nsuch"), 2, "no?such");
    expect_failure(RUN("run"), 2, "a text is needed");
    expect_failure(RUN("run", "-p", "a", "--ids", "1"), 2, "only one of");
    expect_failure(RUN("run", "--ids", "2,x"), 2, "'x' is not a token id");
    expect_failure(RUN("run", "-p", "a", "--watch", "hippopotamus"), 2, "is not one token but");
    expect_failure(RUN("run", "-p", "a", "--watch", "#2048"), 2, "the vocabulary ends before #2048");
    expect_failure(RUN("trace", "-p", "a"), 2, "--output FILE");
    expect_failure(RUN("trace", "-p", "a", "-o", "/nowhere/t", "--layers", "8"), 2, "8 is not one of 0 to 7");
    expect_failure(RUN("devices", "-d", "toaster"), 2, "toaster");
    expect_failure(RUN("bench", "-p", "0", "-n", "0"), 2, "nothing to measure");
}

/* ---- Bad input ---- */

static void test_bad_input(void) {
    char data[1024];
    expect_failure(RUN("run", "-m", "/no/such.gguf", "-p", "a"), 3, "/no/such.gguf: ");
    expect_failure(RUN("run", "-m", "/", "-p", "a"), 3, "/");
    expect_failure(RUN("run", "-m", GLINT_BINARY, "-p", "a"), 3, GLINT_BINARY ": ");
    expect_failure(RUN("inspect", support_data(data, "quant_blocks.safetensors")), 3, data);
    expect_failure(RUN("run", "-f", "/no/such/file"), 3, "/no/such/file: No such file or directory");
    expect_failure(RUN("run", "-f", "/"), 3, "/: Is a directory");
    expect_failure(RUN("tokenize", "-p", "ab\xff"), 3, "UTF-8");
    expect_failure(RUN("perplexity", "-p", "a"), 3, "token");
    expect_failure(RUN("run", "--ids", ""), 3, "makes no tokens");
    expect_failure(RUN("run", "--ids", "2,2048"), 3, "token id 2048 is not one of 0 to 2047");
    expect_failure(RUN("run", "--ids", "-1"), 3, "token id -1");
    expect_failure(RUN("run", "-c", "8", "--ids", "2,3,4,5,6,7,8,9,10,11"), 3, "context");
    expect_failure(RUN("tokenize", "--decode", "-p", "5 99999"), 3, "99999");
    expect_failure(run_with("\xff", -2, ARGUMENTS("tokenize", "-f", "-")), 3, "standard input: ");
}

static void test_unwritable(void) {
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CU_ASSERT_FATAL(full >= 0);
    expect_failure(run_with("", full, ARGUMENTS("run", "-p", "a", "-n", "4", "-q")), 3, "standard output: No space");
    expect_failure(run_with("", full, ARGUMENTS("run", "-p", "a", "-n", "4", "--json")), 3,
                   "standard output: No space");
    expect_failure(run_with("", full, ARGUMENTS("inspect")), 3, "standard output: No space");
    expect_failure(run_with("", full, ARGUMENTS("tokenize", "-p", "a", "--json")), 3, "standard output: No space");
    expect_failure(run_with("", full, ARGUMENTS("--help")), 3, "standard output: No space");
    expect_failure(run_with("", -1, ARGUMENTS("tokenize", "-p", "a")), 3, "standard output: Bad file descriptor");
    close(full);
    expect_failure(RUN("trace", "-p", "a", "-o", "/no/such/folder/t"), 3, "/no/such/folder/t: ");
    expect_failure(RUN("trace", "-p", "a", "-o", "/dev/full"), 3, "/dev/full: ");
    struct stat st;
    CU_ASSERT(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode)); /* and it was not replaced by a file */
}

/* ---- run ---- */

#define GREEDY "run", "--temp", "0", "-n", "32", "--precision", "exact"

static void test_run(void) {
    expect_greedy(RUN(GREEDY, "-p", "ROMEO:\n"));
    expect_greedy(RUN(GREEDY, "-p", "ROMEO:\\n", "-e"));
    expect_greedy(RUN(GREEDY, "--ids", "2,846,2007,7"));
    expect_greedy(run_with("ROMEO:\n", -2, ARGUMENTS(GREEDY, "-f", "-")));
    expect_greedy(RUN(GREEDY, "-p", "ROMEO:\n", "-b", "2", "-t", "1"));
    result r = RUN("run", "-p", "ROMEO:\n", "-n", "4");
    expect_status(&r, 0, "summary");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, "prefill 4 tokens"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, "decode 3 tokens"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, "device "));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, "seed "));
    release(&r);
    r = RUN("run", "-p", "ROMEO:\n", "-n", "4", "-q");
    CU_ASSERT_STRING_EQUAL(r.err, "");
    release(&r);
    r = RUN("run", "-p", "ROMEO:\n", "-n", "0");
    expect_status(&r, 0, "no tokens");
    CU_ASSERT_STRING_EQUAL(r.out, "");
    release(&r);
}

static void test_seed(void) {
    result a = RUN("run", "-p", "ROMEO:\n", "-n", "40", "--temp", "2", "-s", "7");
    result b = RUN("run", "-p", "ROMEO:\n", "-n", "40", "--temp", "2", "-s", "7");
    result c = RUN("run", "-p", "ROMEO:\n", "-n", "40", "--temp", "2", "-s", "8");
    expect_status(&a, 0, "seed");
    CU_ASSERT_STRING_EQUAL(a.out, b.out);
    CU_ASSERT_STRING_NOT_EQUAL(a.out, c.out);
    CU_ASSERT_PTR_NOT_NULL(strstr(a.err, "seed 7\n"));
    release(&a);
    release(&b);
    release(&c);
}

/* -v says what a step reads back, and why. */
static void expect_reading(result r, const char *words) {
    expect_status(&r, 0, words);
    bool said = strstr(r.err, words) != NULL;
    CU_ASSERT(said);
    if (!said) printf("\n    \"%s\" is not in: %s", words, r.err);
    release(&r);
}

static void test_reading(void) {
#define SAY "run", "-v", "-p", "To be", "-n", "2"
    expect_reading(RUN(SAY), "each step reads the 64 likeliest tokens: top-k looks no further");
    expect_reading(RUN(SAY, "--repeat-penalty", "1.1"), "each step reads the 64 likeliest tokens: penalties seldom");
    expect_reading(RUN(SAY, "--top-k", "0"), "logits: top-k is off");
    expect_reading(RUN(SAY, "--top-k", "65"), "logits: top-k goes beyond the likeliest");
    expect_reading(RUN(SAY, "--repeat-penalty", "0.9"), "logits: these penalties can make any token likelier");
    expect_reading(RUN(SAY, "--top", "2"), "logits: --top and --watch look at them");
    expect_reading(RUN(SAY, "--temp", "0"), "each step reads one token");
#undef SAY
}

static void test_candidates(void) {
    result r = RUN(GREEDY, "--top", "3", "--watch", "What", "--watch", "#2004", "-p", "ROMEO:\n");
    expect_status(&r, 0, "--top");
    int top = 0, watch = 0;
    for (const char *p = r.out; (p = strstr(p, "     top ")); p++) top++;
    for (const char *p = r.out; (p = strstr(p, "   watch ")); p++) watch++;
    CU_ASSERT_EQUAL(top, 3 * 32);
    CU_ASSERT_EQUAL(watch, 2 * 32);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "   481  \"What\""));
    release(&r);
}

static void check_candidate(json_t *c, int rank) {
    CU_ASSERT(json_is_real(json_object_get(c, "logit")) && json_is_string(json_object_get(c, "text")));
    double p = json_real_value(json_object_get(c, "probability"));
    CU_ASSERT(p > 0 && p <= 1);
    CU_ASSERT(rank == 0 || json_integer_value(json_object_get(c, "rank")) == rank);
}

static void check_token(json_t *event, json_t *previous) {
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(event, "event")), "token");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(event, "index")),
                    previous ? json_integer_value(json_object_get(previous, "index")) + 1 : 0);
    json_t *top = json_object_get(event, "top"), *watch = json_object_get(event, "watch");
    CU_ASSERT_EQUAL(json_array_size(top), 2);
    CU_ASSERT_EQUAL(json_array_size(watch), 1);
    check_candidate(json_array_get(top, 0), 1);
    check_candidate(json_array_get(top, 1), 2);
    check_candidate(json_array_get(watch, 0), 0);
    /* greedy: the token is the likeliest one */
    CU_ASSERT(json_equal(json_object_get(event, "id"), json_object_get(json_array_get(top, 0), "id")));
}

static void test_events(void) {
    result r = RUN(GREEDY, "-p", "ROMEO:\n", "--json", "--top", "2", "--watch", "#7");
    expect_status(&r, 0, "events");
    json_t *events = json_array();
    for (char *line = strtok(r.out, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *event = json_loads(line, 0, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        json_array_append_new(events, event);
    }
    size_t n = json_array_size(events);
    CU_ASSERT_EQUAL_FATAL(n, 34);
    json_t *first = json_array_get(events, 0), *last = json_array_get(events, n - 1);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(first, "event")), "start");
    CU_ASSERT_EQUAL(json_array_size(json_object_get(first, "prompt_ids")), 4);
    for (size_t i = 1; i + 1 < n; i++)
        check_token(json_array_get(events, i), i > 1 ? json_array_get(events, i - 1) : NULL);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(last, "event")), "end");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(last, "reason")), "length");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(last, "text")), greedy);
    json_decref(events);
    release(&r);
}

/* Starts a generation that blocks on a full pipe, and waits for its first line. */
static pid_t start_blocked(int pipe_ends[2], FILE *err) {
    char c = 0;
    CU_ASSERT_EQUAL_FATAL(pipe2(pipe_ends, O_CLOEXEC), 0);
    pid_t pid = start(ARGUMENTS("run", "--json", "--top", "1000", "--temp", "0", "-p", "ROMEO:\n"), 0, pipe_ends[1],
                      fileno(err));
    close(pipe_ends[1]);
    while (c != '\n' && read(pipe_ends[0], &c, 1) == 1) {
    }
    CU_ASSERT_EQUAL(c, '\n');
    while (read(pipe_ends[0], &c, 1) == 1 && c != '\n') {
    }               /* the first token: the handler is in place */
    usleep(100000); /* the next token does not fit the pipe */
    return pid;
}

static void test_interrupt(void) {
    int ends[2];
    char buffer[65536];
    FILE *err = tmpfile(), *all = tmpfile();
    pid_t pid = start_blocked(ends, err);
    kill(pid, SIGINT);
    usleep(50000); /* it arrives inside a write, which must go on */
    for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) fwrite(buffer, 1, (size_t)n, all);
    CU_ASSERT_EQUAL(finish(pid), 0);
    close(ends[0]);
    size_t bytes;
    char *text = read_all(all, &bytes), *messages = read_all(err, &bytes);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"event\":\"end\",\"reason\":\"interrupt\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(messages, "stopped by interrupt"));
    CU_ASSERT_PTR_NULL(strstr(text, "\"index\":2,")); /* the token after the blocked one, of which it saw the signal */
    free(text);
    free(messages);
}

static void test_interrupt_twice(void) {
    int ends[2];
    FILE *err = tmpfile();
    pid_t pid = start_blocked(ends, err);
    kill(pid, SIGINT);
    usleep(50000); /* two signals at once may arrive as one */
    kill(pid, SIGINT);
    usleep(50000);
    close(ends[0]); /* if it still runs, this ends it otherwise */
    CU_ASSERT_EQUAL(finish(pid), 128 + SIGINT);
    fclose(err);
}

/* ---- The others ---- */

static void test_tokenize(void) {
    static const char text[] = "ROMEO:\n  Caf\xC3\xA9 \xE6\xBC\xA2\t42 \xF0\x9F\x99\x82 <bos>";
    result ids = RUN("tokenize", "--ids", "-p", text), r;
    expect_status(&ids, 0, "--ids");
    CU_ASSERT_EQUAL(strncmp(ids.out, "2 846 2007 7 ", 13), 0);
    r = run_with(ids.out, -2, ARGUMENTS("tokenize", "--decode", "-f", "-"));
    expect_status(&r, 0, "--decode");
    CU_ASSERT_EQUAL(strncmp(r.out, text, strlen(text) - 5), 0); /* <bos> is read as that token, and not shown */
    CU_ASSERT_EQUAL(r.out_bytes, strlen(text) - 5);
    release(&r);
    release(&ids);
    ids = RUN("tokenize", "--ids", "--no-special", "-p", text);
    r = run_with(ids.out, -2, ARGUMENTS("tokenize", "--decode", "-f", "-"));
    CU_ASSERT_STRING_EQUAL(r.out, text);
    release(&r);
    release(&ids);
    r = RUN("tokenize", "-p", "ROMEO:\n");
    CU_ASSERT_STRING_EQUAL(r.out, "       2  \"<bos>\"\n     846  \"ROMEO\"\n    2007  \":\"\n       7  \"\\n\"\n");
    release(&r);
    r = RUN("tokenize", "--json", "-p", text);
    json_t *document = expect_json(&r);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(document, "ids")),
                    json_array_size(json_object_get(document, "tokens")));
    CU_ASSERT(json_array_size(json_object_get(document, "ids")) > 10);
    json_decref(document);
    release(&r);
}

static void test_inspect(void) {
    result r = RUN("inspect");
    expect_status(&r, 0, "inspect");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "architecture  gemma3\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "default of the architecture"));
    CU_ASSERT_STRING_EQUAL(r.err, "");
    release(&r);
    r = RUN("inspect", "--tensors", "--digest", "--card", "--json");
    json_t *document = expect_json(&r), *tensors = json_object_get(document, "tensors");
    CU_ASSERT_EQUAL(json_array_size(tensors), 106);
    CU_ASSERT_EQUAL(json_string_length(json_object_get(json_array_get(tensors, 0), "digest")), 16);
    CU_ASSERT(json_array_size(json_object_get(document, "card")) > 5);
    json_decref(document);
    release(&r);
    r = RUN("inspect", "--digest");
    int lines = 0;
    for (const char *p = r.out; (p = strchr(p, '\n')); p++) lines++;
    CU_ASSERT_EQUAL(lines, 107);
    release(&r);
}

/* File names are bytes; JSON is UTF-8 all the same. */
static void test_odd_name(void) {
    char data[1024], path[] = "/tmp/glint_cli_\xFF_XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    unlink(path);
    CU_ASSERT_EQUAL(symlink(support_data(data, "gemma3-shakespeare-Q4_K_M.gguf"), path), 0);
    result r = RUN("inspect", path, "--json");
    json_decref(expect_json(&r));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "/tmp/glint_cli_\xEF\xBF\xBD_"));
    release(&r);
    unlink(path);
}

/* A driver without OpenGL ES 3.1; EGL without a driver. Mesa looks at the first variable, GLVND at the second. */
static void test_no_driver(void) {
    result r = RUN("devices");
    bool mesa = strstr(r.out, "gles:llvmpipe") != NULL;
    release(&r);
    if (!mesa) {
        support_skip("a driver that can be told to lack OpenGL ES 3.1");
        return;
    }
    setenv("MESA_GLES_VERSION_OVERRIDE", "3.0", 1);
    expect_failure(RUN("run", "-p", "a", "-n", "1", "-d", "gles:llvmpipe"), 4, "creating a context of OpenGL ES 3.1");
    unsetenv("MESA_GLES_VERSION_OVERRIDE");
    setenv("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent", 1);
    expect_failure(RUN("run", "-p", "a", "-n", "1", "-d", "gles:0"), 4, "gles:0: ");
    r = RUN("run", "-p", "a", "-n", "1");
    expect_status(&r, 0, "no driver");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, "no hardware GPU was found"));
    release(&r);
    unsetenv("__EGL_VENDOR_LIBRARY_FILENAMES");
}

static void test_devices(void) {
    result r = RUN("devices");
    expect_status(&r, 0, "devices");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "cpu:ref"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "read bandwidth"));
    release(&r);
    r = RUN("devices", "--json");
    json_t *document = expect_json(&r);
    CU_ASSERT(json_array_size(json_object_get(document, "devices")) >= 3);
    CU_ASSERT(json_real_value(json_object_get(document, "host_read_bandwidth")) > 1e8);
    size_t i;
    json_t *d;
    json_array_foreach(json_object_get(document, "devices"), i, d) {
        json_t *facts = json_object_get(d, "facts");
        CU_ASSERT(json_is_object(facts));
        if (strncmp(json_string_value(json_object_get(d, "name")), "gles:", 5)) continue;
        CU_ASSERT(json_integer_value(json_object_get(facts, "storage_block")) >= 1 << 27);
        CU_ASSERT(json_number_value(json_object_get(facts, "read_bandwidth")) > 1e6);
        CU_ASSERT(json_number_value(json_object_get(facts, "dispatch")) > 0);
        CU_ASSERT(json_is_string(json_object_get(facts, "self_test")));
    }
    json_decref(document);
    release(&r);
    r = RUN("devices", "--self-test", "--json");
    document = expect_json(&r);
    CU_ASSERT(json_is_true(json_object_get(document, "ok")));
    CU_ASSERT(json_array_size(json_object_get(document, "ops")) >= 20);
    json_decref(document);
    release(&r);
}

static void test_bench(void) {
    result r = RUN("bench", "-p", "16", "-n", "4", "-r", "2");
    expect_status(&r, 0, "bench");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "pp16"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "tg4"));
    release(&r);
    r = RUN("bench", "-p", "16", "-n", "0", "-r", "1", "--json");
    json_t *document = expect_json(&r), *test = json_array_get(json_object_get(document, "tests"), 0);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(document, "tests")), 1);
    CU_ASSERT(json_real_value(json_object_get(test, "median")) > 0);
    CU_ASSERT(json_real_value(json_object_get(document, "read_bandwidth")) > 1e8);
    json_decref(document);
    release(&r);
    r = RUN("bench", "--null", "-r", "1");
    expect_status(&r, 0, "bench --null");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "null"));
    release(&r);
}

static void test_perplexity(void) {
    result r = RUN("perplexity", "--precision", "exact", "-c", "16", "--score", "all", "-p", greedy, "--json");
    json_t *document = expect_json(&r);
    double nll = json_real_value(json_object_get(document, "mean_nll"));
    CU_ASSERT(nll > 0.1 && nll < 8); /* of 7.6 for guessing; the value itself is tested with the models */
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(document, "windows")), 2);
    json_decref(document);
    release(&r);
    r = RUN("perplexity", "-c", "16", "-p", greedy);
    expect_status(&r, 0, "perplexity");
    CU_ASSERT_EQUAL(strncmp(r.out, "mean NLL ", 9), 0);
    release(&r);
}

static json_t *trace_header(const char *path) {
    FILE *f = fopen(path, "rb");
    unsigned char length[8] = {0};
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fread(length, 1, 8, f), 8);
    size_t n = (size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16;
    char *text = calloc(1, n + 1);
    CU_ASSERT_EQUAL(fread(text, 1, n, f), n);
    fclose(f);
    json_t *header = json_loads(text, 0, NULL);
    free(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(header);
    return header;
}

static void expect_page(const char *path, const char *const *words, int n) {
    FILE *f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    size_t bytes;
    char *text = read_all(f, &bytes);
    CU_ASSERT_EQUAL(strncmp(text, "<!DOCTYPE html>\n", 16), 0);
    for (int i = 0; i < n; i++) CU_ASSERT_PTR_NOT_NULL(strstr(text, words[i]));
    free(text);
}

static void test_trace(void) {
    char folder[] = "/tmp/glint_cli_XXXXXX", path[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.safetensors", folder);
    result r =
        RUN("trace", "-p", "ROMEO:\n", "-n", "2", "-o", path, "--values", "layers.*.out", "--layers", "5,7", "--json");
    json_t *document = expect_json(&r), *values = json_object_get(document, "values"), *value;
    size_t i;
    bool found = false;
    json_array_foreach(values, i, value) {
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(value, "rows")), 6);
        found |= strcmp(json_string_value(json_object_get(value, "name")), "layers.5.out") == 0;
    }
    CU_ASSERT(found);
    json_t *header = trace_header(path), *out = json_object_get(header, "layers.5.out");
    CU_ASSERT_EQUAL(json_integer_value(json_array_get(json_object_get(out, "shape"), 0)), 6);
    CU_ASSERT_PTR_NULL(json_object_get(header, "layers.6.out"));
    CU_ASSERT_PTR_NOT_NULL(json_object_get(header, "ids"));
    json_decref(header);
    json_decref(document);
    release(&r);
    r = RUN("trace", "-p", "ROMEO:\n", "-o", path); /* everything, over the file that is there */
    expect_status(&r, 0, "trace");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "\nlogits "));
    release(&r);
    r = RUN("trace", "--ids", "2,17", "-n", "1", "--html", path, "--values", "layers.?.out,logits", "--json");
    document = expect_json(&r);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(document, "values")), 9);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(document, "html")), path);
    CU_ASSERT_PTR_NULL(json_object_get(document, "file"));
    json_decref(document);
    release(&r);
    expect_page(path, (const char *const[]){"id=\"growth\"", "id=\"top\"", "id=\"stats\""}, 3);
    r = RUN("check", "-d", "cpu", "-p", "ROMEO:\n", "--layers", "0,5", "-q", "--html", path);
    expect_status(&r, 0, "check --html");
    release(&r);
    expect_page(path, (const char *const[]){"✓ passed", "id=\"growth\"", "id=\"errors\"", "id=\"top\""}, 4);
    unlink(path);
    expect_failure(RUN("check", "-p", "ROMEO:\n", "--html", "/no/such/folder/t"), 3, "/no/such/folder/t: ");
    expect_failure(RUN("trace", "-p", "ROMEO:\n", "--html", "/no/such/folder/t"), 3, "/no/such/folder/t: ");
    expect_failure(RUN("trace", "-p", "ROMEO:\n", "--html", path, "--values", "logits,nonsense"), 2, "nonsense");
    expect_failure(RUN("trace", "-p", "ROMEO:\n", "-c", "6", "-n", "9", "-o", path), 3, "context");
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing was left behind */
}

/* ---- Where a model goes ---- */

static char *text_of(const char *const *arguments) {
    result r = run_with("", -2, arguments);
    expect_status(&r, 0, "run");
    char *text = strdup(r.out);
    release(&r);
    return text;
}

static void test_places(void) {
#define TWENTY "run", "-p", "ROMEO:\n", "-n", "20", "--temp", "0", "-q", "--precision", "exact"
    char *want = text_of(ARGUMENTS(TWENTY, "-d", "cpu"));
    char *split = text_of(ARGUMENTS(TWENTY, "--split", "cpu=0-3,cpu:ref=4-7"));
    char *layers = text_of(ARGUMENTS(TWENTY, "-ngl", "3", "-d", "cpu:ref"));
    char *none = text_of(ARGUMENTS(TWENTY, "-ngl", "0"));
    CU_ASSERT(!strcmp(split, want) && !strcmp(layers, want) && !strcmp(none, want));
    free(want), free(split), free(layers), free(none);

    result r = RUN("run", "--plan", "--split", "cpu=0-3,null=4-7", "-c", "64");
    expect_status(&r, 0, "run --plan");
    CU_ASSERT(strstr(r.out, "embed, layers 0 to 3") && strstr(r.out, "layers 4 to 7, head"));
    CU_ASSERT(strstr(r.out, "tokens/s predicted") && strstr(r.out, "asked for"));
    release(&r);
    r = RUN("bench", "--plan", "--json", "-d", "null", "-p", "16", "-n", "16");
    json_t *plan = expect_json(&r);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(plan, "split")), "null");
    CU_ASSERT_EQUAL(json_array_size(json_object_get(plan, "parts")), 1);
    json_decref(plan);
    release(&r);

    /* A device that fails is told in one line, and the text goes on. */
    r = RUN("run", "-p", "ROMEO:\n", "-n", "20", "--temp", "0", "-d", "failing:step9@cpu");
    expect_status(&r, 0, "a device that fails");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(r.err, "glint: failing:step9@cpu failed: the device was lost on purpose; going on with cpu\n"));
    release(&r);

    expect_failure(RUN("run", "-p", "a", "--split", "gpu9=0-7"), 2, "gpu9: no such device");
    expect_failure(RUN("run", "-p", "a", "--split", "cpu=0-3"), 2, "layers 4 to 7 are on no device");
    expect_failure(RUN("run", "-p", "a", "--split", "cpu=0-7", "-d", "cpu"), 2, "--split");
    expect_failure(RUN("run", "-p", "a", "--split", "cpu=0-7", "-ngl", "2"), 2, "--split");
    expect_failure(RUN("bench", "--null", "--split", "cpu=0-7"), 2, "--null");
    expect_failure(RUN("run", "-p", "a", "-d", "null", "--memory", "null=1M"), 4, "1.0 MB may be used");
    expect_failure(RUN("run", "-p", "a", "--memory", "lots"), 2, "DEVICE=SIZE");
    expect_failure(RUN("run", "-p", "-ngl", "-d", "nowhere"), 2, "nowhere: no such device"); /* -ngl is the text here */
    expect_failure(RUN("run", "-p", "a", "-ngl", "x"), 2, "--gpu-layers: 'x' is not a whole number");
#undef TWENTY
}

/* What the library finds is tested by test_check; here is how it is asked for and shown. */
static void test_check(void) {
    char reference[1024];
    support_data(reference, "gguf/gemma3-shakespeare-Q4_K_M.reference.safetensors");
    expect_printed(RUN("check", "-d", "cpu", "--precision", "exact", "-n", "1"), "step ", "cpu against cpu:ref, exact");
    expect_printed(RUN("check", "-d", "cpu", "-p", "ROMEO", "--layers", "3", "--steps"), "   1  text   \"ROMEO\"",
                   "layers.3.attn.q_norm");
    expect_printed(RUN("check", "-d", "cpu", "--against", reference, "--free"), "step ", "the error grows most at");
    expect_printed(RUN("check", "-d", "cpu", "--ids", "2,3,4", "--paths"), "path ", "a token at a time");
    expect_printed(RUN("check", "-d", "cpu", "--ids", "2,3,4", "--bisect"), "step ", "whole steps");
    result r = RUN("check", "-d", "cpu", "--against", reference, "--json", "--layers", "1");
    json_t *document = expect_json(&r);
    CU_ASSERT(json_is_true(json_object_get(document, "pass")));
    CU_ASSERT_EQUAL(json_array_size(json_object_get(document, "values")), 8); /* 2 x embed, out, norm, logits */
    json_decref(document);
    release(&r);
    expect_failure(RUN("check", "-d", "cpu", "--layers", "8"), 2, "there is no layer 8");
    expect_failure(RUN("check", "-d", "nowhere"), 2, "nowhere");
    expect_failure(RUN("check", "-d", "cpu", "--against", "nowhere"), 3, "nowhere");
    expect_failure(RUN("check", "-d", "cpu", "--against", reference, "--bisect"), 2, "give a device");
    expect_failure(RUN("check", "-d", "cpu", "--against", reference, "-p", "other"), 3, "holds other prompts");
    support_data(reference, "gguf/llama-shakespeare-Q4_K_M.reference.safetensors");
    expect_failure(RUN("check", "-d", "cpu", "--against", reference), 3, "llama-shakespeare");
}

int main(void) {
    static const support_case cases[] = {
        {"help, man pages, completions", test_help},
        {"wrong usage", test_usage},
        {"bad input", test_bad_input},
        {"unwritable output", test_unwritable},
        {"run: greedy text of every source", test_run},
        {"run: seeds", test_seed},
        {"run: what a step reads", test_reading},
        {"run: --top and --watch", test_candidates},
        {"run: JSON events", test_events},
        {"run: an interrupt", test_interrupt},
        {"run: two interrupts", test_interrupt_twice},
        {"tokenize", test_tokenize},
        {"inspect", test_inspect},
        {"inspect: a file name that is not UTF-8", test_odd_name},
        {"devices", test_devices},
        {"no driver", test_no_driver},
        {"bench", test_bench},
        {"perplexity", test_perplexity},
        {"trace", test_trace},
        {"where a model goes", test_places},
        {"check", test_check},
    };
    return support_main("cli", cases, sizeof cases / sizeof *cases);
}
