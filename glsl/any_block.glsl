// Blocks of 32 weights of any layout, told while running, because the matrices of one dispatch differ. The planes are
// those of backends/gles/layouts.h, which also says where inside the words a number lies.
//
// A form is bits (4, 5, 6, 8; 16 float16, 17 bfloat16, 32 float32) | offset << 8 | scales << 16 | minimums << 20. Where
// the work is, functions are called with constant forms, so that nothing is left to decide there.
#include "unpack.glsl"

struct block {
    uvec4 low, more; // more: of 5 and 6 bits the high ones; of 8 bits the second half; of floats the second unit
    vec2 scales, mins;
};

uint form_bits(uint form) { return form & 0xFFu; }
float form_offset(uint form) { return float((form >> 8u) & 0xFFu); }
uint form_scales(uint form) { return (form >> 16u) & 15u; }
bool form_has_min(uint form) { return form >> 20u != 0u; }

// Block b of the matrix that begins at the 16 bytes `base` and else is as the present one. Of floats the first 32 bytes:
// the rest is read where it is used.
block block_load(uint form, uint base, uint b) {
    block k;
    uint bits = form_bits(form), word = 4u * base + b;
    k.low = w4[base + b];
    if (bits >= 8u) k.more = w4[base + m.n + b];
    if (bits == 5u) k.more.x = w1[word + m.more];
    if (bits == 6u) k.more.xy = uvec2(w1[word + m.more], w1[word + m.more + m.n]);
    if (bits <= 8u) k.scales = uintBitsToFloat(uvec2(w1[word + m.scales]));
    if (form_scales(form) == 2u) k.scales.y = uintBitsToFloat(w1[word + m.scales + m.n]);
    if (form_has_min(form)) k.mins = uintBitsToFloat(uvec2(w1[word + m.mins]));
    if (form_has_min(form) && form_scales(form) == 2u) k.mins.y = uintBitsToFloat(w1[word + m.mins + m.n]);
    return k;
}
