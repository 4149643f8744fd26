/* Messages: one printable line of UTF-8, whose ends survive where it is too long. */
#include <string.h>

#include "tests/support/support.h"

static void expect(const char *words, const char *printed) {
    glint_error err;
    CU_ASSERT_EQUAL(base_fail(&err, GLINT_BAD_INPUT, "%s", words), GLINT_BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.message, printed);
}

static void test_printable(void) {
    expect("model.gguf: wrong magic", "model.gguf: wrong magic");
    expect("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8C\x8D", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8C\x8D");
    expect("a\nb\x1B[31mc\x7F", "a?b?[31mc?");
    expect("\xC2\x9B"
           "31m \xC2\x85 \xC2\xA0",
           "?31m ? \xC2\xA0");
    expect("\xFF"
           "a\xC3 \xE2\x82",
           "?a? ??");
    expect("\xC0\xAF \xED\xA0\x80 \xF5\x80\x80\x80", "?? ??? ????");
    CU_ASSERT_EQUAL(base_fail(NULL, GLINT_USAGE, "nobody listens"), GLINT_USAGE);
}

static void test_argument_is_the_message(void) {
    glint_error err = {"wrong magic"};
    base_fail(&err, GLINT_BAD_INPUT, "%s: %s", "model.gguf", err.message);
    CU_ASSERT_STRING_EQUAL(err.message, "model.gguf: wrong magic");
}

/* Whatever the length and wherever characters begin: the name's start and the whole cause are there. */
static void test_long_name(void) {
    static const char cause[] = ": tensor layers.0.attn_q: 3 dimensions, at most 2 expected";
    for (size_t n = 400; n < 3000; n += 1 + n / 600) {
        char name[3004] = "/h\xC3\xA9";
        for (size_t i = strlen(name); i < n; i += 3) memcpy(name + i, "\xE2\x82\xAC", 4);
        glint_error err;
        memset(err.message, 'x', sizeof err.message);
        base_fail(&err, GLINT_BAD_INPUT, "%s%s", name, cause);
        size_t length = strnlen(err.message, sizeof err.message), whole = strlen(name) + strlen(cause);
        CU_ASSERT(length < sizeof err.message && !strncmp(err.message, name, 100));
        CU_ASSERT_STRING_EQUAL(err.message + length - strlen(cause), cause);
        CU_ASSERT_EQUAL(strstr(err.message, "...") != NULL, whole >= sizeof err.message);
        CU_ASSERT_EQUAL(strchr(err.message, '?'), NULL);
        CU_ASSERT(whole < sizeof err.message ? length == whole : length > sizeof err.message - 8);
    }
}

int main(void) {
    const support_case cases[] = {{"printable", test_printable},
                                  {"an argument may be the message", test_argument_is_the_message},
                                  {"long names", test_long_name}};
    return support_main("status", cases, sizeof cases / sizeof *cases);
}
