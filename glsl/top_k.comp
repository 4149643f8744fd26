// The largest numbers of each row, best first: the larger one first, the smaller id first where equal. A work group takes
// PART elements of a row and leaves the KEPT best as pairs of key and id; passes follow until one group has all.
//   FIRST 1  elements are numbers, their ids are their places; else pairs
//   LAST 1   the result is extra0 ids and as many numbers, all floats
// Runs of KEPT elements are sorted by a bitonic network (Batcher 1968), then two at a time become the best of both.
// Bits stay integers throughout: OpenGL ES makes no promise about NaN and denormals.
layout(local_size_x = THREADS) in;
#include "params.glsl"
#include "order.glsl"
layout(std430, binding = 3) buffer Act { uint a[]; };
shared uint key[PART];
shared uint id[PART];

void load(uint i, uint row, uint at) {
    key[i] = 0u;
    id[i] = NONE;
    if (at >= width) return;
#if FIRST
    key[i] = order_key(a[row + at]);
    id[i] = at;
#else
    key[i] = a[row + 2u * at];
    id[i] = a[row + 2u * at + 1u];
#endif
}

bool comes_before(uint i, uint j) { return key[i] > key[j] || (key[i] == key[j] && id[i] < id[j]); }

void take(uint i, uint from) {
    key[i] = key[from];
    id[i] = id[from];
}

// Puts the better one of i and j at i.
void exchange(uint i, uint j) {
    if (comes_before(i, j)) return;
    uint k = key[i], n = id[i];
    take(i, j);
    key[j] = k;
    id[j] = n;
}

// Sorts runs of 2 d elements that rise and then fall, or fall and then rise, among the first n.
void clean(uint d, uint n) {
    for (; d > 0u; d /= 2u) {
        barrier();
        for (uint t = gl_LocalInvocationIndex; t < n / 2u; t += uint(THREADS)) {
            uint i = 2u * t - (t & (d - 1u));
            exchange(i, i + d);
        }
    }
}

void sort_runs() {
    for (uint size = 2u; size <= uint(KEPT); size *= 2u) {
        barrier();
        for (uint t = gl_LocalInvocationIndex; t < uint(PART) / 2u; t += uint(THREADS)) {
            uint i = 2u * t - (t & (size / 2u - 1u));
            exchange(i, i ^ (size - 1u));
        }
        clean(size / 4u, uint(PART));
    }
}

// The best of two sorted runs are the better ones of each element of the first and its mirror image in the second.
void merge_runs() {
    for (uint n = uint(PART) / 2u; n >= uint(KEPT); n /= 2u) {
        barrier();
        for (uint i = gl_LocalInvocationIndex; i < n; i += uint(THREADS)) {
            uint j = n + (i ^ uint(KEPT - 1));
            if (comes_before(j, i)) take(i, j);
        }
        clean(uint(KEPT) / 2u, n);
    }
}

// gl_WorkGroupID.x: part of a row, .y: row.
void main() {
    uint rows = outputs_only != 0u ? n_outputs : n_rows;
    for (uint r = gl_WorkGroupID.y; r < rows; r += gl_NumWorkGroups.y) {
        barrier();
        for (uint i = gl_LocalInvocationIndex; i < uint(PART); i += uint(THREADS))
            load(i, in0 + r * in0_stride, gl_WorkGroupID.x * uint(PART) + i);
        sort_runs();
        merge_runs();
        barrier();
        uint result = out0 + r * out_stride;
#if LAST
        for (uint i = gl_LocalInvocationIndex; i < extra0; i += uint(THREADS)) {
            a[result + i] = floatBitsToUint(float(id[i]));
            a[result + extra0 + i] = order_bits(key[i]);
        }
#else
        result += gl_WorkGroupID.x * 2u * uint(KEPT);
        for (uint i = gl_LocalInvocationIndex; i < uint(KEPT); i += uint(THREADS)) {
            a[result + 2u * i] = key[i];
            a[result + 2u * i + 1u] = id[i];
        }
#endif
    }
}
