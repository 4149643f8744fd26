// 4 bits, a scale and a minimum for 32: Q4_1, Q4_K.
#define QUANT_BITS 4
#define QUANT_OFFSET 0
#define QUANT_SCALES 1
#define BLOCK_HAS_MIN 1
#include "layouts/quant.glsl"
