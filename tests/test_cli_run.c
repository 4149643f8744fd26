/* The program from outside: glint run. */
#include "tests/support/cli.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GREEDY "run", "--temp", "0", "-n", "32", "--precision", "exact"

static void expect_greedy(cli_result r) {
    cli_expect_status(&r, 0, "greedy");
    CU_ASSERT_STRING_EQUAL(r.out, cli_greedy);
    cli_release(&r);
}

static void test_run(void) {
    expect_greedy(RUN(GREEDY, "-p", "ROMEO:\n"));
    expect_greedy(RUN(GREEDY, "-p", "ROMEO:\\n", "-e"));
    expect_greedy(RUN(GREEDY, "--ids", "2,846,2007,7"));
    expect_greedy(cli_run("ROMEO:\n", -2, ARGUMENTS(GREEDY, "-f", "-")));
    expect_greedy(RUN(GREEDY, "-p", "ROMEO:\n", "-b", "2", "-t", "1"));
    cli_result r = RUN("run", "-p", "ROMEO:\n", "-n", "4");
    cli_expect_status(&r, 0, "summary");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, "prefill 4 tokens"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, "decode 3 tokens"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, "device "));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, "seed "));
    cli_release(&r);
    r = RUN("run", "-p", "ROMEO:\n", "-n", "4", "-q");
    CU_ASSERT_STRING_EQUAL(r.err, "");
    cli_release(&r);
    r = RUN("run", "-p", "ROMEO:\n", "-n", "0");
    cli_expect_status(&r, 0, "no tokens");
    CU_ASSERT_STRING_EQUAL(r.out, "");
    cli_release(&r);
}

static void test_seed(void) {
    cli_result a = RUN("run", "-p", "ROMEO:\n", "-n", "40", "--temp", "2", "-s", "7");
    cli_result b = RUN("run", "-p", "ROMEO:\n", "-n", "40", "--temp", "2", "-s", "7");
    cli_result c = RUN("run", "-p", "ROMEO:\n", "-n", "40", "--temp", "2", "-s", "8");
    cli_expect_status(&a, 0, "seed");
    CU_ASSERT_STRING_EQUAL(a.out, b.out);
    CU_ASSERT_STRING_NOT_EQUAL(a.out, c.out);
    CU_ASSERT_PTR_NOT_NULL(strstr(a.err, "seed 7\n"));
    cli_release(&a);
    cli_release(&b);
    cli_release(&c);
}

/* -v says what a step reads back, and why. */
static void expect_reading(cli_result r, const char *words) {
    cli_expect_status(&r, 0, words);
    bool said = strstr(r.err, words) != NULL;
    CU_ASSERT(said);
    if (!said) printf("\n    \"%s\" is not in: %s", words, r.err);
    cli_release(&r);
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

/* Is there a word about a context that the model was not made for? */
static void expect_warning(const char *context, bool wanted) {
    cli_result r = RUN("run", "-p", "To be", "-n", "1", "-c", context);
    cli_expect_status(&r, 0, "-c");
    CU_ASSERT_EQUAL(strstr(r.err, " was made for 1024 tokens of context, not for 1025") != NULL, wanted);
    cli_release(&r);
}

static void test_context(void) {
    expect_warning("1024", false);
    expect_warning("1025", true);
}

static void test_candidates(void) {
    cli_result r = RUN(GREEDY, "--top", "3", "--watch", "What", "--watch", "#2004", "-p", "ROMEO:\n");
    cli_expect_status(&r, 0, "--top");
    int top = 0, watch = 0;
    for (const char *p = r.out; (p = strstr(p, "     top ")); p++) top++;
    for (const char *p = r.out; (p = strstr(p, "   watch ")); p++) watch++;
    CU_ASSERT_EQUAL(top, 3 * 32);
    CU_ASSERT_EQUAL(watch, 2 * 32);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "   481  \"What\""));
    cli_release(&r);
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
    cli_result r = RUN(GREEDY, "-p", "ROMEO:\n", "--json", "--top", "2", "--watch", "#7");
    cli_expect_status(&r, 0, "events");
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
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(last, "text")), cli_greedy);
    json_decref(events);
    cli_release(&r);
}

/* Starts a generation that blocks on a full pipe, and waits for its first line. */
static pid_t start_blocked(int pipe_ends[2], FILE *err) {
    char c = 0;
    CU_ASSERT_EQUAL_FATAL(pipe2(pipe_ends, O_CLOEXEC), 0);
    pid_t pid = cli_start(ARGUMENTS("run", "--json", "--top", "1000", "--temp", "0", "-p", "ROMEO:\n"), 0, pipe_ends[1],
                          fileno(err));
    close(pipe_ends[1]);
    while (c != '\n' && read(pipe_ends[0], &c, 1) == 1) {
    }
    CU_ASSERT_EQUAL(c, '\n');
    while (read(pipe_ends[0], &c, 1) == 1 && c != '\n') {
    } /* the first token: the handler is in place */
    struct pollfd more = {.fd = pipe_ends[0], .events = POLLIN};
    CU_ASSERT_EQUAL(poll(&more, 1, -1), 1); /* of the next one, which does not fit the pipe */
    return pid;
}

static void test_interrupt(void) {
    int ends[2];
    char buffer[65536];
    FILE *err = tmpfile(), *all = tmpfile();
    pid_t pid = start_blocked(ends, err);
    cli_signal(pid, SIGINT); /* it arrives inside a write, which must go on */
    for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) fwrite(buffer, 1, (size_t)n, all);
    CU_ASSERT_EQUAL(cli_finish(pid), 0);
    close(ends[0]);
    size_t bytes;
    char *text = cli_read_all(all, &bytes), *messages = cli_read_all(err, &bytes);
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
    for (int i = 0; i < 2; i++) cli_signal(pid, SIGINT); /* two at once may arrive as one */
    close(ends[0]);                                      /* if it still runs, this ends it otherwise */
    CU_ASSERT_EQUAL(cli_finish(pid), 128 + SIGINT);
    fclose(err);
}

/* While the prompt is read: some seconds on the oracle. */
static void test_interrupt_prompt(void) {
    int ends[2];
    char data[1024], c = 0;
    FILE *err = tmpfile();
    CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    const char *text = support_data(data, "texts/validation.txt");
    pid_t pid = cli_start(ARGUMENTS("run", "--json", "-d", "cpu:ref", "-c", "16000", "-n", "1", "-f", text), 0, ends[1],
                          fileno(err));
    close(ends[1]);
    while (c != '\n' && read(ends[0], &c, 1) == 1) {
    } /* the model is there */
    kill(pid, SIGINT);
    CU_ASSERT_EQUAL(cli_finish(pid), 128 + SIGINT);
    CU_ASSERT_EQUAL(read(ends[0], &c, 1), 0); /* no token came */
    close(ends[0]);
    fclose(err);
}

int main(void) {
    static const support_case cases[] = {
        {"run: greedy text of every source", test_run},
        {"run: seeds", test_seed},
        {"run: what a step reads", test_reading},
        {"run: a context longer than the model's", test_context},
        {"run: --top and --watch", test_candidates},
        {"run: JSON events", test_events},
        {"run: an interrupt", test_interrupt},
        {"run: two interrupts", test_interrupt_twice},
        {"run: an interrupt in the prompt", test_interrupt_prompt},
    };
    return support_main("cli run", cases, sizeof cases / sizeof *cases);
}
