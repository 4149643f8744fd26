// bfloat16: see unpack.glsl.
#define FLOAT_UNITS 4
#include "layouts/float.glsl"
#include "unpack.glsl"

void block_quads(block k, out vec4 q[8]) {
    for (uint i = 0u; i < 4u; i++) {
        q[2u * i] = bfloats(k.units[i].xy);
        q[2u * i + 1u] = bfloats(k.units[i].zw);
    }
}
