/* What tests of tokenizers share: opening one from a file, text to ids and back in one call. */
#ifndef TESTS_SUPPORT_TOKENS_H
#define TESTS_SUPPORT_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "core/tokenizer/tokenizer.h"

typedef struct tokens {
    int32_t *ids;
    size_t n;
} tokens;

/* Fails the test, fatally, where the file or its tokenizer cannot be opened. */
tokenizer *tokens_open(const char *path);
/* Ids of valid text; the caller frees .ids. Fails the test, fatally, where there are none to be had. */
tokens tokens_of(const tokenizer *t, const char *text, size_t bytes, unsigned flags);
/* The ids as NUL-terminated text, one id a call, then the end; the caller frees. *bytes without the NUL. Checks that
 * each part that comes out is whole UTF-8. */
char *tokens_text(const tokenizer *t, tokens ids, bool show_special, size_t *bytes);
/* Are the ids those of the text "12 345 6"? Prints both where not. */
bool tokens_are(tokens ids, const char *expected);

#endif
