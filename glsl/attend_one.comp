// Decoding one row: norms and rotates q and k of its heads, writes k and v to the cache, and attends. A work group takes
// a unit of GROUP heads that share a kv head, and one piece of the cache (gl_WorkGroupID.x = unit * pieces + piece);
// with several pieces attend_merge.comp joins them. Units of one head spread short contexts over more of the device;
// units of all heads of a kv head read long ones once.
//
// Blocks of BLOCK positions: first 32 lanes score a key, dimensions side by side; then an invocation adds up a pair of
// dimensions over a share of the positions. Sums so far are rescaled when a block has a larger score. The new key and
// value are taken from shared memory, so that nobody waits for the cache to show what was just written to it.
//
// in0, in1, out0: q, k, result of their ops; part_out0: v. norm, post: weights of the norms of q and k, or NONE.
// extra0, extra1: positions and sequences; rope: angles. sum_out: results of pieces (heads * pieces * (HEAD_DIM + 2));
// post_out: how many there are.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) buffer Cache { uint cache[]; };
layout(std430, binding = 1) readonly buffer Step { int step[]; };
layout(std430, binding = 2) readonly buffer Vectors { float vectors[]; };
layout(std430, binding = 3) buffer Act { float a[]; };
#include "cache.glsl"
#include "lanes.glsl"

const uint T = uint(THREADS), D = uint(HEAD_DIM), G = uint(GROUP), WARPS = T / LANES, POSITIONS = uint(BLOCK);
const uint PAIRS = D / 2u, SHARES = T / PAIRS;   // shares of the positions in the second half
const uint LOADS = (PAIRS + LANES - 1u) / LANES; // pairs of dimensions of a lane in the first half
const uint AHEAD = 4u, VALUES_AHEAD = 16u;       // loads on their way at a time
const float LOWEST = -3.0e38;
shared float q[(G + 1u) * D]; // queries, and behind them the new key
shared float score[G * POSITIONS];
shared uint value_at[POSITIONS];
shared float largest[G], total[G], shrink[G];
shared vec2 new_value[PAIRS];
shared vec2 merged[T];

// A pair of numbers at an even place of the cache, and what becomes of one that is put there.
#if CACHE_F32
vec2 pair_at(uint at) { return uintBitsToFloat(uvec2(cache[at], cache[at + 1u])); }
vec2 rounded(vec2 v) { return v; }
void put_pair(uint at, vec2 v) {
    cache[at] = floatBitsToUint(v.x);
    cache[at + 1u] = floatBitsToUint(v.y);
}
#else
vec2 pair_at(uint at) { return unpackHalf2x16(cache[at / 2u]); }
vec2 rounded(vec2 v) { return unpackHalf2x16(packHalf2x16(v)); }
void put_pair(uint at, vec2 v) { cache[at / 2u] = packHalf2x16(v); }
#endif

float normed(uint at, uint d, float r, uint weights) {
    return a[at + d] * r * (weights == NONE ? 1.0 : vectors[weights + d]);
}

// Queries and the new key, 32 lanes a head: normed, rotated in pairs (j, j + dims/2), queries scaled.
void make_heads(uint unit, uint kv) {
    uint lane = gl_LocalInvocationIndex % LANES, half_dims = dims / 2u;
    for (uint first = 0u; first < G + 1u; first += WARPS) {
        uint g = min(first + gl_LocalInvocationIndex / LANES, G);
        bool key = g == G;
        uint at = key ? in1 + kv * D : in0 + (unit * G + g) * D, weights = key ? post : norm;
        float factor = key ? 1.0 : scale, r = 1.0, squares = 0.0;
        if (weights != NONE)
            for (uint d = lane; d < D; d += LANES) squares += a[at + d] * a[at + d];
        squares = lanes_sum(squares);
        if (weights != NONE) r = 1.0 / sqrt(squares / float(D) + (key ? post_eps : eps));
        for (uint j = lane; j < half_dims; j += LANES) {
            float u = normed(at, j, r, weights), v = normed(at, j + half_dims, r, weights);
            float c = intBitsToFloat(step[rope + j]), s = intBitsToFloat(step[rope + half_dims + j]);
            q[g * D + j] = (u * c - v * s) * factor;
            q[g * D + j + half_dims] = (v * c + u * s) * factor;
        }
        for (uint j = dims + lane; j < D; j += LANES) q[g * D + j] = normed(at, j, r, weights) * factor;
    }
    for (uint p = gl_LocalInvocationIndex; p < PAIRS; p += T) {
        uint x = part_out0 + kv * D + 2u * p;
        new_value[p] = rounded(vec2(a[x], a[x + 1u]));
    }
}

vec2 new_key(uint p) { return rounded(vec2(q[G * D + 2u * p], q[G * D + 2u * p + 1u])); }

void write_row(uint kv, uint sequence, uint position) {
    uint k = cache_row(sequence, position, 0u) + kv * D, v = cache_row(sequence, position, 1u) + kv * D;
    for (uint p = gl_LocalInvocationIndex; p < PAIRS; p += T) {
        put_pair(k + 2u * p, new_key(p));
        put_pair(v + 2u * p, new_value[p]);
    }
}

