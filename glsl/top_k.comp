// The largest numbers of each row, best first: the larger one first, the smaller id first where equal. One dispatch, no
// work group waits for another: each leaves the best number of its part, and the last one to arrive does the rest. The
// KEPT-th best of those that parts left is a number that at least KEPT numbers are as good as, so it bounds what is in
// question: mostly little more than KEPT numbers, which lie in few parts. Where they are more than can be sorted at once,
// the KEPT-th best of some is a closer bound, and the search begins again.
//   in1, in1_stride  work of each row: a pair (key, id) a part, and behind them a counter, zero before and after
//   chunk            numbers of a part, 2 to this
//   extra0           how many are wanted; the result is as many ids and then as many numbers, all floats
//   extra1           where the best one's id goes too, one a row, or NONE
// Bits stay integers throughout: OpenGL ES makes no promise about NaN and denormals.
layout(local_size_x = THREADS) in;
#include "params.glsl"
#include "order.glsl"
layout(std430, binding = 3) coherent buffer Act { uint a[]; };
#if MEETS
layout(std430, binding = 7) readonly buffer Grid { uint arrived, failed; }; // see grid.glsl
bool is_lost() { return failed != 0u; }
#else
bool is_lost() { return false; }
#endif
const uint T = uint(THREADS), LISTS = 2u * uint(KEPT); // LISTS: parts that count as one where there are more
shared uint key[ROOM], id[ROOM];
shared uint open_part[MOST_PARTS]; // parts with a number in question
shared uint opened, found;
shared bool last;

bool is_before(uint key0, uint id0, uint key1, uint id1) { return key0 > key1 || (key0 == key1 && id0 < id1); }
bool comes_before(uint i, uint j) { return is_before(key[i], id[i], key[j], id[j]); }

void put(uint i, uint k, uint n) {
    key[i] = k;
    id[i] = n;
}

void take(uint i, uint from) { put(i, key[from], id[from]); }

// ---- Sorting: runs of KEPT elements by a bitonic network (Batcher 1968), then two at a time become the best of both ----

// Puts the better one of i and j at i.
void exchange(uint i, uint j) {
    if (comes_before(i, j)) return;
    uint k = key[i], n = id[i];
    take(i, j);
    put(j, k, n);
}

// Sorts runs of 2 d elements that rise and then fall, or fall and then rise, among the first n.
void clean(uint d, uint n) {
    for (; d > 0u; d /= 2u) {
        barrier();
        for (uint t = gl_LocalInvocationIndex; t < n / 2u; t += T) {
            uint i = 2u * t - (t & (d - 1u));
            exchange(i, i + d);
        }
    }
}

void sort_runs(uint n) {
    for (uint size = 2u; size <= uint(KEPT); size *= 2u) {
        barrier();
        for (uint t = gl_LocalInvocationIndex; t < n / 2u; t += T) {
            uint i = 2u * t - (t & (size / 2u - 1u));
            exchange(i, i ^ (size - 1u));
        }
        clean(size / 4u, n);
    }
}

// The best of two sorted runs are the better ones of each element of the first and its mirror image in the second.
void merge_runs(uint n) {
    for (n /= 2u; n >= uint(KEPT); n /= 2u) {
        barrier();
        for (uint i = gl_LocalInvocationIndex; i < n; i += T) {
            uint j = n + (i ^ uint(KEPT - 1));
            if (comes_before(j, i)) take(i, j);
        }
        clean(uint(KEPT) / 2u, n);
    }
}

// The KEPT best of the first n elements (KEPT times a power of two), in order.
void sort_best(uint n) {
    sort_runs(n);
    merge_runs(n);
    barrier();
}

// ---- A part ----

// Leaves the part's best, and finds out whether all others have done so.
void leave_best(uint row, uint work, uint parts) {
    uint t = gl_LocalInvocationIndex, begin = gl_WorkGroupID.x << chunk;
    uint end = min(begin + (1u << chunk), width);
    uint best = 0u, best_at = NONE;
    for (uint i = begin + t; i < end; i += T) { // ids rise
        uint k = order_key(a[row + i]);
        if (k > best) {
            best = k;
            best_at = i;
        }
    }
    put(t, best, best_at);
    for (uint n = T / 2u; n > 0u; n /= 2u) {
        barrier();
        if (t < n && comes_before(t + n, t)) take(t, t + n);
    }
    if (t == 0u) {
        a[work + 2u * gl_WorkGroupID.x] = key[0];
        a[work + 2u * gl_WorkGroupID.x + 1u] = id[0];
        memoryBarrierBuffer();
        last = atomicAdd(a[work + 2u * parts], 1u) + 1u == parts;
        if (last) a[work + 2u * parts] = 0u;
    }
    barrier();
}

