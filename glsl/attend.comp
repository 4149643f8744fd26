// softmax(scale q k^T) v over the cache, positions j <= i and i - j < window. A work group a head of a row.
// Blocks of THREADS positions: an invocation scores one key, then the group adds up values, an invocation a dimension;
// sums so far are rescaled when a block has a larger score (online softmax, arXiv 1805.02867).
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) readonly buffer Cache { uint cache[]; };
layout(std430, binding = 1) readonly buffer Step { int step[]; };
layout(std430, binding = 3) buffer Act { float a[]; };
#include "cache.glsl"
#include "reduce.glsl"

const float LOWEST = -3.0e38;
shared float q[HEAD_DIM];
shared float weight[THREADS];
shared uint row_at[THREADS];
const uint EACH = (uint(HEAD_DIM) + uint(THREADS) - 1u) / uint(THREADS); // dimensions of an invocation

void main() {
    uint t = gl_LocalInvocationIndex;
    for (uint s = work_group().x; s < n_rows * heads; s += work_groups().x) {
        uint r = s / heads, h = s % heads, kv = h / (heads / kv_heads);
        uint position = uint(step[extra0 + r]), sequence = uint(step[extra1 + r]);
        uint first = window != 0u && position >= window ? position - window + 1u : 0u;
        barrier();
        for (uint d = t; d < head_dim; d += uint(THREADS)) q[d] = a[in0 + r * in0_stride + h * head_dim + d] * scale;
        barrier();
        float largest = LOWEST, total = 0.0;
        float sum[EACH];
        for (uint e = 0u; e < EACH; e++) sum[e] = 0.0;
        for (uint begin = first; begin <= position; begin += uint(THREADS)) {
            uint j = begin + t, n = min(uint(THREADS), position + 1u - begin);
            float score = LOWEST;
            if (t < n) {
                uint k = cache_row(sequence, j, 0u) + kv * head_dim;
                score = 0.0;
                for (uint d = 0u; d < head_dim; d++) score += q[d] * cache_get(k + d);
                row_at[t] = cache_row(sequence, j, 1u) + kv * head_dim;
            }
            float top = max(largest, group_max(score)), shrink = exp(largest - top);
            float w = t < n ? exp(score - top) : 0.0;
            weight[t] = w;
            total = total * shrink + group_sum(w); // its barriers publish weight and row_at
            for (uint e = 0u; e < EACH; e++) {
                uint d = t + e * uint(THREADS);
                sum[e] *= shrink;
                if (d < head_dim)
                    for (uint i = 0u; i < n; i++) sum[e] += weight[i] * cache_get(row_at[i] + d);
            }
            largest = top;
            barrier();
        }
        for (uint e = 0u; e < EACH; e++) {
            uint d = t + e * uint(THREADS);
            if (d < head_dim) a[out0 + r * out_stride + h * head_dim + d] = sum[e] / total;
        }
    }
}
