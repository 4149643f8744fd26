// 8 bits less 128, a scale for 32: Q8_0, and what is re-coded to it.
#define QUANT_BITS 8
#define QUANT_OFFSET 128
#define QUANT_SCALES 1
#define BLOCK_HAS_MIN 0
#include "layouts/quant.glsl"
