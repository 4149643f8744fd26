// Halves, the first of a pair in the low bits of its word. Finite ones only: infinity reads as 65536.
#define FLOAT_UNITS 4
#include "layouts/float.glsl"

// Exponent and fraction moved to their places, and 112 added to the exponent, give x: right for every normal half. A
// subnormal one, f * 2^-24, comes out as x = 2^-15 (1 + f / 1024) and should be 2 x - 2^-14. That is the smaller of the
// two exactly below 2^-14, where halves are subnormal, so no comparison is needed; and no float here is subnormal.
vec4 block_quad(uvec2 w) {
    uvec4 h = uvec4(w.x << 13u, w.x >> 3u, w.y << 13u, w.y >> 3u) & 0x0FFFE000u;
    uvec4 signs = uvec4(w.x << 16u, w.x, w.y << 16u, w.y) & 0x80000000u;
    vec4 x = uintBitsToFloat(h + 0x38000000u);
    return uintBitsToFloat(floatBitsToUint(min(x, x * 2.0 - 0.00006103515625)) | signs);
}

void block_quads(block k, out vec4 q[8]) {
    for (uint i = 0u; i < 4u; i++) {
        q[2u * i] = block_quad(k.units[i].xy);
        q[2u * i + 1u] = block_quad(k.units[i].zw);
    }
}
