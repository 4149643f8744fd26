/* Byte-pair merging: of a row of symbols, the neighbours whose merge costs least become one, the leftmost first where
 * costs are equal, until no two neighbours can merge. What may merge, and at what cost, is the rule's: by score in
 * SentencePiece, by rank in byte-level BPE. n log n in the number of symbols. */
#ifndef CORE_TOKENIZER_MERGE_H
#define CORE_TOKENIZER_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct merge_symbol {
    uint32_t start, bytes; /* of the text; bytes 0: merged into the one before it */
    int32_t id;            /* -1: no token */
    int32_t prev, next;    /* neighbours, -1: none */
} merge_symbol;

/* The token that a and its right neighbour b make. False: none. */
typedef bool merge_rule(const void *context, const merge_symbol *a, const merge_symbol *b, float *cost, int32_t *id);

typedef struct merge_candidate {
    float cost;
    int32_t left;
    uint32_t bytes; /* of both symbols: differs from theirs once one of them has been merged */
    int32_t id;
} merge_candidate;

/* Memory of one run, kept for the next. All zeros: empty. */
typedef struct merge_work {
    merge_symbol *symbols;
    merge_candidate *heap;
    size_t n, symbols_capacity, heap_n, heap_capacity;
} merge_work;

/* Appends a symbol to the row; merge_work.n = 0 begins a new one. False: out of memory. */
bool merge_add(merge_work *w, uint32_t start, uint32_t bytes, int32_t id);
/* Merges the row. What is left: symbols 0, symbols[0].next, ... False: out of memory. */
bool merge_run(merge_work *w, merge_rule *rule, const void *context);
void merge_free(merge_work *w);

#endif
