// Decoding one row: norms and rotates q and k of its heads, writes k and v to the cache, and attends. All heads that
// share a kv head are taken together, so that keys and values are read once. A work group takes one kv head and one
// piece of the cache (gl_WorkGroupID.x = kv head * pieces + piece); with several pieces attend_merge.comp joins them.
//
// Blocks of BLOCK positions: first 32 lanes score a key, dimensions side by side; then an invocation adds up a pair of
// dimensions over a share of the positions. Sums so far are rescaled when a block has a larger score.
//
// in0, in1, out0: q, k, result of their ops; part_out0: v. norm, post: weights of the norms of q and k, or NONE.
// extra0, extra1: positions and sequences; rope: angles. sum_out: results of pieces (heads * pieces * (HEAD_DIM + 2));
// post_out: how many there are.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) coherent buffer Cache { uint cache[]; };
layout(std430, binding = 1) readonly buffer Step { int step[]; };
layout(std430, binding = 2) readonly buffer Vectors { float vectors[]; };
layout(std430, binding = 3) buffer Act { float a[]; };
#include "cache.glsl"
#include "lanes.glsl"

const uint T = uint(THREADS), D = uint(HEAD_DIM), G = uint(GROUP), WARPS = T / LANES, BLOCK = 64u;
const uint PAIRS = D / 2u, SHARES = T / PAIRS; // shares of the positions in the second half
const uint LOADS = (PAIRS + LANES - 1u) / LANES; // pairs of dimensions of a lane in the first half
const float LOWEST = -3.0e38;
shared float q[G * D];
shared float score[SCORES]; // G * BLOCK, at least D
shared float largest[G], total[G], shrink[G];
shared uint value_at[BLOCK];
shared vec2 merged[T];

// A pair of numbers at an even place of the cache.
vec2 pair_at(uint at) {
#if CACHE_F32
    return uintBitsToFloat(uvec2(cache[at], cache[at + 1u]));
#else
    return unpackHalf2x16(cache[at / 2u]);
#endif
}

void put_pair(uint at, vec2 v) {
#if CACHE_F32
    cache[at] = floatBitsToUint(v.x);
    cache[at + 1u] = floatBitsToUint(v.y);
#else
    cache[at / 2u] = packHalf2x16(v);
#endif
}

// 1 / rms of the head at `at`, by 32 lanes; 1 where there is no norm.
float norm_factor(uint at, uint weights, float e) {
    float s = 0.0;
    for (uint d = gl_LocalInvocationIndex % LANES; d < D; d += LANES) s += a[at + d] * a[at + d];
    s = lanes_sum(s);
    return weights == NONE ? 1.0 : 1.0 / sqrt(s / float(D) + e);
}

float normed(uint at, uint d, float r, uint weights) { return a[at + d] * r * (weights == NONE ? 1.0 : vectors[weights + d]); }

// Numbers j and j + dims/2 of a head, normed and rotated; behind the rotated ones as they are.
vec2 rotated(uint at, uint j, float r, uint weights) {
    uint half_dims = dims / 2u;
    float u = normed(at, j, r, weights), v = normed(at, j + half_dims, r, weights);
    float c = intBitsToFloat(step[rope + j]), s = intBitsToFloat(step[rope + half_dims + j]);
    return vec2(u * c - v * s, v * c + u * s);
}

void load_queries(uint kv) {
    uint lane = gl_LocalInvocationIndex % LANES, warp = gl_LocalInvocationIndex / LANES;
    for (uint g0 = 0u; g0 < G; g0 += WARPS) {
        uint g = min(g0 + warp, G - 1u), at = in0 + (kv * G + g) * D;
        float r = norm_factor(at, norm, eps);
        for (uint j = lane; j < dims / 2u; j += LANES) {
            vec2 p = rotated(at, j, r, norm);
            q[g * D + j] = p.x * scale;
            q[g * D + j + dims / 2u] = p.y * scale;
        }
        for (uint j = dims + lane; j < D; j += LANES) q[g * D + j] = normed(at, j, r, norm) * scale;
    }
}

// The new key and value of this kv head go to the cache. k passes through shared memory to become pairs.
void write_row(uint kv, uint sequence, uint position) {
    uint t = gl_LocalInvocationIndex, at = in1 + kv * D;
    float r = norm_factor(at, post, post_eps);
    for (uint j = t; j < dims / 2u; j += T) {
        vec2 p = rotated(at, j, r, post);
        score[j] = p.x;
        score[j + dims / 2u] = p.y;
    }
    for (uint j = dims + t; j < D; j += T) score[j] = normed(at, j, r, post);
    barrier();
    uint k = cache_row(sequence, position, 0u) + kv * D, v = cache_row(sequence, position, 1u) + kv * D;
    for (uint j = t; j < PAIRS; j += T) {
        put_pair(k + 2u * j, vec2(score[2u * j], score[2u * j + 1u]));
        uint x = part_out0 + kv * D + 2u * j;
        put_pair(v + 2u * j, vec2(a[x], a[x + 1u]));
    }
    memoryBarrierBuffer();
    barrier();
}

