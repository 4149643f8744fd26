// Blocks of 32 weights of any layout, told while running, because the matrices of one dispatch differ. The planes are
// those of backends/gles/layouts.h, which also says where inside the words a number lies.
//
// A form is bits (4, 5, 6, 8; 16 float16, 17 bfloat16, 32 float32) | offset << 8 | scales << 16 | minimums << 20. The
// functions below are called with constant forms, so that nothing is left to decide where the work is: a branch around
// a load would make the load wait for its end. FORMS: a bit for each form that the model has.
const uint FORM_F32 = 32u, FORM_F16 = 16u, FORM_BF16 = 17u, FORM_Q4 = 0x10804u, FORM_Q4M = 0x110004u,
    FORM_Q5 = 0x11005u, FORM_Q5M = 0x110005u, FORM_Q6 = 0x22006u, FORM_Q8 = 0x18008u, FORM_Q8X2 = 0x28008u,
    FORM_Q8X2M = 0x128008u;

#include "unpack.glsl"

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
