// Sums and maxima over n of 32 lanes that lie side by side (n: a power of two, the same in all); the result is right in every
// lane. Called by all invocations of the group. Shuffles, not subgroupAdd: NVIDIA's driver makes that a vote, and code for
// lanes that are missing.
const uint LANES = 32u;
#if SUBGROUP == 32
float lanes_other(float v, uint d) { return subgroupShuffleXor(v, d); }

// Steps written out: NVIDIA keeps a loop a loop, also where n is constant.
#define LANES_STEPS(STEP) \
    if (n > 1u) { \
        STEP(1u) \
        if (n > 2u) { \
            STEP(2u) \
            if (n > 4u) { \
                STEP(4u) \
                if (n > 8u) { \
                    STEP(8u) \
                    if (n > 16u) STEP(16u) \
                } \
            } \
        } \
    }
#else
shared float lanes_buffer[THREADS];

float lanes_other(float v, uint d) {
    uint t = gl_LocalInvocationIndex;
    barrier();
    lanes_buffer[t] = v;
    barrier();
    return lanes_buffer[t ^ d];
}

#define LANES_STEPS(STEP) for (uint d = 1u; d < n; d *= 2u) STEP(d)
#endif

vec2 lanes_sums(vec2 v, uint n) {
#define LANES_ADD_BOTH(D) v += vec2(lanes_other(v.x, D), lanes_other(v.y, D));
    LANES_STEPS(LANES_ADD_BOTH)
    return v;
}

float lanes_sum(float v, uint n) {
#define LANES_ADD(D) v += lanes_other(v, D);
    LANES_STEPS(LANES_ADD)
    return v;
}

float lanes_max(float v, uint n) {
#define LANES_TAKE_LARGER(D) v = max(v, lanes_other(v, D));
    LANES_STEPS(LANES_TAKE_LARGER)
    return v;
}

float lanes_sum(float v) { return lanes_sum(v, LANES); }

// Over the lanes of 32 whose numbers differ by multiples of `apart`.
vec4 lanes_sum_apart(vec4 v, uint apart) {
    for (uint d = apart; d < LANES; d *= 2u)
        v += vec4(lanes_other(v.x, d), lanes_other(v.y, d), lanes_other(v.z, d), lanes_other(v.w, d));
    return v;
}
