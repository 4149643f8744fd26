// 6 bits less 32, a scale for 16: Q6_K.
#define QUANT_BITS 6
#define QUANT_OFFSET 32
#define QUANT_SCALES 2
#define BLOCK_HAS_MIN 0
#include "layouts/quant.glsl"
