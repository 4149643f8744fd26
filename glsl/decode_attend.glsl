// Attention of one row: norms and rotates q and k of its heads, writes k and v to the cache, and attends. A work group
// takes a unit of GROUP heads that share a kv head, and one piece of the cache; with several pieces the product behind
// joins them. Units of one head spread short contexts over more of the device; units of all heads of a kv head read
// long ones once.
//
// Keys and values are read 16 bytes at a time, a unit of 8 halves or 4 floats. Blocks of BLOCK positions: first KEY_LANES
// lanes score a key, a unit each; then an invocation adds up one unit of the values over a share of the positions. Sums
// so far are rescaled when a block has a larger score. The new key and value are taken from shared memory, so that
// nobody waits for the cache to show what was just written to it.
//
// in0, in1, in2: q, k, v of their ops. norm, post: weights of the norms of q and k, or NONE. pieces_at: results of the
// pieces, heads * pieces * HEAD_DIM, and behind them the largest score and the sum of weights of each.
const uint D = uint(HEAD_DIM), G = uint(GROUP), WARPS = T / LANES, POSITIONS = uint(BLOCK), PAGE = 64u;
#if CACHE_F32
const uint UNIT = 4u;
#else
const uint UNIT = 8u;
#endif
const uint UNITS = D / UNIT, QUADS = UNIT / 4u;   // units of a row, quads of a unit
const uint KEY_LANES = UNITS > 16u ? 32u : UNITS > 8u ? 16u : UNITS > 4u ? 8u : UNITS > 2u ? 4u : 2u;
const uint KEYS = LANES / KEY_LANES;              // that a warp reads at a time
const uint LOADS = (UNITS + KEY_LANES - 1u) / KEY_LANES;
const uint SHARES = T / UNITS;                    // of the positions, in the second half
const uint EACH = (D + LANES - 1u) / LANES;       // dimensions of a lane
const uint AHEAD = 4u;                            // loads on their way at a time
const float LOWEST = -3.0e38;
shared float q[(G + 1u) * D]; // queries, and behind them the new key
shared float new_value[D];
shared float score[G * POSITIONS];
shared uint value_at[POSITIONS];
shared float largest[G], total[G], shrink[G];

// A unit as quads, and back.
#if CACHE_F32
vec4 quad_of(uvec4 u, uint i) { return uintBitsToFloat(u); }
uvec4 unit_of(vec4 v, vec4 w) { return floatBitsToUint(v); }
#else
vec4 quad_of(uvec4 u, uint i) {
    return i == 0u ? vec4(unpackHalf2x16(u.x), unpackHalf2x16(u.y)) : vec4(unpackHalf2x16(u.z), unpackHalf2x16(u.w));
}
uvec4 unit_of(vec4 v, vec4 w) {
    return uvec4(packHalf2x16(v.xy), packHalf2x16(v.zw), packHalf2x16(w.xy), packHalf2x16(w.zw));
}
#endif

// First unit of a row of the layer: [page][keys, values][64 positions][kv_heads * D].
uint cache_row(uint sequence, uint position, uint which) {
    uint page = uint(step[P.pages + sequence * P.slots + position / PAGE % P.slots]);
    return P.cache / UNIT + ((page * 2u + which) * PAGE + position % PAGE) * P.kv_heads * UNITS;
}

vec4 q_quad(uint at) { return vec4(q[at], q[at + 1u], q[at + 2u], q[at + 3u]); }
vec4 value_quad(uint at) { return vec4(new_value[at], new_value[at + 1u], new_value[at + 2u], new_value[at + 3u]); }
uvec4 new_key(uint u) { return unit_of(q_quad(G * D + u * UNIT), q_quad(G * D + (u + 1u) * UNIT - 4u)); }
uvec4 new_unit(uint u) { return unit_of(value_quad(u * UNIT), value_quad((u + 1u) * UNIT - 4u)); }

