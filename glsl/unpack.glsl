// Numbers of a few bits, four at a time, as floats.
//
// From stored bits to float without a shift and a conversion for each: a field at bit p, OR-ed under the exponent of
// 2^23, is the float 2^23 + field * 2^p. Times 2^-p, less 2^(23 - p) + offset, it is q; every step is exact, fused or
// not.
//
// TWO_23, the bits of 2^23, may be a variable of the including file: NVIDIA's compiler masks and ORs in one instruction
// then, since only one of both operands can be a constant inside the instruction.
#ifndef TWO_23
#define TWO_23 0x4B000000u
#endif

// The bytes of a word less an offset. Those at bits 16 and 24 would reach the exponent: they are moved down.
vec4 bytes(uint w, float offset) {
    uint v = w >> 16u;
    uvec4 t = (uvec4(w, w, v, v) & uvec4(0xFFu, 0xFF00u, 0xFFu, 0xFF00u)) | TWO_23;
    const vec2 unit = vec2(1.0, 0.00390625);
    return uintBitsToFloat(t) * unit.xyxy - (vec4(8388608.0, 32768.0, 8388608.0, 32768.0) + offset);
}

// Fields at bits 0, 4, 8, 12 of words that have the exponent already, each less an offset.
vec4 field_floats(uvec4 t, float offset) {
    return uintBitsToFloat(t) * vec4(1.0, 0.0625, 0.00390625, 0.000244140625)
        - (vec4(8388608.0, 524288.0, 32768.0, 2048.0) + offset);
}

uvec4 nibble_fields(uint w) { return (uvec4(w) & uvec4(0xFu, 0xF0u, 0xF00u, 0xF000u)) | TWO_23; }

vec4 nibbles(uint w, float offset) { return field_floats(nibble_fields(w), offset); }

// Nibbles with high bits, which lie above them: `mask` of those at bit 4, and so on.
vec4 wide_nibbles(uint w, uint high, uint mask, float offset) {
    return field_floats(nibble_fields(w) | (uvec4(high) & uvec4(mask, mask << 4u, mask << 8u, mask << 12u)), offset);
}

// Halves, the first of a pair in the low bits of its word. Finite ones only: infinity reads as 65536.
//
// Exponent and fraction moved to their places, and 112 added to the exponent, give x: right for every normal half. A
// subnormal one, f * 2^-24, comes out as x = 2^-15 (1 + f / 1024) and should be 2 x - 2^-14. That is the smaller of the
// two exactly below 2^-14, where halves are subnormal, so no comparison is needed; and no float here is subnormal.
vec4 halves(uvec2 w) {
    uvec4 h = uvec4(w.x << 13u, w.x >> 3u, w.y << 13u, w.y >> 3u) & 0x0FFFE000u;
    uvec4 signs = uvec4(w.x << 16u, w.x, w.y << 16u, w.y) & 0x80000000u;
    vec4 x = uintBitsToFloat(h + 0x38000000u);
    return uintBitsToFloat(floatBitsToUint(min(x, x * 2.0 - 0.00006103515625)) | signs);
}

// bfloat16: the upper halves of floats, the first of a pair in the low bits of its word.
vec4 bfloats(uvec2 w) { return uintBitsToFloat(uvec4(w.x << 16u, w.x & 0xFFFF0000u, w.y << 16u, w.y & 0xFFFF0000u)); }
