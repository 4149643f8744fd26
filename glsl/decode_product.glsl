// Matrix-vector products of one row x: up to three matrices (q, k, v), of any layouts, or a gated pair.
//
// x lies in shared memory as eight planes of vec4 (quad i of block k at i * blocks + k), so that neighbouring lanes, which
// take neighbouring blocks of 32 weights, read neighbouring words of both. Each team of 32 lanes works for itself, with
// no barrier but those around x: it goes through the blocks of a job of P.each rows as one stream, a block a lane, and
// adds up a row over its lanes when the stream has passed its end. Two streams run side by side and share what is read
// of x: rows r and r + P.each of a job, or row r of both matrices of a gated pair. The next blocks are on their way
// while the present ones are multiplied; those of a phase's first job are sent for before the barrier in front of the
// phase, when nothing but weights is known.
//
// How x is made: PLAIN: in0.  NORM: norm(in0).  ADD_NORM: h = in0 + in1, norm(h).  POST_ADD_NORM: h = in0 +
// post_norm(in1), norm(h).  JOIN: the pieces that attention left. Every work group does that for itself; the first one
// writes h (sum_out) for the next residual add, and what else is observed (post_out, norm_out).
shared vec4 xs[X_QUADS];
shared vec2 x_sums[X_BLOCKS]; // of the first and the second half of each block

// What the inner loops need of the phase, read once: reading the table by number costs more than a multiplication.
uint blocks, each;
#include "any_block.glsl"
phase_part m;                    // the matrix of the present job
uint part, part_begin, part_end; // its number, and which jobs are its
planes at;
uint second_base, second_row;    // from the first to the second stream: another matrix, or `each` rows on
uint next_job;
block next0, next1;              // the blocks that are on their way
vec4 norm_ahead[QUADS_EACH], post_ahead[QUADS_EACH];
float best;
uint best_at;
#include "dot_blocks.glsl"

vec4 vector_quad(uint base, uint c) { return vectors4[(base + c) / 4u]; }

float vector_at(uint i) {
    vec4 v = vectors4[i / 4u];
    vec2 p = (i & 2u) == 0u ? v.xy : v.zw;
    return (i & 1u) == 0u ? p.x : p.y;
}

// Numbers behind the end of a row are somebody else's: zeros in their place.
vec4 cut(vec4 v, uint c) {
    if (c + 3u < P.width) return v;
    return vec4(c < P.width ? v.x : 0.0, c + 1u < P.width ? v.y : 0.0, c + 2u < P.width ? v.z : 0.0, 0.0);
}

vec4 quad_at(uint base, uint c) { return cut(a4[(base + c) / 4u], c); }

void put_quad(uint base, uint c, vec4 v) {
    if (c < P.width) a[base + c] = v.x;
    if (c + 1u < P.width) a[base + c + 1u] = v.y;
    if (c + 2u < P.width) a[base + c + 2u] = v.z;
    if (c + 3u < P.width) a[base + c + 3u] = v.w;
}

uint place(uint quad) { return (quad & 7u) * blocks + (quad >> 3); }

// ---- Sent for ahead ----

// Makes the matrix that job i belongs to the present one.
void find_part(uint i) {
    part = 0u;
    part_begin = 0u;
    part_end = P.gated != 0u ? P.jobs : P.part[0].jobs;
    while (i >= part_end && part + 1u < P.parts) {
        part++;
        part_begin = part_end;
        part_end += P.part[part].jobs;
    }
    m = P.part[part];
    at = find_planes(m.n, m.form);
    bool gated = P.gated != 0u;
    second_base = gated ? P.part[1].weight : m.weight;
    second_row = gated ? 0u : each;
}

uint job_rows() { return second_row + each; } // of the result

