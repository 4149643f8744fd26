// out[r] = scale * table[id of row r], or, with LIST 0, rows first .. of the table as they are (weight_rows).
// A table in several slices is dispatched once a slice: rows outside of it are left alone.
// A work group a row; an invocation a block of 32.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) readonly buffer W4 { uvec4 w4[]; };
layout(std430, binding = 1) readonly buffer W1 { uint w1[]; };
#if LIST
layout(std430, binding = 2) readonly buffer Step { int step[]; };
#endif
layout(std430, binding = 3) buffer Act { float a[]; };
#include LAYOUT

uint row_of(uint r) {
#if LIST
    int id = step[r];
    return id >= 0 ? uint(id) : uint(a[previous + uint(-1 - id)]); // an id, or the one chosen in the step before
#else
    return extra0 + r;
#endif
}

void put(uint at, uint c, float v) {
    if (c < width) a[at + c] = v;
}

void main() {
    for (uint r = work_group().x; r < n_rows; r += work_groups().x) {
        uint row = row_of(r) - first_row;
        if (row >= rows0) continue;
        for (uint k = gl_LocalInvocationIndex; k < blocks; k += uint(THREADS)) {
            block w = block_load(weight0, weight0_n, row * blocks + k);
            vec4 q[8];
            block_quads(w, q);
            vec2 s = block_scales(w);
            for (uint i = 0u; i < 8u; i++) {
                vec4 v = q[i] * (i < 4u ? s.x : s.y);
#if BLOCK_HAS_MIN
                vec2 m = block_mins(w);
                v += i < 4u ? m.x : m.y;
#endif
                v *= scale;
                uint at = out0 + r * out_stride, c = 32u * k + 4u * i;
                put(at, c, v.x);
                put(at, c + 1u, v.y);
                put(at, c + 2u, v.z);
                put(at, c + 3u, v.w);
            }
        }
    }
}
