// 5 bits less 16, a scale for 32: Q5_0.
#define QUANT_BITS 5
#define QUANT_OFFSET 16
#define QUANT_SCALES 1
#define BLOCK_HAS_MIN 0
#include "layouts/quant.glsl"
