// 8 bits less 128, a scale and a minimum for 16: Q2_K.
#define QUANT_BITS 8
#define QUANT_OFFSET 128
#define QUANT_SCALES 2
#define BLOCK_HAS_MIN 1
#include "layouts/quant.glsl"
