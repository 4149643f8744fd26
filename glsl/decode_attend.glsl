// Attention of one row: norms and rotates q and k of its heads, writes k and v to the cache, and attends. A work group
// takes a unit of GROUP heads that share a kv head, and one piece of the cache; with several pieces the product behind
// joins them. Units of one head spread short contexts over more of the device; units of all heads of a kv head read
// long ones once.
//
// Keys and values are read 16 bytes at a time, a unit of 8 halves or 4 floats, POSITIONS of them a turn: first KEY_LANES
// lanes score a key, a unit each; then an invocation adds up one unit of the values over a share of the positions. Those
// of the next turn are on their way meanwhile, and those of the first are sent for before the barrier in front of the
// phase. Sums so far are rescaled when a turn has a larger score. The new key and value are taken from shared memory, so
// that nobody waits for the cache to show what was just written to it.
//
// in0, in1, in2: q, k, v of their ops. norm, post: weights of the norms of q and k, or NONE. pieces_at: results of the
// pieces, heads * pieces * HEAD_DIM, and behind them the largest score and the sum of weights of each.
const uint QUADS = UNIT / 4u;                             // of a unit
const uint LOADS = (UNITS + KEY_LANES - 1u) / KEY_LANES;  // of a key, by a lane
const uint SHARES = T / UNITS;                            // of the positions, in the second half
const uint VALUES = (POSITIONS + SHARES - 1u) / SHARES;
const uint EACH = (D + LANES - 1u) / LANES;       // dimensions of a lane
const uint HEADS_EACH = (G + WARPS) / WARPS;      // queries and the new key: of a warp
const uint HALF_DIMS = uint(ROPE_DIMS) / 2u;
const uint PAIRS_EACH = ((G + 1u) * HALF_DIMS + T - 1u) / T; // that are rotated: of an invocation
// Shares whose lanes lie in one team are added up there: so many are left, and lanes between them.
const bool FOLDED = UNITS < LANES && LANES % UNITS == 0u;
const uint LEFT = FOLDED ? WARPS : SHARES, APART = FOLDED ? LANES : UNITS;
const float LOWEST = -3.0e38;

// `partial`: queries, and behind them the new key; the new value; scores of two turns. Counted by least_partials in phases.c.
const uint NEW_VALUE = (G + 1u) * D, SCORES = NEW_VALUE + D;

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

vec4 partial_quad(uint at) { return vec4(partial[at], partial[at + 1u], partial[at + 2u], partial[at + 3u]); }
uvec4 partial_unit(uint at) { return unit_of(partial_quad(at), partial_quad(at + UNIT - 4u)); }
uvec4 new_key(uint u) { return partial_unit(G * D + u * UNIT); }
uvec4 new_value(uint u) { return partial_unit(NEW_VALUE + u * UNIT); }

// ---- Which heads, and which positions ----

struct piece {
    uint unit, number, count, kv; // count: of pieces
    uint position, begin, end;
    uint table, page, slot;       // page table, and where its slots begin: page `page` lies in slot `slot`
};
piece first_piece; // of this work group

piece find_piece(uint job) {
    piece c;
    c.count = cache_pieces();
    c.unit = job / c.count;
    c.number = job - c.unit * c.count;
    c.kv = c.unit * G / (P.heads / P.kv_heads);
    c.position = uint(step[P.position]);
    uvec2 seen = seen_positions();
    uint each = (seen.y + c.count - 1u) / c.count;
    c.begin = seen.x + c.number * each;
    c.end = min(c.begin + each, c.position + 1u);
    c.table = P.pages + uint(step[P.sequence]) * P.slots;
    c.page = c.begin / PAGE;
    c.slot = c.page % P.slots;
    return c;
}

// First unit of a row of the layer: [page][keys, values][64 positions][kv_heads * D]. The table is a ring of slots.
uint cache_row(piece c, uint position, uint which) {
    uint slot = c.slot + position / PAGE - c.page;
    uint page = uint(step[c.table + (slot < P.slots ? slot : slot - P.slots)]);
    return P.cache / UNIT + (((page * 2u + which) * PAGE + position % PAGE) * P.kv_heads + c.kv) * UNITS;
}

// ---- Sent for ahead ----

uvec4 key[AHEAD * LOADS], value[VALUES];                 // of a turn
float weight_ahead[HEADS_EACH * EACH];                   // of the norms
float cos_ahead[PAIRS_EACH], sin_ahead[PAIRS_EACH];

uint key_number(uint u) { // of a lane's u-th key among those of a turn
    uint t = gl_LocalInvocationIndex;
    return (u * WARPS + t / LANES) * KEYS + t % LANES / KEY_LANES;
}
uint value_number(uint u) { return u * SHARES + gl_LocalInvocationIndex / UNITS; }

