// Sums and maxima over n of 32 lanes that lie side by side (n: a power of two, the same in all); the result is right in every
// lane. Called by all invocations of the group. Shuffles, not subgroupAdd: NVIDIA's driver makes that a vote, and code for
// lanes that are missing.
const uint LANES = 32u;
#if SUBGROUP == 32
float lanes_other(float v, uint d) { return subgroupShuffleXor(v, d); }

// Written out: NVIDIA keeps a loop a loop, also where n is constant.
vec2 lanes_sums(vec2 v, uint n) {
    if (n > 1u) {
        v += vec2(lanes_other(v.x, 1u), lanes_other(v.y, 1u));
        if (n > 2u) {
            v += vec2(lanes_other(v.x, 2u), lanes_other(v.y, 2u));
            if (n > 4u) {
                v += vec2(lanes_other(v.x, 4u), lanes_other(v.y, 4u));
                if (n > 8u) {
                    v += vec2(lanes_other(v.x, 8u), lanes_other(v.y, 8u));
                    if (n > 16u) v += vec2(lanes_other(v.x, 16u), lanes_other(v.y, 16u));
                }
            }
        }
    }
    return v;
}

float lanes_sum(float v, uint n) {
    if (n > 1u) {
        v += lanes_other(v, 1u);
        if (n > 2u) {
            v += lanes_other(v, 2u);
            if (n > 4u) {
                v += lanes_other(v, 4u);
                if (n > 8u) {
                    v += lanes_other(v, 8u);
                    if (n > 16u) v += lanes_other(v, 16u);
                }
            }
        }
    }
    return v;
}

float lanes_max(float v, uint n) {
    if (n > 1u) {
        v = max(v, lanes_other(v, 1u));
        if (n > 2u) {
            v = max(v, lanes_other(v, 2u));
            if (n > 4u) {
                v = max(v, lanes_other(v, 4u));
                if (n > 8u) {
                    v = max(v, lanes_other(v, 8u));
                    if (n > 16u) v = max(v, lanes_other(v, 16u));
                }
            }
        }
    }
    return v;
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

float lanes_sum(float v, uint n) {
    for (uint d = 1u; d < n; d *= 2u) v += lanes_other(v, d);
    return v;
}

vec2 lanes_sums(vec2 v, uint n) { return vec2(lanes_sum(v.x, n), lanes_sum(v.y, n)); }

float lanes_max(float v, uint n) {
    for (uint d = 1u; d < n; d *= 2u) v = max(v, lanes_other(v, d));
    return v;
}
#endif

float lanes_sum(float v) { return lanes_sum(v, LANES); }

// Over the lanes of 32 whose numbers differ by multiples of `apart`.
vec4 lanes_sum_apart(vec4 v, uint apart) {
    for (uint d = apart; d < LANES; d *= 2u)
        v += vec4(lanes_other(v.x, d), lanes_other(v.y, d), lanes_other(v.z, d), lanes_other(v.w, d));
    return v;
}
