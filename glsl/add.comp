// out = a + b, or, with GATE, act(a) * b. An invocation a number.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 3) buffer Act { float a[]; };
#if GATE
#include "act.glsl"
#endif

void main() {
    uint rows = outputs_only != 0u ? n_outputs : n_rows, step = work_groups().x * uint(THREADS);
    for (uint i = invocation(); i < rows * width; i += step) {
        uint r = i / width, c = i % width;
        float x = a[in0 + r * in0_stride + c], y = a[in1 + r * in1_stride + c];
#if GATE
        a[out0 + r * out_stride + c] = act(x) * y;
#else
        a[out0 + r * out_stride + c] = x + y;
#endif
    }
}
