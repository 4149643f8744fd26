// What decode.comp is told: gles_phase and gles_phase_part of backends/gles/phases.h, word for word.
// Offsets count floats of the activations unless a line says otherwise.
struct phase_part {
    uint weight, n;    // a matrix: first 16 bytes, blocks
    uint rows, each;   // rows; how many of them a work group takes in a round
    uint result, bias; // where its result goes; float of the vectors, or NONE
    uint form, first;  // layout, see any_block.glsl; row 0 is row `first` of the whole weight
    uint more, scales, mins; // where its planes begin, in words from its beginning
    uint turns;              // of a round, up to the end of this matrix
};

struct phase {
    uint kind;                                // one of those below
    uint make, gated, has_min;                // product: how x is made; act(part 0) * part 1; some part has minimums
    uint width, blocks, rounds, column_step;  // product: numbers and blocks of a row of x; rounds; T % blocks
    uint in0, in1, norm, post;                // norm, post: floats of the vectors, or NONE
    float eps, post_eps, scale;
    uint parts;
    uint sum_out, post_out, norm_out, best;   // where else values go, or NONE; best: pairs of the largest and its row
    uint cache, slots, pages, window;         // attention: first number of the layer; page table: see cache.glsl
    uint heads, kv_heads, rope, pairs;        // rope: angles, a word of the step; best: how many pairs
    uint position, sequence, in2, result;     // words of the step; values of the new position; result of attention
    float per_blocks;                         // 1 / blocks
    uint pieces_at, row_lanes, two_23;        // what attention leaves for the product behind it; product: see end_row(), unpack.glsl
    phase_part part[3];
};

layout(std140, binding = 0) uniform Phases { phase phases[MOST_PHASES]; };
layout(location = 0) uniform uvec4 range; // first phase, one behind the last, arrivals at the barrier so far, patience
const uint PRODUCT = 0u, ATTEND = 1u, BEST = 2u, NOTHING = 3u;
const uint PLAIN = 0u, NORM = 1u, ADD_NORM = 2u, POST_ADD_NORM = 3u, JOIN = 4u; // how x is made
const uint NONE = 0xFFFFFFFFu;
uint now; // the phase that runs
#define P phases[now]
