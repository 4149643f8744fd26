// softmax(scale q k^T) v of many rows, in float32. A work group takes one head of a run: up to ROWS rows that follow
// one another in the batch, with consecutive positions of one sequence. Groups are dispatched one a row and head (x: head,
// y: ROWS rows, from the last, z: row of those); the first row of a run takes the whole run, the others have nothing to
// do, so that any mixture of sequences is right.
//
// Blocks of the cache are pages. Their keys, then their values, go through shared memory in SLICES slices; the next
// slice is fetched while the present one is multiplied. Sums are rescaled when a page has a larger score (online
// softmax, arXiv 1805.02867). Strides of shared rows are odd numbers of vec4, which spreads the rows that a warp reads
// over the banks.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) readonly buffer Cache { uint cache[]; };
layout(std430, binding = 1) readonly buffer Step { int step[]; };
#if CACHE_F32
layout(std430, binding = 2) readonly buffer Quads { uvec4 quads[]; }; // the cache, four numbers at a time
#else
layout(std430, binding = 2) readonly buffer Quads { uvec2 quads[]; };
#endif
layout(std430, binding = 3) buffer Act { float a[]; };
#include "cache.glsl"

const uint T = uint(THREADS), M = uint(ROWS), D = uint(HEAD_DIM), QUADS = D / 4u, N = uint(SLICES);
const uint SLICE = (QUADS + N - 1u) / N; // a slice of keys: SLICE quads of each of the page
const uint VALUES = PAGE / N;            // a slice of values: VALUES of the page, whole
const uint LOADS = (PAGE * SLICE + T - 1u) / T;
// Products: an invocation has 4 rows, ROW_STEP apart, and either 4 keys, of which it takes a share of the dimensions,
// or EACH quads of dimensions, DIM_STEP apart.
const uint ROW_STEP = M / 4u, KEY_STEP = PAGE / 4u, SHARES = T / (ROW_STEP * KEY_STEP);
const uint DIM_STEP = T / ROW_STEP, EACH = (QUADS + DIM_STEP - 1u) / DIM_STEP;
const uint LANES = T / M; // softmax: invocations of a row
const uint Q_STRIDE = N * SLICE | 1u, KEY_STRIDE = SLICE | 1u, SCORE_STRIDE = KEY_STEP + 1u;
const uint KEY_ROOM = PAGE * KEY_STRIDE, SCORE_ROOM = SHARES * M * SCORE_STRIDE;
const float LOWEST = -3.0e38;
shared vec4 q[M * Q_STRIDE];
shared vec4 stage[KEY_ROOM > SCORE_ROOM ? KEY_ROOM : SCORE_ROOM]; // a slice of keys or values; scores by shares
shared vec4 weight[M * SCORE_STRIDE];
shared float part[T], shrink[M];

// Places of an invocation in products: warps of 32 take 4 rows by 8 of the rest, then warps go down the rows.
uint my_row() { return gl_LocalInvocationIndex % 4u + 4u * (gl_LocalInvocationIndex / 32u % (ROW_STEP / 4u)); }
uint my_rest() { return gl_LocalInvocationIndex / 4u % 8u + 8u * (gl_LocalInvocationIndex / 8u / ROW_STEP); }

// m x + sum, a multiply-add a term.
vec4 add_product(mat4 m, vec4 x, vec4 sum) {
    sum = m[0] * x.x + sum;
    sum = m[1] * x.y + sum;
    sum = m[2] * x.z + sum;
    return m[3] * x.w + sum;
}

// ---- Between the cache and shared memory: positions outside first .. last are 0 ----

// Quads as the cache has them, on their way. (Not converted before they are stored, nor loaded behind a branch: either
// would wait for them. The page is there whole, so that any number of it can be read.)
#if CACHE_F32
#define RAW uvec4
vec4 quad_of(RAW v) { return uintBitsToFloat(v); }
#else
#define RAW uvec2
vec4 quad_of(RAW v) { return vec4(unpackHalf2x16(v.x), unpackHalf2x16(v.y)); }
#endif
RAW next[LOADS];

void fetch_keys(uint page, uint slice) {
    for (uint l = 0u; l < LOADS; l++) {
        uint e = gl_LocalInvocationIndex + l * T, d = slice * SLICE + e % SLICE;
        next[l] = quads[page + min(e / SLICE, PAGE - 1u) * kv_heads * QUADS + min(d, QUADS - 1u)];
    }
}

