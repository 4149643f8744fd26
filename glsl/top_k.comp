// The largest numbers of each row, best first: the larger one first, the smaller id first where equal. One dispatch, and
// no work group waits for another: teams of TEAM invocations leave the best number of a part each, and the work group that
// arrives last does the rest. The KEPT-th best of what parts left is a bound that at least KEPT numbers reach: mostly
// little more than KEPT do, and they lie in few parts. Where more do than there is room for, the KEPT-th best of some is a
// closer bound, and the search begins again.
//   in1, in1_stride  work of each row: a pair (key, id) a part, and behind them a counter, zero before and after
//   blocks           parts; sectors of eight numbers are dealt out to them in turn, since large numbers often lie close
//   chunk            sectors of a part
//   extra0           how many are wanted; the result is as many ids and then as many numbers, all floats
//   extra1           where the best one's id goes too, one a row, or NONE
// Bits stay integers throughout: OpenGL ES makes no promise about NaN and denormals.
layout(local_size_x = THREADS) in;
#include "params.glsl"
#include "order.glsl"
layout(std430, binding = 0) readonly buffer Numbers { uvec4 numbers[]; }; // the same as Act; never written meanwhile
layout(std430, binding = 3) coherent buffer Act { uint a[]; };
#if MEETS
layout(std430, binding = 7) readonly buffer Grid { uint arrived, failed; }; // see grid.glsl
bool is_lost() { return failed != 0u; }
#else
bool is_lost() { return false; }
#endif
const uint T = uint(THREADS), TEAM = 64u, TEAMS = T / TEAM;
const uint LISTS = 128u;                   // parts that count as one where there are more
const uint EACH = uint(MOST_PARTS) / T;    // parts of an invocation
const uvec2 NOBODY = uvec2(0u, NONE);      // behind every number
shared uvec2 pair[ROOM];                   // key and id
shared uint before[ROOM];                  // of pairs: how many others are before each
shared uvec2 best[KEPT];                   // in order
shared uint open_part[MOST_PARTS];         // parts with a number that reaches the bound
shared uint opened, found;
shared bool last;

bool is_before(uvec2 u, uvec2 v) { return u.x > v.x || (u.x == v.x && u.y < v.y); }

// The e-th four numbers of a part.
uint quad_of(uint part, uint e) { return 2u * (e / 2u * blocks + part) + e % 2u; }
uvec4 load(uint row, uint quad) { return numbers[row / 4u + min(quad, (width - 1u) / 4u)]; }

// The KEPT best of the first n pairs to `best`: a pair's place is the number of those before it. As many invocations as
// there are for a pair count them together.
void sort_best(uint n) {
    uint t = gl_LocalInvocationIndex, each = max(T / max(n, 1u), 1u);
    for (uint i = t; i < n; i += T) before[i] = 0u;
    for (uint i = t; i < uint(KEPT); i += T) best[i] = NOBODY;
    barrier();
    for (uint i = t / each; i < n; i += T / each) {
        uvec2 mine = pair[i];
        uint count = 0u;
        for (uint j = t % each; j < n; j += each) count += is_before(pair[j], mine) ? 1u : 0u;
        if (count > 0u) atomicAdd(before[i], count);
    }
    barrier();
    for (uint i = t; i < n; i += T)
        if (before[i] < uint(KEPT)) best[before[i]] = pair[i];
    barrier();
}

// ---- A part ----

// Leaves the best of each part of the work group, and finds out whether all others have done so.
void leave_best(uint row, uint work) {
    uint t = gl_LocalInvocationIndex, lane = t % TEAM, part = work_group().x * TEAMS + t / TEAM;
    uvec2 mine = NOBODY;
    for (uint e = lane; e < 2u * chunk && part < blocks; e += TEAM) {
        uint quad = quad_of(part, e);
        uvec4 bits = load(row, quad);
        for (uint c = 0u; c < 4u; c++) {
            uvec2 it = uvec2(order_key(bits[c]), 4u * quad + c);
            if (it.y < width && is_before(it, mine)) mine = it;
        }
    }
    pair[t] = mine;
    for (uint n = TEAM / 2u; n > 0u; n /= 2u) {
        barrier();
        if (lane < n && is_before(pair[t + n], pair[t])) pair[t] = pair[t + n];
    }
    if (lane == 0u && part < blocks) {
        a[work + 2u * part] = pair[t].x;
        a[work + 2u * part + 1u] = pair[t].y;
        memoryBarrierBuffer();
    }
    barrier();
    if (t == 0u) {
        uint counter = work + 2u * blocks;
        last = atomicAdd(a[counter], 1u) + 1u == work_groups().x;
        if (last) a[counter] = 0u;
    }
    barrier();
}

