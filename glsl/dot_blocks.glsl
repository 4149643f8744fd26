// Two blocks of weights, of any layout, times one block of x. The layout is the same in all invocations.
vec4 x_quad(uint i, uint k) { return xs[i * blocks + k]; }

vec4 float_quad(uvec4 u, uint half_unit, uint bits) { // numbers of a unit: 4 floats, or 2 x 4 of 16 bits
    uvec2 pair = half_unit == 0u ? u.xy : u.zw;
    return bits == 32u ? uintBitsToFloat(u) : bits == 16u ? halves(pair) : bfloats(pair);
}

vec2 dot_floats(uint form, phase_part of, uint second, uint row, uint column) {
    uint bits = form_bits(form), units = bits == 32u ? 8u : 4u, b = row * blocks + column;
    vec2 sum = vec2(0.0);
    for (uint i = 0u; i < 8u; i++) {
        uint unit = bits == 32u ? i : i / 2u;
        vec4 x = x_quad(i, column);
        if (row < of.rows) sum.x += dot(float_quad(w4[of.weight + unit * of.n + b], i & 1u, bits), x);
        if (row + second_row < of.rows)
            sum.y += dot(float_quad(w4[second + unit * of.n + b + second_row * blocks], i & 1u, bits), x);
    }
    return sum;
}

#define ADD_QUADS(Q0, Q1, I, SUM) { vec4 x = x_quad(I, column); SUM.x += dot(Q0, x); SUM.y += dot(Q1, x); }

// Block `column` of row `row` of a matrix and, `second_row` further on in the matrix at `second`, of another row.
vec2 dot_blocks(uint form, block u, block v, phase_part of, uint second, uint row, uint column) {
    uint bits = form_bits(form);
    float o = float((form >> 8u) & 0xFFu);
    vec2 low = vec2(0.0), high = vec2(0.0);
    if (bits > 8u) return dot_floats(form, of, second, row, column);
    if (bits == 4u) {
        ADD_QUADS(nibbles(u.low.x, o), nibbles(v.low.x, o), 0u, low)
        ADD_QUADS(nibbles(u.low.x >> 16u, o), nibbles(v.low.x >> 16u, o), 1u, low)
        ADD_QUADS(nibbles(u.low.y, o), nibbles(v.low.y, o), 2u, low)
        ADD_QUADS(nibbles(u.low.y >> 16u, o), nibbles(v.low.y >> 16u, o), 3u, low)
        ADD_QUADS(nibbles(u.low.z, o), nibbles(v.low.z, o), 4u, high)
        ADD_QUADS(nibbles(u.low.z >> 16u, o), nibbles(v.low.z >> 16u, o), 5u, high)
        ADD_QUADS(nibbles(u.low.w, o), nibbles(v.low.w, o), 6u, high)
        ADD_QUADS(nibbles(u.low.w >> 16u, o), nibbles(v.low.w >> 16u, o), 7u, high)
    }
    if (bits == 5u || bits == 6u) {
        uint mask = bits == 5u ? 0x10u : 0x30u;
        uvec4 shifts = bits == 5u ? uvec4(4u, 3u, 2u, 1u) : uvec4(4u, 2u, 4u, 2u), back = uvec4(16u) - shifts;
        uvec4 uh = bits == 5u ? u.more.xxxx : u.more.xxyy, vh = bits == 5u ? v.more.xxxx : v.more.xxyy;
        uvec4 ue = uh << shifts, uo = uh >> back, ve = vh << shifts, vo = vh >> back;
        ADD_QUADS(wide_nibbles(u.low.x, ue.x, mask, o), wide_nibbles(v.low.x, ve.x, mask, o), 0u, low)
        ADD_QUADS(wide_nibbles(u.low.x >> 16u, uo.x, mask, o), wide_nibbles(v.low.x >> 16u, vo.x, mask, o), 1u, low)
        ADD_QUADS(wide_nibbles(u.low.y, ue.y, mask, o), wide_nibbles(v.low.y, ve.y, mask, o), 2u, low)
        ADD_QUADS(wide_nibbles(u.low.y >> 16u, uo.y, mask, o), wide_nibbles(v.low.y >> 16u, vo.y, mask, o), 3u, low)
        ADD_QUADS(wide_nibbles(u.low.z, ue.z, mask, o), wide_nibbles(v.low.z, ve.z, mask, o), 4u, high)
        ADD_QUADS(wide_nibbles(u.low.z >> 16u, uo.z, mask, o), wide_nibbles(v.low.z >> 16u, vo.z, mask, o), 5u, high)
        ADD_QUADS(wide_nibbles(u.low.w, ue.w, mask, o), wide_nibbles(v.low.w, ve.w, mask, o), 6u, high)
        ADD_QUADS(wide_nibbles(u.low.w >> 16u, uo.w, mask, o), wide_nibbles(v.low.w >> 16u, vo.w, mask, o), 7u, high)
    }
    if (bits == 8u) {
        ADD_QUADS(bytes(u.low.x, o), bytes(v.low.x, o), 0u, low)
        ADD_QUADS(bytes(u.low.y, o), bytes(v.low.y, o), 1u, low)
        ADD_QUADS(bytes(u.low.z, o), bytes(v.low.z, o), 2u, low)
        ADD_QUADS(bytes(u.low.w, o), bytes(v.low.w, o), 3u, low)
        ADD_QUADS(bytes(u.more.x, o), bytes(v.more.x, o), 4u, high)
        ADD_QUADS(bytes(u.more.y, o), bytes(v.more.y, o), 5u, high)
        ADD_QUADS(bytes(u.more.z, o), bytes(v.more.z, o), 6u, high)
        ADD_QUADS(bytes(u.more.w, o), bytes(v.more.w, o), 7u, high)
    }
    vec2 sums = low * vec2(u.scales.x, v.scales.x) + high * vec2(u.scales.y, v.scales.y);
    if (form_has_min(form)) {
        vec2 x = x_sums[column];
        sums += vec2(dot(u.mins, x), dot(v.mins, x));
    }
    return sums;
}
