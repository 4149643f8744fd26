// out = W x for many rows x at once: a tile of ROWS rows of W by TOKENS rows of x for each work group, EACH_ROWS by
// EACH_TOKENS of it for each invocation. A block of 32 columns at a time is decoded into shared memory; rows there are
// 9 vec4 apart instead of 8, so that the rows that a warp reads together lie in different banks. The next block of
// weights and of x is fetched before the present one is multiplied, which hides its latency. Sums are of AT_ONCE blocks and
// then of those: where all terms have one sign, a single sum over a long row loses too many bits.
//
// Where there are too few tiles for the device (few rows, short prompts), gl_NumWorkGroups.z work groups share a tile, a part
// of the columns each. They leave their sums in scratch; the last one to come adds them up, in order of the columns.
//   extra0          the bits of 2^23: see unpack.glsl
//   extra1, extra2  first float of that scratch; first counter of those who have come, one a tile, 0 before and after
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) readonly buffer W4 { uvec4 w4[]; };
layout(std430, binding = 1) readonly buffer W1 { uint w1[]; };
layout(std430, binding = 2) readonly buffer Vectors { float vectors[]; };
#if SPLIT
layout(std430, binding = 3) coherent buffer Act { float a[]; };
layout(std430, binding = 5) coherent buffer Counters { uint counters[]; }; // the same
shared bool is_last;
#else
layout(std430, binding = 3) buffer Act { float a[]; };
#endif
#if ACT_QUADS // the activations once more, to read four at a time, where the device has a fifth binding
layout(std430, binding = 4) readonly buffer Act4 { vec4 a4[]; };
#endif
uint two_23;
#define TWO_23 two_23
#include LAYOUT

const uint T = uint(THREADS), STRIDE = 9u, AT_ONCE = 4u;
const uint ROW_STEP = uint(ROWS) / uint(EACH_ROWS), TOKEN_STEP = uint(TOKENS) / uint(EACH_TOKENS);
shared vec4 ws[uint(ROWS) * STRIDE];
shared vec4 xs[uint(TOKENS) * STRIDE];

// Quads of x that this invocation carries from the device's memory to shared memory.
const uint X_EACH = uint(TOKENS) * 8u / T;

// Tokens behind the last are the last one again: nobody writes their sums. (No branches here: behind a branch a load is
// waited for. Numbers behind the end of a row are somebody else's, and cut off when they are stored.)
vec4 fetch_x(uint e, uint first_token, uint rows, uint k) {
    uint i = gl_LocalInvocationIndex + e * T, token = min(first_token + i / 8u, rows - 1u);
    uint at = in0 + token * in0_stride + 32u * k + 4u * (i % 8u);
#if ACT_QUADS
    return a4[at / 4u];
#else
    return vec4(a[at], a[at + 1u], a[at + 2u], a[at + 3u]);
#endif
}

void store_x(uint e, uint k, vec4 v) {
    uint i = gl_LocalInvocationIndex + e * T;
    uvec4 column = 32u * k + 4u * (i % 8u) + uvec4(0u, 1u, 2u, 3u);
    if (32u * k + 32u > width) v = mix(vec4(0.0), v, lessThan(column, uvec4(width)));
    xs[i / 8u * STRIDE + i % 8u] = v;
}

void store_w(uint local_row, block k) {
    vec4 q[8];
    block_quads(k, q);
    vec2 s = block_scales(k);
    vec2 m = vec2(0.0);
#if BLOCK_HAS_MIN
    m = block_mins(k);
#endif
    for (uint i = 0u; i < 8u; i++) ws[local_row * STRIDE + i] = i < 4u ? q[i] * s.x + m.x : q[i] * s.y + m.y;
}

// Sums of this invocation: of row i and tokens 4 j to 4 j + 3 at i * TOKEN_QUADS + j. Those so far, and of the blocks since.
// (Loops over rows are written out: NVIDIA's compiler leaves long ones alone, and arrays with numbers that are not
// constant lie in memory.)
const uint TOKEN_QUADS = uint(EACH_TOKENS) / 4u;
vec4 total[uint(EACH_ROWS) * TOKEN_QUADS], sum[uint(EACH_ROWS) * TOKEN_QUADS];
#if EACH_ROWS == 8
#define EACH_ROW(DO, V) DO(V, 0u) DO(V, 1u) DO(V, 2u) DO(V, 3u) DO(V, 4u) DO(V, 5u) DO(V, 6u) DO(V, 7u)
#else
#define EACH_ROW(DO, V) DO(V, 0u) DO(V, 1u) DO(V, 2u) DO(V, 3u)
#endif

