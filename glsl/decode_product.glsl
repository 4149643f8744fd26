// Matrix-vector products of one row x: up to three matrices (q, k, v), of any layouts, or a gated pair.
//
// x lies in shared memory as eight planes of vec4 (quad i of block k at i * X_BLOCKS + k), so that neighbouring lanes, which
// take neighbouring blocks of 32 weights, read neighbouring words of both. In each round a work group takes `each` rows of
// every matrix, and their blocks as one stream: a block a lane, wherever it lies in its row, 32 lanes (a team) a turn.
// 2^FOLD lanes, whose blocks are of one row, add up; their sums go to shared memory, and behind a barrier 2^row_lanes
// lanes each end the rows. Gated: a lane takes a block of both matrices, and reads x once for both.
//
// Blocks of the next turn are on their way while the present one is multiplied; those of a phase's first turn (gated) or
// two are sent for before the barrier in front of the phase is waited for, when nothing but weights is known.
//
// How x is made: PLAIN: in0.  NORM: norm(in0).  ADD_NORM: h = in0 + in1, norm(h).  POST_ADD_NORM: h = in0 +
// post_norm(in1), norm(h).  JOIN: the pieces that attention left. Every work group does that for itself; the first one
// writes h (sum_out) for the next residual add, and what else is observed (post_out, norm_out).
const uint HALF = uint(PARTIALS) / 2u; // rounds take turns with both
shared vec4 xs[X_QUADS];
shared vec2 x_sums[X_BLOCKS]; // of the first and the second half of each block

// What the inner loops need of the phase, read once: reading the table by number costs more than a multiplication.
uint blocks, two_23;
#define TWO_23 two_23
bool gated, one_matrix;          // one_matrix: all turns are of part 0
uvec3 each, turns_to;            // of the parts: rows of a round; turns of a round up to the end of each
phase_part m;                    // the matrix of the present turn
#include "any_block.glsl"
uint part_begin, part_end;       // which turns are its
uint column_first, column_step;  // of x: where this lane's first turn of the matrix lies, and how far turns are apart
uint second_base;                // gated: the other matrix
uint round_now, turn;            // of this team, the next one to be multiplied
uint ahead_turn, ahead_block;    // the next one to be sent for, and this lane's block of it
uint round_base, round_blocks;   // block that the round of that turn begins at; blocks of all work groups in a round
block next0, next1;              // on their way; gated: of the same turn, else of the next two
uint pieces_ahead;               // JOIN: of the cache
vec4 norm_ahead[QUADS_EACH], post_ahead[QUADS_EACH];
float best;
uint best_at;
#include "dot_blocks.glsl"

vec4 vector_quad(uint base, uint c) { return vectors4[(base + c) / 4u]; }

float vector_at(uint i) {
    vec4 v = vectors4[i / 4u];
    vec2 p = (i & 2u) == 0u ? v.xy : v.zw;
    return (i & 1u) == 0u ? p.x : p.y;
}

// Numbers behind the end of a row are somebody else's: zeros in their place.
vec4 cut(vec4 v, uint c) {
    if (c + 3u < P.width) return v;
    return vec4(c < P.width ? v.x : 0.0, c + 1u < P.width ? v.y : 0.0, c + 2u < P.width ? v.z : 0.0, 0.0);
}

vec4 quad_at(uint base, uint c) { return cut(a4[(base + c) / 4u], c); }

void put_quad(uint base, uint c, vec4 v) {
    if (c < P.width) a[base + c] = v.x;
    if (c + 1u < P.width) a[base + c + 1u] = v.y;
    if (c + 2u < P.width) a[base + c + 2u] = v.z;
    if (c + 3u < P.width) a[base + c + 3u] = v.w;
}

uint place(uint quad) { return (quad & 7u) * uint(X_BLOCKS) + (quad >> 3); }

// ---- Sent for ahead ----

uint team() { return gl_LocalInvocationIndex / LANES; }

void read_phase() {
    blocks = P.blocks;
    two_23 = P.two_23;
    gated = P.gated != 0u;
    one_matrix = gated || P.parts == 1u;
    each = uvec3(P.part[0].each, P.part[1].each, P.part[2].each);
    turns_to = uvec3(P.part[0].turns, P.part[1].turns, P.part[2].turns);
    column_step = P.column_step;
    second_base = P.part[1].weight;
}

phase_part part_number(uint i) {
    phase_part of = P.part[0];
    if (i == 1u) of = P.part[1];
    if (i == 2u) of = P.part[2];
    return of;
}

void begin_ahead(uint turn_of) {
    ahead_turn = turn_of;
    ahead_block = round_base + (turn_of - part_begin) * LANES + gl_LocalInvocationIndex % LANES;
}

