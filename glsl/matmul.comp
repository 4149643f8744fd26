// out = W x for many rows x at once: a tile of ROWS rows of W by TOKENS rows of x for each work group, EACH_ROWS by
// EACH_TOKENS of it for each invocation. A block of 32 columns at a time is decoded into shared memory; rows there are
// 9 vec4 apart instead of 8, so that the rows that a warp reads together lie in different banks. The next block of
// weights and of x is fetched before the present one is multiplied, which hides its latency. Sums are of AT_ONCE blocks and
// then of those: where all terms have one sign, a single sum over a long row loses too many bits.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) readonly buffer W4 { uvec4 w4[]; };
layout(std430, binding = 1) readonly buffer W1 { uint w1[]; };
layout(std430, binding = 2) readonly buffer Vectors { float vectors[]; };
layout(std430, binding = 3) buffer Act { float a[]; };
#if ACT_QUADS // the activations once more, to read four at a time, where the device has a fifth binding
layout(std430, binding = 4) readonly buffer Act4 { vec4 a4[]; };
#endif
#include LAYOUT

const uint T = uint(THREADS), STRIDE = 9u, AT_ONCE = 4u;
const uint ROW_STEP = uint(ROWS) / uint(EACH_ROWS), TOKEN_STEP = uint(TOKENS) / uint(EACH_TOKENS);
shared vec4 ws[uint(ROWS) * STRIDE];
shared vec4 xs[uint(TOKENS) * STRIDE];

// Quads of x that this invocation carries from the device's memory to shared memory.
const uint X_EACH = uint(TOKENS) * 8u / T;

float x_at(uint at, uint c) { return c < width ? a[at + c] : 0.0; }

vec4 fetch_x(uint e, uint first_token, uint rows, uint c) {
    uint i = gl_LocalInvocationIndex + e * T, token = first_token + i / 8u;
    uint at = in0 + token * in0_stride, column = c + 4u * (i % 8u);
    if (token >= rows) return vec4(0.0);
#if ACT_QUADS
    if (column + 3u < width) return a4[(at + column) / 4u];
#endif
    return vec4(x_at(at, column), x_at(at, column + 1u), x_at(at, column + 2u), x_at(at, column + 3u));
}

void store_x(uint e, vec4 v) {
    uint i = gl_LocalInvocationIndex + e * T;
    xs[i / 8u * STRIDE + i % 8u] = v;
}

void store_w(uint local_row, block k, bool live) {
    vec4 q[8];
    block_quads(k, q);
    vec2 s = block_scales(k);
    vec2 m = vec2(0.0);
#if BLOCK_HAS_MIN
    m = block_mins(k);
#endif
    for (uint i = 0u; i < 8u; i++) {
        vec4 v = i < 4u ? q[i] * s.x + m.x : q[i] * s.y + m.y;
        ws[local_row * STRIDE + i] = live ? v : vec4(0.0);
    }
}

void main() {
    uint t = gl_LocalInvocationIndex, rows = outputs_only != 0u ? n_outputs : n_rows;
    // Warps of 32 take 8 rows by 4 tokens, then warps go down the rows.
    uint my_row = t % 8u + 8u * (t / 32u % (ROW_STEP / 8u)), my_token = t / 8u % 4u + 4u * (t / 32u / (ROW_STEP / 8u));
    uint tiles = (rows0 + uint(ROWS) - 1u) / uint(ROWS);
    for (uint tile = work_group().x; tile < tiles; tile += work_groups().x) {
        uint first_row_here = tile * uint(ROWS), first_token = work_group().y * uint(TOKENS);
        uint load_row = min(first_row_here + t, rows0 - 1u);
        bool loads = t < uint(ROWS), live = first_row_here + t < rows0;
        float total[EACH_ROWS * EACH_TOKENS], sum[EACH_ROWS * EACH_TOKENS];
        for (uint i = 0u; i < uint(EACH_ROWS * EACH_TOKENS); i++) total[i] = sum[i] = 0.0;
        block next;
        vec4 next_x[X_EACH];
        for (uint e = 0u; e < X_EACH; e++) next_x[e] = fetch_x(e, first_token, rows, 0u);
        if (loads) next = block_load(weight0, weight0_n, load_row * blocks);
        for (uint k = 0u; k < blocks; k++) {
            barrier();
            if (loads) store_w(t, next, live);
            for (uint e = 0u; e < X_EACH; e++) store_x(e, next_x[e]);
            barrier();
            if (k + 1u < blocks)
                for (uint e = 0u; e < X_EACH; e++) next_x[e] = fetch_x(e, first_token, rows, 32u * (k + 1u));
            if (loads && k + 1u < blocks) next = block_load(weight0, weight0_n, load_row * blocks + k + 1u);
            for (uint q = 0u; q < 8u; q++) {
                vec4 w[EACH_ROWS], x[EACH_TOKENS];
                for (uint i = 0u; i < uint(EACH_ROWS); i++) w[i] = ws[(my_row + i * ROW_STEP) * STRIDE + q];
                for (uint j = 0u; j < uint(EACH_TOKENS); j++) x[j] = xs[(my_token + j * TOKEN_STEP) * STRIDE + q];
                for (uint i = 0u; i < uint(EACH_ROWS); i++)
                    for (uint j = 0u; j < uint(EACH_TOKENS); j++) {
                        float v = sum[i * uint(EACH_TOKENS) + j];
                        v = w[i].x * x[j].x + v;
                        v = w[i].y * x[j].y + v;
                        v = w[i].z * x[j].z + v;
                        sum[i * uint(EACH_TOKENS) + j] = w[i].w * x[j].w + v;
                    }
            }
            if (k % AT_ONCE == AT_ONCE - 1u)
                for (uint i = 0u; i < uint(EACH_ROWS * EACH_TOKENS); i++) {
                    total[i] += sum[i];
                    sum[i] = 0.0;
                }
        }
        for (uint j = 0u; j < uint(EACH_TOKENS); j++)
            for (uint i = 0u; i < uint(EACH_ROWS); i++) {
                uint row = first_row_here + my_row + i * ROW_STEP, token = first_token + my_token + j * TOKEN_STEP;
                if (row >= rows0 || token >= rows) continue;
                float v = total[i * uint(EACH_TOKENS) + j] + sum[i * uint(EACH_TOKENS) + j];
                a[part_out0 + token * out_stride + row] = bias0 == NONE ? v : v + vectors[bias0 + row];
            }
    }
}
