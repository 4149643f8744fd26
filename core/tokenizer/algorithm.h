/* What an algorithm (spm.c, bpe.c, wordpiece.c) is to the rest of the tokenizer: a row of function pointers. */
#ifndef CORE_TOKENIZER_ALGORITHM_H
#define CORE_TOKENIZER_ALGORITHM_H

#include "core/tokenizer/vocabulary.h"

/* What an algorithm says of itself when it opens. */
typedef struct tokenizer_rules {
    void *state;             /* the algorithm's own; closed with it */
    int32_t begin, end;      /* what may be added around a text, -1: nothing */
    bool add_begin, add_end; /* where the file does not say */
    bool strip_space;        /* the output begins with a space that the text did not have */
} tokenizer_rules;

typedef struct tokenizer_algorithm {
    const char *model; /* tokenizer.model in the container */
    /* Reads what it needs of the container, fills v->pieces in. The vocabulary outlives the state. */
    glint_status (*open)(const container *c, vocabulary *v, tokenizer_rules *out, glint_error *err);
    void (*close)(void *state);
    /* Adds the ids of a stretch of valid UTF-8, at most TOKENIZER_MAX_BYTES long and not empty, in which no special
     * token is looked for. Memory that runs out while adding is reported by the list. */
    glint_status (*encode)(const void *state, const char *text, size_t bytes, id_list *out, glint_error *err);
} tokenizer_algorithm;

enum { TOKENIZER_MAX_BYTES = 1 << 29 };

extern const tokenizer_algorithm spm_algorithm, bpe_algorithm, wordpiece_algorithm;

/* U+2581, which stands for a space in the words of SentencePiece and WordPiece files. */
#define TOKENIZER_SPACE "\xE2\x96\x81"
enum { TOKENIZER_SPACE_BYTES = 3 };

/* Makes the piece of each normal token its text with U+2581 as spaces. False: out of memory. */
bool tokenizer_unescape_pieces(vocabulary *v);

#endif