// i % blocks without a division of integers: of floats it may be one off.
uint column_of(uint i) {
    int column = int(i - uint(float(i) * P.per_blocks) * blocks);
    if (column < 0) column += int(blocks);
    return uint(column) < blocks ? uint(column) : uint(column) - blocks;
}

// The matrix that the present turn is of.
void find_part() {
    uint part = turn < turns_to.x || one_matrix ? 0u : turn < turns_to.y ? 1u : 2u;
    part_begin = part == 0u ? 0u : part == 1u ? turns_to.x : turns_to.y;
    part_end = part == 0u ? turns_to.x : part == 1u ? turns_to.y : turns_to.z;
    m = part_number(part);
    column_first = column_of((turn - part_begin) * LANES + gl_LocalInvocationIndex % LANES);
    round_blocks = gl_NumWorkGroups.x * m.each * blocks;
    round_base = round_now * round_blocks + gl_WorkGroupID.x * m.each * blocks;
    begin_ahead(turn);
}

// Steps on to the turn behind the one that has been sent for: in the next round where the matrix is the only one.
void step_ahead() {
    ahead_turn += WARPS;
    ahead_block += T;
    if (ahead_turn >= part_end && one_matrix) {
        round_base += round_blocks;
        begin_ahead(team());
    }
}

// Behind the last block: any, nobody wants its sum.
uint block_ahead() { return min(ahead_block, m.n - 1u); }

void send_first() {
#define SEND_TWO(FORM) \
    if (m.form == FORM) { \
        next0 = block_load(FORM, m.weight, block_ahead()); \
        step_ahead(); \
        next1 = block_load(FORM, m.weight, block_ahead()); \
    }
#define SEND_PAIR(FORM) \
    if (m.form == FORM) { \
        next0 = block_load(FORM, m.weight, block_ahead()); \
        next1 = block_load(FORM, second_base, block_ahead()); \
    }
    if (gated) {
        EACH_GATED_FORM(SEND_PAIR)
    } else {
        EACH_FORM(SEND_TWO)
    }
    step_ahead();
}

void product_ahead() {
    uint t = gl_LocalInvocationIndex;
    read_phase();
    pieces_ahead = P.make == JOIN ? cache_pieces() : 1u;
    round_now = 0u;
    turn = team();
    find_part();
    send_first();
    if (P.norm != NONE)
        for (uint e = 0u; e < uint(QUADS_EACH); e++) norm_ahead[e] = vector_quad(P.norm, 4u * min(t + e * T, 8u * blocks - 1u));
    if (P.post != NONE)
        for (uint e = 0u; e < uint(QUADS_EACH); e++) post_ahead[e] = vector_quad(P.post, 4u * min(t + e * T, 8u * blocks - 1u));
}

// ---- x ----

// Called by all invocations, each with its quad of x or, not live, with zeros.
void put_x(uint i, vec4 v, bool live) {
    if (live) xs[place(i)] = v;
    if (P.has_min == 0u) return;
    float s = lanes_sum(sum_of(v), 4u);
    if (live && i % 8u == 0u) x_sums[i / 8u].x = s;
    if (live && i % 8u == 4u) x_sums[i / 8u].y = s;
}

void load_normed() {
    uint t = gl_LocalInvocationIndex, quads = 8u * blocks;
    bool writer = gl_WorkGroupID.x == 0u;
    vec4 h[QUADS_EACH], o[QUADS_EACH]; // all loads at once, before the first sum needs any
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
        uint c = 4u * (t + e * T);
        bool live = t + e * T < quads;
        h[e] = live ? quad_at(P.in0, c) : vec4(0.0);
        o[e] = live && P.make != NORM ? quad_at(P.in1, c) : vec4(0.0);
    }
    if (P.make == POST_ADD_NORM) {
        float sum = 0.0;
        for (uint e = 0u; e < uint(QUADS_EACH); e++) sum += dot(o[e], o[e]);
        float r = 1.0 / sqrt(group_sum(sum) / float(P.width) + P.post_eps);
        for (uint e = 0u; e < uint(QUADS_EACH); e++) {
            uint c = 4u * (t + e * T);
            o[e] = cut(o[e] * r * post_ahead[e], c);
            if (writer && P.post_out != NONE && c < P.width) put_quad(P.post_out, c, o[e]);
        }
    }
    float sum = 0.0;
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
        uint c = 4u * (t + e * T);
        h[e] += o[e];
        if (writer && P.sum_out != NONE && c < P.width) put_quad(P.sum_out, c, h[e]);
        sum += dot(h[e], h[e]);
    }
    float r = 1.0 / sqrt(group_sum(sum) / float(P.width) + P.eps);
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
        uint i = t + e * T;
        vec4 v = i < quads ? cut(h[e] * r * norm_ahead[e], 4u * i) : vec4(0.0);
        put_x(i, v, i < quads);
        if (writer && P.norm_out != NONE && i < quads) put_quad(P.norm_out, 4u * i, v);
    }
}

