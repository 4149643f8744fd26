/* The program from outside: devices, and where a model goes. */
#include "tests/support/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A driver without OpenGL ES 3.1; EGL without a driver. Mesa looks at the first variable, GLVND at the second. */
static void test_no_driver(void) {
    cli_result r = RUN("devices");
    bool mesa = strstr(r.out, "gles:llvmpipe") != NULL;
    cli_release(&r);
    if (!mesa) {
        support_skip("a driver that can be told to lack OpenGL ES 3.1");
        return;
    }
    static const char *const masks[] = {"groups=1", "es31,invocations=4", "block=64K", "nothing", "blocks"};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        setenv("GLINT_GLES_LIMITS", masks[i], 1);
        cli_expect_failure(RUN("run", "-p", "a", "-n", "1", "-d", "gles:llvmpipe"), 4, "GLINT_GLES_LIMITS: \"");
    }
    unsetenv("GLINT_GLES_LIMITS");
    setenv("MESA_GLES_VERSION_OVERRIDE", "3.0", 1);
    cli_expect_failure(RUN("run", "-p", "a", "-n", "1", "-d", "gles:llvmpipe"), 4,
                       "creating a context of OpenGL ES 3.1");
    unsetenv("MESA_GLES_VERSION_OVERRIDE");
    setenv("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent", 1);
    cli_expect_failure(RUN("run", "-p", "a", "-n", "1", "-d", "gles:0"), 4, "gles:0: ");
    r = RUN("run", "-p", "a", "-n", "1");
    cli_expect_status(&r, 0, "no driver");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.err, "(no hardware GPU was found: gles: opening a display"));
    cli_release(&r);
    r = RUN("devices");
    cli_expect_status(&r, 0, "devices without a driver");
    CU_ASSERT(!strncmp(r.err, "glint: a device may be missing: gles: opening", 40) && !strstr(r.out, "gles"));
    cli_release(&r);
    unsetenv("__EGL_VENDOR_LIBRARY_FILENAMES");
    setenv("MESA_GLES_VERSION_OVERRIDE", "3.0", 1);
    cli_result each[] = {RUN("run", "-p", "a", "-n", "1"), RUN("bench", "-p", "4", "-n", "0", "-r", "1"),
                         RUN("perplexity", "-p", "ROMEO: speak", "-c", "3"), RUN("run", "-v", "-p", "a", "-ngl", "2")};
    unsetenv("MESA_GLES_VERSION_OVERRIDE");
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        cli_expect_status(&each[i], 0, "an old driver");
        CU_ASSERT_PTR_NOT_NULL(strstr(each[i].err, "cpu (no hardware GPU was found: gles: creating a context"));
        cli_release(&each[i]);
    }
}

static void test_devices(void) {
    cli_result r = RUN("devices");
    cli_expect_status(&r, 0, "devices");
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "cpu:ref"));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "read bandwidth"));
    cli_release(&r);
    r = RUN("devices", "--json");
    json_t *document = cli_expect_json(&r);
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
        CU_ASSERT(json_is_string(json_object_get(facts, "self_test_exact")));
    }
    json_decref(document);
    cli_release(&r);
    r = RUN("devices", "--self-test", "--json");
    document = cli_expect_json(&r);
    CU_ASSERT(json_is_true(json_object_get(document, "ok")));
    CU_ASSERT(json_array_size(json_object_get(document, "ops")) >= 20);
    json_decref(document);
    cli_release(&r);
}

/* A device that is missing or not meant, as run says it; help of devices promises no `auto`. */
static void test_missing(void) {
    cli_result r = RUN("devices");
    bool gles = strstr(r.out, "gles:") != NULL;
    cli_release(&r);
    if (gles) {
        cli_expect_failure(RUN("devices", "-d", "gles:77"), 4, "gles:77: ");
        cli_expect_failure(RUN("run", "-p", "a", "-d", "gles:77"), 4, "gles:77: ");
    } else
        support_skip("a device of OpenGL ES to miss another one of");
    r = RUN("devices", "--help");
    cli_expect_status(&r, 0, "devices --help");
    CU_ASSERT_PTR_NULL(strstr(r.out, "auto"));
    cli_release(&r);
}

/* ---- Where a model goes ---- */

