// A barrier across the work groups of a dispatch. OpenGL promises nothing of the kind: it works where all of them run at
// a time, which the host has tried out with this very program. The wait is bounded: a work group that has lost patience
// says so in `failed` and waits no more, so that the dispatch ends on any device and the host learns of it.
layout(std430, binding = 7) volatile coherent buffer Grid { uint arrived, failed; };
shared bool lost;

bool grid_failed() { return failed != 0u; }

// Arriving and waiting are two calls, so that what a phase needs to know of itself, and loads of what no other work group
// writes, come between them. A memory barrier waits for loads too: theirs come behind the first one, and only one
// invocation has another. (Whatever is read behind the wait is coherent.)
void grid_arrive() {
    memoryBarrierBuffer();
    barrier();
    if (gl_LocalInvocationIndex == 0u) atomicAdd(arrived, 1u);
}

// Waits until `target` arrivals have been counted (modulo 2^32).
void grid_wait(uint target) {
    if (gl_LocalInvocationIndex == 0u) {
        uint tries = 0u;
        while (int(arrived - target) < 0 && tries != range.w && !lost) tries++;
        if (tries == range.w) {
            lost = true;
            failed = 1u;
        }
        memoryBarrierBuffer();
    }
    barrier();
}
