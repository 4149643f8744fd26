/* The program from outside: glint tokenize and glint inspect. */
#include "tests/support/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_tokenize(void) {
    static const char text[] = "ROMEO:\n  Caf\xC3\xA9 \xE6\xBC\xA2\t42 \xF0\x9F\x99\x82 <bos>";
    cli_result ids = RUN("tokenize", "--ids", "-p", text), r;
    cli_expect_status(&ids, 0, "--ids");
    CU_ASSERT_EQUAL(strncmp(ids.out, "2 846 2007 7 ", 13), 0);
    r = cli_run(ids.out, -2, ARGUMENTS("tokenize", "--decode", "-f", "-"));
    cli_expect_status(&r, 0, "--decode");
    CU_ASSERT_EQUAL(strncmp(r.out, text, strlen(text) - 5), 0); /* <bos> is read as that token, and not shown */
    CU_ASSERT_EQUAL(r.out_bytes, strlen(text) - 5);
    cli_release(&r);
    cli_release(&ids);
    ids = RUN("tokenize", "--ids", "--no-special", "-p", text);
    r = cli_run(ids.out, -2, ARGUMENTS("tokenize", "--decode", "-f", "-"));
    CU_ASSERT_STRING_EQUAL(r.out, text);
    cli_release(&r);
    cli_release(&ids);
    r = RUN("tokenize", "-p", "ROMEO:\n");
    CU_ASSERT_STRING_EQUAL(r.out, "       2  \"<bos>\"\n     846  \"ROMEO\"\n    2007  \":\"\n       7  \"\\n\"\n");
    cli_release(&r);
    r = RUN("tokenize", "--json", "-p", text);
    json_t *document = cli_expect_json(&r);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(document, "ids")),
                    json_array_size(json_object_get(document, "tokens")));
    CU_ASSERT(json_array_size(json_object_get(document, "ids")) > 10);
    json_decref(document);
    cli_release(&r);
}

static void test_inspect(void) {
    cli_result r = RUN("inspect");
    cli_expect_status(&r, 0, "inspect");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "architecture  gemma3\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "default of the architecture"));
    CU_ASSERT_STRING_EQUAL(r.err, "");
    cli_release(&r);
    r = RUN("inspect", "--tensors", "--digest", "--card", "--json");
    json_t *document = cli_expect_json(&r), *tensors = json_object_get(document, "tensors");
    CU_ASSERT_EQUAL(json_array_size(tensors), 106);
    CU_ASSERT_EQUAL(json_string_length(json_object_get(json_array_get(tensors, 0), "digest")), 16);
    CU_ASSERT(json_array_size(json_object_get(document, "card")) > 5);
    json_decref(document);
    cli_release(&r);
    r = RUN("inspect", "--digest");
    int lines = 0;
    for (const char *p = r.out; (p = strchr(p, '\n')); p++) lines++;
    CU_ASSERT_EQUAL(lines, 107);
    cli_release(&r);
}

/* File names are bytes; JSON is UTF-8 all the same. */
static void test_odd_name(void) {
    char data[1024], path[] = "/tmp/glint_cli_\xFF_XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    unlink(path);
    CU_ASSERT_EQUAL(symlink(support_data(data, "gemma3-shakespeare-Q4_K_M.gguf"), path), 0);
    cli_result r = RUN("inspect", path, "--json");
    json_decref(cli_expect_json(&r));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "/tmp/glint_cli_\xEF\xBF\xBD_"));
    cli_release(&r);
    unlink(path);
}

int main(void) {
    static const support_case cases[] = {
        {"tokenize", test_tokenize},
        {"inspect", test_inspect},
        {"inspect: a file name that is not UTF-8", test_odd_name},
    };
    return support_main("cli inspect", cases, sizeof cases / sizeof *cases);
}