// Keys, or values, of the turn that begins at a position. Behind the end of the piece: any.
void send_for_keys(piece c, uint begin) {
    uint lane = gl_LocalInvocationIndex % KEY_LANES;
    for (uint u = 0u; u < AHEAD; u++) {
        uint k = cache_row(c, min(begin + key_number(u), c.end - 1u), 0u);
        for (uint l = 0u; l < LOADS; l++) key[u * LOADS + l] = cache[k + min(lane + l * KEY_LANES, UNITS - 1u)];
    }
}

void send_for_values(piece c, uint begin) {
    uint unit = gl_LocalInvocationIndex % UNITS;
    for (uint u = 0u; u < VALUES; u++)
        value[u] = cache[cache_row(c, min(begin + value_number(u), c.end - 1u), 1u) + unit];
}

// All that is known before the phase begins: the cache but for the newest position, weights of the norms, angles.
void send_for_piece(piece c) {
    uint t = gl_LocalInvocationIndex;
    if (c.begin < c.end) {
        send_for_keys(c, c.begin);
        send_for_values(c, c.begin);
    }
    for (uint i = 0u; i < HEADS_EACH; i++)
        for (uint e = 0u; e < EACH; e++) {
            uint weights = i * WARPS + t / LANES >= G ? P.post : P.norm;
            weight_ahead[i * EACH + e] = weights == NONE ? 1.0 : vector_at(weights + min(t % LANES + e * LANES, D - 1u));
        }
    for (uint i = 0u; i < PAIRS_EACH; i++) {
        uint j = (t + i * T) % HALF_DIMS;
        cos_ahead[i] = intBitsToFloat(step[P.rope + j]);
        sin_ahead[i] = intBitsToFloat(step[P.rope + HALF_DIMS + j]);
    }
}

void attend_ahead() {
    first_piece = find_piece(gl_WorkGroupID.x);
    if (gl_WorkGroupID.x < P.heads / G * first_piece.count) send_for_piece(first_piece);
}

// ---- Queries and the new key ----

// 32 lanes a head: normed, then rotated in pairs (j, j + dims/2), queries scaled.
void make_heads(uint unit, uint kv) {
    uint t = gl_LocalInvocationIndex, lane = t % LANES;
    for (uint d = t; d < D; d += T) partial[NEW_VALUE + d] = a[P.in2 + kv * D + d];
    for (uint i = 0u; i < HEADS_EACH; i++) {
        uint g = min(i * WARPS + t / LANES, G);
        bool is_key = g == G;
        uint at = is_key ? P.in1 + kv * D : P.in0 + (unit * G + g) * D;
        float x[EACH], squares = 0.0, r = is_key ? 1.0 : P.scale;
        for (uint e = 0u; e < EACH; e++) x[e] = a[at + min(lane + e * LANES, D - 1u)];
        for (uint e = 0u; e < EACH; e++) squares += lane + e * LANES < D ? x[e] * x[e] : 0.0;
        squares = lanes_sum(squares);
        if ((is_key ? P.post : P.norm) != NONE) r /= sqrt(squares / float(D) + (is_key ? P.post_eps : P.eps));
        for (uint e = 0u; e < EACH; e++)
            if (lane + e * LANES < D) partial[g * D + lane + e * LANES] = x[e] * r * weight_ahead[i * EACH + e];
    }
    barrier();
    for (uint i = 0u; i < PAIRS_EACH; i++) {
        uint n = t + i * T, g = n / HALF_DIMS, at = g * D + n - g * HALF_DIMS;
        if (g > G) continue;
        float c = cos_ahead[i], s = sin_ahead[i], u = partial[at], v = partial[at + HALF_DIMS];
        partial[at] = u * c - v * s;
        partial[at + HALF_DIMS] = v * c + u * s;
    }
    barrier();
}

void write_row(piece c) {
    uint u = gl_LocalInvocationIndex;
    if (u >= UNITS) return;
    cache[cache_row(c, c.position, 0u) + u] = new_key(u);
    cache[cache_row(c, c.position, 1u) + u] = new_value(u);
}

// ---- A turn ----

// Scores of the turn that begins at a position, head by head, to `partial` at `to`.
void score_turn(piece c, uint begin, uint to) {
    uint t = gl_LocalInvocationIndex, lane = t % KEY_LANES;
    for (uint u = 0u; u < AHEAD; u++)
        for (uint l = 0u; l < LOADS; l++)
            if (begin + key_number(u) == c.position) key[u * LOADS + l] = new_key(min(lane + l * KEY_LANES, UNITS - 1u));
    for (uint g = 0u; g < G; g++) {
        float s[AHEAD];
        for (uint u = 0u; u < AHEAD; u++) s[u] = 0.0;
        for (uint l = 0u; l < LOADS; l++)
            for (uint h = 0u; h < QUADS; h++) {
                uint unit = lane + l * KEY_LANES;
                vec4 q = unit < UNITS ? partial_quad(g * D + unit * UNIT + 4u * h) : vec4(0.0);
                for (uint u = 0u; u < AHEAD; u++) s[u] += dot(q, quad_of(key[u * LOADS + l], h));
            }
        for (uint u = 0u; u < AHEAD; u++) {
            float sum = lanes_sum(s[u], KEY_LANES);
            if (lane == 0u) partial[to + g * POSITIONS + key_number(u)] = begin + key_number(u) < c.end ? sum : LOWEST;
        }
    }
}

