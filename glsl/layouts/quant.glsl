// Blocks of 32 integers with scales, and minimums where BLOCK_HAS_MIN: value = q * scale + minimum. The planes are
// those of backends/gles/layouts.h, which also says where inside the words a number lies.
//
// The including snippet defines QUANT_BITS (4, 5, 6, 8), QUANT_OFFSET (what is stored is q + QUANT_OFFSET),
// QUANT_SCALES (1 or 2, and as many minimums) and BLOCK_HAS_MIN.
#include "unpack.glsl"

struct block {
#if QUANT_BITS == 8
    uvec4 low, low2;
#else
    uvec4 low;
#endif
#if QUANT_BITS == 5
    uint high;
#elif QUANT_BITS == 6
    uvec2 high;
#endif
    vec2 scales;
#if BLOCK_HAS_MIN
    vec2 mins;
#endif
};

// Behind a plane of `words` words a block that begins at word `start`.
uint block_plane_end(uint start, uint words, uint n) { return start + ((words * n + 3u) & ~3u); }

// The one or two floats of block b of the plane at word `start`.
vec2 block_pair(uint start, uint n, uint b) {
#if QUANT_SCALES == 2
    return uintBitsToFloat(uvec2(w1[start + b], w1[start + n + b]));
#else
    return vec2(uintBitsToFloat(w1[start + b]));
#endif
}

block block_load(uint base, uint n, uint b) {
    block k;
    k.low = w4[base + b];
#if QUANT_BITS == 8
    k.low2 = w4[base + n + b];
    uint plane = 4u * (base + 2u * n);
#else
    uint plane = 4u * (base + n);
#endif
#if QUANT_BITS == 5
    k.high = w1[plane + b];
    plane = block_plane_end(plane, 1u, n);
#elif QUANT_BITS == 6
    k.high = uvec2(w1[plane + b], w1[plane + n + b]);
    plane = block_plane_end(plane, 2u, n);
#endif
    k.scales = block_pair(plane, n, b);
#if BLOCK_HAS_MIN
    k.mins = block_pair(block_plane_end(plane, uint(QUANT_SCALES), n), n, b);
#endif
    return k;
}

vec2 block_scales(block k) { return k.scales; }
#if BLOCK_HAS_MIN
vec2 block_mins(block k) { return k.mins; }
#endif

const float BLOCK_OFFSET = float(QUANT_OFFSET);

#if QUANT_BITS == 8
void block_quads(block k, out vec4 q[8]) {
    q[0] = bytes(k.low.x, BLOCK_OFFSET);
    q[1] = bytes(k.low.y, BLOCK_OFFSET);
    q[2] = bytes(k.low.z, BLOCK_OFFSET);
    q[3] = bytes(k.low.w, BLOCK_OFFSET);
    q[4] = bytes(k.low2.x, BLOCK_OFFSET);
    q[5] = bytes(k.low2.y, BLOCK_OFFSET);
    q[6] = bytes(k.low2.z, BLOCK_OFFSET);
    q[7] = bytes(k.low2.w, BLOCK_OFFSET);
}
#else
// The four nibbles at bits 0, 4, 8, 12 of `low`, each with its high bits, which lie above it: at bits 4, 8, 12, 16.
vec4 block_quad(uint low, uint high) {
#if QUANT_BITS == 4
    return nibbles(low, BLOCK_OFFSET);
#else
    return wide_nibbles(low, high, QUANT_BITS == 5 ? 0x10u : 0x30u, BLOCK_OFFSET);
#endif
}

void block_quads(block k, out vec4 q[8]) {
#if QUANT_BITS == 4
    uvec4 even = uvec4(0u), odd = uvec4(0u);
#elif QUANT_BITS == 5
    uvec4 even = uvec4(k.high) << uvec4(4u, 3u, 2u, 1u), odd = uvec4(k.high) >> uvec4(12u, 13u, 14u, 15u);
#else
    uvec4 even = k.high.xxyy << uvec4(4u, 2u, 4u, 2u), odd = k.high.xxyy >> uvec4(12u, 14u, 12u, 14u);
#endif
    q[0] = block_quad(k.low.x, even.x);
    q[1] = block_quad(k.low.x >> 16u, odd.x);
    q[2] = block_quad(k.low.y, even.y);
    q[3] = block_quad(k.low.y >> 16u, odd.y);
    q[4] = block_quad(k.low.z, even.z);
    q[5] = block_quad(k.low.z >> 16u, odd.z);
    q[6] = block_quad(k.low.w, even.w);
    q[7] = block_quad(k.low.w >> 16u, odd.w);
}
#endif
