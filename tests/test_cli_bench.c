/* The program from outside: glint bench and glint perplexity. */
#include "tests/support/cli.h"

#include <string.h>

static void test_bench(void) {
    cli_result r = RUN("bench", "-p", "16", "-n", "4", "-r", "2");
    cli_expect_status(&r, 0, "bench");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "pp16"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "tg4"));
    cli_release(&r);
    r = RUN("bench", "-p", "16", "-n", "0", "-r", "1", "--json");
    json_t *document = cli_expect_json(&r), *test = json_array_get(json_object_get(document, "tests"), 0);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(document, "tests")), 1);
    CU_ASSERT(json_real_value(json_object_get(test, "median")) > 0);
    CU_ASSERT(json_real_value(json_object_get(document, "read_bandwidth")) > 1e8);
    json_decref(document);
    cli_release(&r);
    r = RUN("bench", "--null", "-r", "1");
    cli_expect_status(&r, 0, "bench --null");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "null"));
    cli_release(&r);
}

static void test_perplexity(void) {
    cli_result r = RUN("perplexity", "--precision", "exact", "-c", "16", "--score", "all", "-p", cli_greedy, "--json");
    json_t *document = cli_expect_json(&r);
    double nll = json_real_value(json_object_get(document, "mean_nll"));
    CU_ASSERT(nll > 0.1 && nll < 8); /* of 7.6 for guessing; the value itself is tested with the models */
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(document, "windows")), 2);
    json_decref(document);
    cli_release(&r);
    r = RUN("perplexity", "-c", "16", "-p", cli_greedy);
    cli_expect_status(&r, 0, "perplexity");
    CU_ASSERT_EQUAL(strncmp(r.out, "mean NLL ", 9), 0);
    cli_release(&r);
}

int main(void) {
    static const support_case cases[] = {
        {"bench", test_bench},
        {"perplexity", test_perplexity},
    };
    return support_main("cli bench", cases, sizeof cases / sizeof *cases);
}
