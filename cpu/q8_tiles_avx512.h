/* q8_tiles: the 8-bit dot product for many activation rows, a part of q8_avx512.h. */
#ifndef CPU_Q8_TILES_AVX512_H
#define CPU_Q8_TILES_AVX512_H

enum {
    Q8_TILES_FROM = 4, /* activation rows from which q8_tiles is the faster */
    Q8_CHUNK = 256,    /* columns of a tile */
    Q8_BLOCKS = 8,     /* blocks in them */
    Q8_PANEL = 16,     /* rows of a panel, one a lane */
    Q8_PANELS = 4,     /* panels of a tile */
    Q8_TILE_X = 64,    /* activation rows that an unpacked tile is used for */
    Q8_X = 4           /* activation rows together in a panel's dots */
};

/* 16 rows of a tile. */
typedef struct q8_panel {
    __m512i u[Q8_BLOCKS][8]; /* by block: four columns of each row */
    __m512 scale[Q8_BLOCKS], min[Q8_BLOCKS];
    __m512i sub[Q8_BLOCKS][2], sub_min[Q8_BLOCKS][2]; /* by block and half */
} q8_panel;

/* Four 32-bit columns of 16 rows, `stride` bytes apart, turned: lane r of out[j] is word j of row r. */
Q8_INLINE void q8_turn(const void *rows, size_t stride, __m512i out[4]) {
    __m512i k[4]; /* lane l of 128 bits: row 4 l + k */
    for (int i = 0; i < 4; i++) {
        const char *p = (const char *)rows + (size_t)i * stride;
        k[i] = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)p));
        k[i] = _mm512_inserti32x4(k[i], _mm_loadu_si128((const __m128i *)(p + 4 * stride)), 1);
        k[i] = _mm512_inserti32x4(k[i], _mm_loadu_si128((const __m128i *)(p + 8 * stride)), 2);
        k[i] = _mm512_inserti32x4(k[i], _mm_loadu_si128((const __m128i *)(p + 12 * stride)), 3);
    }
    __m512i a = _mm512_unpacklo_epi32(k[0], k[1]), b = _mm512_unpackhi_epi32(k[0], k[1]);
    __m512i c = _mm512_unpacklo_epi32(k[2], k[3]), d = _mm512_unpackhi_epi32(k[2], k[3]);
    out[0] = _mm512_unpacklo_epi64(a, c);
    out[1] = _mm512_unpackhi_epi64(a, c);
    out[2] = _mm512_unpacklo_epi64(b, d);
    out[3] = _mm512_unpackhi_epi64(b, d);
}

Q8_INLINE void q8_turn_floats(const void *rows, size_t stride, __m512 out[4]) {
    __m512i t[4];
    q8_turn(rows, stride, t);
    for (int b = 0; b < 4; b++) out[b] = _mm512_castsi512_ps(t[b]);
}

/* Eight signed bytes of each row, one for each half block. */
Q8_INLINE void q8_turn_subs(const void *rows, size_t stride, __m512i out[4][2]) {
    __m512i t[4];
    q8_turn(rows, stride, t);
    for (int b = 0; b < 4; b++)
        for (int h = 0; h < 2; h++)
            out[b][h] = _mm512_srai_epi32(_mm512_slli_epi32(t[b / 2], 24 - 16 * (b % 2) - 8 * h), 24);
}

/* Unpacks quad `quad` (0 or 1) of 16 rows into a panel: groups[r] is the group of row r that holds it. */
Q8_INLINE void q8_pack_quad(q8_format f, const uint8_t *const groups[Q8_PANEL], int part, int quad, q8_panel *out) {
    q8_quad w[Q8_PANEL];
    for (int r = 0; r < Q8_PANEL; r++) q8_read(f, groups[r], part, &w[r]);
    for (int b = 0; b < 4; b++)
        for (int h = 0; h < 2; h++)
            q8_turn((const char *)w[0].u + 32 * b + 16 * h, sizeof *w, &out->u[4 * quad + b][4 * h]);
    q8_turn_floats(&w[0].s.scale, sizeof *w, out->scale + 4 * quad);
    if (f.mins) q8_turn_floats(&w[0].s.min, sizeof *w, out->min + 4 * quad);
    if (f.subs) q8_turn_subs(&w[0].s.sub, sizeof *w, out->sub + 4 * quad);
    if (f.subs && f.mins) q8_turn_subs(&w[0].s.sub_min, sizeof *w, out->sub_min + 4 * quad);
}

