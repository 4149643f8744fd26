#include "tests/support/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tokenizer/utf8.h"
#include "tests/support/support.h"

tokenizer *tokens_open(const char *path) {
    glint_error err = {{0}};
    container *c = NULL;
    tokenizer *t = NULL;
    SUPPORT_OK(container_open(path, &c, &err), &err);
    SUPPORT_OK(tokenizer_open(c, &t, &err), &err);
    container_close(&c);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    return t;
}

tokens tokens_of(const tokenizer *t, const char *text, size_t bytes, unsigned flags) {
    glint_error err = {{0}};
    tokens out = {0};
    SUPPORT_OK(tokenizer_encode(t, text, bytes, flags, &out.ids, &out.n, &err), &err);
    return out;
}

char *tokens_text(const tokenizer *t, tokens ids, bool show_special, size_t *bytes) {
    glint_error err = {{0}};
    glint_detokenizer *d = NULL;
    char *all = NULL;
    const char *part;
    size_t n;
    bool whole = true;
    FILE *stream = open_memstream(&all, bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    SUPPORT_OK(detokenizer_open(t, show_special, &d, &err), &err);
    for (size_t i = 0; i <= ids.n; i++) {
        if (i == ids.n)
            glint_detokenizer_end(d, &part, &n);
        else if (glint_detokenizer_next(d, ids.ids[i], &part, &n, &err))
            CU_FAIL_FATAL("an id that is none");
        whole &= utf8_valid(part, n) == n;
        fwrite(part, 1, n, stream);
    }
    CU_ASSERT(whole);
    CU_ASSERT_EQUAL(fclose(stream), 0); /* ends the text with a NUL */
    glint_detokenizer_close(&d);
    return all;
}

bool tokens_are(tokens ids, const char *expected) {
    const char *rest = expected;
    bool same = true;
    for (size_t i = 0; same && i < ids.n; i++) {
        char *end;
        same = strtol(rest, &end, 10) == ids.ids[i] && end != rest;
        rest = end;
    }
    if (same && rest[strspn(rest, " \n")] == 0) return true;
    printf("\n    expected %s\n    got     ", expected);
    for (size_t i = 0; i < ids.n; i++) printf(" %d", ids.ids[i]);
    printf("\n");
    return false;
}
