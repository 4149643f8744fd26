// Keys and values of the batch go to their places in the cache of one layer. An invocation a pair of numbers.
layout(local_size_x = THREADS) in;
#include "params.glsl"
layout(std430, binding = 0) buffer Cache { uint cache[]; };
layout(std430, binding = 1) readonly buffer Step { int step[]; };
layout(std430, binding = 3) buffer Act { float a[]; };
#include "cache.glsl"

void main() {
    uint row = kv_heads * head_dim, pairs = row / 2u, total = n_rows * 2u * pairs;
    for (uint i = invocation(); i < total; i += work_groups().x * uint(THREADS)) {
        uint r = i / (2u * pairs), which = i / pairs % 2u, j = i % pairs;
        uint position = uint(step[extra0 + r]), sequence = uint(step[extra1 + r]);
        uint x = (which == 0u ? in0 + r * in0_stride : in1 + r * in1_stride) + 2u * j;
        uint at = cache_row(sequence, position, which) + 2u * j;
#if CACHE_F32
        cache[at] = floatBitsToUint(a[x]);
        cache[at + 1u] = floatBitsToUint(a[x + 1u]);
#else
        cache[at / 2u] = packHalf2x16(vec2(a[x], a[x + 1u]));
#endif
    }
}
