// Blocks of 32 integers with scales, and minimums where BLOCK_HAS_MIN: value = q * scale + minimum. The planes are
// those of backends/gles/layouts.h, which also says where inside the words a number lies.
//
// The including snippet defines QUANT_BITS (4, 5, 6, 8), QUANT_OFFSET (what is stored is q + QUANT_OFFSET),
// QUANT_SCALES (1 or 2, and as many minimums) and BLOCK_HAS_MIN.
//
// From stored bits to float without a shift and a conversion for each: a field at bit p, OR-ed under the exponent of
// 2^23, is the float 2^23 + field * 2^p. Times 2^-p, less 2^(23 - p) + offset, it is q; every step is exact, fused or
// not.

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

const uint BLOCK_2_23 = 0x4B000000u; // the bits of 2^23
const float BLOCK_OFFSET = float(QUANT_OFFSET);

#if QUANT_BITS == 8
// The bytes of a word. Those at bits 16 and 24 would reach the exponent: they are moved down.
vec4 block_quad(uint w) {
    uint v = w >> 16u;
    uvec4 t = (uvec4(w, w, v, v) & uvec4(0xFFu, 0xFF00u, 0xFFu, 0xFF00u)) | BLOCK_2_23;
    const vec2 unit = vec2(1.0, 0.00390625);
    return uintBitsToFloat(t) * unit.xyxy - (vec4(8388608.0, 32768.0, 8388608.0, 32768.0) + BLOCK_OFFSET);
}

void block_quads(block k, out vec4 q[8]) {
    q[0] = block_quad(k.low.x);
    q[1] = block_quad(k.low.y);
    q[2] = block_quad(k.low.z);
    q[3] = block_quad(k.low.w);
    q[4] = block_quad(k.low2.x);
    q[5] = block_quad(k.low2.y);
    q[6] = block_quad(k.low2.z);
    q[7] = block_quad(k.low2.w);
}
#else
// The four nibbles at bits 0, 4, 8, 12 of `low`, each with its high bits, which lie above it: at bits 4, 8, 12, 16.
vec4 block_quad(uint low, uint high) {
    uvec4 t = (uvec4(low) & uvec4(0xFu, 0xF0u, 0xF00u, 0xF000u)) | BLOCK_2_23;
#if QUANT_BITS == 5
    t |= uvec4(high) & uvec4(0x10u, 0x100u, 0x1000u, 0x10000u);
#elif QUANT_BITS == 6
    t |= uvec4(high) & uvec4(0x30u, 0x300u, 0x3000u, 0x30000u);
#endif
    return uintBitsToFloat(t) * vec4(1.0, 0.0625, 0.00390625, 0.000244140625)
        - (vec4(8388608.0, 524288.0, 32768.0, 2048.0) + BLOCK_OFFSET);
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