// The largest score of a head in a turn, or `before`.
float largest_of(uint at, float before) {
    for (uint i = gl_LocalInvocationIndex % LANES; i < POSITIONS; i += LANES) before = max(before, partial[at + i]);
    return lanes_max(before, LANES);
}

// Sums so far, of an invocation's unit over its share of the positions; of each head. (Variables of the shader, not of a
// function: arrays that are handed over are copied.)
vec4 so_far[G * QUADS];
float total[G], top[G]; // weights so far, and the largest score, to which they are relative

void add_values(piece c, uint begin, uint from) {
    uint unit = gl_LocalInvocationIndex % UNITS;
    for (uint u = 0u; u < VALUES; u++)
        if (min(begin + value_number(u), c.end - 1u) == c.position) value[u] = new_value(unit); // not what the cache has
    for (uint g = 0u; g < G; g++) {
        float largest = largest_of(from + g * POSITIONS, top[g]), shrink = exp(top[g] - largest);
        top[g] = largest;
        total[g] *= shrink;
        for (uint h = 0u; h < QUADS; h++) so_far[g * QUADS + h] *= shrink;
        for (uint u = 0u; u < VALUES; u++) {
            uint i = value_number(u);
            bool live = i < POSITIONS && gl_LocalInvocationIndex < SHARES * UNITS;
            float w = live ? exp(partial[from + g * POSITIONS + i] - largest) : 0.0;
            total[g] += w;
            for (uint h = 0u; h < QUADS; h++) so_far[g * QUADS + h] += w * quad_of(value[u], h);
        }
    }
}

// ---- Results ----

// Adds up the shares, head by head; x has no use for its shared memory meanwhile, and queries have done their service.
void put_results(piece c) {
    uint t = gl_LocalInvocationIndex, stats = P.pieces_at + P.heads * c.count * D, unit = t % APART;
    bool puts = t < LEFT * APART && unit < UNITS;
    for (uint g = 0u; g < G; g++) {
        float sum = total[g];
        if (FOLDED) sum = lanes_sum_apart(vec4(sum), UNITS).x;
        barrier();
        if (puts && unit == 0u) partial[t / APART] = sum;
        for (uint h = 0u; h < QUADS; h++) {
            vec4 v = so_far[g * QUADS + h];
            if (FOLDED) v = lanes_sum_apart(v, UNITS);
            if (puts) xs[t / APART * (D / 4u) + unit * QUADS + h] = v;
        }
        barrier();
        if (t < D / 4u) {
            vec4 v = vec4(0.0);
            float weights = 0.0;
            for (uint i = 0u; i < LEFT; i++) {
                v += xs[i * (D / 4u) + t];
                weights += partial[i];
            }
            uint h = c.unit * G + g, at = P.pieces_at + (h * c.count + c.number) * D;
            if (c.count == 1u) {
                at = P.result + h * D;
                v /= weights;
            } else if (t == 0u) {
                a[stats + 2u * (h * c.count + c.number)] = top[g];
                a[stats + 2u * (h * c.count + c.number) + 1u] = weights;
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
    make_heads(c.unit, c.kv);
    bool writes = c.unit * G % (P.heads / P.kv_heads) == 0u; // the first of those that share a kv head
    if (writes && c.begin <= c.position && c.position < c.end) write_row(c);
    for (uint i = 0u; i < G * QUADS; i++) so_far[i] = vec4(0.0);
    for (uint g = 0u; g < G; g++) {
        total[g] = 0.0;
        top[g] = LOWEST;
    }
    uint scores = SCORES;
    for (uint at = c.begin; at < c.end; at += POSITIONS) {
        bool more = at + POSITIONS < c.end;
        score_turn(c, at, scores);
        if (more) send_for_keys(c, at + POSITIONS);
        barrier();
        add_values(c, at, scores);
        if (more) send_for_values(c, at + POSITIONS);
        scores = 2u * SCORES + G * POSITIONS - scores; // turns take turns with two places
    }
    put_results(c);
}

void attend() {
    uint jobs = P.heads / G * first_piece.count;
    piece c = first_piece;
    for (uint i = gl_WorkGroupID.x; i < jobs; i += gl_NumWorkGroups.x) {
        if (i != gl_WorkGroupID.x) {
            c = find_piece(i);
            send_for_piece(c);
        }
        attend_piece(c);
    }
}
