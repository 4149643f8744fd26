// The index of the largest number of each row, the smallest index where equal. A first pass leaves the best of each
// work group of a row (FIRST 1: numbers to pairs of key and index), a second one the best of those.
layout(local_size_x = THREADS) in;
#include "params.glsl"
#include "order.glsl"
layout(std430, binding = 3) buffer Act { uint a[]; };
shared uint best[THREADS];
shared uint best_at[THREADS];

void consider(uint t, uint key, uint at) {
    if (key > best[t] || (key == best[t] && at < best_at[t])) {
        best[t] = key;
        best_at[t] = at;
    }
}

// work_group().x: part of a row, .y: row. Partial results: in1 + (row * extra0 + part) * 2.
void main() {
    uint t = gl_LocalInvocationIndex, rows = outputs_only != 0u ? n_outputs : n_rows;
    for (uint r = work_group().y; r < rows; r += work_groups().y) {
        barrier();
        best[t] = 0u;
        best_at[t] = NONE;
#if FIRST
        for (uint i = work_group().x * uint(THREADS) + t; i < width; i += extra0 * uint(THREADS))
            consider(t, order_key(a[in0 + r * in0_stride + i]), i);
#else
        for (uint i = t; i < extra0; i += uint(THREADS))
            consider(t, a[in1 + (r * extra0 + i) * 2u], a[in1 + (r * extra0 + i) * 2u + 1u]);
#endif
        for (uint n = uint(THREADS) / 2u; n > 0u; n /= 2u) {
            barrier();
            if (t < n) consider(t, best[t + n], best_at[t + n]);
        }
        if (t == 0u) {
#if FIRST
            a[in1 + (r * extra0 + work_group().x) * 2u] = best[0];
            a[in1 + (r * extra0 + work_group().x) * 2u + 1u] = best_at[0];
#else
            a[out0 + r * out_stride] = floatBitsToUint(float(best_at[0]));
#endif
        }
    }
}