uint team() { return gl_LocalInvocationIndex / LANES * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
uint teams() { return gl_NumWorkGroups.x * (T / LANES); }

// Block b of the present matrix, and of the second stream. Behind the last: any block.
void send_for(uint form, uint b) {
    uint last = m.n - 1u;
    next0 = block_load(m.weight, m.n, at, form, min(b, last));
    next1 = block_load(second_base, m.n, at, form, min(b + second_row * blocks, last));
}

void send_first() {
    uint b = (next_job - part_begin) * job_rows() * blocks + gl_LocalInvocationIndex % LANES;
#if (FORMS & 1) != 0
    if (m.form == FORM_F32) send_for(FORM_F32, b);
#endif
#if (FORMS & 2) != 0
    if (m.form == FORM_F16) send_for(FORM_F16, b);
#endif
#if (FORMS & 4) != 0
    if (m.form == FORM_BF16) send_for(FORM_BF16, b);
#endif
#if (FORMS & 8) != 0
    if (m.form == FORM_Q4) send_for(FORM_Q4, b);
#endif
#if (FORMS & 16) != 0
    if (m.form == FORM_Q4M) send_for(FORM_Q4M, b);
#endif
#if (FORMS & 32) != 0
    if (m.form == FORM_Q5) send_for(FORM_Q5, b);
#endif
#if (FORMS & 64) != 0
    if (m.form == FORM_Q5M) send_for(FORM_Q5M, b);
#endif
#if (FORMS & 128) != 0
    if (m.form == FORM_Q6) send_for(FORM_Q6, b);
#endif
#if (FORMS & 256) != 0
    if (m.form == FORM_Q8) send_for(FORM_Q8, b);
#endif
#if (FORMS & 512) != 0
    if (m.form == FORM_Q8X2) send_for(FORM_Q8X2, b);
#endif
#if (FORMS & 1024) != 0
    if (m.form == FORM_Q8X2M) send_for(FORM_Q8X2M, b);
#endif
}

void product_ahead() {
    uint t = gl_LocalInvocationIndex;
    blocks = P.blocks;
    each = P.each;
    next_job = team();
    if (next_job < P.jobs) {
        find_part(next_job);
        send_first();
    }
    if (P.norm != NONE)
        for (uint e = 0u; e < uint(QUADS_EACH); e++) norm_ahead[e] = vector_quad(P.norm, 4u * min(t + e * T, 8u * blocks - 1u));
    if (P.post != NONE)
        for (uint e = 0u; e < uint(QUADS_EACH); e++) post_ahead[e] = vector_quad(P.post, 4u * min(t + e * T, 8u * blocks - 1u));
}

// ---- x ----

void load_normed() {
    uint t = gl_LocalInvocationIndex, quads = 8u * blocks;
    bool writer = gl_WorkGroupID.x == 0u;
    vec4 h[QUADS_EACH], o[QUADS_EACH]; // all loads at once, before the first sum needs any
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
        uint c = 4u * (t + e * T);
        bool live = t + e * T < quads;
        h[e] = live ? quad_at(P.in0, c) : vec4(0.0);
        o[e] = live && P.make != NORM ? quad_at(P.in1, c) : vec4(0.0);
    }
    if (P.make == POST_ADD_NORM) {
        float sum = 0.0;
        for (uint e = 0u; e < uint(QUADS_EACH); e++) sum += dot(o[e], o[e]);
        float r = 1.0 / sqrt(group_sum(sum) / float(P.width) + P.post_eps);
        for (uint e = 0u; e < uint(QUADS_EACH); e++) {
            uint c = 4u * (t + e * T);
            o[e] = cut(o[e] * r * post_ahead[e], c);
            if (writer && P.post_out != NONE && c < P.width) put_quad(P.post_out, c, o[e]);
        }
    }
    float sum = 0.0;
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
        uint c = 4u * (t + e * T);
        h[e] += o[e];
        if (writer && P.sum_out != NONE && c < P.width) put_quad(P.sum_out, c, h[e]);
        sum += dot(h[e], h[e]);
    }
    float r = 1.0 / sqrt(group_sum(sum) / float(P.width) + P.eps);
    for (uint e = 0u; e < uint(QUADS_EACH); e++) {
        uint i = t + e * T;
        if (i < quads) {
            vec4 v = cut(h[e] * r * norm_ahead[e], 4u * i);
            xs[place(i)] = v;
            if (writer && P.norm_out != NONE) put_quad(P.norm_out, 4u * i, v);
        }
    }
}

