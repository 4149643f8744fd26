// out = x / sqrt(mean(x^2) + eps) * w, over whole rows or over each head of a row. A work group a head of a row.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 2) readonly buffer Vectors { float vectors[]; };
layout(std430, binding = 3) buffer Act { float a[]; };
#include "reduce.glsl"

void main() {
    uint rows = outputs_only != 0u ? n_outputs : n_rows;
    for (uint s = work_group().x; s < rows * heads; s += work_groups().x) {
        uint row = s / heads, at = (s % heads) * head_dim;
        uint x = in0 + row * in0_stride + at, y = out0 + row * out_stride + at;
        float sum = 0.0;
        for (uint i = gl_LocalInvocationIndex; i < head_dim; i += uint(THREADS)) sum += a[x + i] * a[x + i];
        float r = 1.0 / sqrt(group_sum(sum) / float(head_dim) + eps);
        for (uint i = gl_LocalInvocationIndex; i < head_dim; i += uint(THREADS)) a[y + i] = a[x + i] * r * vectors[norm + i];
    }
}