/* Unpacks `blocks` blocks of 16 rows from column `first_block` * 32 on. Rows past the last one repeat it. */
Q8_INLINE void q8_pack(q8_format f, const uint8_t *w, size_t row_bytes, int n_rows, int first_block, int blocks,
                       q8_panel *out) {
    size_t offset = (size_t)(first_block / (4 * f.parts)) * (size_t)f.group_bytes;
    for (int quad = 0; 4 * quad < blocks; quad++) {
        int n = blocks - 4 * quad; /* blocks of this quad, where less than four */
        uint8_t tail[Q8_PANEL][4 * sizeof(q8_0_block)];
        const uint8_t *groups[Q8_PANEL];
        for (int r = 0; r < Q8_PANEL; r++) {
            groups[r] = w + (size_t)(r < n_rows ? r : n_rows - 1) * row_bytes + offset;
            if (f.parts == 1) groups[r] += quad * f.group_bytes;
            if (f.parts > 1 || n >= 4) continue;
            memset(tail[r], 0, sizeof tail[r]);
            memcpy(tail[r], groups[r], (size_t)(f.group_bytes / 4 * n));
            groups[r] = tail[r];
        }
        if (f.parts == 2 && quad == 1)
            q8_pack_quad(f, groups, 1, quad, out);
        else
            q8_pack_quad(f, groups, 0, quad, out);
    }
}

/* Sums of the activations of a chunk: of each half block, for formats with scales for 16; else of each block, times
 * - offset (where a format with scales for 16 has an offset, times that too). */
Q8_INLINE void q8_chunk_sums(q8_format f, const int8_t *q, int blocks, int32_t out[2 * Q8_BLOCKS]) {
    for (int b = 0; b < blocks; b++) {
        __m256i v = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1),
                                        _mm256_loadu_si256((const __m256i *)(q + 32 * b)));
        __m128i t = _mm_hadd_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
        t = _mm_hadd_epi32(t, t);
        int first = _mm_cvtsi128_si32(t), second = _mm_extract_epi32(t, 1), factor = f.offset ? -f.offset : 1;
        out[2 * b] = factor * (f.subs ? first : first + second);
        out[2 * b + 1] = factor * second;
    }
}

/* A stretch of activation rows at a chunk, and their sums of floats so far. */
typedef struct q8_x_tile {
    const int8_t *q[Q8_TILE_X];
    const float *d[Q8_TILE_X], *sum[Q8_TILE_X];
    int32_t sums[Q8_TILE_X][2 * Q8_BLOCKS];
    __m512 acc[Q8_PANELS][Q8_TILE_X][4];
} q8_x_tile;

/* Four columns of an activation row in all lanes. */
Q8_INLINE __m512i q8_columns(const int8_t *q) {
    int32_t word;
    memcpy(&word, q, sizeof word);
    return _mm512_set1_epi32(word);
}

/* Integer dots of words [4 half, 4 half + n) of a block for `xs` activation rows, from t on. */
Q8_INLINE void q8_panel_words(const __m512i *u, const q8_x_tile *x, int first, int xs, int column, int n,
                              __m512i t[Q8_X]) {
    for (int j = 0; j < n; j++)
        for (int i = 0; i < xs; i++)
            t[i] = _mm512_dpbusd_epi32(t[i], u[j], q8_columns(x->q[first + i] + column + 4 * j));
}

/* Adds block `b` of the chunk to the sums of `xs` activation rows. */
Q8_INLINE void q8_panel_block(q8_format f, const q8_panel *w, const q8_x_tile *x, int first, int xs, int b,
                              __m512 acc[Q8_X][4]) {
    __m512i t[Q8_X], zero = _mm512_setzero_si512();
    for (int i = 0; i < xs; i++) t[i] = f.offset ? _mm512_set1_epi32(x->sums[first + i][2 * b]) : zero;
    q8_panel_words(w->u[b], x, first, xs, 32 * b, f.subs ? 4 : 8, t);
    if (f.subs) {
        __m512i second[Q8_X];
        for (int i = 0; i < xs; i++) second[i] = f.offset ? _mm512_set1_epi32(x->sums[first + i][2 * b + 1]) : zero;
        q8_panel_words(w->u[b] + 4, x, first, xs, 32 * b + 16, 4, second);
        for (int i = 0; i < xs; i++)
            t[i] =
                _mm512_add_epi32(_mm512_mullo_epi32(t[i], w->sub[b][0]), _mm512_mullo_epi32(second[i], w->sub[b][1]));
    }
    for (int i = 0; i < xs; i++) {
        __m512 d = _mm512_set1_ps(x->d[first + i][b]), *a = &acc[i][b % 4];
        *a = _mm512_fmadd_ps(_mm512_mul_ps(w->scale[b], d), _mm512_cvtepi32_ps(t[i]), *a);
        if (f.mins && !f.subs) *a = _mm512_fmadd_ps(w->min[b], _mm512_set1_ps(x->sum[first + i][b]), *a);
        if (!f.mins || !f.subs) continue;
        const int32_t *s = &x->sums[first + i][2 * b];
        __m512i minima = _mm512_add_epi32(_mm512_mullo_epi32(w->sub_min[b][0], _mm512_set1_epi32(s[0])),
                                          _mm512_mullo_epi32(w->sub_min[b][1], _mm512_set1_epi32(s[1])));
        *a = _mm512_fmadd_ps(_mm512_mul_ps(w->min[b], d), _mm512_cvtepi32_ps(minima), *a);
    }
}

