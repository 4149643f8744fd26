// Blocks of 32 weights of any layout, told while running, because the matrices of one dispatch differ. The planes are
// those of backends/gles/layouts.h, which also says where inside the words a number lies; quant.glsl explains how bits
// become floats.
//
// form: bits (4, 5, 6, 8; 16 float16, 17 bfloat16, 32 float32) | offset << 8 | scales << 16 | minimums << 20.
struct block {
    uvec4 low, low2; // 4 to 6 bits: low; 8 bits and floats: both
    uvec2 high;
    vec2 scales, mins;
};

uint form_bits(uint form) { return form & 0xFFu; }

// Behind a plane of `words` words a block that begins at word `start`.
uint plane_end(uint start, uint words, uint n) { return start + ((words * n + 3u) & ~3u); }

block block_load(uint base, uint n, uint b, uint form) {
    block k;
    uint bits = form_bits(form), plane = 4u * (base + n), scales = (form >> 16u) & 15u;
    k.low = w4[base + b];
    if (bits >= 8u) {
        k.low2 = w4[base + n + b];
        plane += 4u * n;
    }
    if (bits > 8u) return k;
    if (bits == 5u) {
        k.high.x = w1[plane + b];
        plane = plane_end(plane, 1u, n);
    }
    if (bits == 6u) {
        k.high = uvec2(w1[plane + b], w1[plane + n + b]);
        plane = plane_end(plane, 2u, n);
    }
    k.scales.x = uintBitsToFloat(w1[plane + b]);
    k.scales.y = scales == 2u ? uintBitsToFloat(w1[plane + n + b]) : k.scales.x;
    if (form >> 20u != 0u) {
        plane = plane_end(plane, scales, n);
        k.mins.x = uintBitsToFloat(w1[plane + b]);
        k.mins.y = scales == 2u ? uintBitsToFloat(w1[plane + n + b]) : k.mins.x;
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

vec4 x_quad(uint i, uint k) { return xs[i * P.blocks + k]; }

float dot_floats(block w, uint base, uint n, uint b, uint form, uint k) {
    float sum = 0.0;
    uint units = form_bits(form) == 32u ? 8u : 4u;
    for (uint i = 0u; i < units; i++) {
        uvec4 u = i == 0u ? w.low : i == 1u ? w.low2 : w4[base + i * n + b];
        if (units == 8u)
            sum += dot(uintBitsToFloat(u), x_quad(i, k));
        else if (form_bits(form) == 16u)
            sum += dot(halves(u.xy), x_quad(2u * i, k)) + dot(halves(u.zw), x_quad(2u * i + 1u, k));
        else
            sum += dot(bfloats(u.xy), x_quad(2u * i, k)) + dot(bfloats(u.zw), x_quad(2u * i + 1u, k));
    }
    return sum;
}

// Block b of the matrix, which is in `w`, times block k of x.
float dot_block(block w, uint base, uint n, uint b, uint form, uint k) {
    uint bits = form_bits(form);
    float o = float((form >> 8u) & 0xFFu), low, high;
    if (bits > 8u) return dot_floats(w, base, n, b, form, k);
    if (bits == 4u) {
        low = dot(nibbles(w.low.x, o), x_quad(0u, k)) + dot(nibbles(w.low.x >> 16u, o), x_quad(1u, k))
            + dot(nibbles(w.low.y, o), x_quad(2u, k)) + dot(nibbles(w.low.y >> 16u, o), x_quad(3u, k));
        high = dot(nibbles(w.low.z, o), x_quad(4u, k)) + dot(nibbles(w.low.z >> 16u, o), x_quad(5u, k))
            + dot(nibbles(w.low.w, o), x_quad(6u, k)) + dot(nibbles(w.low.w >> 16u, o), x_quad(7u, k));
    } else if (bits == 8u) {
        low = dot(bytes(w.low.x, o), x_quad(0u, k)) + dot(bytes(w.low.y, o), x_quad(1u, k))
            + dot(bytes(w.low.z, o), x_quad(2u, k)) + dot(bytes(w.low.w, o), x_quad(3u, k));
        high = dot(bytes(w.low2.x, o), x_quad(4u, k)) + dot(bytes(w.low2.y, o), x_quad(5u, k))
            + dot(bytes(w.low2.z, o), x_quad(6u, k)) + dot(bytes(w.low2.w, o), x_quad(7u, k));
    } else {
        bool five = bits == 5u;
        uint m = five ? 0x10u : 0x30u;
        uvec4 even = five ? uvec4(w.high.x) << uvec4(4u, 3u, 2u, 1u) : w.high.xxyy << uvec4(4u, 2u, 4u, 2u);
        uvec4 odd = five ? uvec4(w.high.x) >> uvec4(12u, 13u, 14u, 15u) : w.high.xxyy >> uvec4(12u, 14u, 12u, 14u);
        low = dot(wide_nibbles(w.low.x, even.x, m, o), x_quad(0u, k))
            + dot(wide_nibbles(w.low.x >> 16u, odd.x, m, o), x_quad(1u, k))
            + dot(wide_nibbles(w.low.y, even.y, m, o), x_quad(2u, k))
            + dot(wide_nibbles(w.low.y >> 16u, odd.y, m, o), x_quad(3u, k));
        high = dot(wide_nibbles(w.low.z, even.z, m, o), x_quad(4u, k))
            + dot(wide_nibbles(w.low.z >> 16u, odd.z, m, o), x_quad(5u, k))
            + dot(wide_nibbles(w.low.w, even.w, m, o), x_quad(6u, k))
            + dot(wide_nibbles(w.low.w >> 16u, odd.w, m, o), x_quad(7u, k));
    }
    float sum = low * w.scales.x + high * w.scales.y;
    if (form >> 20u != 0u) sum += w.mins.x * x_sums[k].x + w.mins.y * x_sums[k].y;
    return sum;
}
