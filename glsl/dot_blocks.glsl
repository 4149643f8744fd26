// Blocks of weights, of any layout, times a block of x: the sums of both halves of a block, scaled, and its minimums times
// the sums of x. Forms and numbers of quads are constants wherever these functions are called.
vec4 x_quad(uint i, uint column) { return xs[i * uint(X_BLOCKS) + column]; }

float sum_of(vec4 v) { return dot(v, vec4(1.0)); }

// Quad i of a block of integers, without its scale.
vec4 integer_quad(uint form, block k, uint i) {
    uint bits = form_bits(form), pair = i / 2u;
    uvec4 from = bits == 8u && i >= 4u ? k.more : k.low;
    uint at = bits == 8u ? i % 4u : pair, word = at == 0u ? from.x : at == 1u ? from.y : at == 2u ? from.z : from.w;
    uint high = bits == 6u && i >= 4u ? k.more.y : k.more.x, step = bits == 6u ? 2u * (pair % 2u) : pair;
    high = i % 2u == 0u ? high << (4u - step) : high >> (12u + step);
    if (bits != 8u && i % 2u != 0u) word >>= 16u;
    float offset = form_offset(form);
    return bits == 8u ? bytes(word, offset)
        : bits == 4u ? nibbles(word, offset) : wide_nibbles(word, high, bits == 5u ? 0x10u : 0x30u, offset);
}

// Quad i of block b of floats.
vec4 float_quad(uint form, uint base, uint b, uint i) {
    uint bits = form_bits(form);
    uvec4 unit = w4[base + (bits == 32u ? i : i / 2u) * m.n + b];
    uvec2 pair = i % 2u == 0u ? unit.xy : unit.zw;
    return bits == 32u ? uintBitsToFloat(unit) : bits == 16u ? halves(pair) : bfloats(pair);
}

// Quad i of block k, which is block b of the matrix at `base`.
vec4 weight_quad(uint form, block k, uint base, uint b, uint i) {
    return form_bits(form) > 8u ? float_quad(form, base, b, i) : integer_quad(form, k, i);
}

// What the sum over the first half of a block comes to where it has a scale of its own; else the sum goes on.
float end_half(uint form, block k, inout vec4 sum) {
    float scaled = 0.0;
    if (form_scales(form) == 2u) {
        scaled = sum_of(sum) * k.scales.x;
        sum = vec4(0.0);
    }
    return scaled;
}

float end_block(uint form, block k, vec4 sum, uint column) {
    uint scales = form_scales(form);
    float total = sum_of(sum);
    if (scales != 0u) total *= scales == 2u ? k.scales.y : k.scales.x;
    vec2 x = form_has_min(form) ? x_sums[column] : vec2(0.0);
    if (form_has_min(form)) total += scales == 2u ? dot(k.mins, x) : k.mins.x * (x.x + x.y);
    return total;
}

#define FIRST_QUADS(DO) DO(0u) DO(1u) DO(2u) DO(3u)
#define LAST_QUADS(DO) DO(4u) DO(5u) DO(6u) DO(7u)

// Block u, which is block b of the present matrix, times block `column` of x.
float dot_block(uint form, block u, uint b, uint column) {
    vec4 sum = vec4(0.0);
#define ADD_QUAD(I) sum += weight_quad(form, u, m.weight, b, I) * x_quad(I, column);
    FIRST_QUADS(ADD_QUAD)
    float first = end_half(form, u, sum);
    LAST_QUADS(ADD_QUAD)
    return first + end_block(form, u, sum, column);
}

// The same for block b of both matrices of a gated pair, which share what is read of x.
vec2 dot_pair(uint form, block u, block v, uint b, uint column) {
    vec4 sum = vec4(0.0), sum2 = vec4(0.0);
#define ADD_QUADS(I) { \
        vec4 x = x_quad(I, column); \
        sum += weight_quad(form, u, m.weight, b, I) * x; \
        sum2 += weight_quad(form, v, second_base, b, I) * x; \
    }
    FIRST_QUADS(ADD_QUADS)
    vec2 first = vec2(end_half(form, u, sum), end_half(form, v, sum2));
    LAST_QUADS(ADD_QUADS)
    return first + vec2(end_block(form, u, sum, column), end_block(form, v, sum2, column));
}
