/* F32: IEEE single precision. A block is one number.
 *
 *     0    4
 *     | x  | */
#include <string.h>

#include "core/formats/blocks.h"

void f32_decode(const void *blocks, float *out, size_t n_blocks) {
    memcpy(out, blocks, n_blocks * sizeof *out);
}
