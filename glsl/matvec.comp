// out = W x for few rows of x: ROWS of them in each work group, work_groups().y times.
//
// An invocation decodes a block of 32 weights once and multiplies it by block k of each row of x. Those lie in shared
// memory as eight planes of vec4 a row, so that neighbouring invocations, which take neighbouring blocks, read
// neighbouring words of both; planes are an odd distance apart, so that writing the eight quads of a block meets eight
// banks. With ONE_BLOCK a row of W is taken at once, an invocation a block, else LANES invocations go along it. Either way
// lane k % LANES adds the sums of blocks in the order of k, and then 32 lanes are added up: the order of a row's sum
// depends on nothing but its length, which is what `exact` promises. The next block of weights is on its way while the
// present one is multiplied. A work group goes through several batches of rows of W.
//   extra2  0
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
#include "lanes.glsl"

// BESIDE neighbouring invocations take the same block of as many rows of W: what they read of x is read once.
const uint T = uint(THREADS), R = uint(ROWS), BESIDE = uint(SIDE);
shared vec4 xs[X_QUADS];
shared float partial[R * T];
vec4 q[8]; // the present block of weights; a variable of the shader, because arrays that functions are handed are copied
vec2 scales;

vec4 quad_at(uint base, uint c) { // numbers behind the end of a row are somebody else's: zeros in their place
#if ACT_QUADS
    vec4 v = a4[(base + c) / 4u];
#else
    vec4 v = vec4(a[base + c], a[base + c + 1u], a[base + c + 2u], a[base + c + 3u]);
#endif
    if (c + 3u < width) return v;
    return vec4(c < width ? v.x : 0.0, c + 1u < width ? v.y : 0.0, c + 2u < width ? v.z : 0.0, 0.0);
}

void load_chunk(uint x, uint live, uint first) { // blocks [first, first + chunk) of the `live` rows from x on
    uint pitch = chunk | 1u, n = 8u * min(chunk, blocks - first);
    for (uint r = 0u; r < live; r++)
        for (uint i = gl_LocalInvocationIndex; i < n; i += T)
            xs[(8u * r + (i & 7u)) * pitch + (i >> 3)] = quad_at(x + r * in0_stride, 32u * first + 4u * i);
}

// Weights that have minimums are finished here, q * scale + minimum; of others the sums are scaled, which is less work.
void decode_block(block w) {
    block_quads(w, q);
    scales = block_scales(w);
#if BLOCK_HAS_MIN
    vec2 m = block_mins(w);
    for (uint i = 0u; i < 8u; i++) q[i] = i < 4u ? q[i] * scales.x + m.x : q[i] * scales.y + m.y;
#endif
}

// The same number; extra2 is 0, which the compiler does not know. It would fold the products that make the number into the
// sum that it is added to, where it sees both: other bits than where the number goes to shared memory first.
float unfolded(float v) { return uintBitsToFloat(floatBitsToUint(v) | extra2); }

// The block times that at `at` of plane 0. The one expression for all numbers of rows, so that all have the same bits.
float dot_block(uint at) {
    uint pitch = chunk | 1u;
    float low = dot(q[0], xs[at]) + dot(q[1], xs[pitch + at]) + dot(q[2], xs[2u * pitch + at]) +
        dot(q[3], xs[3u * pitch + at]);
    float high = dot(q[4], xs[4u * pitch + at]) + dot(q[5], xs[5u * pitch + at]) + dot(q[6], xs[6u * pitch + at]) +
        dot(q[7], xs[7u * pitch + at]);
#if BLOCK_HAS_MIN
    return unfolded(low + high);
#else
    return unfolded(low * scales.x + high * scales.y);
#endif
}

// Adds up n partial results for each of `each` rows of W, from row `first` on, and `live` of x, from row `first_x` on.
void finish_batch(uint first, uint each, uint n, uint first_x, uint live) {
    uint t = gl_LocalInvocationIndex;
    for (uint i = 0u; i < each * R; i += T / LANES) {
        uint pair = i + t / LANES, row = pair / R, r = pair % R;
        bool here = row < each && r < live && first + row < rows0;
        float s = 0.0;
        if (here)
            for (uint l = t % LANES; l < n; l += LANES) s += partial[r * T + row * n + l];
        s = lanes_sum(s);
        if (here && t % LANES == 0u) // (no `continue`: the lanes must meet again before the next sum)
            a[part_out0 + (first_x + r) * out_stride + first + row] =
                bias0 == NONE ? s : s + vectors[bias0 + first + row];
    }
}

void main() {
    uint t = gl_LocalInvocationIndex, first_x = work_group().y * R, x = in0 + first_x * in0_stride;
    uint live = R == 1u ? 1u : min(R, (outputs_only != 0u ? n_outputs : n_rows) - first_x);
#if ONE_BLOCK
    uint n = blocks;
#else
    const uint n = LANES;
#endif
    uint each = BESIDE * (T / BESIDE / n), batches = (rows0 + each - 1u) / each;
    uint local_row = BESIDE * (t / BESIDE / n) + t % BESIDE, k = t / BESIDE % n;
    // Past the last row: any block, its sum is not used.
    block next = block_load(weight0, weight0_n, min((work_group().x * each + local_row) * blocks + k, weight0_n - 1u));
    if (chunk >= blocks) {
        load_chunk(x, live, 0u);
        barrier();
    }
    for (uint i = work_group().x; i < batches; i += work_groups().x) {
        float sum[ROWS];
        for (uint r = 0u; r < R; r++) sum[r] = 0.0;
#if ONE_BLOCK
        decode_block(next);
        for (uint r = 0u; r < R; r++)
            if (r < live) sum[r] = dot_block(8u * r * (chunk | 1u) + k);
        uint b = ((i + work_groups().x) * each + local_row) * blocks + k;
        if (i + work_groups().x < batches) next = block_load(weight0, weight0_n, min(b, weight0_n - 1u));
#else
        for (uint c = 0u, at = 0u; c < blocks; c += n, at += n) {
            if (chunk < blocks && (c == 0u || at == chunk)) {
                barrier();
                load_chunk(x, live, c);
                barrier();
                at = 0u;
            }
            decode_block(next);
            for (uint r = 0u; r < R; r++)
                if (r < live && c + k < blocks) sum[r] += dot_block(8u * r * (chunk | 1u) + at + k);
            bool last = c + n >= blocks;
            uint b = ((last ? i + work_groups().x : i) * each + local_row) * blocks + (last ? k : c + n + k);
            next = block_load(weight0, weight0_n, min(b, weight0_n - 1u));
        }
#endif
        barrier();
        for (uint r = 0u; r < R; r++)
            if (local_row < each) partial[r * T + local_row * n + k] = sum[r];
        barrier();
        finish_batch(i * each, each, n, first_x, live);
    }
}
