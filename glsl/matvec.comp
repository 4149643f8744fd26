// out = W x for single rows x: up to three matrices of one layout (q, k, v) in one dispatch, or act(W0 x) * (W1 x).
//
// x lies in shared memory as eight planes of vec4 (quad i of block k at i * chunk + k), so that neighbouring invocations,
// which take neighbouring blocks of 32 weights, read neighbouring words of both. An invocation multiplies one block; a
// row's sums are then added by 32 lanes. Rows longer than `chunk` blocks are taken in pieces.
//
// PROLOGUE 1: x = norm(in0).  2: h = in0 + in1, x = norm(h).  3: h = in0 + post_norm(in1), x = norm(h). Every work group
// does that for itself, which is cheaper than a dispatch; the first one writes h (sum_out) for the next residual add,
// and what else is observed (post_out, norm_out).
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) readonly buffer W4 { uvec4 w4[]; };
layout(std430, binding = 1) readonly buffer W1 { uint w1[]; };
layout(std430, binding = 2) readonly buffer Vectors { float vectors[]; };
layout(std430, binding = 3) buffer Act { float a[]; };
#include LAYOUT
#include "lanes.glsl"
#if PROLOGUE
#include "reduce.glsl"
#endif
#if GATE
#include "act.glsl"
#define MATRICES 2
#else
#define MATRICES 1
#endif

const uint T = uint(THREADS);
shared vec4 xs[X_QUADS];
shared float partial[THREADS * MATRICES];

// Four numbers of a row, zeros behind its end (widths need not be multiples of 4).
vec4 quad_at(uint base, uint c) {
    return vec4(c < width ? a[base + c] : 0.0, c + 1u < width ? a[base + c + 1u] : 0.0,
                c + 2u < width ? a[base + c + 2u] : 0.0, c + 3u < width ? a[base + c + 3u] : 0.0);
}

vec4 vector_at(uint base, uint c) {
    return vec4(c < width ? vectors[base + c] : 0.0, c + 1u < width ? vectors[base + c + 1u] : 0.0,
                c + 2u < width ? vectors[base + c + 2u] : 0.0, c + 3u < width ? vectors[base + c + 3u] : 0.0);
}

void put_quad(uint base, uint c, vec4 v) {
    if (c < width) a[base + c] = v.x;
    if (c + 1u < width) a[base + c + 1u] = v.y;
    if (c + 2u < width) a[base + c + 2u] = v.z;
    if (c + 3u < width) a[base + c + 3u] = v.w;
}

uint place(uint quad) { return (quad & 7u) * chunk + (quad >> 3); }

void load_chunk(uint x, uint first) { // blocks [first, first + chunk) of the row at x
    for (uint i = gl_LocalInvocationIndex; i < 8u * chunk; i += T) xs[place(i)] = quad_at(x, 32u * first + 4u * i);
}

#if PROLOGUE
void load_normed(uint r) {
    uint x = in0 + r * in0_stride, y = in1 + r * in1_stride;
    bool writer = gl_WorkGroupID.x == 0u;
    float sum = 0.0;
#if PROLOGUE == 3
    for (uint i = gl_LocalInvocationIndex; i < 8u * blocks; i += T) {
        vec4 v = quad_at(y, 4u * i);
        sum += dot(v, v);
    }
    float post_r = 1.0 / sqrt(group_sum(sum) / float(width) + post_eps);
    sum = 0.0;
#endif
    for (uint i = gl_LocalInvocationIndex; i < 8u * blocks; i += T) {
        vec4 h = quad_at(x, 4u * i);
#if PROLOGUE > 1
        vec4 o = quad_at(y, 4u * i);
#if PROLOGUE == 3
        o *= post_r * vector_at(post, 4u * i);
        if (writer && post_out != NONE) put_quad(post_out + r * in0_stride, 4u * i, o);
#endif
        h += o;
        if (writer && sum_out != NONE) put_quad(sum_out + r * in0_stride, 4u * i, h);
#endif
        xs[place(i)] = h;
        sum += dot(h, h);
    }
    float norm_r = 1.0 / sqrt(group_sum(sum) / float(width) + eps);
    for (uint i = gl_LocalInvocationIndex; i < 8u * blocks; i += T) {
        vec4 v = xs[place(i)] * norm_r * vector_at(norm, 4u * i);
        xs[place(i)] = v;
        if (writer && norm_out != NONE) put_quad(norm_out + r * in0_stride, 4u * i, v);
    }
}
#endif