void load_plain() {
    const uint AT_ONCE = 4u; // loads on their way
    uint quads = 8u * blocks;
    for (uint first = gl_LocalInvocationIndex; first < quads; first += AT_ONCE * T) {
        vec4 v[AT_ONCE];
        for (uint e = 0u; e < AT_ONCE; e++) v[e] = quad_at(P.in0, 4u * min(first + e * T, quads - 1u));
        for (uint e = 0u; e < AT_ONCE; e++)
            if (first + e * T < quads) xs[place(first + e * T)] = v[e];
    }
}

// Pieces of the cache that attention went through by itself: weights of each piece, then its results times those.
void join_pieces(uint pieces) {
    uint t = gl_LocalInvocationIndex, stats = P.pieces_at + P.heads * pieces * uint(HEAD_DIM);
    for (uint h = t; h < P.heads; h += T) {
        float top = -3.0e38, total = 0.0;
        for (uint p = 0u; p < pieces; p++) top = max(top, a[stats + 2u * (h * pieces + p)]);
        for (uint p = 0u; p < pieces; p++) {
            uint at = stats + 2u * (h * pieces + p);
            float w = exp(a[at] - top);
            partial[h * pieces + p] = w;
            total += w * a[at + 1u];
        }
        for (uint p = 0u; p < pieces; p++) partial[h * pieces + p] /= total;
    }
    barrier();
    for (uint i = t; i < 8u * blocks; i += T) {
        uint h = min(4u * i / uint(HEAD_DIM), P.heads - 1u), d = 4u * i - h * uint(HEAD_DIM);
        vec4 sum = vec4(0.0);
        for (uint p = 0u; p < pieces; p++)
            sum += partial[h * pieces + p] * a4[(P.pieces_at + (h * pieces + p) * uint(HEAD_DIM) + d) / 4u];
        sum = cut(sum, 4u * i);
        xs[place(i)] = sum;
        if (gl_WorkGroupID.x == 0u && P.norm_out != NONE) put_quad(P.norm_out, 4u * i, sum);
    }
}

void make_x() {
    uint t = gl_LocalInvocationIndex, pieces = P.make == JOIN ? cache_pieces() : 1u;
    if (P.make == PLAIN || (P.make == JOIN && pieces == 1u))
        load_plain();
    else if (P.make == JOIN)
        join_pieces(pieces);
    else
        load_normed();
    barrier();
    if (P.has_min != 0u) {
        for (uint k = t; k < blocks; k += T) {
            vec4 one = vec4(1.0);
            x_sums[k] = vec2(dot(one, x_quad(0u, k) + x_quad(1u, k) + x_quad(2u, k) + x_quad(3u, k)),
                             dot(one, x_quad(4u, k) + x_quad(5u, k) + x_quad(6u, k) + x_quad(7u, k)));
        }
        barrier();
    }
}

// ---- Results ----

void put_row(uint row, float s) {
    if (m.bias != NONE) s += vector_at(m.bias + row);
    a[m.result + row] = s;
    row += m.first;
    if (s > best || (s == best && row < best_at)) {
        best = s;
        best_at = row;
    }
}

// Called by all lanes of a team with what each adds to row `row` of a job, and to its second stream.
void finish_row(uint row, vec2 sums) {
    float s0 = lanes_sum(sums.x), s1 = lanes_sum(sums.y);
    if (gl_LocalInvocationIndex % LANES != 0u) return;
    if (second_row == 0u) s0 = act(s0) * s1;
    if (row < m.rows) put_row(row, s0);
    row += second_row;
    if (second_row != 0u && row < m.rows) put_row(row, s1);
}

// The best of a work group's rows. Only the first lane of each has seen any.
void put_best() {
    uint t = gl_LocalInvocationIndex;
    barrier();
    if (t % LANES == 0u) {
        partial[t / LANES] = best;
        partial[T + t / LANES] = uintBitsToFloat(best_at);
    }
    barrier();
    if (t == 0u) {
        for (uint i = 1u; i < T / LANES; i++) {
            float v = partial[i];
            uint at = floatBitsToUint(partial[T + i]);
            if (v > best || (v == best && at < best_at)) {
                best = v;
                best_at = at;
            }
        }
        a[P.best + 2u * gl_WorkGroupID.x] = best;
        a[P.best + 2u * gl_WorkGroupID.x + 1u] = best_at == NONE ? 0.0 : float(best_at);
    }
}