/* Adds a chunk's blocks to the sums of activation rows first .. first + xs - 1. */
Q8_INLINE void q8_panel_dot(q8_format f, const q8_panel *w, q8_x_tile *x, int panel, int first, int xs, int blocks) {
    __m512 acc[Q8_X][4];
    for (int i = 0; i < xs; i++) memcpy(acc[i], x->acc[panel][first + i], sizeof acc[i]);
    for (int quad = 0; quad < blocks; quad += 4)
        for (int b = 0; b < 4 && quad + b < blocks; b++) q8_panel_block(f, w, x, first, xs, quad + b, acc);
    for (int i = 0; i < xs; i++) memcpy(x->acc[panel][first + i], acc[i], sizeof acc[i]);
}

/* One tile of rows (at most 64) against at most Q8_TILE_X activation rows. */
Q8_INLINE void q8_tile(q8_format f, const uint8_t *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x, int n_x,
                       float *y, size_t y_stride) {
    q8_panel panel;
    q8_x_tile t;
    int panels = (n_rows + Q8_PANEL - 1) / Q8_PANEL;
    for (int p = 0; p < panels; p++) memset(t.acc[p], 0, (size_t)n_x * sizeof t.acc[p][0]);
    for (int block = 0; block < cols / 32; block += Q8_BLOCKS) {
        int blocks = cols / 32 - block < Q8_BLOCKS ? cols / 32 - block : Q8_BLOCKS;
        for (int i = 0; i < n_x; i++) {
            t.q[i] = x[i].q + 32 * block;
            t.d[i] = x[i].d + block;
            t.sum[i] = x[i].sum + block;
            if (f.offset || f.subs) q8_chunk_sums(f, t.q[i], blocks, t.sums[i]);
        }
        for (int p = 0; p < panels; p++) {
            q8_pack(f, w + (size_t)(p * Q8_PANEL) * row_bytes, row_bytes, n_rows - p * Q8_PANEL, block, blocks, &panel);
            int i = 0;
            for (; i + Q8_X <= n_x; i += Q8_X) q8_panel_dot(f, &panel, &t, p, i, Q8_X, blocks);
            for (; i < n_x; i++) q8_panel_dot(f, &panel, &t, p, i, 1, blocks);
        }
    }
    for (int p = 0; p < panels; p++) {
        int n = n_rows - p * Q8_PANEL;
        __mmask16 mask = (__mmask16)(n < Q8_PANEL ? (1u << n) - 1 : 0xFFFF);
        for (int i = 0; i < n_x; i++) {
            const __m512 *a = t.acc[p][i];
            __m512 sum = _mm512_add_ps(_mm512_add_ps(a[0], a[1]), _mm512_add_ps(a[2], a[3]));
            _mm512_mask_storeu_ps(y + (size_t)i * y_stride + p * Q8_PANEL, mask, sum);
        }
    }
}

Q8_INLINE void q8_tiles(q8_format f, const uint8_t *w, size_t row_bytes, int n_rows, int cols, const cpu_act *x,
                        int n_x, float *y, size_t y_stride) {
    enum { ROWS = Q8_PANELS * Q8_PANEL };
    for (int r = 0; r < n_rows; r += ROWS)
        for (int i = 0; i < n_x; i += Q8_TILE_X)
            q8_tile(f, w + (size_t)r * row_bytes, row_bytes, n_rows - r < ROWS ? n_rows - r : ROWS, cols, x + i,
                    n_x - i < Q8_TILE_X ? n_x - i : Q8_TILE_X, y + (size_t)i * y_stride + r, y_stride);
}

#endif
