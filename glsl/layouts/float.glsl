// Blocks of 32 floats as the file has them. The including snippet defines FLOAT_UNITS (uvec4 of a block)
// and, behind this, block_quads.
#define BLOCK_HAS_MIN 0

struct block {
    uvec4 units[FLOAT_UNITS];
};

block block_load(uint base, uint n, uint b) {
    block k;
    for (uint i = 0u; i < uint(FLOAT_UNITS); i++) k.units[i] = w4[base + i * n + b];
    return k;
}

vec2 block_scales(block k) { return vec2(1.0); }
