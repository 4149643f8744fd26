// A barrier across the work groups of a dispatch. OpenGL promises nothing of the kind: it works where all of them run at
// a time, which the host has tried out with this very program. The wait is bounded: a work group that has lost patience
// says so in `failed` and waits no more, so that the dispatch ends on any device and the host learns of it.
layout(std430, binding = 7) volatile coherent buffer Grid { uint arrived, failed; };
shared bool lost;

bool grid_failed() { return failed != 0u; }

// Waits until `target` arrivals have been counted (modulo 2^32).
void grid_barrier(uint target) {
    memoryBarrierBuffer();
    barrier();
    if (gl_LocalInvocationIndex == 0u) {
        uint seen = atomicAdd(arrived, 1u) + 1u;
        for (uint tries = 0u; int(seen - target) < 0 && !lost; tries++) {
            seen = arrived;
            if (tries == range.w) {
                lost = true;
                failed = 1u;
            }
        }
    }
    barrier();
    memoryBarrierBuffer();
}
