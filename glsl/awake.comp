// Nearly nothing for a while: looks at a word in the host's memory until it has come to `wanted.x`, at most `wanted.y`
// times, and says how often it looked.
layout(local_size_x = 1) in;
layout(location = 0) uniform uvec4 wanted;
layout(std430, binding = 0) coherent volatile buffer Word { uint word, looks; };

void main() {
    uint i = 0u;
    while (i < wanted.y && int(word - wanted.x) < 0) i++;
    looks = i;
}
