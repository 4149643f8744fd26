// Keys and values of one layer, or of some of its heads: [page][keys, values][64 positions][kv_heads * head_dim], float32 or
// pairs of float16.
// cache_first is the layer's first number; step holds positions, sequences and page tables (see backends/gles/step.c).
const uint PAGE = 64u;

uint cache_row(uint sequence, uint position, uint which) { // first number of the row
    uint page = uint(step[pages + sequence * slots + position / PAGE % slots]);
    uint row = kv_heads * head_dim;
    return cache_first + ((page * 2u + which) * PAGE + position % PAGE) * row;
}

#if CACHE_F32
float cache_get(uint at) { return uintBitsToFloat(cache[at]); }
#else
float cache_get(uint at) {
    vec2 pair = unpackHalf2x16(cache[at / 2u]);
    return (at & 1u) == 0u ? pair.x : pair.y;
}
#endif