// Key 4 i + j goes to row i + j KEY_STEP: invocations side by side read rows side by side, and their scores are a quad.
void put_keys(uint slice, uint begin, uint first, uint last) {
    for (uint l = 0u; l < LOADS; l++) {
        uint e = gl_LocalInvocationIndex + l * T, key = e / SLICE, d = slice * SLICE + e % SLICE;
        bool live = d < QUADS && begin + key >= first && begin + key <= last;
        if (key < PAGE)
            stage[(key / 4u + key % 4u * KEY_STEP) * KEY_STRIDE + e % SLICE] = live ? quad_of(next[l]) : vec4(0.0);
    }
}

void fetch_values(uint page, uint slice) {
    for (uint l = 0u; l < LOADS; l++) {
        uint e = gl_LocalInvocationIndex + l * T, key = slice * VALUES + min(e / QUADS, VALUES - 1u);
        next[l] = quads[page + (PAGE + key) * kv_heads * QUADS + e % QUADS];
    }
}

void put_values(uint slice, uint begin, uint first, uint last) {
    for (uint l = 0u; l < LOADS; l++) {
        uint e = gl_LocalInvocationIndex + l * T, key = begin + slice * VALUES + e / QUADS;
        if (e < VALUES * QUADS) stage[e] = key >= first && key <= last ? quad_of(next[l]) : vec4(0.0);
    }
}

// ---- The two products and what is between them ----

void add_scores(uint slice, inout vec4 score[4]) {
    uint key = my_rest() % KEY_STEP, share = my_rest() / KEY_STEP;
    for (uint d = share; d < SLICE; d += SHARES) {
        uint at = key * KEY_STRIDE + d, next = KEY_STEP * KEY_STRIDE;
        mat4 k = transpose(mat4(stage[at], stage[at + next], stage[at + 2u * next], stage[at + 3u * next]));
        for (uint i = 0u; i < 4u; i++)
            score[i] = add_product(k, q[(my_row() + i * ROW_STEP) * Q_STRIDE + slice * SLICE + d], score[i]);
    }
}

// Scores to weights e^(score - largest), by LANES invocations a row; each has its own part of the row's total.
void weigh(vec4 score[4], uint begin, uint position, inout float largest, inout float total) {
    uint row = gl_LocalInvocationIndex / LANES, lane = gl_LocalInvocationIndex % LANES, at = position + row;
    barrier();
    for (uint i = 0u; i < 4u; i++) {
        uint share = my_rest() / KEY_STEP;
        stage[(share * M + my_row() + i * ROW_STEP) * SCORE_STRIDE + my_rest() % KEY_STEP] = score[i];
    }
    barrier();
    vec4 s[KEY_STEP / LANES];
    float top = largest;
    for (uint i = 0u; i < KEY_STEP / LANES; i++) {
        uint quad = lane + i * LANES;
        s[i] = vec4(0.0);
        for (uint share = 0u; share < SHARES; share++) s[i] += stage[(share * M + row) * SCORE_STRIDE + quad];
        uvec4 j = begin + 4u * quad + uvec4(0u, 1u, 2u, 3u);
        bvec4 hidden = greaterThan(j, uvec4(at));
        if (window != 0u) s[i] = mix(s[i], vec4(LOWEST), lessThanEqual(j + window, uvec4(at)));
        s[i] = mix(s[i], vec4(LOWEST), hidden);
        top = max(top, max(max(s[i].x, s[i].y), max(s[i].z, s[i].w)));
    }
    part[gl_LocalInvocationIndex] = top;
    barrier();
    for (uint i = 0u; i < LANES; i++) top = max(top, part[row * LANES + i]);
    float less = exp(largest - top);
    total *= less;
    for (uint i = 0u; i < KEY_STEP / LANES; i++) {
        vec4 w = mix(exp(s[i] - top), vec4(0.0), lessThanEqual(s[i], vec4(LOWEST)));
        weight[row * SCORE_STRIDE + lane + i * LANES] = w;
        total += w.x + w.y + (w.z + w.w);
    }
    if (lane == 0u) shrink[row] = less;
    largest = top;
}

