// What every dispatch is told: gles_params of backends/gles/device.h, word for word, and the size of the batch.
// Offsets count floats of the activations unless a line says otherwise.
layout(std140, binding = 0) uniform Params {
    uint in0, in0_stride, in1, in1_stride, out0, out_stride; // values: first float, floats from row to row
    uint width;                                              // numbers of a row
    uint heads, kv_heads, head_dim, dims;                    // dims: those that are rotated
    uint blocks, chunk;                                      // blocks of a row; blocks of x held at a time
    uint weight0, weight0_n, rows0, part_out0, bias0;        // a matrix: first 16 bytes, blocks, rows, where its result
                                                             // goes; bias: float of the vectors, or NONE
    uint norm, first_row;                                    // a vector; first_row: of the slice in its matrix
    float eps, scale;
    uint window, slots, pages, cache_first, rope, previous;
    uint extra0, extra1, extra2;
};
layout(std140, binding = 1) uniform Batch {
    uint n_rows, n_outputs, outputs_only; // outputs_only: rows of this dispatch are output rows
};
const uint NONE = 0xFFFFFFFFu;

// A dispatch that would take too long is cut into several, each of some of the work groups (backends/gles/pieces.h).
layout(location = 0) uniform uvec4 cut; // x and y of the first one here; groups in x and y of the whole, or 0: it is whole
uvec2 work_group() { return gl_WorkGroupID.xy + cut.xy; } // the place in the whole
uvec2 work_groups() { return cut.z != 0u ? cut.zw : gl_NumWorkGroups.xy; }
uint invocation() { return work_group().x * uint(THREADS) + gl_LocalInvocationIndex; } // in x
