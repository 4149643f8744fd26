/* Weights from the blocks of a file to the planes of a GPU: the table of layouts, sizes, and the re-coding of rows. */
#include "backends/gles/layouts.h"

#include <string.h>

#include "backends/gles/layouts_numbers.h"
#include "backends/view.h"
#include "core/base/size.h"

/* ---- What there is ---- */

const gles_layout gles_layouts[GLES_LAYOUTS] = {
    /* name, planes: words of a block, words of a unit */
    [GLES_F32] = {"f32", 1, {32}, {4}},
    [GLES_F16] = {"f16", 1, {16}, {4}},
    [GLES_BF16] = {"bf16", 1, {16}, {4}},
    [GLES_Q4] = {"q4", 2, {4, 1}, {4, 1}},
    [GLES_Q4M] = {"q4m", 3, {4, 1, 1}, {4, 1, 1}},
    [GLES_Q5] = {"q5", 3, {4, 1, 1}, {4, 1, 1}},
    [GLES_Q5M] = {"q5m", 4, {4, 1, 1, 1}, {4, 1, 1, 1}},
    [GLES_Q6] = {"q6", 3, {4, 2, 2}, {4, 1, 1}},
    [GLES_Q8] = {"q8", 2, {8, 1}, {4, 1}},
    [GLES_Q8X2] = {"q8x2", 2, {8, 2}, {4, 1}},
    [GLES_Q8X2M] = {"q8x2m", 3, {8, 2, 2}, {4, 1, 1}},
};

static const struct coding {
    int bits, offset; /* integer q is stored as q + offset */
    int scales, mins; /* of a block */
} codings[GLES_LAYOUTS] = {
    [GLES_Q4] = {4, 8, 1, 0},  [GLES_Q4M] = {4, 0, 1, 1},  [GLES_Q5] = {5, 16, 1, 0},    [GLES_Q5M] = {5, 0, 1, 1},
    [GLES_Q6] = {6, 32, 2, 0}, [GLES_Q8] = {8, 128, 1, 0}, [GLES_Q8X2] = {8, 128, 2, 0}, [GLES_Q8X2M] = {8, 128, 2, 2},
};

static const struct recoding {
    gles_layout_id layout;
    gles_extract *extract; /* NULL: the numbers are floats */
} recodings[FORMAT_COUNT] = {
    [FORMAT_F32] = {GLES_F32, NULL},
    [FORMAT_F16] = {GLES_F16, NULL},
    [FORMAT_BF16] = {GLES_BF16, NULL},
    [FORMAT_Q4_0] = {GLES_Q4, gles_q4_0},
    [FORMAT_Q4_1] = {GLES_Q4M, gles_q4_1},
    [FORMAT_Q5_0] = {GLES_Q5, gles_q5_0},
    [FORMAT_Q5_1] = {GLES_Q5M, gles_q5_1},
    [FORMAT_Q8_0] = {GLES_Q8, gles_q8_0},
    [FORMAT_Q2_K] = {GLES_Q8X2M, gles_q2_k},
    [FORMAT_Q3_K] = {GLES_Q6, gles_q3_k},
    [FORMAT_Q4_K] = {GLES_Q4M, gles_q4_k},
    [FORMAT_Q5_K] = {GLES_Q5M, gles_q5_k},
    [FORMAT_Q6_K] = {GLES_Q6, gles_q6_k},
    [FORMAT_IQ1_S] = {GLES_Q5, gles_iq1_s},
    [FORMAT_IQ1_M] = {GLES_Q6, gles_iq1_m},
    [FORMAT_IQ2_XXS] = {GLES_Q8, gles_iq2_xxs},
    [FORMAT_IQ2_XS] = {GLES_Q8X2, gles_iq2_xs},
    [FORMAT_IQ2_S] = {GLES_Q8X2, gles_iq2_s},
    [FORMAT_IQ3_XXS] = {GLES_Q8, gles_iq3_xxs},
    [FORMAT_IQ3_S] = {GLES_Q5, gles_iq3_s},
    [FORMAT_IQ4_NL] = {GLES_Q8, gles_iq4_nl},
    [FORMAT_IQ4_XS] = {GLES_Q8, gles_iq4_xs},
    [FORMAT_TQ1_0] = {GLES_Q4, gles_tq1_0},
    [FORMAT_TQ2_0] = {GLES_Q4, gles_tq2_0},
    [FORMAT_MXFP4] = {GLES_Q5, gles_mxfp4},
    [FORMAT_NVFP4] = {GLES_Q6, gles_nvfp4},
    [FORMAT_Q1_0] = {GLES_Q4, gles_q1_0},
    [FORMAT_Q2_0] = {GLES_Q4, gles_q2_0},
};