// Four columns of four tokens, a column a vector.
mat4 x_columns(uint token, uint q) {
    return transpose(mat4(xs[token * STRIDE + q], xs[(token + TOKEN_STEP) * STRIDE + q],
        xs[(token + 2u * TOKEN_STEP) * STRIDE + q], xs[(token + 3u * TOKEN_STEP) * STRIDE + q]));
}

// Four columns of the rows of W that are multiplied, and of the same rows those behind them, which come from shared memory
// meanwhile. (The compiler does not begin a turn's loads in the turn before it.)
vec4 w_now[EACH_ROWS], w_next[EACH_ROWS];

#define LOAD_ROW(W, I) W[I] = ws[at + I * ROW_STEP * STRIDE];
#define TIMES(S, W) \
    S = W.x * x[0] + S; \
    S = W.y * x[1] + S; \
    S = W.z * x[2] + S; \
    S = W.w * x[3] + S;
#define TIMES_FIRST(W, I) TIMES(sum[I * TOKEN_QUADS], W[I])
#define TIMES_SECOND(W, I) TIMES(sum[I * TOKEN_QUADS + 1u], W[I])
#if EACH_TOKENS == 8
#define ADD_PRODUCTS(W, Q) \
    x = x_columns(my_token, Q); \
    EACH_ROW(TIMES_FIRST, W) \
    x = x_columns(my_token + 4u * TOKEN_STEP, Q); \
    EACH_ROW(TIMES_SECOND, W)
#else
#define ADD_PRODUCTS(W, Q) \
    x = x_columns(my_token, Q); \
    EACH_ROW(TIMES_FIRST, W)
#endif

void add_products(uint my_row, uint my_token) { // of the block in shared memory
    uint at = my_row * STRIDE;
    mat4 x;
    EACH_ROW(LOAD_ROW, w_now)
    for (uint q = 0u; q < 8u; q += 2u) {
        at = my_row * STRIDE + q + 1u;
        EACH_ROW(LOAD_ROW, w_next)
        ADD_PRODUCTS(w_now, q)
        at = my_row * STRIDE + min(q + 2u, 7u); // at the end nobody needs them
        EACH_ROW(LOAD_ROW, w_now)
        ADD_PRODUCTS(w_next, q + 1u)
    }
}

void put(uint row, uint token, uint rows, float v) {
    if (row >= rows0 || token >= rows) return;
    a[part_out0 + token * out_stride + row] = bias0 == NONE ? v : v + vectors[bias0 + row];
}

void put_quad(uint row, uint token, uint rows, vec4 v) {
    put(row, token, rows, v.x);
    put(row, token + TOKEN_STEP, rows, v.y);
    put(row, token + 2u * TOKEN_STEP, rows, v.z);
    put(row, token + 3u * TOKEN_STEP, rows, v.w);
}

#if SPLIT
// Where sums of this invocation lie in what work group `part` of a tile leaves: the i-th four, T apart from one another, so
// that invocations side by side write floats side by side.
uint left_at(uint tile, uint part, uint i) {
    uint first = (tile * gl_NumWorkGroups.z + part) * uint(ROWS * TOKENS);
    return extra1 + first + i * 4u * T + gl_LocalInvocationIndex;
}

void leave(uint at, vec4 v) {
    a[at] = v.x;
    a[at + T] = v.y;
    a[at + 2u * T] = v.z;
    a[at + 3u * T] = v.w;
}

vec4 left(uint at) { return vec4(a[at], a[at + T], a[at + 2u * T], a[at + 3u * T]); }

