// Attention of one row: norms and rotates q and k of its heads, writes k and v to the cache, and attends. A work group
// takes a unit of GROUP heads that share a kv head, and one piece of the cache; with several pieces the product behind
// joins them. Units of one head spread short contexts over more of the device; units of several heads of a kv head
// read long ones less often.
//
// Keys and values are read 16 bytes at a time, a unit of 8 halves or 4 floats. A team of KEY_LANES lanes scores AHEAD keys a
// turn, a unit each, and then adds up the values of the same positions, relative to the largest score that it has seen
// (Milakov, Gimelshein 2018: Online normalizer calculation for softmax). No team waits for another before the end of the
// piece. Keys and values of the next turn are on their way meanwhile, and those of the first are sent for before the
// barrier in front of the phase. The new key and value are taken from shared memory, so that nobody waits for the cache
// to show what was just written to it.
//
// in0, in1, in2: q, k, v of their ops. norm, post: weights of the norms of q and k, or NONE. pieces_at: results of the
// pieces, heads * pieces * HEAD_DIM, and behind them the largest score and the sum of weights of each.
const uint QUADS = UNIT / 4u, ROW_QUADS = D / 4u;         // of a unit; of a row of one head
const uint LOADS = (UNITS + KEY_LANES - 1u) / KEY_LANES;  // of a key, by a lane
const uint LANE_QUADS = LOADS * QUADS;
const uint EACH = (D + LANES - 1u) / LANES;               // dimensions of a lane that makes a head
const uint HEADS_EACH = (G + WARPS) / WARPS;              // queries and the new key: of a warp
const uint HALF_DIMS = uint(ROPE_DIMS) / 2u;
const uint PAIRS_EACH = ((G + 1u) * HALF_DIMS + T - 1u) / T; // that are rotated: of an invocation
const bool SHARED_QUERIES = G > 2u;                       // else each lane has its units of them
const uint PUT_AT_ONCE = min(G, min(uint(X_QUADS) / (WARPS * ROW_QUADS), T / ROW_QUADS)); // heads, of results
const float LOWEST = -3.0e38;

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

// In `partial`: queries, and behind them the new key and the new value.
const uint NEW_KEY = G * D, NEW_VALUE = NEW_KEY + D;
vec4 partial_quad(uint at) { return vec4(partial[at], partial[at + 1u], partial[at + 2u], partial[at + 3u]); }
uvec4 new_unit(uint row, uint u) { return unit_of(partial_quad(row + u * UNIT), partial_quad(row + u * UNIT + UNIT - 4u)); }

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

// First unit of a key in the layer: [page][keys, values][64 positions][kv_heads * D]. The table is a ring of slots.
uint cache_row(piece c, uint position) {
    uint slot = c.slot + position / PAGE - c.page;
    uint page = uint(step[c.table + (slot < P.slots ? slot : slot - P.slots)]);
    return P.cache / UNIT + ((page * 2u * PAGE + position % PAGE) * P.kv_heads + c.kv) * UNITS;
}

// ---- Sent for ahead ----

uvec4 key[AHEAD * LOADS], value[AHEAD * LOADS];          // of a turn
uint key_at[AHEAD];                                      // where the keys lie
float weight_ahead[HEADS_EACH * EACH];                   // of the norms
float cos_ahead[PAIRS_EACH], sin_ahead[PAIRS_EACH];

// Position of the u-th key of this team in the turn that begins at a position, or behind the end of the piece, where
// the piece's last one is read instead.
uint key_position(uint begin, uint u) {
    uint t = gl_LocalInvocationIndex;
    return begin + (u * WARPS + t / LANES) * KEYS + t % LANES / KEY_LANES;
}
bool is_newest(piece c, uint begin, uint u) { return min(key_position(begin, u), c.end - 1u) == c.position; }
// Units of a lane. Some have none, where units are not as many as lanes.
bool has_unit(uint l) { return UNITS % KEY_LANES == 0u || gl_LocalInvocationIndex % KEY_LANES + l * KEY_LANES < UNITS; }
uint unit_number(uint l) { return min(gl_LocalInvocationIndex % KEY_LANES + l * KEY_LANES, UNITS - 1u); }

