// How many work groups of this size run at a time: each counts itself in, looks at the count for a while, and counts
// itself out. The wait is bounded, so this ends on any device. state[0]: now inside, state[1]: the most seen.
layout(local_size_x = THREADS) in;
layout(std430, binding = 3) coherent buffer State { uint state[]; };
const uint LOOKS = 64u;

void main() {
    if (gl_LocalInvocationIndex == 0u) {
        atomicAdd(state[0], 1u);
        uint most = 0u;
        for (uint i = 0u; i < LOOKS; i++) most = max(most, atomicAdd(state[0], 0u));
        atomicMax(state[1], most);
        atomicAdd(state[0], 0xFFFFFFFFu);
    }
    barrier();
}
