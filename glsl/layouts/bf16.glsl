// bfloat16: the upper halves of floats, the first of a pair in the low bits of its word.
#define FLOAT_UNITS 4
#include "layouts/float.glsl"

vec4 block_quad(uvec2 w) {
    return uintBitsToFloat(uvec4(w.x << 16u, w.x & 0xFFFF0000u, w.y << 16u, w.y & 0xFFFF0000u));
}

void block_quads(block k, out vec4 q[8]) {
    for (uint i = 0u; i < 4u; i++) {
        q[2u * i] = block_quad(k.units[i].xy);
        q[2u * i + 1u] = block_quad(k.units[i].zw);
    }
}
