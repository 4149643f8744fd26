/* Reads a safetensors file of a test: reference activations, blocks of formats. Files of tests are believed: only what
 * a missing or truncated file would break is checked. The library's own reader is core/container/safetensors.c. */
#ifndef TESTS_SUPPORT_SAFETENSORS_VIEW_H
#define TESTS_SUPPORT_SAFETENSORS_VIEW_H

#include <jansson.h>

#include "core/base/file_map.h"

typedef struct safetensors_view {
    file_map file;
    json_t *header;
    const unsigned char *data; /* behind the header */
} safetensors_view;

typedef struct safetensors_entry {
    const char *dtype; /* "F32", "U8", "I32"; lives as long as the view */
    int n_dims;
    size_t dims[4]; /* dims[0] runs slowest, unused ones are 1 */
    const void *data;
    size_t bytes;
} safetensors_entry;

/* Asserts and returns false when the file cannot be read. */
bool safetensors_view_open(const char *path, safetensors_view *out);
/* false: no tensor of that name, or one that reaches outside the file. */
bool safetensors_view_find(const safetensors_view *v, const char *name, safetensors_entry *out);
void safetensors_view_close(safetensors_view *v);

#endif
