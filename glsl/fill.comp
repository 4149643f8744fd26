// Scratch before its first use: zeros, or NaN in the first `width` words of every `stride`.
layout(local_size_x = THREADS) in;
layout(location = 0) uniform uvec4 place; // first word, how many, stride, width; stride 0: zeros
layout(std430, binding = 3) buffer Act { uint a[]; };

void main() {
    uint step = gl_NumWorkGroups.x * uint(THREADS), first = gl_WorkGroupID.x * uint(THREADS) + gl_LocalInvocationIndex;
    for (uint i = first; i < place.y; i += step) {
        if (place.z == 0u)
            a[place.x + i] = 0u;
        else if (i % place.z < place.w)
            a[place.x + i] = 0x7FC00000u;
    }
}
