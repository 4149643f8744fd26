// out = W x for single rows x: up to three matrices of one layout (q, k, v) in one dispatch, or act(W0 x) * (W1 x).
//
// x lies in shared memory as eight planes of vec4 (quad i of block k at i * chunk + k), so that neighbouring invocations,
// which take neighbouring blocks of 32 weights, read neighbouring words of both. An invocation multiplies one block; a
// row's sums are then added by 32 lanes. A work group goes through several batches of rows, so that x is made ready
// once for all of them; with ONE_BLOCK (a row has no more blocks than the group has invocations) the weights of the
// next batch are on their way while the present one is added up, and those of the first while x is made ready.
//
// PROLOGUE 1: x = norm(in0).  2: h = in0 + in1, x = norm(h).  3: h = in0 + post_norm(in1), x = norm(h). Every work group
// does that for itself, which is cheaper than a dispatch; the first one writes h (sum_out) for the next residual add,
// and what else is observed (post_out, norm_out). QUADS_EACH: quads of x an invocation holds in registers meanwhile.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) readonly buffer W4 { uvec4 w4[]; };
layout(std430, binding = 1) readonly buffer W1 { uint w1[]; };
layout(std430, binding = 2) readonly buffer Vectors { vec4 vectors4[]; };
layout(std430, binding = 3) buffer Act { float a[]; };
#if ACT_QUADS // the activations once more, to read four at a time, where the device has a fifth binding
layout(std430, binding = 4) readonly buffer Act4 { vec4 a4[]; };
#endif
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

// Numbers behind the end of a row are somebody else's: zeros in their place.
vec4 cut(vec4 v, uint c) {
    if (c + 3u < width) return v;
    return vec4(c < width ? v.x : 0.0, c + 1u < width ? v.y : 0.0, c + 2u < width ? v.z : 0.0, 0.0);
}

vec4 quad_at(uint base, uint c) {
#if ACT_QUADS
    return cut(a4[(base + c) / 4u], c);
#else
    return cut(vec4(a[base + c], a[base + c + 1u], a[base + c + 2u], a[base + c + 3u]), c);
#endif
}

vec4 vector_quad(uint base, uint c) { return vectors4[(base + c) / 4u]; }

float vector_at(uint i) {
    vec4 v = vectors4[i / 4u];
    vec2 p = (i & 2u) == 0u ? v.xy : v.zw;
    return (i & 1u) == 0u ? p.x : p.y;
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
    uint t = gl_LocalInvocationIndex, x = in0 + r * in0_stride, y = in1 + r * in1_stride, quads = 8u * blocks;
    bool writer = gl_WorkGroupID.x == 0u;
    vec4 h[QUADS_EACH], w[QUADS_EACH]; // all loads at once, before the first sum needs any
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
        uint i = min(t + e * T, quads - 1u);
        bool live = t + e * T < quads;
        h[e] = live ? quad_at(x, 4u * i) : vec4(0.0);
        w[e] = vector_quad(norm, 4u * i);
    }
#if PROLOGUE > 1
    vec4 o[QUADS_EACH];
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
        uint i = min(t + e * T, quads - 1u);
        o[e] = t + e * T < quads ? quad_at(y, 4u * i) : vec4(0.0);
    }
#endif
#if PROLOGUE == 3
    vec4 p[QUADS_EACH];
    float post_sum = 0.0;
    for (uint e = 0u; e < uint(QUADS_EACH); e++) p[e] = vector_quad(post, 4u * min(t + e * T, quads - 1u));
    for (uint e = 0u; e < uint(QUADS_EACH); e++) post_sum += dot(o[e], o[e]);
    float post_r = 1.0 / sqrt(group_sum(post_sum) / float(width) + post_eps);
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
        o[e] *= post_r * p[e];
        if (writer && post_out != NONE && t + e * T < quads) put_quad(post_out + r * in0_stride, 4u * (t + e * T), o[e]);
    }
#endif
    float sum = 0.0;
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
#if PROLOGUE > 1
        h[e] += cut(o[e], 4u * (t + e * T));
        if (writer && sum_out != NONE && t + e * T < quads) put_quad(sum_out + r * in0_stride, 4u * (t + e * T), h[e]);
#endif
        sum += dot(h[e], h[e]);
    }
    float norm_r = 1.0 / sqrt(group_sum(sum) / float(width) + eps);
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
        uint i = t + e * T;
        if (i >= quads) continue;
        vec4 v = cut(h[e] * norm_r * w[e], 4u * i);
        xs[place(i)] = v;
        if (writer && norm_out != NONE) put_quad(norm_out + r * in0_stride, 4u * i, v);
    }
}
#endif

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

