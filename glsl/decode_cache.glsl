// How the cache is read while decoding: 16 bytes (a unit) at a time, POSITIONS of a piece at a time. attention cuts what a
// row sees into pieces, a work group each, and the product behind it joins them.
const uint D = uint(HEAD_DIM), G = uint(GROUP), PAGE = 64u;
#if CACHE_F32
const uint UNIT = 4u; // numbers
#else
const uint UNIT = 8u;
#endif
const uint UNITS = D / UNIT; // of a row of one head
const uint KEY_LANES = UNITS > 16u ? 32u : UNITS > 8u ? 16u : UNITS > 4u ? 8u : UNITS > 2u ? 4u : 2u; // that score a key
const uint KEYS = LANES / KEY_LANES;       // of 32 lanes at a time
const uint AHEAD = 2u;                     // keys of a lane on their way; with 4 there are too few registers
const uint POSITIONS = AHEAD * WARPS * KEYS;

// Positions that attention looks at: the first, how many.
uvec2 seen_positions() {
    uint position = uint(step[P.position]), first = P.window != 0u && position >= P.window ? position - P.window + 1u : 0u;
    return uvec2(first, position + 1u - first);
}

// Enough to keep all work groups busy, but none shorter than one of them reads at a time.
uint cache_pieces() {
    const uint MOST = 64u;
    uint length = seen_positions().y, units = P.heads / G;
    uint most = min(min(gl_NumWorkGroups.x / units, uint(PARTIALS) / (2u * P.heads)), MOST); // `partial` holds two numbers of each
    return max(1u, min((length + POSITIONS - 1u) / POSITIONS, most));
}
