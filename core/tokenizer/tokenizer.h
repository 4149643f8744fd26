/* Text to ids and back: the one door. Three algorithms behind it: SentencePiece BPE (spm.c, model "llama"), byte-level
 * BPE (bpe.c, model "gpt2", with the regular expressions of pretokenize.c) and WordPiece (wordpiece.c, "bert").
 * A tokenizer is read-only after opening and may be shared between threads. */
#ifndef CORE_TOKENIZER_TOKENIZER_H
#define CORE_TOKENIZER_TOKENIZER_H

#include "core/container/container.h"

typedef struct tokenizer tokenizer;

/* *out is NULL and GLINT_OK when the container has no tokenizer; GLINT_BAD_INPUT when it has a broken or unknown one.
 * The container may be closed before the tokenizer. */
glint_status tokenizer_open(const container *c, tokenizer **out, glint_error *err);
void tokenizer_close(tokenizer **t);

int tokenizer_size(const tokenizer *t);
/* As glint_tokenize: flags GLINT_TOKENIZE_*; *ids malloc'ed (also where *count is 0), the caller frees. At most 512 MiB
 * of text at once. */
glint_status tokenizer_encode(const tokenizer *t, const char *text, size_t bytes, unsigned flags, int32_t **ids,
                              size_t *count, glint_error *err);
const char *tokenizer_text(const tokenizer *t, int32_t id, size_t *bytes);
bool tokenizer_ends(const tokenizer *t, int32_t id);
/* The id that begins a text where the model wants one; -1: none. */
int32_t tokenizer_bos(const tokenizer *t);

/* The public API's detokenizer; the tokenizer must outlive it. */
glint_status detokenizer_open(const tokenizer *t, bool show_special, glint_detokenizer **out, glint_error *err);

#endif
