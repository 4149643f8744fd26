/* A tokenizer's words: the checked arrays of the container, look-up by text, and the words that are matched in text
 * before anything else (control and user-defined tokens). Read-only after opening. */
#ifndef CORE_TOKENIZER_VOCABULARY_H
#define CORE_TOKENIZER_VOCABULARY_H

#include "core/base/arena.h"
#include "core/container/container.h"

/* As in GGUF's tokenizer.ggml.token_type. */
typedef enum token_type {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER_DEFINED,
    TOKEN_UNUSED,
    TOKEN_BYTE,
} token_type;

enum { VOCABULARY_MAX = 1 << 24 }; /* tokens, and merges, are fewer */

typedef struct vocabulary_special {
    container_text text;
    int32_t id;
    bool control; /* matched only on request */
} vocabulary_special;

typedef struct vocabulary {
    arena memory;
    const char *path; /* of the container, for messages */
    int32_t n;
    container_text *texts;  /* as in the file */
    container_text *pieces; /* what each token stands for: the algorithm fills them in when it opens */
    uint8_t *types;         /* token_type */
    float *scores;          /* NULL where the file has none */
    size_t longest;         /* bytes of the longest text */
    int32_t bos, eos, eot, eom, unknown, separator, cls; /* -1: not named */

    int32_t *slots; /* hash table of ids by text, -1: free; slot_mask + 1 of them */
    size_t slot_mask;
    vocabulary_special *specials; /* sorted by text */
    size_t first_special[257];    /* those beginning with byte b: first_special[b] to first_special[b + 1] */
} vocabulary;

/* GLINT_BAD_INPUT with one line on what is wrong; then there is nothing to close. */
glint_status vocabulary_open(const container *c, vocabulary *out, glint_error *err);
void vocabulary_close(vocabulary *v);

/* The id of the token that is written so in the file, -1: none. The first one where several are. */
int32_t vocabulary_find(const vocabulary *v, const char *text, size_t bytes);
/* The longest special token at the beginning of the text, -1: none; *bytes is its length. `control`: those too. */
int32_t vocabulary_special_at(const vocabulary *v, const char *text, size_t left, bool control, size_t *bytes);

/* Ids as they are found. `failed` stays set once memory was out, so that it can be looked at once, at the end. */
typedef struct id_list {
    int32_t *ids;
    size_t n, capacity;
    bool failed;
} id_list;

void id_list_add(id_list *list, int32_t id);

#endif
