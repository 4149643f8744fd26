/* What a tokenizer is made of; for tokenizer.c and detokenize.c only. */
#ifndef CORE_TOKENIZER_STATE_H
#define CORE_TOKENIZER_STATE_H

#include "core/tokenizer/algorithm.h"

struct tokenizer {
    vocabulary words;
    const tokenizer_algorithm *algorithm;
    void *rules; /* the algorithm's state */
    bool strip_space;
    int32_t before, after; /* added around a text, -1: nothing */
    bool *ends;
};

#endif