// Scores of positions [begin, begin + n) into score[head][position]; places of their values into value_at.
void score_block(uint kv, uint sequence, uint begin, uint n) {
    uint t = gl_LocalInvocationIndex, lane = t % LANES, warp = t / LANES;
    for (uint i0 = 0u; i0 < BLOCK; i0 += WARPS) {
        uint i = i0 + warp, j = begin + min(i, n - 1u);
        uint k = cache_row(sequence, j, 0u) + kv * D;
        if (lane == 0u) value_at[i] = k + PAGE * kv_heads * head_dim;
        float s[G];
        for (uint g = 0u; g < G; g++) s[g] = 0.0;
        for (uint l = 0u; l < LOADS; l++) {
            uint p = lane + l * LANES;
            if (p >= PAIRS) continue;
            vec2 key = pair_at(k + 2u * p);
            for (uint g = 0u; g < G; g++) s[g] += q[g * D + 2u * p] * key.x + q[g * D + 2u * p + 1u] * key.y;
        }
        for (uint g = 0u; g < G; g++) {
            float total = lanes_sum(s[g]);
            if (lane == 0u) score[g * BLOCK + i] = i < n ? total : LOWEST;
        }
    }
}

// Scores to weights e^(score - largest), and what that does to the sums so far; 32 lanes a head, two positions each.
void weigh_block() {
    uint lane = gl_LocalInvocationIndex % LANES, warp = gl_LocalInvocationIndex / LANES;
    for (uint g0 = 0u; g0 < G; g0 += WARPS) {
        uint g = min(g0 + warp, G - 1u), at = g * BLOCK + lane;
        bool live = g0 + warp < G;
        float s0 = score[at], s1 = score[at + LANES];
        float top = max(largest[g], lanes_max(max(s0, s1)));
        float w0 = s0 <= LOWEST ? 0.0 : exp(s0 - top), w1 = s1 <= LOWEST ? 0.0 : exp(s1 - top);
        float sum = lanes_sum(w0 + w1), less = exp(largest[g] - top);
        barrier();
        if (live) {
            score[at] = w0;
            score[at + LANES] = w1;
        }
        if (live && lane == 0u) {
            shrink[g] = less;
            total[g] = total[g] * less + sum;
            largest[g] = top;
        }
    }
}

void put_results(uint kv, uint piece, uint pieces, uint pair, uint share, vec2 sum[G]) {
    uint t = gl_LocalInvocationIndex;
    for (uint g = 0u; g < G; g++) {
        barrier();
        merged[t] = sum[g];
        barrier();
        if (share != 0u) continue;
        vec2 v = merged[t];
        for (uint s = 1u; s < SHARES; s++) v += merged[t + s * PAIRS];
        uint h = kv * G + g, place = sum_out + (h * pieces + piece) * (D + 2u);
        if (pieces == 1u) {
            place = out0 + h * D;
            v /= total[g];
        } else if (pair == 0u) {
            a[place + D] = largest[g];
            a[place + D + 1u] = total[g];
        }
        a[place + 2u * pair] = v.x;
        a[place + 2u * pair + 1u] = v.y;
    }
}

void main() {
    uint t = gl_LocalInvocationIndex, pieces = gl_NumWorkGroups.x / kv_heads;
    uint kv = gl_WorkGroupID.x / pieces, piece = gl_WorkGroupID.x % pieces;
    uint position = uint(step[extra0]), sequence = uint(step[extra1]);
    uint first = window != 0u && position >= window ? position - window + 1u : 0u;
    uint length = position + 1u - first, each = (length + pieces - 1u) / pieces;
    each = (each + BLOCK - 1u) / BLOCK * BLOCK;
    uint begin = first + piece * each, end = min(begin + each, position + 1u);
    if (t < G) {
        largest[t] = LOWEST;
        total[t] = 0.0;
    }
    if (gl_WorkGroupID.x == 0u && t == 0u) a[post_out] = float(pieces);
    load_queries(kv);
    if (begin <= position && position < end) write_row(kv, sequence, position);
    barrier();
    uint pair = t % PAIRS, share = t / PAIRS;
    vec2 sum[G];
    for (uint g = 0u; g < G; g++) sum[g] = vec2(0.0);
    for (uint at = begin; at < end; at += BLOCK) {
        uint n = min(BLOCK, end - at);
        score_block(kv, sequence, at, n);
        barrier();
        weigh_block();
        barrier();
        for (uint g = 0u; g < G; g++) sum[g] *= shrink[g];
        if (share < SHARES)
            for (uint i = share; i < n; i += SHARES) {
                vec2 v = pair_at(value_at[i] + 2u * pair);
                for (uint g = 0u; g < G; g++) sum[g] += score[g * BLOCK + i] * v;
            }
        barrier();
    }
    put_results(kv, piece, pieces, pair, share, sum);
}
