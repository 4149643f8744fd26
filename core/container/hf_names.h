/* Hugging Face's own config keys and tensor names, as tables. Origin: the config and modeling files of
 * github.com/huggingface/transformers. */
#ifndef CORE_CONTAINER_HF_NAMES_H
#define CORE_CONTAINER_HF_NAMES_H

#include "core/container/store.h"

/* Own words for which Glint has another: model types, names of rope scaling. */
typedef struct hf_word {
    const char *canonical_key, *own, *canonical;
} hf_word;

/* Rows of one canonical key stand together; the first whose key is in the file decides. */
extern const store_key_row hf_keys[];
extern const size_t hf_n_keys;
/* Names without their prefix (hf_prefixes, of which the first that fits is taken off). */
extern const store_name_row hf_names[];
extern const size_t hf_n_names;
extern const char *const hf_prefixes[];
extern const size_t hf_n_prefixes;
extern const hf_word hf_words[];
extern const size_t hf_n_words;

#endif
