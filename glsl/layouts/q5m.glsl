// 5 bits, a scale and a minimum for 32: Q5_1, Q5_K.
#define QUANT_BITS 5
#define QUANT_OFFSET 0
#define QUANT_SCALES 1
#define BLOCK_HAS_MIN 1
#include "layouts/quant.glsl"
