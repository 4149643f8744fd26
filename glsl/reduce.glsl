// Sum and maximum over a work group of THREADS invocations (a power of two). Every invocation gets the result.
shared float reduce_buffer[THREADS];

float group_sum(float v) {
    uint t = gl_LocalInvocationIndex;
#if SUBGROUP
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
#if SUBGROUP
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
