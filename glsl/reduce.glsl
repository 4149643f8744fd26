// Sum and maximum over a work group of THREADS invocations (a power of two). Every invocation gets the result.
// With subgroups of 32, of which a group has 32 at most, a sum of sums is one more subgroup's work.
#include "lanes.glsl"
#if SUBGROUP == 32
const uint TEAMS = uint(THREADS) / LANES;
shared float reduce_buffer[2u * TEAMS]; // calls take turns with two places: one barrier is enough
uint reduce_turn = 0u;
#else
shared float reduce_buffer[THREADS];
#endif

float group_sum(float v) {
    uint t = gl_LocalInvocationIndex;
#if SUBGROUP == 32
    v = lanes_sum(v);
    reduce_turn ^= TEAMS;
    if (t % LANES == 0u) reduce_buffer[reduce_turn + t / LANES] = v;
    barrier();
    return lanes_sum(reduce_buffer[reduce_turn + t % TEAMS], TEAMS);
#elif SUBGROUP
    v = subgroupAdd(v);
    barrier();
    if (subgroupElect()) reduce_buffer[gl_SubgroupID] = v;
    barrier();
    v = 0.0;
    for (uint i = 0u; i < gl_NumSubgroups; i++) v += reduce_buffer[i];
    return v;
#else
    barrier();
    reduce_buffer[t] = v;
    for (uint n = uint(THREADS) / 2u; n > 0u; n /= 2u) {
        barrier();
        if (t < n) reduce_buffer[t] += reduce_buffer[t + n];
    }
    barrier();
    return reduce_buffer[0];
#endif
}

float group_max(float v) {
    uint t = gl_LocalInvocationIndex;
#if SUBGROUP == 32
    v = lanes_max(v, LANES);
    reduce_turn ^= TEAMS;
    if (t % LANES == 0u) reduce_buffer[reduce_turn + t / LANES] = v;
    barrier();
    return lanes_max(reduce_buffer[reduce_turn + t % TEAMS], TEAMS);
#elif SUBGROUP
    v = subgroupMax(v);
    barrier();
    if (subgroupElect()) reduce_buffer[gl_SubgroupID] = v;
    barrier();
    v = reduce_buffer[0];
    for (uint i = 1u; i < gl_NumSubgroups; i++) v = max(v, reduce_buffer[i]);
    return v;
#else
    barrier();
    reduce_buffer[t] = v;
    for (uint n = uint(THREADS) / 2u; n > 0u; n /= 2u) {
        barrier();
        if (t < n) reduce_buffer[t] = max(reduce_buffer[t], reduce_buffer[t + n]);
    }
    barrier();
    return reduce_buffer[0];
#endif
}
