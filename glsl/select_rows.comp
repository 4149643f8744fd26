// The rows that want output, in batch order. An invocation a number.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 1) readonly buffer Step { int step[]; };
layout(std430, binding = 3) buffer Act { float a[]; };

void main() {
    for (uint i = invocation(); i < n_outputs * width; i += work_groups().x * uint(THREADS)) {
        uint r = i / width, c = i % width;
        a[out0 + r * out_stride + c] = a[in0 + uint(step[extra0 + r]) * in0_stride + c];
    }
}