gles_layout_id gles_layout_of(format_id f) {
    return recodings[f].layout;
}

/* ---- Where planes lie ---- */

size_t gles_plane_start(gles_layout_id id, int plane, size_t n) {
    size_t start = 0;
    for (int p = 0; p < plane; p++) start += (gles_layouts[id].words[p] * n + 3) & ~(size_t)3;
    return start;
}

size_t gles_slice_bytes(gles_layout_id id, int rows, int cols) {
    size_t n, plane, bytes = 0;
    if (!size_mul((uint64_t)rows, gles_blocks(cols), &n)) return SIZE_MAX;
    for (int p = 0; p < gles_layouts[id].n_planes; p++)
        if (!size_mul(n, gles_layouts[id].words[p] * sizeof(uint32_t), &plane) || !size_align(plane, 16, &plane) ||
            !size_add(bytes, plane, &bytes))
            return SIZE_MAX;
    return bytes;
}

/* A slice that is being written. */
typedef struct slice {
    gles_layout_id id;
    size_t n; /* blocks */
    uint32_t *const *planes;
} slice;

static uint32_t *unit_at(const slice *s, int plane, int i, size_t b) {
    return s->planes[plane] + ((size_t)i * s->n + b) * gles_layouts[s->id].unit[plane];
}

/* ---- Floats ---- */

/* `bytes` of a block's numbers (the rest of it is zero) as they are, 16 to a unit. */
static void put_floats(const slice *s, size_t b, const void *numbers, size_t bytes) {
    unsigned char padded[GLES_BLOCK * sizeof(float)];
    size_t block_bytes = gles_layouts[s->id].words[0] * sizeof(uint32_t);
    if (bytes < block_bytes) {
        memcpy(padded, numbers, bytes);
        memset(padded + bytes, 0, block_bytes - bytes);
        numbers = padded;
    }
    for (size_t i = 0; i < block_bytes / 16; i++)
        memcpy(unit_at(s, 0, (int)i, b), (const unsigned char *)numbers + 16 * i, 16);
}

/* A row of halves or bfloat16. */
static void put_row16(const slice *s, size_t b, const unsigned char *row, int cols) {
    for (int at = 0; at < cols; at += GLES_BLOCK, b++)
        put_floats(s, b, row + 2 * (size_t)at, 2 * (size_t)(cols - at < GLES_BLOCK ? cols - at : GLES_BLOCK));
}

/* Numbers [at, at + n) of a vector whose elements are in rotary order: those of a matrix of one column. */
static void decode_rotary(const backend_view *v, int at, int n, float *out) {
    const format_row *f = &format_table[v->format];
    backend_view column = *v;
    float block[HOST_BLOCK];
    column.rows = v->cols;
    for (int i = 0; i < n; i++) {
        int from = host_file_row(&column, at + i);
        f->decode((const char *)v->data + (size_t)(from / f->block_values) * f->block_bytes, block, 1);
        out[i] = block[from % f->block_values];
    }
}

/* A row of any format as float32, a few blocks at a time. */
static void put_decoded(const slice *s, size_t b, const backend_view *v, const unsigned char *row) {
    const format_row *f = &format_table[v->format];
    float x[HOST_BLOCK];
    for (int at = 0; at < v->cols; at += HOST_BLOCK) {
        int n = v->cols - at < HOST_BLOCK ? v->cols - at : HOST_BLOCK;
        if (v->rows == 1 && v->rotary_adjacent)
            decode_rotary(v, at, n, x);
        else
            f->decode(row + (size_t)(at / f->block_values) * f->block_bytes, x, (size_t)(n / f->block_values));
        if (v->minus_one)
            for (int i = 0; i < n; i++) x[i] += 1.0f;
        for (int i = 0; i < n; i += GLES_BLOCK, b++)
            put_floats(s, b, x + i, (size_t)(n - i < GLES_BLOCK ? n - i : GLES_BLOCK) * sizeof *x);
    }
}

