/* GGUF's own keys and tensor names, as tables. Origin: the GGUF specification (docs/gguf.md in ggml-org/ggml). */
#ifndef CORE_CONTAINER_GGUF_NAMES_H
#define CORE_CONTAINER_GGUF_NAMES_H

#include "core/container/store.h"

extern const store_key_row gguf_keys[];
extern const size_t gguf_n_keys;
extern const store_name_row gguf_names[];
extern const size_t gguf_n_names;

#endif
