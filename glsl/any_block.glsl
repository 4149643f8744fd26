// Blocks of 32 weights of any layout, told while running, because the matrices of one dispatch differ. The planes are
// those of backends/gles/layouts.h, which also says where inside the words a number lies; quant.glsl explains how bits
// become floats.
//
// A form is bits (4, 5, 6, 8; 16 float16, 17 bfloat16, 32 float32) | offset << 8 | scales << 16 | minimums << 20. The
// functions below are called with constant forms, so that nothing is left to decide where the work is: a branch around
// a load would make the load wait for its end. FORMS: a bit for each form that the model has.
const uint FORM_F32 = 32u, FORM_F16 = 16u, FORM_BF16 = 17u, FORM_Q4 = 0x10804u, FORM_Q4M = 0x110004u,
    FORM_Q5 = 0x11005u, FORM_Q5M = 0x110005u, FORM_Q6 = 0x22006u, FORM_Q8 = 0x18008u, FORM_Q8X2 = 0x28008u,
    FORM_Q8X2M = 0x128008u;

struct block {
    uvec4 low, more; // more: of 5 and 6 bits the high ones; of 8 bits the second half; of floats the second unit
    vec2 scales, mins;
};

// Where planes begin, in words from the beginning of the matrix.
struct planes {
    uint more, scales, mins;
};

uint form_bits(uint form) { return form & 0xFFu; }
uint form_scales(uint form) { return (form >> 16u) & 15u; }
bool form_has_min(uint form) { return form >> 20u != 0u; }

// Behind a plane of `words` words a block of n that begins at word `start`.
uint plane_end(uint start, uint words, uint n) { return start + ((words * n + 3u) & ~3u); }

planes find_planes(uint n, uint form) {
    uint bits = form_bits(form), words = bits == 8u ? 4u : bits == 6u ? 2u : bits == 5u ? 1u : 0u;
    uint scales = plane_end(4u * n, words, n);
    return planes(4u * n, scales, plane_end(scales, form_scales(form), n));
}

// Block b of the matrix that begins at the 16 bytes `base`.
block block_load(uint base, uint n, planes at, uint form, uint b) {
    block k;
    uint bits = form_bits(form), word = 4u * base + b;
    k.low = w4[base + b];
    if (bits >= 8u) k.more = w4[base + n + b];
    if (bits == 5u) k.more.x = w1[word + at.more];
    if (bits == 6u) k.more.xy = uvec2(w1[word + at.more], w1[word + at.more + n]);
    if (bits > 8u) return k;
    k.scales = uintBitsToFloat(uvec2(w1[word + at.scales]));
    if (form_scales(form) == 2u) k.scales.y = uintBitsToFloat(w1[word + at.scales + n]);
    if (form_has_min(form)) {
        k.mins = uintBitsToFloat(uvec2(w1[word + at.mins]));
        if (form_scales(form) == 2u) k.mins.y = uintBitsToFloat(w1[word + at.mins + n]);
    }
    return k;
}

const uint TWO_23 = 0x4B000000u; // the bits of 2^23

// The bytes of a word less an offset. Those at bits 16 and 24 would reach the exponent: they are moved down.
vec4 bytes(uint w, float offset) {
    uint v = w >> 16u;
    uvec4 t = (uvec4(w, w, v, v) & uvec4(0xFFu, 0xFF00u, 0xFFu, 0xFF00u)) | TWO_23;
    const vec2 unit = vec2(1.0, 0.00390625);
    return uintBitsToFloat(t) * unit.xyxy - (vec4(8388608.0, 32768.0, 8388608.0, 32768.0) + offset);
}

vec4 field_floats(uvec4 t, float offset) { // fields at bits 0, 4, 8, 12
    return uintBitsToFloat(t | TWO_23) * vec4(1.0, 0.0625, 0.00390625, 0.000244140625)
        - (vec4(8388608.0, 524288.0, 32768.0, 2048.0) + offset);
}

vec4 nibbles(uint w, float offset) { return field_floats(uvec4(w) & uvec4(0xFu, 0xF0u, 0xF00u, 0xF000u), offset); }

// Nibbles with high bits, which lie above them: `mask` of those at bit 4, and so on.
vec4 wide_nibbles(uint w, uint high, uint mask, float offset) {
    uvec4 t = uvec4(w) & uvec4(0xFu, 0xF0u, 0xF00u, 0xF000u);
    return field_floats(t | (uvec4(high) & uvec4(mask, mask << 4u, mask << 8u, mask << 12u)), offset);
}

vec4 halves(uvec2 w) { // finite ones: see layouts/f16.glsl
    uvec4 h = uvec4(w.x << 13u, w.x >> 3u, w.y << 13u, w.y >> 3u) & 0x0FFFE000u;
    uvec4 signs = uvec4(w.x << 16u, w.x, w.y << 16u, w.y) & 0x80000000u;
    vec4 x = uintBitsToFloat(h + 0x38000000u);
    return uintBitsToFloat(floatBitsToUint(min(x, x * 2.0 - 0.00006103515625)) | signs);
}

vec4 bfloats(uvec2 w) { return uintBitsToFloat(uvec4(w.x << 16u, w.x & 0xFFFF0000u, w.y << 16u, w.y & 0xFFFF0000u)); }