/* ---- Integers, eight at a time: a number in each byte of a uint64_t ---- */

static uint64_t each(unsigned byte) {
    return byte * UINT64_C(0x0101010101010101);
}

/* The low nibbles of eight bytes, in order; the high ones are zero. */
static uint32_t pack_nibbles(uint64_t x) {
    x = (x | x >> 4) & UINT64_C(0x00FF00FF00FF00FF);
    x = (x | x >> 8) & UINT64_C(0x0000FFFF0000FFFF);
    return (uint32_t)(x | x >> 16);
}

/* Numbers 8 j .. 8 j + 7 as they are stored: q + offset. Adding 128 by flipping the sign bits, then taking back what is
 * too much, never borrows from a neighbour. */
static uint64_t stored(const gles_numbers *x, int j, int offset) {
    uint64_t q;
    memcpy(&q, x->q + 8 * j, sizeof q);
    return (q ^ each(128)) - each(128 - (unsigned)offset);
}

static void put_scales(const slice *s, int plane, size_t b, const float *x, int n) {
    for (int i = 0; i < n; i++) memcpy(unit_at(s, plane, i, b), &x[i], sizeof *x);
}

/* The bits of 5 and 6 above the low four are packed as those are; then four (5) or two (6) such words make one. */
static void put_block(const slice *s, size_t b, const gles_numbers *x) {
    const struct coding *c = &codings[s->id];
    int high_bits = c->bits - 4, plane = 1;
    uint32_t high[2] = {0, 0}, low[4];
    if (c->bits == 8) {
        for (int j = 0; j < 4; j++) {
            uint64_t eight = stored(x, j, c->offset);
            memcpy(unit_at(s, 0, j / 2, b) + 2 * (j % 2), &eight, sizeof eight);
        }
    } else {
        for (int j = 0; j < 4; j++) {
            uint64_t eight = stored(x, j, c->offset);
            low[j] = pack_nibbles(eight & each(15));
            high[high_bits * j / 4] |= pack_nibbles(eight >> 4 & each(15)) << high_bits * j % 4;
        }
        memcpy(unit_at(s, 0, 0, b), low, sizeof low);
        for (int i = 0; i < high_bits; i++) *unit_at(s, 1, i, b) = high[i];
        if (high_bits) plane++;
    }
    put_scales(s, plane, b, x->scale, c->scales);
    put_scales(s, plane + 1, b, x->min, c->mins);
}

static void put_row(const slice *s, size_t b, const backend_view *v, const unsigned char *row) {
    const format_row *f = &format_table[v->format];
    gles_extract *extract = recodings[v->format].extract;
    gles_numbers x;
    for (int at = 0; at < v->cols; at += f->block_values, row += f->block_bytes)
        for (int part = 0; part < f->block_values / GLES_BLOCK; part++, b++) {
            extract(row, part, &x);
            put_block(s, b, &x);
        }
}

/* ---- Rows ---- */

void gles_layout_pack(gles_layout_id id, const backend_view *view, int first, int n_rows, uint32_t *const *planes) {
    size_t blocks = gles_blocks(view->cols);
    slice s = {id, (size_t)n_rows * blocks, planes};
    for (int r = 0; r < n_rows; r++) {
        const unsigned char *row =
            (const unsigned char *)view->data + (size_t)host_file_row(view, first + r) * view->row_bytes;
        size_t b = (size_t)r * blocks;
        if (id == GLES_F32)
            put_decoded(&s, b, view, row);
        else if (id == GLES_F16 || id == GLES_BF16)
            put_row16(&s, b, row, view->cols);
        else
            put_row(&s, b, view, row);
    }
}