// One job; leaves the first blocks of the team's next one, if that is of the same matrix, on their way.
void run_job(uint form) {
    uint lane = gl_LocalInvocationIndex % LANES, first = (next_job - part_begin) * job_rows();
    uint column = lane % blocks, row = lane / blocks, done = 0u; // an invocation's place; rows that are finished
    uint rows = min(each, m.rows - first), end = rows * blocks;
    vec2 carry = vec2(0.0); // of a row that has begun
    next_job += teams();
    bool more = next_job < part_end;
    for (uint f = 0u; f < end; f += LANES) {
        block u = next0, v = next1;
        bool last = f + LANES >= end;
        uint job = last && more ? next_job : next_job - teams();
        send_for(form, (job - part_begin) * job_rows() * blocks + (last ? lane : f + LANES + lane));
        vec2 sums = dot_blocks(form, u, v, m, second_base, first + row, column);
        for (; (done + 1u) * blocks <= f + LANES && done < rows; done++) {
            finish_row(first + done, row == done ? carry + sums : carry);
            carry = vec2(0.0);
        }
        if (row == done) carry += sums;
        for (column += LANES; column >= blocks; column -= blocks) row++;
    }
}

// All jobs of this team in the present part.
void run_part(uint form) {
    while (next_job < part_end) run_job(form);
}

void product() {
    uint jobs = P.jobs;
    best = -3.4e38;
    best_at = NONE;
    if (gl_WorkGroupID.x < jobs) make_x();
    while (next_job < jobs) {
        if (next_job >= part_end) {
            find_part(next_job);
            send_first();
        }
        uint form = m.form;
#if (FORMS & 1) != 0
        if (form == FORM_F32) run_part(FORM_F32);
#endif
#if (FORMS & 2) != 0
        if (form == FORM_F16) run_part(FORM_F16);
#endif
#if (FORMS & 4) != 0
        if (form == FORM_BF16) run_part(FORM_BF16);
#endif
#if (FORMS & 8) != 0
        if (form == FORM_Q4) run_part(FORM_Q4);
#endif
#if (FORMS & 16) != 0
        if (form == FORM_Q4M) run_part(FORM_Q4M);
#endif
#if (FORMS & 32) != 0
        if (form == FORM_Q5) run_part(FORM_Q5);
#endif
#if (FORMS & 64) != 0
        if (form == FORM_Q5M) run_part(FORM_Q5M);
#endif
#if (FORMS & 128) != 0
        if (form == FORM_Q6) run_part(FORM_Q6);
#endif
#if (FORMS & 256) != 0
        if (form == FORM_Q8) run_part(FORM_Q8);
#endif
#if (FORMS & 512) != 0
        if (form == FORM_Q8X2) run_part(FORM_Q8X2);
#endif
#if (FORMS & 1024) != 0
        if (form == FORM_Q8X2M) run_part(FORM_Q8X2M);
#endif
    }
    if (P.best != NONE) put_best();
}

// The best of all work groups.
void choose_best() {
    uint t = gl_LocalInvocationIndex;
    if (gl_WorkGroupID.x != 0u) return;
    best = -3.4e38;
    best_at = NONE;
    for (uint i = t; i < P.jobs; i += T) {
        float v = a[P.best + 2u * i];
        uint at = uint(a[P.best + 2u * i + 1u]);
        if (v > best || (v == best && at < best_at)) {
            best = v;
            best_at = at;
        }
    }
    for (uint n = T / 2u; n > 0u; n /= 2u) {
        barrier();
        partial[t] = best;
        partial[T + t] = uintBitsToFloat(best_at);
        barrier();
        if (t < n) {
            float v = partial[t + n];
            uint at = floatBitsToUint(partial[T + t + n]);
            if (v > best || (v == best && at < best_at)) {
                best = v;
                best_at = at;
            }
        }
    }
    if (t == 0u) a[P.result] = grid_failed() ? -1.0 : best_at == NONE ? 0.0 : float(best_at);
}
