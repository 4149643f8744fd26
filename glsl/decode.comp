// Decoding one row: phases of a step one after the other, with a barrier across the device between them. A phase is a
// product with what lies around it, or attention; there are five in a layer:
//
//   [post norm, add,] norm, q, k, v  |  q and k norms, ropes, cache write, attention  |  output
//   [post norm,] add, norm, gate, up, activation  |  down
//
// A dispatch a phase costs 2.7 us on a large GPU and empties it each time; a barrier costs 1 us, and weights of the next
// phase are on their way meanwhile. Where the barrier is not to be had, the same phases run as a dispatch each.
layout(local_size_x = THREADS) in;
#include "phases.glsl"
layout(std430, binding = 0) readonly buffer W4 { uvec4 w4[]; };
layout(std430, binding = 1) readonly buffer W1 { uint w1[]; };
layout(std430, binding = 2) readonly buffer Vectors { vec4 vectors4[]; };
layout(std430, binding = 3) coherent buffer Act { float a[]; };
layout(std430, binding = 4) coherent buffer Act4 { vec4 a4[]; }; // the same, to read four at a time
layout(std430, binding = 5) buffer Cache { uvec4 cache[]; };
layout(std430, binding = 6) readonly buffer Step { int step[]; };
const uint T = uint(THREADS), WARPS = T / 32u; // work for themselves, 32 lanes each
shared float partial[PARTIALS]; // sums of a product, or what attention needs
#include "grid.glsl"
#include "lanes.glsl"
#include "reduce.glsl"
#include "act.glsl"
#include "decode_cache.glsl"
#include "decode_product.glsl"
#include "decode_attend.glsl"

void main() {
    uint target = range.z;
    if (gl_LocalInvocationIndex == 0u) lost = false;
    for (uint i = range.x; i < range.y; i++) {
        now = i;
        if (i != range.x) grid_arrive();
        if (P.kind == PRODUCT) product_ahead();
        if (P.kind == ATTEND) attend_ahead();
        if (i != range.x) {
            target += gl_NumWorkGroups.x;
            grid_wait(target);
        }
        if (P.kind == PRODUCT)
            product();
        else if (P.kind == ATTEND)
            attend();
        else if (P.kind == BEST)
            choose_best();
    }
}
