// Attention of one row: norms and rotates q and k of its heads, writes k and v to the cache, and attends. A work group
// takes a unit of GROUP heads that share a kv head, and one piece of the cache; with several pieces the product behind
// joins them. Units of one head spread short contexts over more of the device; units of all heads of a kv head read
// long ones once.
//
// Blocks of BLOCK positions: first 32 lanes score a key, dimensions side by side; then an invocation adds up a pair of
// dimensions over a share of the positions. Sums so far are rescaled when a block has a larger score. The new key and
// value are taken from shared memory, so that nobody waits for the cache to show what was just written to it.
//
// in0, in1, in2: q, k, v of their ops. norm, post: weights of the norms of q and k, or NONE. pieces_at: results of the
// pieces, heads * pieces * HEAD_DIM, and behind them the largest score and the sum of weights of each.
const uint D = uint(HEAD_DIM), G = uint(GROUP), WARPS = T / LANES, POSITIONS = uint(BLOCK);
const uint PAIRS = D / 2u, SHARES = T / PAIRS;   // shares of the positions in the second half
const uint LOADS = (PAIRS + LANES - 1u) / LANES; // pairs of dimensions of a lane in the first half
const uint EACH = (D + LANES - 1u) / LANES;      // dimensions of a lane
const uint AHEAD = 4u, VALUES_AHEAD = 16u;       // loads on their way at a time
const uint PAGE = 64u;
const float LOWEST = -3.0e38;
shared float q[(G + 1u) * D]; // queries, and behind them the new key
shared float score[G * POSITIONS];
shared uint value_at[POSITIONS];
shared float largest[G], total[G], shrink[G];
shared vec2 new_value[PAIRS];

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

// First number of a row of the layer: [page][keys, values][64 positions][kv_heads * D].
uint cache_row(uint sequence, uint position, uint which) {
    uint page = uint(step[P.pages + sequence * P.slots + position / PAGE % P.slots]);
    return P.cache + ((page * 2u + which) * PAGE + position % PAGE) * P.kv_heads * D;
}

// Queries and the new key, 32 lanes a head: normed, then rotated in pairs (j, j + dims/2), queries scaled.
void make_heads(uint unit, uint kv) {
    uint t = gl_LocalInvocationIndex, lane = t % LANES, half_dims = P.dims / 2u;
    for (uint p = t; p < PAIRS; p += T) {
        uint x = P.in2 + kv * D + 2u * p;
        new_value[p] = rounded(vec2(a[x], a[x + 1u]));
    }
    for (uint first = 0u; first < G + 1u; first += WARPS) {
        uint g = min(first + t / LANES, G);
        bool key = g == G;
        uint at = key ? P.in1 + kv * D : P.in0 + (unit * G + g) * D, weights = key ? P.post : P.norm;
        float x[EACH], w[EACH], squares = 0.0, r = key ? 1.0 : P.scale;
        for (uint e = 0u; e < EACH; e++) {
            uint d = min(lane + e * LANES, D - 1u);
            x[e] = a[at + d];
            w[e] = weights == NONE ? 1.0 : vector_at(weights + d);
        }
        for (uint e = 0u; e < EACH; e++) squares += lane + e * LANES < D ? x[e] * x[e] : 0.0;
        squares = lanes_sum(squares);
        if (weights != NONE) r /= sqrt(squares / float(D) + (key ? P.post_eps : P.eps));
        for (uint e = 0u; e < EACH; e++)
            if (lane + e * LANES < D) q[g * D + lane + e * LANES] = x[e] * r * w[e];
    }
    barrier();
    for (uint i = t; i < (G + 1u) * half_dims; i += T) {
        uint g = i / half_dims, j = i - g * half_dims, at = g * D + j;
        float c = intBitsToFloat(step[P.rope + j]), s = intBitsToFloat(step[P.rope + half_dims + j]);
        float u = q[at], v = q[at + half_dims];
        q[at] = u * c - v * s;
        q[at + half_dims] = v * c + u * s;
    }
    barrier();
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
            if (lane == 0u && i < POSITIONS) value_at[i] = k + PAGE * P.kv_heads * D;
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
                    if (p < PAIRS)
                        s += q[g * D + 2u * p] * key[u * LOADS + l].x + q[g * D + 2u * p + 1u] * key[u * LOADS + l].y;
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
    uint t = gl_LocalInvocationIndex, stats = P.pieces_at + P.heads * pieces * D;
    for (uint g = 0u; g < G; g++) {
        barrier();
        partial[t] = sum[g].x;
        partial[T + t] = sum[g].y;
        barrier();
        if (share == 0u) {
            vec2 v = sum[g];
            for (uint s = 1u; s < SHARES; s++) v += vec2(partial[t + s * PAIRS], partial[T + t + s * PAIRS]);
            uint h = unit * G + g, at = P.pieces_at + (h * pieces + piece) * D;
            if (pieces == 1u) {
                at = P.result + h * D;
                v /= total[g];
            } else if (pair == 0u) {
                a[stats + 2u * (h * pieces + piece)] = largest[g];
                a[stats + 2u * (h * pieces + piece) + 1u] = total[g];
            }
            a[at + 2u * pair] = v.x;
            a[at + 2u * pair + 1u] = v.y;
        }
    }
    barrier();
}

void attend_piece(uint unit, uint piece, uint pieces) {
    uint t = gl_LocalInvocationIndex, sharing = P.heads / P.kv_heads, kv = unit * G / sharing;
    uint position = uint(step[P.position]), sequence = uint(step[P.sequence]);
    uvec2 seen = seen_positions();
    uint each = (seen.y + pieces - 1u) / pieces;
    uint begin = seen.x + piece * each, end = min(begin + each, position + 1u);
    if (t < G) {
        largest[t] = LOWEST;
        total[t] = 0.0;
    }
    make_heads(unit, kv);
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

void attend() {
    uint pieces = cache_pieces(), jobs = P.heads / G * pieces;
    for (uint i = gl_WorkGroupID.x; i < jobs; i += gl_NumWorkGroups.x) attend_piece(i / pieces, i % pieces, pieces);
}