void load_plain() {
    const uint AT_ONCE = 4u; // loads on their way
    uint quads = 8u * blocks;
    for (uint first = 0u; first < quads; first += AT_ONCE * T) {
        uint i = first + gl_LocalInvocationIndex;
        vec4 v[AT_ONCE];
        for (uint e = 0u; e < AT_ONCE; e++) v[e] = quad_at(P.in0, 4u * min(i + e * T, quads - 1u));
        for (uint e = 0u; e < AT_ONCE; e++) put_x(i + e * T, v[e], i + e * T < quads);
    }
}

// Pieces of the cache that attention went through by itself: results of each times its share of the weights.
void join_pieces(uint pieces) {
    const uint AT_ONCE = 8u; // loads on their way
    uint t = gl_LocalInvocationIndex, stats = P.pieces_at + P.heads * pieces * D;
    for (uint i = t; i < 2u * P.heads * pieces; i += T) partial[i] = a[stats + i]; // largest scores, sums of weights
    barrier();
    for (uint first_quad = 0u; first_quad < 8u * blocks; first_quad += T) {
        uint i = first_quad + t, h = min(4u * i / D, P.heads - 1u), from = h * pieces, d = 4u * i - h * D;
        float top = -3.0e38, total = 0.0;
        for (uint p = 0u; p < pieces; p++) top = max(top, partial[2u * (from + p)]);
        vec4 sum = vec4(0.0);
        for (uint first = 0u; first < pieces; first += AT_ONCE) {
            vec4 v[AT_ONCE];
            for (uint e = 0u; e < AT_ONCE; e++) v[e] = a4[(P.pieces_at + (from + min(first + e, pieces - 1u)) * D + d) / 4u];
            for (uint e = 0u; e < AT_ONCE; e++) {
                uint p = min(first + e, pieces - 1u);
                float w = first + e < pieces ? exp(partial[2u * (from + p)] - top) : 0.0;
                total += w * partial[2u * (from + p) + 1u];
                sum += w * v[e];
            }
        }
        bool live = i < 8u * blocks;
        sum = live ? cut(sum / total, 4u * i) : vec4(0.0);
        put_x(i, sum, live);
        if (live && gl_WorkGroupID.x == 0u && P.norm_out != NONE) put_quad(P.norm_out, 4u * i, sum);
    }
}

void make_x() {
    uint pieces = pieces_ahead;
    if (P.make == PLAIN || (P.make == JOIN && pieces == 1u))
        load_plain();
    else if (P.make == JOIN)
        join_pieces(pieces);
    else
        load_normed();
    barrier();
}

// ---- Turns ----

const uint FOLDS = 1u << uint(FOLD); // lanes that add up

// Where the sum of these lanes goes. Gated: both sums side by side.
uint place_of_sum() {
    uint place = (turn * LANES + gl_LocalInvocationIndex % LANES) / FOLDS;
    return round_now % 2u * HALF + (gated ? 2u * place : place);
}

// This lane's block of the present turn.
uint first_block() {
    uint i = (turn - part_begin) * LANES + gl_LocalInvocationIndex % LANES;
    return min((round_now * gl_NumWorkGroups.x + gl_WorkGroupID.x) * m.each * blocks + i, m.n - 1u);
}

// All turns of this team in the present matrix and round; leaves the blocks of the next ones on their way.
void run_turns(uint form) {
    uint column = column_first, b = first_block(), to = place_of_sum(); // b: of floats
#define TAKE_TURN(NEXT) { \
        float s = dot_block(form, NEXT, b, column); \
        NEXT = block_load(form, m.weight, block_ahead()); \
        step_ahead(); \
        s = lanes_sum(s, FOLDS); \
        if (gl_LocalInvocationIndex % FOLDS == 0u) partial[to] = s; \
        to += T / FOLDS; \
        b = min(b + T, m.n - 1u); \
        column += column_step; \
        if (column >= blocks) column -= blocks; \
        turn += WARPS; \
    }
    while (turn < part_end) {
        TAKE_TURN(next0)
        if (turn >= part_end) { // an odd number of turns: what was sent for last comes last
            block first = next1;
            next1 = next0;
            next0 = first;
        } else
            TAKE_TURN(next1)
    }
}