static char *text_of(const char *const *arguments) {
    cli_result r = cli_run("", -2, arguments);
    cli_expect_status(&r, 0, "run");
    char *text = strdup(r.out);
    cli_release(&r);
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

    cli_result r = RUN("run", "--plan", "--split", "cpu=0-3,null=4-7", "-c", "64");
    cli_expect_status(&r, 0, "run --plan");
    CU_ASSERT(strstr(r.out, "embed, layers 0 to 3") && strstr(r.out, "layers 4 to 7, head"));
    CU_ASSERT(strstr(r.out, "tokens/s predicted") && strstr(r.out, "asked for"));
    cli_release(&r);
    r = RUN("bench", "--plan", "--json", "-d", "null", "-p", "16", "-n", "16");
    json_t *plan = cli_expect_json(&r);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(plan, "split")), "null");
    CU_ASSERT_EQUAL(json_array_size(json_object_get(plan, "parts")), 1);
    json_decref(plan);
    cli_release(&r);

    /* A device that fails is told in one line, and the text goes on. */
    r = RUN("run", "-p", "ROMEO:\n", "-n", "20", "--temp", "0", "-d", "failing:step9@cpu");
    cli_expect_status(&r, 0, "a device that fails");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(r.err, "glint: failing:step9@cpu failed: the device was lost on purpose; going on with cpu\n"));
    cli_release(&r);

    r = RUN("run", "-p", "ROMEO:\n", "-n", "20", "--temp", "0", "-d", "failing:step9@cpu", "--json");
    cli_expect_status(&r, 0, "a device that fails");
    const char *begin = strstr(r.out, "\"start\""), *end = strstr(r.out, "\"end\"");
    CU_ASSERT_FATAL(begin && end);
    CU_ASSERT(strstr(begin, "\"failing:step9@cpu\"") && strstr(end, "\"cpu\""));
    cli_release(&r);
    /* But figures and files of one device are not made of two. */
    r = RUN("bench", "-p", "16", "-n", "16", "-r", "2", "-d", "failing:step40@cpu");
    cli_expect_status(&r, 4, "bench with a device that fails");
    CU_ASSERT(!*r.out && strstr(r.err, "what was measured is of more than one device\n"));
    cli_release(&r);
    r = RUN("trace", "-p", "ROMEO:", "-n", "9", "-d", "failing:step5@cpu", "-o", "/tmp/glint-of-two-devices");
    cli_expect_status(&r, 4, "trace with a device that fails");
    CU_ASSERT(!*r.out && strstr(r.err, "a trace is of one device\n"));
    CU_ASSERT(access("/tmp/glint-of-two-devices", F_OK) != 0);
    cli_release(&r);

    cli_expect_failure(RUN("run", "-p", "a", "--split", "gpu9=0-7"), 2, "gpu9: no such device");
    cli_expect_failure(RUN("run", "-p", "a", "--split", "cpu=0-3"), 2, "layers 4 to 7 are on no device");
    cli_expect_failure(RUN("run", "-p", "a", "--split", "cpu=0-7", "-d", "cpu"), 2, "--split");
    cli_expect_failure(RUN("run", "-p", "a", "--split", "cpu=0-7", "-ngl", "2"), 2, "--split");
    cli_expect_failure(RUN("bench", "--null", "--split", "cpu=0-7"), 2, "--null");
    cli_expect_failure(RUN("run", "-p", "a", "-d", "null", "--memory", "null=1M"), 4, "1.0 MB may be used");
    cli_expect_failure(RUN("run", "-p", "a", "--memory", "lots"), 2, "DEVICE=SIZE");
    cli_expect_failure(RUN("run", "-p", "-ngl", "-d", "nowhere"), 2,
                       "nowhere: no such device"); /* -ngl is the text here */
    cli_expect_failure(RUN("run", "-p", "a", "-ngl", "x"), 2, "--gpu-layers: 'x' is not a whole number");
#undef TWENTY
}

int main(void) {
    static const support_case cases[] = {
        {"devices", test_devices},
        {"a missing device", test_missing},
        {"no driver", test_no_driver},
        {"where a model goes", test_places},
    };
    return support_main("cli devices", cases, sizeof cases / sizeof *cases);
}
