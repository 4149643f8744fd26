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
const uint T = uint(THREADS);
shared float partial[2 * THREADS];
#include "grid.glsl"
#include "lanes.glsl"
#include "reduce.glsl"
#include "act.glsl"

// Positions that attention looks at, and into how many pieces they are cut: enough to keep all work groups busy, but
// none shorter than a few pages.
uvec2 seen_positions() { // the first, how many
    uint position = uint(step[P.position]), first = P.window != 0u && position >= P.window ? position - P.window + 1u : 0u;
    return uvec2(first, position + 1u - first);
}

uint cache_pieces() {
    const uint SHORTEST = 256u, MOST = 64u;
    uint length = seen_positions().y, units = P.heads / uint(GROUP);
    uint most = min(min(gl_NumWorkGroups.x / units, 2u * T / P.heads), MOST); // `partial` holds a weight for each
    return max(1u, min((length + SHORTEST - 1u) / SHORTEST, most));
}

#include "decode_product.glsl"
#include "decode_attend.glsl"

void main() {
    uint target = range.z;
    if (gl_LocalInvocationIndex == 0u) lost = false;
    for (uint i = range.x; i < range.y; i++) {
        now = i;
        if (P.kind == PRODUCT) product_ahead();
        if (P.kind == ATTEND) attend_ahead();
        if (i != range.x) {
            target += gl_NumWorkGroups.x;
            grid_barrier(target);
        }
        if (P.kind == PRODUCT)
            product();
        else if (P.kind == ATTEND)
            attend();
        else if (P.kind == BEST)
            choose_best();
    }
}
