/* One safetensors file as it stands: names, types, shapes and data of its tensors, every number checked.
 *
 *     u64 n (little-endian), n bytes of JSON { name: { "dtype", "shape", "data_offsets": [begin, end] } }, the data
 *
 * Offsets count from the first byte after the JSON; together the tensors cover the data without overlap or hole.
 * Source: the format section of github.com/huggingface/safetensors. */
#ifndef CORE_CONTAINER_SAFETENSORS_H
#define CORE_CONTAINER_SAFETENSORS_H

#include "core/base/arena.h"
#include "core/base/status.h"

enum { SAFETENSORS_MAX_DIMS = 8 };

typedef struct safetensors_tensor {
    const char *name;
    const char *dtype;                   /* "BF16" */
    int n_dims;                          /* may be 0: one value */
    uint64_t dims[SAFETENSORS_MAX_DIMS]; /* as in the file: the last runs fastest; any may be 0 */
    const void *data;                    /* in the mapping; any alignment */
    size_t bytes;
} safetensors_tensor;

/* Reads a whole file of `bytes` bytes at `data`. Names and the array go to `memory`, in the order of the header.
 * GLINT_BAD_INPUT with path and cause. */
glint_status safetensors_read(const char *path, const void *data, size_t bytes, arena *memory, safetensors_tensor **out,
                              size_t *n, glint_error *err);
/* A text of "__metadata__" of a file that safetensors_read took, as a copy in `memory`; *out NULL: there is none. */
glint_status safetensors_metadata(const char *path, const void *data, const char *key, arena *memory, const char **out,
                                  glint_error *err);

#endif