// Rows [first, first + rows of a batch) of one of the matrices.
struct job {
    uint base, n, rows, at, bias, first;
};

job find_job(uint i, uint each) {
    job j = job(weight0, weight0_n, rows0, part_out0, bias0, i * each);
#if !GATE
    uint batches0 = (rows0 + each - 1u) / each;
    uint batches1 = parts > 1u ? (rows1 + each - 1u) / each : 0u;
    if (parts > 2u && i >= batches0 + batches1)
        j = job(weight2, weight2_n, rows2, part_out2, bias2, (i - batches0 - batches1) * each);
    else if (parts > 1u && i >= batches0)
        j = job(weight1, weight1_n, rows1, part_out1, bias1, (i - batches0) * each);
#endif
    return j;
}

uint count_jobs(uint each) {
    uint n = (rows0 + each - 1u) / each;
#if !GATE
    if (parts > 1u) n += (rows1 + each - 1u) / each;
    if (parts > 2u) n += (rows2 + each - 1u) / each;
#endif
    return n;
}

// Sum of n partial results at `at`, by 32 lanes. Called by all invocations.
float partial_sum(uint at, uint n, bool live) {
    float s = 0.0;
    if (live)
        for (uint i = gl_LocalInvocationIndex % LANES; i < n; i += LANES) s += partial[at + i];
    return lanes_sum(s);
}

// Adds up `each` rows of `n` partial results and writes them.
void finish_job(job j, uint each, uint n, uint shift) {
    uint t = gl_LocalInvocationIndex;
    for (uint i = 0u; i < each; i += T / LANES) {
        uint row = i + t / LANES;
        bool live = row < each && j.first + row < j.rows;
        float s = partial_sum(row * n, n, live);
#if GATE
        float up = partial_sum(T + row * n, n, live);
        s = act(s) * up;
#endif
        if (live && t % LANES == 0u) // (no `continue`: the lanes must meet again before the next sum)
            a[j.at + shift + j.first + row] = j.bias == NONE ? s : s + vector_at(j.bias + j.first + row);
    }
}

void main() {
    uint t = gl_LocalInvocationIndex, r = gl_WorkGroupID.y, x = in0 + r * in0_stride, shift = r * out_stride;
    uint each = max(1u, T / chunk), jobs = count_jobs(each); // rows of a batch
#if ONE_BLOCK
    uint local_row = t / chunk, k = t % chunk;
    job j = find_job(gl_WorkGroupID.x, each);
    uint b = min((j.first + local_row) * blocks + k, j.n - 1u); // past the last row: any block, its sum is not used
    block next = block_load(j.base, j.n, b);
#if GATE
    block next_up = block_load(weight1, weight1_n, b);
#endif
#endif
#if PROLOGUE
    load_normed(r);
    barrier();
#else
    if (chunk == blocks) {
        load_chunk(x, 0u);
        barrier();
    }
#endif
    for (uint i = gl_WorkGroupID.x; i < jobs; i += gl_NumWorkGroups.x) {
#if ONE_BLOCK
        job now = j;
        float sum0 = dot_block(next, k), sum1 = 0.0;
#if GATE
        sum1 = dot_block(next_up, k);
#endif
        if (i + gl_NumWorkGroups.x < jobs) {
            j = find_job(i + gl_NumWorkGroups.x, each);
            b = min((j.first + local_row) * blocks + k, j.n - 1u);
            next = block_load(j.base, j.n, b);
#if GATE
            next_up = block_load(weight1, weight1_n, b);
#endif
        }
        uint n = chunk;
#else
        job now = find_job(i, each);
        float sum0 = 0.0, sum1 = 0.0;
        for (uint c = 0u; c < blocks; c += chunk) {
            if (chunk < blocks) {
                barrier();
                load_chunk(x, c);
                barrier();
            }
            uint row = now.first + (each == 1u ? 0u : t / chunk), k = each == 1u ? t : t % chunk;
            bool mine = row < now.rows && row - now.first < each;
            for (; mine && k < chunk && c + k < blocks; k += each == 1u ? T : chunk) {
                sum0 += dot_block(block_load(now.base, now.n, row * blocks + c + k), k);
#if GATE
                sum1 += dot_block(block_load(weight1, weight1_n, row * blocks + c + k), k);
#endif
            }
        }
        uint n = each == 1u ? T : chunk;
#endif
        barrier();
        partial[t] = sum0;
#if GATE
        partial[T + t] = sum1;
#endif
        barrier();
        finish_job(now, each, n, shift);
    }
}
