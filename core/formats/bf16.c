/* BF16: the upper half of an IEEE single. A block is one number.
 *
 *     bit 15     14..7           6..0
 *     | sign | exponent + 127 | fraction | */
#include <string.h>

#include "core/formats/blocks.h"

void bf16_decode(const void *blocks, float *out, size_t n_blocks) {
    const bf16_block *b = blocks;
    for (size_t i = 0; i < n_blocks; i++) {
        uint32_t bits = (uint32_t)block_u16(b[i].bits) << 16;
        memcpy(&out[i], &bits, sizeof bits);
    }
}
