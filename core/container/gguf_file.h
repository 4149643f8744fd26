/* One GGUF file as it stands: keys, values and tensors under the file's own names, every number checked.
 *
 *     "GGUF"  u32 version  u64 tensors  u64 keys
 *     keys x     { string key  u32 type  value }          string: u64 length, bytes; array: u32 type, u64 count, values
 *     tensors x  { string name  u32 dims  u64 dim[dims]  u32 type  u64 offset }
 *     padding to general.alignment (32), then the data; offsets count from here
 *
 * Source: docs/gguf.md in ggml-org/ggml. Versions 2 and 3, little-endian. */
#ifndef CORE_CONTAINER_GGUF_FILE_H
#define CORE_CONTAINER_GGUF_FILE_H

#include "core/container/store.h"

typedef struct gguf_file {
    const char *path;
    const unsigned char *data; /* the whole file */
    size_t bytes;
    uint32_t version;
    size_t alignment;
    container_text *keys;
    store_value *values; /* of keys[i]; .key unset */
    size_t n_keys;
    store_index index; /* over keys */
    container_tensor *tensors;
    size_t n_tensors;
} gguf_file;

/* Reads the file whose path, data and bytes are set; tables go to `memory`, texts and data stay where they are.
 * GLINT_BAD_INPUT with path and cause. */
glint_status gguf_file_read(gguf_file *f, arena *memory, glint_error *err);
/* NULL: no such key. */
const store_value *gguf_file_find(const gguf_file *f, const char *key);
/* The key's value; *out stays as it is where the file has no such key. GLINT_BAD_INPUT: not an integer, or negative. */
glint_status gguf_file_count(const gguf_file *f, const char *key, uint64_t *out, glint_error *err);

#endif
