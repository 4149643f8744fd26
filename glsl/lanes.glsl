// Sums and maxima over 32 lanes side by side; the result is right in every lane. Called by all invocations of the group.
const uint LANES = 32u;
#if SUBGROUP == 32
float lanes_sum(float v) { return subgroupAdd(v); }
float lanes_max(float v) { return subgroupMax(v); }
#else
shared float lanes_buffer[THREADS];

float lanes_sum(float v) {
    uint t = gl_LocalInvocationIndex, lane = t % LANES;
    barrier();
    lanes_buffer[t] = v;
    for (uint d = LANES / 2u; d > 0u; d /= 2u) {
        barrier();
        if (lane < d) lanes_buffer[t] += lanes_buffer[t + d];
    }
    barrier();
    return lanes_buffer[t - lane];
}

float lanes_max(float v) {
    uint t = gl_LocalInvocationIndex, lane = t % LANES;
    barrier();
    lanes_buffer[t] = v;
    for (uint d = LANES / 2u; d > 0u; d /= 2u) {
        barrier();
        if (lane < d) lanes_buffer[t] = max(lanes_buffer[t], lanes_buffer[t + d]);
    }
    barrier();
    return lanes_buffer[t - lane];
}
#endif