// Weights of block b of the matrix at `base` (n blocks) times block k of x.
float dot_block(uint base, uint n, uint b, uint k) {
    block w = block_load(base, n, b);
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

// Sum of n partial results at `at`, by 32 lanes. Called by all invocations.
float partial_sum(uint at, uint n, bool live) {
    float s = 0.0;
    if (live)
        for (uint i = gl_LocalInvocationIndex % LANES; i < n; i += LANES) s += partial[at + i];
    return lanes_sum(s);
}

void finish_row(uint row, uint at, uint bias, float s0, float s1) {
#if GATE
    a[at + row] = act(s0) * s1;
#else
    a[at + row] = bias == NONE ? s0 : s0 + vectors[bias + row];
#endif
}

void main() {
    uint t = gl_LocalInvocationIndex, r = gl_WorkGroupID.y;
    uint each = max(1u, T / chunk); // rows of a matrix at a time
    bool pieces = chunk < blocks;
    uint x = in0 + r * in0_stride;
#if PROLOGUE
    load_normed(r);
    barrier();
#else
    if (!pieces) {
        load_chunk(x, 0u);
        barrier();
    }
#endif
    uint batches0 = (rows0 + each - 1u) / each, batches1 = 0u, batches2 = 0u;
#if !GATE
    if (parts > 1u) batches1 = (rows1 + each - 1u) / each;
    if (parts > 2u) batches2 = (rows2 + each - 1u) / each;
#endif
    uint total = batches0 + batches1 + batches2;
    for (uint i = gl_WorkGroupID.x; i < total; i += gl_NumWorkGroups.x) {
        uint base = weight0, n = weight0_n, rows = rows0, at = part_out0, bias = bias0, first = i * each;
        if (i >= batches0 + batches1) {
            base = weight2, n = weight2_n, rows = rows2, at = part_out2, bias = bias2;
            first = (i - batches0 - batches1) * each;
        } else if (i >= batches0) {
            base = weight1, n = weight1_n, rows = rows1, at = part_out1, bias = bias1;
            first = (i - batches0) * each;
        }
        float sum0 = 0.0, sum1 = 0.0;
        for (uint c = 0u; c < blocks; c += chunk) {
            if (pieces) {
                barrier();
                load_chunk(x, c);
                barrier();
            }
            uint row = first + t / chunk, k = t % chunk;
            if (each == 1u) row = first, k = t;
            bool mine = each == 1u || t / chunk < each;
            for (; mine && row < rows && k < chunk && c + k < blocks; k += T) {
                sum0 += dot_block(base, n, row * blocks + c + k, k);
#if GATE
                sum1 += dot_block(weight1, weight1_n, row * blocks + c + k, k);
#endif
                if (each > 1u) break; // one block each
            }
        }
        barrier();
        partial[t] = sum0;
#if GATE
        partial[T + t] = sum1;
#endif
        barrier();
        uint n_partial = each == 1u ? T : chunk;
        for (uint j = 0u; j < each; j += T / LANES) {
            uint local_row = j + t / LANES;
            bool live = local_row < each && first + local_row < rows;
            float s0 = partial_sum(local_row * n_partial, n_partial, live), s1 = 0.0;
#if GATE
            s1 = partial_sum(T + local_row * n_partial, n_partial, live);
#endif
            if (live && t % LANES == 0u) finish_row(first + local_row, at + r * out_stride, bias, s0, s1);
        }
    }
}