void run_pairs(uint form) {
    uint column = column_first, b = first_block(), to = place_of_sum();
    for (; turn < part_end; turn += WARPS) {
        block u = next0, v = next1;
        next0 = block_load(form, m.weight, block_ahead());
        next1 = block_load(form, second_base, block_ahead());
        step_ahead();
        vec2 sums = lanes_sums(dot_pair(form, u, v, b, column), FOLDS);
        if (gl_LocalInvocationIndex % FOLDS == 0u) partial[to] = sums.x;
        if (gl_LocalInvocationIndex % FOLDS == 0u) partial[to + 1u] = sums.y;
        to += 2u * T / FOLDS;
        b = min(b + T, m.n - 1u);
        column += column_step;
        if (column >= blocks) column -= blocks;
    }
}

// ---- Results ----

void keep_best(float v, uint row) {
    if (v > best || (v == best && row < best_at)) {
        best = v;
        best_at = row;
    }
}

// Ends row `row` of a round, counted through its matrices, from the partial sums. Called by all lanes that end one.
void end_row(uint row) {
    uint lanes = 1u << P.row_lanes, lane = gl_LocalInvocationIndex & (lanes - 1u), places = blocks / FOLDS;
    uint i = row < each.x || one_matrix ? 0u : row < each.x + each.y ? 1u : 2u;
    row -= i == 0u ? 0u : i == 1u ? each.x : each.x + each.y;
    uint first = round_now % 2u * HALF + ((i == 0u ? 0u : i == 1u ? turns_to.x : turns_to.y) * LANES / FOLDS);
    phase_part of = m;
    if (!one_matrix) of = part_number(i);
    bool live = row < of.each;
    vec2 sums = vec2(0.0);
    if (live)
        for (uint j = lane; j < places; j += lanes) {
            uint from = row * places + j;
            sums += gated ? vec2(partial[first + 2u * from], partial[first + 2u * from + 1u])
                : vec2(partial[first + from], 0.0);
        }
    sums = lanes_sums(sums, lanes);
    float s = gated ? act(sums.x) * sums.y : sums.x;
    row += (round_now * gl_NumWorkGroups.x + gl_WorkGroupID.x) * of.each;
    if (lane != 0u || !live || row >= of.rows) return;
    if (of.bias != NONE) s += vector_at(of.bias + row);
    a[of.result + row] = s;
    keep_best(s, of.first + row);
}

void end_rows() {
    uint rows = each.x + each.y + each.z;
    for (uint first = 0u; first < rows; first += T >> P.row_lanes) end_row(first + (gl_LocalInvocationIndex >> P.row_lanes));
}

// The best of what the invocations of a work group have found, in invocation 0.
void join_best() {
    uint t = gl_LocalInvocationIndex;
    for (uint n = T / 2u; n > 0u; n /= 2u) {
        barrier();
        partial[t] = best;
        partial[T + t] = uintBitsToFloat(best_at);
        barrier();
        if (t < n) keep_best(partial[t + n], floatBitsToUint(partial[T + t + n]));
    }
}

void product() {
    best = -3.4e38;
    best_at = NONE;
    uvec3 rows = uvec3(P.part[0].rows, P.part[1].rows, P.part[2].rows);
    bool alone = P.parts == 0u && gl_WorkGroupID.x == 0u; // x is all that is wanted
    if (alone || any(lessThan(gl_WorkGroupID.x * each, rows))) { // else there is nothing left for this work group
        make_x();
        for (uint rounds = P.rounds; round_now < rounds; round_now++) {
            bool sent = round_now == 0u || one_matrix; // are the blocks of this turn on their way?
            while (turn < turns_to.z) {
                if (!sent || turn >= part_end) {
                    find_part();
                    send_first();
                }
                sent = true;
#define RUN_TURNS(FORM) if (m.form == FORM) run_turns(FORM);
#define RUN_PAIRS(FORM) if (m.form == FORM) run_pairs(FORM);
                if (gated) {
                    EACH_GATED_FORM(RUN_PAIRS)
                } else {
                    EACH_FORM(RUN_TURNS)
                }
            }
            barrier();
            end_rows();
            turn = team();
        }
    }
    if (P.best == NONE) return;
    join_best();
    if (gl_LocalInvocationIndex != 0u) return;
    a[P.best + 2u * gl_WorkGroupID.x] = best;
    a[P.best + 2u * gl_WorkGroupID.x + 1u] = best_at == NONE ? 0.0 : float(best_at);
}

// The best of all work groups.
void choose_best() {
    uint t = gl_LocalInvocationIndex;
    if (gl_WorkGroupID.x != 0u) return;
    best = -3.4e38;
    best_at = NONE;
    for (uint i = t; i < P.pairs; i += T) keep_best(a[P.best + 2u * i], uint(a[P.best + 2u * i + 1u]));
    join_best();
    if (t == 0u) a[P.result] = grid_failed() ? -1.0 : best_at == NONE ? 0.0 : float(best_at);
}