// Leaves this work group's totals. Is it the last of its tile? Then its totals become those of all.
bool join_parts(uint tile) {
#define LEAVE_ROW(V, I) \
    for (uint j = 0u; j < TOKEN_QUADS; j++) \
        leave(left_at(tile, gl_WorkGroupID.z, I * TOKEN_QUADS + j), V[I * TOKEN_QUADS + j]);
    EACH_ROW(LEAVE_ROW, total)
    memoryBarrierBuffer();
    barrier();
    if (gl_LocalInvocationIndex == 0u) {
        is_last = atomicAdd(counters[extra2 + tile], 1u) + 1u == gl_NumWorkGroups.z;
        if (is_last) counters[extra2 + tile] = 0u;
        memoryBarrierBuffer();
    }
    barrier();
    if (!is_last) return false;
    for (uint i = 0u; i < uint(EACH_ROWS) * TOKEN_QUADS; i++) total[i] = vec4(0.0);
    for (uint part = 0u; part < gl_NumWorkGroups.z; part++) {
#define ADD_LEFT(V, I) \
    for (uint j = 0u; j < TOKEN_QUADS; j++) V[I * TOKEN_QUADS + j] += left(left_at(tile, part, I * TOKEN_QUADS + j));
        EACH_ROW(ADD_LEFT, total)
    }
    return true;
}
#endif

void main() {
    uint t = gl_LocalInvocationIndex, rows = outputs_only != 0u ? n_outputs : n_rows;
    two_23 = extra0;
    // Warps of 32 take 8 rows by 4 tokens, then warps go down the rows. Lanes that differ in the lowest bit alone read the
    // same rows of x, those that differ in the next one the same rows of W: NVIDIA then reads for half a warp at a time.
    uint lane_row = (t & 1u) | (t >> 1u & 2u) | (t >> 2u & 4u), lane_token = (t >> 1u & 1u) | (t >> 2u & 2u);
    uint warp = t / 32u, warps_down = ROW_STEP / 8u;
    uint my_row = lane_row + 8u * (warp % warps_down), my_token = lane_token + 4u * (warp / warps_down);
    uint tiles = (rows0 + uint(ROWS) - 1u) / uint(ROWS), each = (blocks + gl_NumWorkGroups.z - 1u) / gl_NumWorkGroups.z;
    uint begin = min(gl_WorkGroupID.z * each, blocks), end = min(begin + each, blocks);
    uint first = min(begin, blocks - 1u); // the last parts may have no blocks
    for (uint tile = work_group().x; tile < tiles; tile += work_groups().x) {
        uint first_row_here = tile * uint(ROWS), first_token = work_group().y * uint(TOKENS);
        uint load_row = min(first_row_here + t, rows0 - 1u); // behind the last one: that again, nobody writes its sums
        bool loads = t < uint(ROWS);
        for (uint i = 0u; i < uint(EACH_ROWS) * TOKEN_QUADS; i++) total[i] = sum[i] = vec4(0.0);
        block next;
        vec4 next_x[X_EACH];
        for (uint e = 0u; e < X_EACH; e++) next_x[e] = fetch_x(e, first_token, rows, first);
        if (loads) next = block_load(weight0, weight0_n, load_row * blocks + first);
        for (uint k = begin; k < end; k++) {
            barrier();
            if (loads) store_w(t, next);
            for (uint e = 0u; e < X_EACH; e++) store_x(e, k, next_x[e]);
            barrier();
            if (k + 1u < end)
                for (uint e = 0u; e < X_EACH; e++) next_x[e] = fetch_x(e, first_token, rows, k + 1u);
            if (loads && k + 1u < end) next = block_load(weight0, weight0_n, load_row * blocks + k + 1u);
            add_products(my_row, my_token);
            if (k % AT_ONCE == AT_ONCE - 1u || k + 1u == end)
                for (uint i = 0u; i < uint(EACH_ROWS) * TOKEN_QUADS; i++) {
                    total[i] += sum[i];
                    sum[i] = vec4(0.0);
                }
        }
#if SPLIT
        if (gl_NumWorkGroups.z > 1u && !join_parts(work_group().y * work_groups().x + tile)) continue;
#endif
        uint row = first_row_here + my_row, token = first_token + my_token;
#define PUT_ROW(V, I) \
    for (uint j = 0u; j < TOKEN_QUADS; j++) \
        put_quad(row + I * ROW_STEP, token + 4u * j * TOKEN_STEP, rows, V[I * TOKEN_QUADS + j]);
        EACH_ROW(PUT_ROW, total)
    }
}
