/* Cuts text into the pieces inside which byte-level BPE merges, by the regular expressions of a model family. */
#ifndef CORE_TOKENIZER_PRETOKENIZE_H
#define CORE_TOKENIZER_PRETOKENIZE_H

#include "core/container/container.h"

typedef struct pretokenizer pretokenizer;

/* What else goes with a family. */
typedef struct pretokenizer_traits {
    bool ignore_merges; /* a piece that is a token is taken whole, whatever the merges say */
    bool add_bos;       /* where the file does not say */
    bool nfc;           /* text is brought into normalisation form C first */
} pretokenizer_traits;

/* Where the pieces end, in bytes: the first begins at 0, each begins where the one before ends. */
typedef struct pretokenizer_cuts {
    uint32_t *ends;
    size_t n, capacity;
} pretokenizer_cuts;

/* `name` as in tokenizer.pre; GLINT_BAD_INPUT, naming the known ones, where it is none of them. `path` is the
 * container's, for messages. */
glint_status pretokenizer_open(const char *path, container_text name, pretokenizer **out, glint_error *err);
void pretokenizer_close(pretokenizer *p); /* NULL is allowed */

pretokenizer_traits pretokenizer_is(const pretokenizer *p);
/* Cuts valid UTF-8 that is not empty and shorter than 4 GiB. out->ends is malloc'ed, the caller's. */
glint_status pretokenizer_cut(const pretokenizer *p, const char *text, size_t bytes, pretokenizer_cuts *out,
                              glint_error *err);

#endif