// Queries and the new key, 32 lanes a head: normed, then rotated in pairs (j, j + dims/2), queries scaled.
void make_heads(uint unit, uint kv) {
    uint t = gl_LocalInvocationIndex, lane = t % LANES, half_dims = P.dims / 2u;
    for (uint d = t; d < D; d += T) new_value[d] = a[P.in2 + kv * D + d];
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

void write_row(uint kv, uint sequence, uint position) {
    uint k = cache_row(sequence, position, 0u) + kv * UNITS, u = gl_LocalInvocationIndex;
    if (u >= UNITS) return;
    cache[k + u] = new_key(u);
    cache[k + PAGE * P.kv_heads * UNITS + u] = new_unit(u);
}

// What a work group takes: heads, and a piece of the cache.
struct piece {
    uint unit, number, count, kv; // count: of pieces
    uint position, sequence, begin, end;
};

piece find_piece(uint job) {
    piece c;
    c.count = cache_pieces();
    c.unit = job / c.count;
    c.number = job - c.unit * c.count;
    c.kv = c.unit * G / (P.heads / P.kv_heads);
    c.position = uint(step[P.position]);
    c.sequence = uint(step[P.sequence]);
    uvec2 seen = seen_positions();
    uint each = (seen.y + c.count - 1u) / c.count;
    c.begin = seen.x + c.number * each;
    c.end = min(c.begin + each, c.position + 1u);
    return c;
}

const uint TURN = AHEAD * WARPS * KEYS; // keys that a work group reads at a time
uvec4 key[AHEAD * LOADS];               // of a lane, on their way

uint key_number(uint u) { // of a lane's u-th key among those of a turn
    uint t = gl_LocalInvocationIndex;
    return (u * WARPS + t / LANES) * KEYS + t % LANES / KEY_LANES;
}

// Keys of positions [begin, begin + n), those of the turn that begins at number i0; places of their values.
void send_for_keys(piece c, uint begin, uint n, uint i0) {
    uint lane = gl_LocalInvocationIndex % KEY_LANES;
    for (uint u = 0u; u < AHEAD; u++) {
        uint i = i0 + key_number(u), k = cache_row(c.sequence, begin + min(i, n - 1u), 0u) + c.kv * UNITS;
        if (lane == 0u && i < n) value_at[i] = k + PAGE * P.kv_heads * UNITS;
        for (uint l = 0u; l < LOADS; l++) key[u * LOADS + l] = cache[k + min(lane + l * KEY_LANES, UNITS - 1u)];
    }
}

// The first turn's keys are known before the phase begins, all but the newest.
void attend_ahead() {
    piece c = find_piece(gl_WorkGroupID.x);
    if (gl_WorkGroupID.x < P.heads / G * c.count && c.begin < c.end)
        send_for_keys(c, c.begin, min(POSITIONS, c.end - c.begin), 0u);
}

// Scores of positions [begin, begin + n) into score[head][position]; the first turn's keys have been sent for.
void score_block(piece c, uint begin, uint n) {
    uint t = gl_LocalInvocationIndex, lane = t % KEY_LANES, which = t % LANES / KEY_LANES;
    for (uint i0 = 0u; i0 < n; i0 += TURN) {
        if (i0 != 0u) send_for_keys(c, begin, n, i0);
        for (uint u = 0u; u < AHEAD; u++)
            for (uint l = 0u; l < LOADS; l++)
                if (begin + i0 + key_number(u) == c.position)
                    key[u * LOADS + l] = new_key(min(lane + l * KEY_LANES, UNITS - 1u));
        for (uint g = 0u; g < G; g++)
            for (uint u = 0u; u < AHEAD; u++) {
                float s = 0.0;
                for (uint l = 0u; l < LOADS; l++) {
                    uint unit = lane + l * KEY_LANES;
                    if (unit < UNITS)
                        for (uint h = 0u; h < QUADS; h++)
                            s += dot(q_quad(g * D + unit * UNIT + 4u * h), quad_of(key[u * LOADS + l], h));
                }
                for (uint w = 0u; w < KEYS; w++) {
                    float sum = lanes_sum(which == w ? s : 0.0);
                    uint i = i0 + key_number(u) - which + w;
                    if (t % LANES == 0u && i < n) score[g * POSITIONS + i] = sum;
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

void add_values(uint n, uint position_here, inout vec4 sum[G * QUADS]) {
    uint unit = gl_LocalInvocationIndex % UNITS, share = gl_LocalInvocationIndex / UNITS;
    if (share >= SHARES) return;
    for (uint i0 = share; i0 < n; i0 += AHEAD * SHARES) {
        uvec4 v[AHEAD];
        for (uint u = 0u; u < AHEAD; u++) {
            uint i = min(i0 + u * SHARES, n - 1u);
            v[u] = i == position_here ? new_unit(unit) : cache[value_at[i] + unit];
        }
        for (uint u = 0u; u < AHEAD; u++) {
            uint i = i0 + u * SHARES;
            for (uint g = 0u; g < G; g++) {
                float w = i < n ? score[g * POSITIONS + i] : 0.0;
                for (uint h = 0u; h < QUADS; h++) sum[g * QUADS + h] += w * quad_of(v[u], h);
            }
        }
    }
}

// Adds up the shares, head by head; x has no use for its shared memory meanwhile.
void put_results(uint unit, uint piece, uint pieces, vec4 sum[G * QUADS]) {
    uint t = gl_LocalInvocationIndex, stats = P.pieces_at + P.heads * pieces * D;
    for (uint g = 0u; g < G; g++) {
        barrier();
        for (uint h = 0u; h < QUADS; h++) xs[h * T + t] = sum[g * QUADS + h];
        barrier();
        if (t < D / 4u) {
            vec4 v = vec4(0.0);
            for (uint s = 0u; s < SHARES; s++) v += xs[t % QUADS * T + s * UNITS + t / QUADS];
            uint h = unit * G + g, at = P.pieces_at + (h * pieces + piece) * D;
            if (pieces == 1u) {
                at = P.result + h * D;
                v /= total[g];
            } else if (t == 0u) {
                a[stats + 2u * (h * pieces + piece)] = largest[g];
                a[stats + 2u * (h * pieces + piece) + 1u] = total[g];
            }
            a[at + 4u * t] = v.x;
            a[at + 4u * t + 1u] = v.y;
            a[at + 4u * t + 2u] = v.z;
            a[at + 4u * t + 3u] = v.w;
        }
    }
    barrier();
}

void attend_piece(piece c) {
    uint t = gl_LocalInvocationIndex;
    if (t < G) {
        largest[t] = LOWEST;
        total[t] = 0.0;
    }
    make_heads(c.unit, c.kv);
    bool writes = c.unit * G % (P.heads / P.kv_heads) == 0u; // the first of those that share a kv head
    if (writes && c.begin <= c.position && c.position < c.end) write_row(c.kv, c.sequence, c.position);
    vec4 sum[G * QUADS];
    for (uint i = 0u; i < G * QUADS; i++) sum[i] = vec4(0.0);
    for (uint at = c.begin; at < c.end; at += POSITIONS) {
        uint n = min(POSITIONS, c.end - at);
        if (at != c.begin) send_for_keys(c, at, n, 0u);
        score_block(c, at, n);
        barrier();
        weigh_block(n);
        barrier();
        for (uint g = 0u; g < G; g++)
            for (uint h = 0u; h < QUADS; h++) sum[g * QUADS + h] *= shrink[g];
        add_values(n, c.position - at, sum);
        barrier();
    }
    put_results(c.unit, c.number, c.count, sum);
}

void attend() {
    uint jobs = P.heads / G * cache_pieces();
    for (uint i = gl_WorkGroupID.x; i < jobs; i += gl_NumWorkGroups.x) {
        piece c = find_piece(i);
        if (i != gl_WorkGroupID.x && c.begin < c.end) send_for_keys(c, c.begin, min(POSITIONS, c.end - c.begin), 0u);
        attend_piece(c);
    }
}