// Scores of positions [begin, begin + n) into score[head][position]; places of their values into value_at.
void score_block(uint kv, uint sequence, uint position, uint begin, uint n) {
    uint t = gl_LocalInvocationIndex, lane = t % LANES, warp = t / LANES;
    for (uint i0 = 0u; i0 < n; i0 += AHEAD * WARPS) {
        vec2 key[AHEAD * LOADS];
        for (uint u = 0u; u < AHEAD; u++) {
            if (i0 + u * WARPS >= n) break;
            uint i = i0 + u * WARPS + warp, j = begin + min(i, n - 1u);
            uint k = cache_row(sequence, j, 0u) + kv * D;
            if (lane == 0u && i < POSITIONS) value_at[i] = k + PAGE * kv_heads * head_dim;
            for (uint l = 0u; l < LOADS; l++) {
                uint p = min(lane + l * LANES, PAIRS - 1u);
                key[u * LOADS + l] = j == position ? new_key(p) : pair_at(k + 2u * p);
            }
        }
        for (uint u = 0u; u < AHEAD; u++) {
            if (i0 + u * WARPS >= n) break;
            uint i = i0 + u * WARPS + warp;
            for (uint g = 0u; g < G; g++) {
                float s = 0.0;
                for (uint l = 0u; l < LOADS; l++) {
                    uint p = lane + l * LANES;
                    if (p < PAIRS) s += q[g * D + 2u * p] * key[u * LOADS + l].x + q[g * D + 2u * p + 1u] * key[u * LOADS + l].y;
                }
                s = lanes_sum(s);
                if (lane == 0u && i < POSITIONS) score[g * POSITIONS + i] = i < n ? s : LOWEST;
            }
        }
    }
}

// Scores to weights e^(score - largest), and what that does to the sums so far; 32 lanes a head.
void weigh_block(uint n) {
    uint lane = gl_LocalInvocationIndex % LANES;
    for (uint first = 0u; first < G; first += WARPS) {
        uint g = min(first + gl_LocalInvocationIndex / LANES, G - 1u), at = g * POSITIONS;
        bool live = first + gl_LocalInvocationIndex / LANES < G;
        float top = largest[g], sum = 0.0;
        for (uint i = lane; i < n; i += LANES) top = max(top, score[at + i]);
        top = lanes_max(top);
        float less = exp(largest[g] - top);
        barrier();
        if (live)
            for (uint i = lane; i < n; i += LANES) {
                float w = exp(score[at + i] - top);
                score[at + i] = w;
                sum += w;
            }
        sum = lanes_sum(sum);
        if (live && lane == 0u) {
            shrink[g] = less;
            total[g] = total[g] * less + sum;
            largest[g] = top;
        }
    }
}

void add_values(uint n, uint position_here, uint pair, uint share, inout vec2 sum[G]) {
    for (uint i0 = share; i0 < n; i0 += VALUES_AHEAD * SHARES) {
        vec2 v[VALUES_AHEAD];
        for (uint u = 0u; u < VALUES_AHEAD; u++) {
            uint i = min(i0 + u * SHARES, n - 1u);
            v[u] = i == position_here ? new_value[pair] : pair_at(value_at[i] + 2u * pair);
        }
        for (uint u = 0u; u < VALUES_AHEAD; u++) {
            uint i = i0 + u * SHARES;
            if (i < n)
                for (uint g = 0u; g < G; g++) sum[g] += score[g * POSITIONS + i] * v[u];
        }
    }
}

void put_results(uint unit, uint piece, uint pieces, uint pair, uint share, vec2 sum[G]) {
    uint t = gl_LocalInvocationIndex;
    for (uint g = 0u; g < G; g++) {
        barrier();
        merged[t] = sum[g];
        barrier();
        if (share == 0u) {
            vec2 v = merged[t];
            for (uint s = 1u; s < SHARES; s++) v += merged[t + s * PAIRS];
            uint h = unit * G + g, at = sum_out + (h * pieces + piece) * (D + 2u);
            if (pieces == 1u) {
                at = out0 + h * D;
                v /= total[g];
            } else if (pair == 0u) {
                a[at + D] = largest[g];
                a[at + D + 1u] = total[g];
            }
            a[at + 2u * pair] = v.x;
            a[at + 2u * pair + 1u] = v.y;
        }
    }
}

void main() {
    uint t = gl_LocalInvocationIndex, pieces = gl_NumWorkGroups.x / (heads / G);
    uint unit = gl_WorkGroupID.x / pieces, piece = gl_WorkGroupID.x % pieces;
    uint sharing = heads / kv_heads, kv = unit * G / sharing;
    uint position = uint(step[extra0]), sequence = uint(step[extra1]);
    uint first = window != 0u && position >= window ? position - window + 1u : 0u;
    uint length = position + 1u - first, each = (length + pieces - 1u) / pieces;
    uint begin = first + piece * each, end = min(begin + each, position + 1u);
    if (t < G) {
        largest[t] = LOWEST;
        total[t] = 0.0;
    }
    if (gl_WorkGroupID.x == 0u && t == 0u) a[post_out] = float(pieces);
    make_heads(unit, kv);
    barrier();
    bool writes = unit * G % sharing == 0u; // the first of those that share a kv head
    if (writes && begin <= position && position < end) write_row(kv, sequence, position);
    uint pair = t % PAIRS, share = t / PAIRS;
    vec2 sum[G];
    for (uint g = 0u; g < G; g++) sum[g] = vec2(0.0);
    for (uint at = begin; at < end; at += POSITIONS) {
        uint n = min(POSITIONS, end - at);
        score_block(kv, sequence, position, at, n);
        barrier();
        weigh_block(n);
        barrier();
        for (uint g = 0u; g < G; g++) sum[g] *= shrink[g];
        if (share < SHARES) add_values(n, position - at, pair, share, sum);
        barrier();
    }
    put_results(unit, piece, pieces, pair, share, sum);
}
