// 8 bits less 128, a scale for 16: what is re-coded to it.
#define QUANT_BITS 8
#define QUANT_OFFSET 128
#define QUANT_SCALES 2
#define BLOCK_HAS_MIN 0
#include "layouts/quant.glsl"
