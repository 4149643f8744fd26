// Pairs (i, i + dims/2) of each head, rotated by the angle whose cosine and sine the host put beside the batch.
// An invocation a pair, or a number behind the rotated ones.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 1) readonly buffer Step { int step[]; };
layout(std430, binding = 3) buffer Act { float a[]; };

void main() {
    uint half_dims = dims / 2u, each = head_dim - half_dims, total = n_rows * heads * each;
    for (uint i = invocation(); i < total; i += work_groups().x * uint(THREADS)) {
        uint r = i / (heads * each), h = i / each % heads, j = i % each;
        uint x = in0 + r * in0_stride + h * head_dim, y = out0 + r * out_stride + h * head_dim;
        if (j < half_dims) {
            float c = intBitsToFloat(step[rope + r * dims + j]), s = intBitsToFloat(step[rope + r * dims + half_dims + j]);
            float u = a[x + j], v = a[x + j + half_dims];
            a[y + j] = u * c - v * s;
            a[y + j + half_dims] = v * c + u * s;
        } else {
            a[y + j + half_dims] = a[x + j + half_dims];
        }
    }
}
