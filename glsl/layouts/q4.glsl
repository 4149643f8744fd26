// 4 bits less 8, a scale for 32: Q4_0.
#define QUANT_BITS 4
#define QUANT_OFFSET 8
#define QUANT_SCALES 1
#define BLOCK_HAS_MIN 0
#include "layouts/quant.glsl"
