/* Any bytes as a safetensors file; every byte of every tensor is read. */
#include <string.h>

#include "core/container/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena memory = {0};
    safetensors_tensor *tensors;
    size_t n;
    glint_error err;
    volatile size_t seen = 0; /* so that the reads stay */
    if (safetensors_read("fuzz", data, bytes, &memory, &tensors, &n, &err) == GLINT_OK)
        for (size_t i = 0; i < n; i++) {
            seen = strlen(tensors[i].name) + strlen(tensors[i].dtype);
            for (size_t k = 0; k < tensors[i].bytes; k++) seen = ((const unsigned char *)tensors[i].data)[k];
        }
    (void)seen;
    arena_free(&memory);
    return 0;
}
