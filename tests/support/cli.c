#include "tests/support/cli.h"

#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MAX_ARGUMENTS = 32 };

char *cli_read_all(FILE *f, size_t *bytes) {
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(1, n + 1);
    *bytes = fread(text, 1, n, f);
    fclose(f);
    return text;
}

pid_t cli_start(const char *const *arguments, int in, int out, int err) {
    const char *argv[MAX_ARGUMENTS + 2] = {"glint"};
    for (int i = 0; i < MAX_ARGUMENTS && arguments[i]; i++) argv[i + 1] = arguments[i];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT); /* which a shell's background jobs ignore */
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, 0);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&files, out, 1);
    else
        posix_spawn_file_actions_addclose(&files, 1);
    posix_spawn_file_actions_adddup2(&files, err, 2);
    pid_t pid = -1;
    CU_ASSERT_EQUAL_FATAL(posix_spawn(&pid, GLINT_BINARY, &files, &attributes, (char **)argv, environ), 0);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

int cli_finish(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Signals sent to the whole process that no thread of it has taken yet: proc(5). */
static uint64_t pending(pid_t pid) {
    char path[64], line[256];
    uint64_t bits = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "ShdPnd: %" SCNx64, &bits) != 1) continue;
    if (f) fclose(f);
    return bits;
}

static bool has_ended(pid_t pid) {
    siginfo_t info = {0};
    return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == pid;
}

void cli_signal(pid_t pid, int signal) {
    enum { TRIES = 10000, PAUSE = 1000 /* microseconds */ };
    int tries = 0;
    kill(pid, signal);
    while (pending(pid) >> (signal - 1) & 1 && !has_ended(pid) && tries++ < TRIES) usleep(PAUSE);
    CU_ASSERT(tries <= TRIES);
}

cli_result cli_run(const char *input, int out, const char *const *arguments) {
    FILE *in = tmpfile(), *collected = tmpfile(), *err = tmpfile();
    CU_ASSERT_FATAL(in && collected && err);
    fputs(input, in);
    rewind(in);
    cli_result r;
    size_t bytes;
    r.status = cli_finish(cli_start(arguments, fileno(in), out < -1 ? fileno(collected) : out, fileno(err)));
    r.out = cli_read_all(collected, &r.out_bytes);
    r.err = cli_read_all(err, &bytes);
    fclose(in);
    return r;
}

void cli_release(cli_result *r) {
    free(r->out);
    free(r->err);
}

void cli_expect_status(const cli_result *r, int status, const char *what) {
    if (r->status != status) printf("\n    %s: exit status %d, not %d: %s", what, r->status, status, r->err);
    CU_ASSERT_EQUAL(r->status, status);
}

json_t *cli_expect_json(const cli_result *r) {
    json_error_t e;
    cli_expect_status(r, 0, "json");
    json_t *document = json_loads(r->out, 0, &e);
    if (!document) printf("\n    %s in: %.200s", e.text, r->out);
    CU_ASSERT_PTR_NOT_NULL_FATAL(document);
    return document;
}

void cli_expect_failure(cli_result r, int status, const char *words) {
    size_t n = strlen(r.err);
    bool one_line = n > 7 && strncmp(r.err, "glint: ", 7) == 0 && strchr(r.err, '\n') == r.err + n - 1;
    cli_expect_status(&r, status, words);
    if (!one_line || !strstr(r.err, words)) printf("\n    not one line with \"%s\": %s", words, r.err);
    CU_ASSERT(one_line);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, words));
    CU_ASSERT_EQUAL(r.out_bytes, 0);
    CU_ASSERT_EQUAL(strstr(r.err, "--help') ") != NULL || strstr(r.err, "--help')\n") != NULL, status == 2);
    cli_release(&r);
}

void cli_expect_printed(cli_result r, const char *begin, const char *words) {
    cli_expect_status(&r, 0, words);
    CU_ASSERT_EQUAL(strncmp(r.out, begin, strlen(begin)), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, words));
    CU_ASSERT_STRING_EQUAL(r.err, "");
    cli_release(&r);
}

const char cli_greedy[] =
    "O, do not swear, poor man! thou shouldst bride it;\nI, fool, thou wilt a whistl of sweet flower.";