// ---- All parts ----

void take_parts(uint work, out uvec2 mine[EACH]) {
    for (uint u = 0u; u < EACH; u++) {
        uint part = min(gl_LocalInvocationIndex + u * T, blocks - 1u);
        mine[u] = uvec2(a[work + 2u * part], a[work + 2u * part + 1u]);
    }
    for (uint u = 0u; u < EACH; u++)
        if (gl_LocalInvocationIndex + u * T >= blocks) mine[u] = NOBODY;
}

// At least KEPT numbers reach this one, or all do.
uvec2 first_bound(uvec2 mine[EACH]) {
    uint t = gl_LocalInvocationIndex;
    uvec2 top = NOBODY;
    for (uint u = 0u; u < EACH; u++)
        if (is_before(mine[u], top)) top = mine[u];
    pair[t] = top;
    for (uint n = T / 2u; n >= LISTS; n /= 2u) {
        barrier();
        if (t < n && is_before(pair[t + n], pair[t])) pair[t] = pair[t + n];
    }
    barrier();
    sort_best(LISTS);
    return best[KEPT - 1];
}

void open_parts(uvec2 mine[EACH], uvec2 bound) {
    barrier();
    if (gl_LocalInvocationIndex == 0u) opened = found = 0u;
    barrier();
    for (uint u = 0u; u < EACH; u++)
        if (mine[u] != NOBODY && !is_before(bound, mine[u]))
            open_part[atomicAdd(opened, 1u)] = gl_LocalInvocationIndex + u * T;
    barrier();
}

// Keeps a number that reaches the bound; counts it even where there is no room.
void consider(uvec2 it, uvec2 bound) {
    if (it.y >= width || is_before(bound, it)) return;
    uint to = atomicAdd(found, 1u);
    if (to < uint(ROOM)) pair[to] = it;
}

void collect(uint row, uvec2 bound) {
    const uint AHEAD = 4u;         // loads on their way
    const uint ZERO = 0x80000000u; // its key
    int least = bound.x > ZERO ? int(bound.x - ZERO) : int(0x80000000u); // bits of smaller numbers are less, as integers
    for (uint e = gl_LocalInvocationIndex % TEAM; e < 2u * chunk; e += TEAM)
        for (uint i = gl_LocalInvocationIndex / TEAM; i < opened; i += AHEAD * TEAMS) {
            uvec4 bits[AHEAD];
            uint quad[AHEAD];
            for (uint u = 0u; u < AHEAD; u++) {
                quad[u] = quad_of(open_part[min(i + u * TEAMS, opened - 1u)], e);
                bits[u] = load(row, quad[u]);
            }
            for (uint u = 0u; u < AHEAD; u++)
                for (uint c = 0u; c < 4u; c++)
                    if (int(bits[u][c]) >= least && i + u * TEAMS < opened)
                        consider(uvec2(order_key(bits[u][c]), 4u * quad[u] + c), bound);
        }
    barrier();
}

void find_best(uint row, uint work) {
    uvec2 mine[EACH];
    take_parts(work, mine);
    uvec2 bound = first_bound(mine);
    for (bool again = true; again;) {
        open_parts(mine, bound);
        collect(row, bound);
        again = found > uint(ROOM);
        sort_best(min(found, uint(ROOM)));
        bound = best[KEPT - 1];
    }
}

void write_best(uint result, uint first) {
    for (uint i = gl_LocalInvocationIndex; i < extra0; i += T) {
        a[result + i] = floatBitsToUint(is_lost() ? -1.0 : float(best[i].y));
        a[result + extra0 + i] = order_bits(best[i].x);
    }
    if (gl_LocalInvocationIndex == 0u && first != NONE)
        a[first] = floatBitsToUint(is_lost() ? -1.0 : float(best[0].y));
}

// work_group().x: parts of a row, .y: row.
void main() {
    uint rows = outputs_only != 0u ? n_outputs : n_rows;
    for (uint r = work_group().y; r < rows; r += work_groups().y) {
        uint row = in0 + r * in0_stride, work = in1 + r * in1_stride;
        leave_best(row, work);
        if (last) {
            memoryBarrierBuffer();
            find_best(row, work);
            write_best(out0 + r * out_stride, extra1 == NONE ? NONE : extra1 + r);
        }
        barrier();
    }
}
