// out = W x for single rows x, work_group().y of them.
//
// x lies in shared memory as eight planes of vec4 (quad i of block k at i * chunk + k), so that neighbouring invocations,
// which take neighbouring blocks of 32 weights, read neighbouring words of both. An invocation multiplies one block; a
// row's sums are then added by 32 lanes. A work group goes through several batches of rows; with ONE_BLOCK (a row has no
// more blocks than the group has invocations) the weights of the next batch are on their way while the present one is
// added up.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) readonly buffer W4 { uvec4 w4[]; };
layout(std430, binding = 1) readonly buffer W1 { uint w1[]; };
layout(std430, binding = 2) readonly buffer Vectors { float vectors[]; };
layout(std430, binding = 3) buffer Act { float a[]; };
#if ACT_QUADS // the activations once more, to read four at a time, where the device has a fifth binding
layout(std430, binding = 4) readonly buffer Act4 { vec4 a4[]; };
#endif
#include LAYOUT
#include "lanes.glsl"

const uint T = uint(THREADS);
shared vec4 xs[X_QUADS];
shared float partial[THREADS];

vec4 quad_at(uint base, uint c) { // numbers behind the end of a row are somebody else's: zeros in their place
#if ACT_QUADS
    vec4 v = a4[(base + c) / 4u];
#else
    vec4 v = vec4(a[base + c], a[base + c + 1u], a[base + c + 2u], a[base + c + 3u]);
#endif
    if (c + 3u < width) return v;
    return vec4(c < width ? v.x : 0.0, c + 1u < width ? v.y : 0.0, c + 2u < width ? v.z : 0.0, 0.0);
}

void load_chunk(uint x, uint first) { // blocks [first, first + chunk) of the row at x
    for (uint i = gl_LocalInvocationIndex; i < 8u * chunk; i += T)
        xs[(i & 7u) * chunk + (i >> 3)] = quad_at(x, 32u * first + 4u * i);
}

// A block of weights times block k of x.
float dot_block(block w, uint k) {
    vec4 q[8];
    block_quads(w, q);
    vec2 s = block_scales(w);
    vec4 x0 = xs[k], x1 = xs[chunk + k], x2 = xs[2u * chunk + k], x3 = xs[3u * chunk + k];
    vec4 x4 = xs[4u * chunk + k], x5 = xs[5u * chunk + k], x6 = xs[6u * chunk + k], x7 = xs[7u * chunk + k];
    float low = dot(q[0], x0) + dot(q[1], x1) + dot(q[2], x2) + dot(q[3], x3);
    float high = dot(q[4], x4) + dot(q[5], x5) + dot(q[6], x6) + dot(q[7], x7);
    float sum = low * s.x + high * s.y;
#if BLOCK_HAS_MIN
    vec2 m = block_mins(w);
    vec4 one = vec4(1.0);
    sum += m.x * dot(one, x0 + x1 + x2 + x3) + m.y * dot(one, x4 + x5 + x6 + x7);
#endif
    return sum;
}

// Adds up `each` rows of `n` partial results, from row `first` of the matrix on, and writes them.
void finish_batch(uint first, uint each, uint n, uint shift) {
    uint t = gl_LocalInvocationIndex;
    for (uint i = 0u; i < each; i += T / LANES) {
        uint row = i + t / LANES;
        bool live = row < each && first + row < rows0;
        float s = 0.0;
        if (live)
            for (uint l = t % LANES; l < n; l += LANES) s += partial[row * n + l];
        s = lanes_sum(s);
        if (live && t % LANES == 0u) // (no `continue`: the lanes must meet again before the next sum)
            a[part_out0 + shift + first + row] = bias0 == NONE ? s : s + vectors[bias0 + first + row];
    }
}

void main() {
    uint t = gl_LocalInvocationIndex, r = work_group().y, x = in0 + r * in0_stride, shift = r * out_stride;
    uint each = max(1u, T / chunk), batches = (rows0 + each - 1u) / each;
#if ONE_BLOCK
    uint local_row = t / chunk, k = t % chunk;
    // Past the last row: any block, its sum is not used.
    block next = block_load(weight0, weight0_n, min((work_group().x * each + local_row) * blocks + k, weight0_n - 1u));
#endif
    if (chunk == blocks) {
        load_chunk(x, 0u);
        barrier();
    }
    for (uint i = work_group().x; i < batches; i += work_groups().x) {
#if ONE_BLOCK
        float sum = dot_block(next, k);
        uint b = ((i + work_groups().x) * each + local_row) * blocks + k;
        if (i + work_groups().x < batches) next = block_load(weight0, weight0_n, min(b, weight0_n - 1u));
        uint n = chunk;
#else
        float sum = 0.0;
        for (uint c = 0u; c < blocks; c += chunk) {
            if (chunk < blocks) {
                barrier();
                load_chunk(x, c);
                barrier();
            }
            uint row = i * each + (each == 1u ? 0u : t / chunk), k = each == 1u ? t : t % chunk;
            bool mine = row < rows0 && row - i * each < each;
            for (; mine && k < chunk && c + k < blocks; k += each == 1u ? T : chunk)
                sum += dot_block(block_load(weight0, weight0_n, row * blocks + c + k), k);
        }
        uint n = each == 1u ? T : chunk;
#endif
        barrier();
        partial[t] = sum;
        barrier();
        finish_batch(i * each, each, n, shift);
    }
}
