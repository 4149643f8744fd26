/* The program from outside: glint trace and glint check. */
#include "tests/support/cli.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/maker.h"

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
    char *text = cli_read_all(f, &bytes);
    CU_ASSERT_EQUAL(strncmp(text, "<!DOCTYPE html>\n", 16), 0);
    for (int i = 0; i < n; i++) CU_ASSERT_PTR_NOT_NULL(strstr(text, words[i]));
    free(text);
}

static void test_trace(void) {
    char folder[] = "/tmp/glint_cli_XXXXXX", path[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.safetensors", folder);
    cli_result r =
        RUN("trace", "-p", "ROMEO:\n", "-n", "2", "-o", path, "--values", "layers.*.out", "--layers", "5,7", "--json");
    json_t *document = cli_expect_json(&r), *values = json_object_get(document, "values"), *value;
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
    cli_release(&r);
    r = RUN("trace", "-p", "ROMEO:\n", "-o", path); /* everything, over the file that is there */
    cli_expect_status(&r, 0, "trace");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "\nlogits "));
    cli_release(&r);
    r = RUN("trace", "--ids", "2,17", "-n", "1", "--html", path, "--values", "layers.?.out,logits", "--json");
    document = cli_expect_json(&r);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(document, "values")), 9);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(document, "html")), path);
    CU_ASSERT_PTR_NULL(json_object_get(document, "file"));
    json_decref(document);
    cli_release(&r);
    expect_page(path, (const char *const[]){"id=\"growth\"", "id=\"top\"", "id=\"stats\""}, 3);
    r = RUN("check", "-d", "cpu", "-p", "ROMEO:\n", "--layers", "0,5", "-q", "--html", path);
    cli_expect_status(&r, 0, "check --html");
    cli_release(&r);
    expect_page(path, (const char *const[]){"✓ passed", "id=\"growth\"", "id=\"errors\"", "id=\"top\""}, 4);
    unlink(path);
    cli_expect_failure(RUN("check", "-p", "ROMEO:\n", "--html", "/no/such/folder/t"), 3, "/no/such/folder/t: ");
    cli_expect_failure(RUN("trace", "-p", "ROMEO:\n", "--html", "/no/such/folder/t"), 3, "/no/such/folder/t: ");
    cli_expect_failure(RUN("trace", "-p", "ROMEO:\n", "--html", path, "--values", "logits,nonsense"), 2, "nonsense");
    cli_expect_failure(RUN("trace", "-p", "ROMEO:\n", "-c", "6", "-n", "9", "-o", path), 3, "context");
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing was left behind */
}

/* Does the process have a file of the folder open? */
static bool has_open(pid_t pid, const char *folder) {
    char path[64], target[1024];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    bool found = false;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
        target[n > 0 ? n : 0] = 0;
        found = !strncmp(target, folder, strlen(folder));
    }
    if (d) closedir(d);
    return found;
}

/* A trace that is killed leaves nothing, where the system has files without names. */
static void test_killed(void) {
    char folder[1024], path[1100], page[1100];
    maker_folder(folder);
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        support_skip("files without names (O_TMPFILE)");
        maker_remove(folder);
        return;
    }
    close(fd);
    snprintf(path, sizeof path, "%s/t.safetensors", folder);
    snprintf(page, sizeof page, "%s/t.html", folder);
    pid_t pid = cli_start(ARGUMENTS("trace", "-d", "cpu:ref", "-p", "ROMEO", "-n", "8000", "-c", "8192", "-q", "-o",
                                    path, "--html", page),
                          0, 1, 2);
    for (int i = 0; i < 1000 && !has_open(pid, folder); i++) usleep(10000);
    CU_ASSERT(has_open(pid, folder));
    kill(pid, SIGTERM);
    CU_ASSERT_EQUAL(cli_finish(pid), 128 + SIGTERM);
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* it is empty */
    maker_remove(folder);
}

/* What the library finds is tested by test_check; here is how it is asked for and shown. */
static void test_check(void) {
    char reference[1024];
    support_data(reference, "gguf/gemma3-shakespeare-Q4_K_M.reference.safetensors");
    cli_expect_printed(RUN("check", "-d", "cpu", "--precision", "exact", "-n", "1"), "step ",
                       "cpu against cpu:ref, exact");
    cli_expect_printed(RUN("check", "-d", "cpu", "-p", "ROMEO", "--layers", "3", "--steps"), "   1  text   \"ROMEO\"",
                       "layers.3.attn.q_norm");
    cli_expect_printed(RUN("check", "-d", "cpu", "--against", reference, "--free"), "step ", "the error grows most at");
    cli_expect_printed(RUN("check", "-d", "cpu", "--ids", "2,3,4", "--paths"), "path ", "a token at a time");
    cli_expect_printed(RUN("check", "-d", "cpu", "--ids", "2,3,4", "--bisect"), "step ", "whole steps");
    cli_result r = RUN("check", "-d", "cpu", "--against", reference, "--json", "--layers", "1");
    json_t *document = cli_expect_json(&r);
    CU_ASSERT(json_is_true(json_object_get(document, "pass")));
    CU_ASSERT_EQUAL(json_array_size(json_object_get(document, "values")), 8); /* 2 x embed, out, norm, logits */
    json_decref(document);
    cli_release(&r);
    static const char *const apart[][3] = {
        {"--paths", "--against", "cpu:ref"}, {"--paths", "--html", "/nowhere/t"}, {"--paths", "--layers", "1"},
        {"--paths", "--split", "cpu=0-7"},   {"--paths", "--free", NULL},         {"--paths", "--bisect", NULL},
        {"--paths", "--steps", NULL},        {"--paths", "--unfused", NULL},      {"--bisect", "--free", NULL}};
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        cli_expect_failure(RUN("check", "-p", "a", apart[i][0], apart[i][1], apart[i][2]), 2,
                           "only one of them can be given");
    cli_expect_failure(RUN("check", "-d", "cpu", "--layers", "8"), 2, "there is no layer 8");
    cli_expect_failure(RUN("check", "-d", "nowhere"), 2, "nowhere");
    cli_expect_failure(RUN("check", "-d", "cpu", "--against", "nowhere"), 3, "nowhere");
    cli_expect_failure(RUN("check", "-d", "cpu", "--against", reference, "--bisect"), 2, "give a device");
    cli_expect_failure(RUN("check", "-d", "cpu", "--against", reference, "-p", "other"), 3, "holds other prompts");
    support_data(reference, "gguf/llama-shakespeare-Q4_K_M.reference.safetensors");
    cli_expect_failure(RUN("check", "-d", "cpu", "--against", reference), 3, "llama-shakespeare");
}

int main(void) {
    static const support_case cases[] = {
        {"trace", test_trace},
        {"a trace that is killed", test_killed},
        {"check", test_check},
    };
    return support_main("cli check", cases, sizeof cases / sizeof *cases);
}