void send_for_keys(piece c, uint begin) {
    for (uint u = 0u; u < AHEAD; u++) {
        key_at[u] = cache_row(c, min(key_position(begin, u), c.end - 1u));
        for (uint l = 0u; l < LOADS; l++) key[u * LOADS + l] = cache[key_at[u] + unit_number(l)];
    }
}

// Of the turn whose keys have been sent for.
void send_for_values() {
    uint keys = PAGE * P.kv_heads * UNITS; // of a page; its values lie behind
    for (uint u = 0u; u < AHEAD; u++)
        for (uint l = 0u; l < LOADS; l++) value[u * LOADS + l] = cache[key_at[u] + keys + unit_number(l)];
}

// All that is known before the phase begins: the cache but for the newest position, weights of the norms, angles.
void send_for_piece(piece c) {
    uint t = gl_LocalInvocationIndex;
    if (c.begin < c.end) {
        send_for_keys(c, c.begin);
        send_for_values();
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
    if (SHARED_QUERIES) {
        for (uint i = t; i < G * ROW_QUADS; i += T) xs[i] = partial_quad(4u * i);
        barrier();
    }
}

void write_row(piece c) {
    uint u = gl_LocalInvocationIndex, k = cache_row(c, c.position) + u;
    if (u >= UNITS) return;
    cache[k] = new_unit(NEW_KEY, u);
    cache[k + PAGE * P.kv_heads * UNITS] = new_unit(NEW_VALUE, u);
}

// ---- A turn ----

// Of each head: this lane's units of the query; scores of the turn's positions, then their weights; sums so far of the
// lane's units, sum of weights, and the largest score, to which they are relative. (Variables of the shader, not of a
// function: arrays that are handed over are copied.)
vec4 query[SHARED_QUERIES ? 1u : G * LANE_QUADS], so_far[G * LANE_QUADS];
float score[G * AHEAD], total[G], top[G];

// The h-th quad of a lane's l-th unit in query g.
uint query_at(uint g, uint l, uint h) { return g * ROW_QUADS + unit_number(l) * QUADS + h; }
vec4 query_quad(uint g, uint l, uint h) {
    return SHARED_QUERIES ? xs[query_at(g, l, h)] : query[(g * LOADS + l) * QUADS + h];
}

void begin_sums() {
    for (uint g = 0u; g < G; g++) {
        total[g] = 0.0;
        top[g] = LOWEST;
        for (uint i = 0u; i < LANE_QUADS; i++) {
            so_far[g * LANE_QUADS + i] = vec4(0.0);
            if (!SHARED_QUERIES) query[g * LANE_QUADS + i] = partial_quad(4u * query_at(g, i / QUADS, i % QUADS));
        }
    }
}

void score_turn(piece c, uint begin) {
    for (uint i = 0u; i < G * AHEAD; i++) score[i] = 0.0;
    for (uint u = 0u; u < AHEAD; u++)
        for (uint l = 0u; l < LOADS; l++) {
            if (is_newest(c, begin, u)) key[u * LOADS + l] = new_unit(NEW_KEY, unit_number(l));
            for (uint h = 0u; h < QUADS; h++) {
                vec4 k = has_unit(l) ? quad_of(key[u * LOADS + l], h) : vec4(0.0);
                for (uint g = 0u; g < G; g++) score[g * AHEAD + u] += dot(query_quad(g, l, h), k);
            }
        }
    for (uint i = 0u; i < G * AHEAD; i++) {
        score[i] = lanes_sum(score[i], KEY_LANES);
        if (key_position(begin, i % AHEAD) >= c.end) score[i] = LOWEST;
    }
}

// Scores become weights; sums so far shrink where there is a larger score.
void weigh_turn(piece c, uint begin) {
    for (uint g = 0u; g < G; g++) {
        float largest = top[g];
        for (uint u = 0u; u < AHEAD; u++) largest = max(largest, score[g * AHEAD + u]);
        float shrink = exp(top[g] - largest);
        top[g] = largest;
        total[g] *= shrink;
        for (uint i = 0u; i < LANE_QUADS; i++) so_far[g * LANE_QUADS + i] *= shrink;
        for (uint u = 0u; u < AHEAD; u++) {
            float w = key_position(begin, u) < c.end ? exp(score[g * AHEAD + u] - largest) : 0.0;
            total[g] += w;
            score[g * AHEAD + u] = w;
        }
    }
}

void add_values(piece c, uint begin) {
    for (uint u = 0u; u < AHEAD; u++)
        for (uint l = 0u; l < LOADS; l++) {
            if (is_newest(c, begin, u)) value[u * LOADS + l] = new_unit(NEW_VALUE, unit_number(l));
            for (uint h = 0u; h < QUADS; h++) {
                vec4 v = quad_of(value[u * LOADS + l], h);
                for (uint g = 0u; g < G; g++) so_far[(g * LOADS + l) * QUADS + h] += score[g * AHEAD + u] * v;
            }
        }
}

// ---- Results ----

// Sums of the 32 lanes of a warp go to shared memory, as the i-th of PUT_AT_ONCE heads.
void share_sums(uint g, uint i) {
    uint lane = gl_LocalInvocationIndex % LANES, warp = gl_LocalInvocationIndex / LANES;
    float largest = lanes_max(top[g], LANES), shrink = exp(top[g] - largest);
    float sum = lanes_sum_apart(vec4(total[g] * shrink), KEY_LANES).x;
    if (lane == 0u) partial[2u * (i * WARPS + warp)] = largest;
    if (lane == 0u) partial[2u * (i * WARPS + warp) + 1u] = sum;
    for (uint l = 0u; l < LOADS; l++)
        for (uint h = 0u; h < QUADS; h++) {
            vec4 v = lanes_sum_apart(so_far[(g * LOADS + l) * QUADS + h] * shrink, KEY_LANES);
            uint unit = lane + l * KEY_LANES;
            if (lane < KEY_LANES && unit < UNITS) xs[(i * WARPS + warp) * ROW_QUADS + unit * QUADS + h] = v;
        }
}

// Adds up what all warps have of the i-th head, which is head h: a quad an invocation.
void put_head(piece c, uint h, uint i, uint quad) {
    uint stats = P.pieces_at + P.heads * c.count * D + 2u * (h * c.count + c.number);
    float largest = LOWEST, weights = 0.0;
    vec4 v = vec4(0.0);
    for (uint w = 0u; w < WARPS; w++) largest = max(largest, partial[2u * (i * WARPS + w)]);
    for (uint w = 0u; w < WARPS; w++) {
        float shrink = exp(partial[2u * (i * WARPS + w)] - largest);
        v += shrink * xs[(i * WARPS + w) * ROW_QUADS + quad];
        weights += shrink * partial[2u * (i * WARPS + w) + 1u];
    }
    uint at = P.pieces_at + (h * c.count + c.number) * D;
    if (c.count == 1u) {
        at = P.result + h * D;
        v /= weights;
    } else if (quad == 0u) {
        a[stats] = largest;
        a[stats + 1u] = weights;
    }
    a[at + 4u * quad] = v.x;
    a[at + 4u * quad + 1u] = v.y;
    a[at + 4u * quad + 2u] = v.z;
    a[at + 4u * quad + 3u] = v.w;
}

// (Numbers of arrays in brackets are constant where loops over them are written out: only then are those registers.)
void put_results(piece c) {
    uint t = gl_LocalInvocationIndex;
    for (uint first = 0u; first < G; first += PUT_AT_ONCE) {
        barrier();
        for (uint g = 0u; g < G; g++)
            if (g - first < PUT_AT_ONCE) share_sums(g, g - first);
        barrier();
        uint i = t / ROW_QUADS;
        if (i < min(PUT_AT_ONCE, G - first)) put_head(c, c.unit * G + first + i, i, t % ROW_QUADS);
    }
    barrier();
}

void attend_piece(piece c) {
    make_heads(c.unit, c.kv);
    bool writes = c.unit * G % (P.heads / P.kv_heads) == 0u; // the first of those that share a kv head
    if (writes && c.begin <= c.position && c.position < c.end) write_row(c);
    begin_sums();
    for (uint at = c.begin; at < c.end; at += POSITIONS) {
        bool more = at + POSITIONS < c.end;
        score_turn(c, at);
        if (more) send_for_keys(c, at + POSITIONS);
        weigh_turn(c, at);
        add_values(c, at);
        if (more) send_for_values();
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