void add_values(uint slice, inout vec4 sum[4u * EACH]) {
    for (uint e = 0u; e < EACH; e++) {
        uint d = min(my_rest() + e * DIM_STEP, QUADS - 1u);
        for (uint j = 0u; j < VALUES; j += 4u) {
            mat4 v = mat4(stage[j * QUADS + d], stage[(j + 1u) * QUADS + d], stage[(j + 2u) * QUADS + d],
                          stage[(j + 3u) * QUADS + d]);
            uint quad = (slice * VALUES + j) / 4u;
            for (uint i = 0u; i < 4u; i++)
                sum[4u * e + i] =
                    add_product(v, weight[(my_row() + i * ROW_STEP) * SCORE_STRIDE + quad], sum[4u * e + i]);
        }
    }
}

void put_results(uint r, uint rows, uint h, float total, vec4 sum[4u * EACH]) {
    barrier();
    part[gl_LocalInvocationIndex] = total;
    barrier();
    for (uint i = 0u; i < 4u; i++) {
        uint row = my_row() + i * ROW_STEP;
        if (row >= rows) continue;
        float all = 0.0;
        for (uint l = 0u; l < LANES; l++) all += part[row * LANES + l];
        for (uint e = 0u; e < EACH; e++) {
            uint d = my_rest() + e * DIM_STEP, place = out0 + (r + row) * out_stride + h * D + 4u * d;
            if (d >= QUADS) continue;
            vec4 v = sum[4u * e + i] / all;
            a[place] = v.x;
            a[place + 1u] = v.y;
            a[place + 2u] = v.z;
            a[place + 3u] = v.w;
        }
    }
}

void load_queries(uint r, uint rows, uint h) {
    for (uint e = gl_LocalInvocationIndex; e < M * N * SLICE; e += T) {
        uint row = e / (N * SLICE), d = e % (N * SLICE), x = in0 + (r + row) * in0_stride + h * D + 4u * d;
        bool live = row < rows && d < QUADS;
        q[row * Q_STRIDE + d] = live ? vec4(a[x], a[x + 1u], a[x + 2u], a[x + 3u]) * scale : vec4(0.0);
    }
}

// ---- Runs ----

// Does row r go on with the run of the row before it?
bool continues(uint r) {
    return r % M != 0u && r < n_rows && step[extra1 + r] == step[extra1 + r - 1u] &&
           step[extra0 + r] == step[extra0 + r - 1u] + 1;
}

// First quad of the page that begins at a position.
uint page_at(uint sequence, uint begin, uint h) {
    return cache_row(sequence, begin, 0u) / 4u + h / (heads / kv_heads) * QUADS;
}

void attend(uint r, uint h) {
    uint rows = 1u, position = uint(step[extra0 + r]), sequence = uint(step[extra1 + r]);
    while (continues(r + rows)) rows++;
    uint first = window != 0u && position >= window ? position - window + 1u : 0u, last = position + rows - 1u;
    uint begin = first / PAGE * PAGE, page = page_at(sequence, begin, h);
    float largest = LOWEST, total = 0.0;
    vec4 sum[4u * EACH];
    for (uint i = 0u; i < 4u * EACH; i++) sum[i] = vec4(0.0);
    barrier();
    load_queries(r, rows, h);
    fetch_keys(page, 0u);
    while (begin <= last) {
        vec4 score[4] = vec4[4](vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
        for (uint slice = 0u; slice < N; slice++) {
            barrier();
            put_keys(slice, begin, first, last);
            barrier();
            if (slice + 1u < N)
                fetch_keys(page, slice + 1u);
            else
                fetch_values(page, 0u);
            add_scores(slice, score);
        }
        weigh(score, begin, position, largest, total);
        for (uint slice = 0u; slice < N; slice++) {
            barrier();
            put_values(slice, begin, first, last);
            barrier();
            if (slice + 1u < N)
                fetch_values(page, slice + 1u);
            else if (begin + PAGE <= last) {
                page = page_at(sequence, begin + PAGE, h);
                fetch_keys(page, 0u);
            }
            if (slice == 0u)
                for (uint i = 0u; i < 4u * EACH; i++) sum[i] *= shrink[my_row() + i % 4u * ROW_STEP];
            add_values(slice, sum);
        }
        begin += PAGE;
    }
    put_results(r, rows, h, total, sum);
}

// Rows that surely begin a run come first, so that they spread over the device, and of those the last, which look back
// farthest.
void main() {
    uint r = (work_groups().y - 1u - work_group().y) * M + gl_WorkGroupID.z;
    if (r < n_rows && !continues(r)) attend(r, work_group().x);
}
