// Reading memory as fast as it goes: every invocation takes four neighbours' words at a time, and the groups together go
// through `quads` of them. What was read is written only where it has a value that it never has.
layout(local_size_x = THREADS) in;
layout(std430, binding = 0) readonly buffer Memory { uvec4 memory[]; };
layout(std430, binding = 3) buffer State { uint state[]; }; // [0]: quads to read; [1]: written
void main() {
    uint quads = state[0], step = gl_NumWorkGroups.x * uint(THREADS);
    uvec4 a = uvec4(0u), b = a, c = a, d = a;
    for (uint i = gl_GlobalInvocationID.x; i + 3u * step < quads; i += 4u * step) {
        a ^= memory[i];
        b ^= memory[i + step];
        c ^= memory[i + 2u * step];
        d ^= memory[i + 3u * step];
    }
    a ^= b ^ c ^ d;
    if ((a.x ^ a.y ^ a.z ^ a.w) == 0x5EED5EEDu) state[1] = a.x;
}
