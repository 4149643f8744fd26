// 32-bit floats: F32, and any format whose values the host changed (w - 1).
#define FLOAT_UNITS 8
#include "layouts/float.glsl"

void block_quads(block k, out vec4 q[8]) {
    for (uint i = 0u; i < 8u; i++) q[i] = uintBitsToFloat(k.units[i]);
}
