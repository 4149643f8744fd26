/* The program from outside: a model whose logits are NaN is a failure of every command that needs them, and no text. */
#include "tests/support/cli.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/file_map.h"
#include "tests/support/maker.h"

/* stories260K with 500 weights of its last layer NaN. */
static char folder[1024], spoiled[1100];

static void spoil(void) {
    char path[1024];
    file_map f;
    glint_error err;
    SUPPORT_OK(file_map_open(support_data(path, "gguf/stories260K-f32.gguf"), &f, &err), &err);
    unsigned char *copy = malloc(f.bytes);
    CU_ASSERT_FATAL(copy != NULL && f.bytes > 4000);
    memcpy(copy, f.data, f.bytes);
    memset(copy + f.bytes - 4000, 0xff, 2000);
    maker_folder(folder);
    snprintf(spoiled, sizeof spoiled, "%s/spoiled.gguf", folder);
    maker_write(spoiled, copy, f.bytes);
    free(copy);
    file_map_close(&f);
}

#define SPOILED "-m", spoiled, "-d"

static void expect_refusal(const char *device) {
    static const char token[] = "spoiled.gguf: new token 0: its logits are not numbers; 'glint inspect'";
    cli_expect_failure(RUN("run", SPOILED, device, "-q", "-p", "Once", "-n", "4", "--temp", "0"), 3, token);
    cli_expect_failure(RUN("run", SPOILED, device, "-q", "-p", "Once", "-n", "4"), 3, token);
    cli_expect_failure(RUN("run", SPOILED, device, "-q", "-p", "Once", "-n", "4", "--top-k", "0"), 3, token);
    cli_expect_failure(RUN("run", SPOILED, device, "-q", "-p", "Once", "-n", "4", "--temp", "0", "--top", "2"), 3,
                       token);
    cli_expect_failure(RUN("perplexity", SPOILED, device, "-q", "-p", "Once upon a time", "-c", "4"), 3,
                       "spoiled.gguf: token 3: its logits are not numbers");
}

static void test_refusal(void) {
    glint_device_info gpu;
    expect_refusal("cpu");
    expect_refusal("cpu:ref");
    if (support_gles(&gpu, 1)) expect_refusal(gpu.name);
}

/* A trace shows them: figures of no number are none. */
static void test_trace(void) {
    char out[1100];
    snprintf(out, sizeof out, "%s/t.safetensors", folder);
    cli_result r = RUN("trace", SPOILED, "cpu", "-p", "Once", "-o", out, "--values", "logits", "--json");
    json_t *document = cli_expect_json(&r), *v = json_array_get(json_object_get(document, "values"), 0);
    static const char *const none[] = {"minimum", "maximum", "mean", "rms", "largest", "largest_row", "largest_index"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) CU_ASSERT(json_is_null(json_object_get(v, none[i])));
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "nan")), json_integer_value(json_object_get(v, "n")));
    json_decref(document);
    cli_release(&r);
    r = RUN("trace", SPOILED, "cpu", "-p", "Once", "-o", out, "--values", "logits");
    cli_expect_status(&r, 0, "trace");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "nan"));
    CU_ASSERT_PTR_NULL(strstr(r.out, "(-1,"));
    cli_release(&r);
}

int main(void) {
    static const support_case cases[] = {
        {"a spoiled model", spoil}, {"run and perplexity refuse NaN", test_refusal}, {"trace shows NaN", test_trace}};
    int status = support_main("cli numbers", cases, sizeof cases / sizeof *cases);
    if (*folder) maker_remove(folder);
    return status;
}