// ---- All parts ----

// At least KEPT numbers are as good as this one, or all are.
uvec2 first_bound(uint work, uint parts) {
    for (uint i = gl_LocalInvocationIndex; i < LISTS; i += T) {
        put(i, 0u, NONE);
        for (uint p = i; p < parts; p += LISTS) {
            uint k = a[work + 2u * p], n = a[work + 2u * p + 1u];
            if (is_before(k, n, key[i], id[i])) put(i, k, n);
        }
    }
    sort_best(LISTS);
    uvec2 bound = uvec2(key[KEPT - 1], id[KEPT - 1]);
    barrier();
    return bound;
}

void open_parts(uint work, uint parts, uvec2 bound) {
    if (gl_LocalInvocationIndex == 0u) opened = found = 0u;
    barrier();
    for (uint p = gl_LocalInvocationIndex; p < parts; p += T)
        if (!is_before(bound.x, bound.y, a[work + 2u * p], a[work + 2u * p + 1u])) open_part[atomicAdd(opened, 1u)] = p;
    barrier();
}

// Numbers of open parts that are as good as the bound: as many as there is room for, and how many there are.
void collect(uint row, uvec2 bound) {
    const uint AHEAD = 8u; // loads on their way
    const uint ZERO = 0x80000000u; // its key
    int least = bound.x > ZERO ? int(bound.x - ZERO) : int(0x80000000u); // bits of what is less are less, as integers
    uint n = opened << chunk, in_part = (1u << chunk) - 1u;
    for (uint i0 = gl_LocalInvocationIndex; i0 < n; i0 += AHEAD * T) {
        uint at[AHEAD], bits[AHEAD];
        for (uint u = 0u; u < AHEAD; u++) {
            uint i = min(i0 + u * T, n - 1u);
            at[u] = min((open_part[i >> chunk] << chunk) + (i & in_part), width);
            bits[u] = a[row + min(at[u], width - 1u)];
        }
        for (uint u = 0u; u < AHEAD; u++) {
            if (int(bits[u]) < least || i0 + u * T >= n || at[u] == width) continue;
            uint k = order_key(bits[u]);
            if (is_before(bound.x, bound.y, k, at[u])) continue;
            uint to = atomicAdd(found, 1u);
            if (to < uint(ROOM)) put(to, k, at[u]);
        }
    }
    barrier();
}

// Sorts what was found; how much of it there was.
uint sort_found() {
    uint n = found, size = LISTS;
    while (size < min(n, uint(ROOM))) size *= 2u;
    for (uint i = n + gl_LocalInvocationIndex; i < size; i += T) put(i, 0u, NONE);
    sort_best(size);
    return n;
}

void find_best(uint row, uint work, uint parts) {
    uvec2 bound = first_bound(work, parts);
    for (bool again = true; again;) {
        open_parts(work, parts, bound);
        collect(row, bound);
        again = sort_found() > uint(ROOM);
        bound = uvec2(key[KEPT - 1], id[KEPT - 1]);
        barrier();
    }
}

// gl_WorkGroupID.x: part of a row, .y: row.
void main() {
    uint t = gl_LocalInvocationIndex, rows = outputs_only != 0u ? n_outputs : n_rows, parts = gl_NumWorkGroups.x;
    for (uint r = gl_WorkGroupID.y; r < rows; r += gl_NumWorkGroups.y) {
        uint row = in0 + r * in0_stride, work = in1 + r * in1_stride, result = out0 + r * out_stride;
        leave_best(row, work, parts);
        if (last) {
            memoryBarrierBuffer();
            find_best(row, work, parts);
            for (uint i = t; i < extra0; i += T) {
                a[result + i] = floatBitsToUint(is_lost() ? -1.0 : float(id[i]));
                a[result + extra0 + i] = order_bits(key[i]);
            }
            if (t == 0u && extra1 != NONE) a[extra1 + r] = floatBitsToUint(is_lost() ? -1.0 : float(id[0]));
        }
        barrier();
    }
}
