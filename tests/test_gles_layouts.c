/* Layouts of weights in GPU memory: what the packed planes mean, read as the text of layouts.h says and by nothing of
 * the packer's own, against the numbers of the file. GLINT_BENCH=1 prints how fast formats are packed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/gles/layouts.h"
#include "tests/support/safetensors_view.h"
#include "tests/support/support.h"

/* ---- Reading planes ---- */

static const struct meaning {
    int bits, offset, scales, mins; /* bits 32, 16: floats */
} meanings[GLES_LAYOUTS] = {
    [GLES_F32] = {32, 0, 0, 0}, [GLES_F16] = {16, 0, 0, 0},   [GLES_BF16] = {16, 0, 0, 0},   [GLES_Q4] = {4, 8, 1, 0},
    [GLES_Q4M] = {4, 0, 1, 1},  [GLES_Q5] = {5, 16, 1, 0},    [GLES_Q5M] = {5, 0, 1, 1},     [GLES_Q6] = {6, 32, 2, 0},
    [GLES_Q8] = {8, 128, 1, 0}, [GLES_Q8X2] = {8, 128, 2, 0}, [GLES_Q8X2M] = {8, 128, 2, 2},
};

typedef struct packed {
    gles_layout_id id;
    int rows, cols;
    size_t n; /* blocks */
    size_t words;
    uint32_t *data; /* and a guard word */
    uint32_t *planes[GLES_MAX_PLANES];
} packed;

enum { GUARD = 0x5AFE };

static packed pack(gles_layout_id id, const backend_view *v, int first, int rows) {
    packed p = {.id = id, .rows = rows, .cols = v->cols, .n = (size_t)rows * gles_blocks(v->cols)};
    size_t bytes = gles_slice_bytes(id, rows, v->cols);
    CU_ASSERT_EQUAL(bytes % 16, 0);
    CU_ASSERT_EQUAL(bytes, 4 * gles_plane_start(id, gles_layouts[id].n_planes, p.n));
    p.words = bytes / 4;
    p.data = calloc(p.words + 1, 4);
    CU_ASSERT_FATAL(p.data != NULL);
    p.data[p.words] = GUARD;
    for (int i = 0; i < gles_layouts[id].n_planes; i++) {
        CU_ASSERT_EQUAL(gles_plane_start(id, i, p.n) % 4, 0);
        p.planes[i] = p.data + gles_plane_start(id, i, p.n);
    }
    gles_layout_pack(id, v, first, rows, p.planes);
    CU_ASSERT_EQUAL(p.data[p.words], GUARD);
    return p;
}

/* Word w of plane `plane` of block b. */
static uint32_t word_at(const packed *p, int plane, int w, size_t b) {
    size_t unit = gles_layouts[p->id].unit[plane], i = (size_t)w / unit;
    return p->data[gles_plane_start(p->id, plane, p->n) + (i * p->n + b) * unit + (size_t)w % unit];
}

static float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float float_at(const packed *p, size_t b, int i) {
    if (meanings[p->id].bits == 32) return float_of(word_at(p, 0, i, b));
    uint32_t half = word_at(p, 0, i / 2, b) >> i % 2 * 16 & 0xFFFF;
    return p->id == GLES_F16 ? format_f16_to_f32((uint16_t)half) : float_of(half << 16);
}

static int integer_at(const packed *p, size_t b, int i) {
    const struct meaning *m = &meanings[p->id];
    int j = i / 8, k = i % 8, q;
    if (m->bits == 8)
        q = (int)(word_at(p, 0, 2 * j + k / 4, b) >> k % 4 * 8 & 255);
    else
        q = (int)(word_at(p, 0, j, b) >> 4 * k & 15);
    if (m->bits == 5) q |= (int)(word_at(p, 1, 0, b) >> (4 * k + j) & 1) << 4;
    if (m->bits == 6) q |= (int)(word_at(p, 1, j / 2, b) >> (4 * k + 2 * (j % 2)) & 3) << 4;
    return q - m->offset;
}

/* Number i of block b: q * scale + minimum. */
static float value_at(const packed *p, size_t b, int i) {
    const struct meaning *m = &meanings[p->id];
    if (m->bits > 8) return float_at(p, b, i);
    int plane = m->bits == 5 || m->bits == 6 ? 2 : 1;
    float x = (float)integer_at(p, b, i) * float_of(word_at(p, plane, m->scales == 2 ? i / 16 : 0, b));
    if (m->mins) x += float_of(word_at(p, plane + 1, m->mins == 2 ? i / 16 : 0, b));
    return x;
}

static float number_at(const packed *p, int row, int col) {
    return value_at(p, (size_t)row * gles_blocks(p->cols) + (size_t)(col / 32), col % 32);
}

/* ---- Reference blocks as matrices ---- */

/* `rows` x `cols` numbers of a format from the reference file, at an address that is a multiple of nothing. */
typedef struct matrix {
    backend_view view;
    unsigned char *data;
    const float *values;
} matrix;

static safetensors_view reference;

static void opens_reference(void) {
    char path[1024];
    CU_ASSERT_FATAL(safetensors_view_open(support_data(path, "quant_blocks.safetensors"), &reference));
}

static safetensors_entry find(format_id f, const char *what) {
    char name[64];
    safetensors_entry e;
    snprintf(name, sizeof name, "%s.%s", format_table[f].name, what);
    CU_ASSERT_FATAL(safetensors_view_find(&reference, name, &e));
    return e;
}

/* As many rows of `cols` numbers as there are blocks for, at most `most`. F32 has no blocks: its values are Q8_0's. */
static matrix make_matrix(format_id f, int cols, int most) {
    const format_row *row = &format_table[f];
    safetensors_entry values = find(f == FORMAT_F32 ? FORMAT_Q8_0 : f, "values");
    safetensors_entry blocks = f == FORMAT_F32 ? values : find(f, "blocks");
    matrix m = {.values = values.data};
    CU_ASSERT_EQUAL_FATAL(cols % row->block_values, 0);
    int rows = (int)(values.bytes / sizeof(float)) / cols;
    m.view = (backend_view){.name = row->name, .format = f, .rows = rows < most ? rows : most, .cols = cols};
    m.view.row_bytes = (size_t)(cols / row->block_values) * row->block_bytes;
    size_t bytes = (size_t)m.view.rows * m.view.row_bytes;
    CU_ASSERT_FATAL(m.view.rows > 0 && bytes <= blocks.bytes);
    m.data = malloc(bytes + 1);
    CU_ASSERT_FATAL(m.data != NULL);
    m.view.data = memcpy(m.data + 1, blocks.data, bytes);
    return m;
}

/* Row r of the slice is row_of[r] of the file (NULL: r), plus `more`. */
static void check_rows(const packed *p, const matrix *m, const int *row_of, float more) {
    size_t wrong = 0;
    for (int r = 0; r < p->rows; r++)
        for (int c = 0; c < p->cols; c++) {
            float got = number_at(p, r, c), want = m->values[(size_t)(row_of ? row_of[r] : r) * (size_t)p->cols + c];
            if (more != 0) want += more; /* adding 0 would change -0 */
            if (memcmp(&got, &want, sizeof got) == 0) continue;
            if (!wrong++)
                printf("\n    %s as %s: row %d column %d is %a, not %a\n", m->view.name, gles_layouts[p->id].name, r, c,
                       (double)got, (double)want);
        }
    CU_ASSERT_EQUAL(wrong, 0);
    for (int r = 0; r < p->rows; r++) /* padding of the last block */
        for (int c = p->cols; c < 32 * (int)gles_blocks(p->cols); c++) wrong += number_at(p, r, c) != 0;
    CU_ASSERT_EQUAL(wrong, 0);
}

/* ---- Cases ---- */

static void check_whole(format_id f, gles_layout_id id, int cols, int most) {
    matrix m = make_matrix(f, cols, most);
    packed p = pack(id, &m.view, 0, m.view.rows);
    check_rows(&p, &m, NULL, 0);
    free(p.data);
    free(m.data);
}

/* All reference blocks, one to a row; and an odd number of longer rows. Any format may also become floats. */
static void means_the_same_numbers(void) {
    for (int f = 0; f < FORMAT_COUNT; f++) {
        int values = format_table[f].block_values;
        gles_layout_id id = gles_layout_of((format_id)f);
        check_whole((format_id)f, id, values < 32 ? 32 : values, 1 << 30);
        check_whole((format_id)f, id, values < 32 ? 33 : 3 * values, 7); /* F16 and others: a padded block */
        check_whole((format_id)f, GLES_F32, values < 32 ? 601 : 5 * values, 5);
    }
}

/* Copies the planes of a part into those of the whole, `before` blocks behind their beginning. */
static void insert(packed *whole, const packed *part, size_t before) {
    for (int p = 0; p < gles_layouts[whole->id].n_planes; p++)
        for (size_t b = 0; b < part->n; b++)
            for (int w = 0; w < gles_layouts[whole->id].words[p]; w++) {
                size_t unit = gles_layouts[whole->id].unit[p], i = (size_t)w / unit;
                whole->planes[p][(i * whole->n + before + b) * unit + (size_t)w % unit] = word_at(part, p, w, b);
            }
}

static void packs_ranges_of_rows(void) {
    for (int f = 0; f < FORMAT_COUNT; f++) {
        int values = format_table[f].block_values;
        matrix m = make_matrix((format_id)f, values < 32 ? 95 : 3 * values, 9);
        gles_layout_id id = gles_layout_of((format_id)f);
        packed whole = pack(id, &m.view, 0, 9), low = pack(id, &m.view, 0, 4), high = pack(id, &m.view, 4, 5);
        packed both = whole;
        both.data = calloc(whole.words, 4);
        CU_ASSERT_FATAL(both.data != NULL);
        for (int p = 0; p < gles_layouts[id].n_planes; p++) both.planes[p] = both.data + (whole.planes[p] - whole.data);
        insert(&both, &low, 0);
        insert(&both, &high, low.n);
        CU_ASSERT(memcmp(both.data, whole.data, 4 * whole.words) == 0);
        free(both.data);
        free(whole.data);
        free(low.data);
        free(high.data);
        free(m.data);
    }
}

static void undoes_rotary_order(void) {
    static const int row_of[12] = {0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}; /* two heads of six rows */
    for (int f = 0; f < FORMAT_COUNT; f++) {
        int values = format_table[f].block_values;
        matrix m = make_matrix((format_id)f, values < 32 ? 40 : values, 12);
        m.view.rotary_adjacent = true;
        m.view.head_dim = 6;
        packed p = pack(gles_layout_of((format_id)f), &m.view, 0, 12), last = pack(p.id, &m.view, 5, 7);
        check_rows(&p, &m, row_of, 0);
        check_rows(&last, &m, row_of + 5, 0);
        free(last.data);
        free(p.data);
        free(m.data);
    }
}

/* Elements of a vector in rotary order, as floats: across the pieces in which a row is decoded. */
static void undoes_rotary_order_of_vectors(void) {
    static const format_id formats[] = {FORMAT_F32, FORMAT_F16, FORMAT_BF16, FORMAT_Q8_0};
    enum { HEADS = 9, DIM = 64, COLS = HEADS * DIM };
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        matrix m = make_matrix(formats[k], COLS, 1);
        float canonical[COLS];
        for (int i = 0; i < COLS; i++) {
            int in = i % DIM;
            canonical[i] = m.values[i - in + (in < DIM / 2 ? 2 * in : 2 * (in - DIM / 2) + 1)];
        }
        m.view.rotary_adjacent = true;
        m.view.head_dim = DIM;
        m.values = canonical;
        packed p = pack(GLES_F32, &m.view, 0, 1);
        check_rows(&p, &m, NULL, 0);
        free(p.data);
        free(m.data);
    }
}

static void adds_one_where_stored_minus_one(void) {
    static const format_id formats[] = {FORMAT_F32, FORMAT_F16, FORMAT_BF16};
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        matrix m = make_matrix(formats[k], 1153, 1);
        m.view.minus_one = true;
        packed p = pack(GLES_F32, &m.view, 0, 1);
        check_rows(&p, &m, NULL, 1.0f);
        free(p.data);
        free(m.data);
    }
}

static void sizes_slices(void) {
    CU_ASSERT_EQUAL(gles_slice_bytes(GLES_Q4, 3, 32), 48 + 16); /* three scales and a word of padding */
    CU_ASSERT_EQUAL(gles_slice_bytes(GLES_Q5M, 5, 64), 160 + 3 * 48);
    CU_ASSERT_EQUAL(gles_slice_bytes(GLES_F16, 2, 33), 256); /* two blocks a row */
    CU_ASSERT_EQUAL(gles_plane_start(GLES_Q6, 1, 5), 20);
    CU_ASSERT_EQUAL(gles_plane_start(GLES_Q6, 2, 5), 32);
    CU_ASSERT_EQUAL(gles_blocks(1), 1);
    CU_ASSERT_EQUAL(gles_blocks(33), 2);
    for (int i = 0; i < GLES_LAYOUTS; i++) CU_ASSERT(gles_layouts[i].name && gles_layouts[i].n_planes > 0);
}

/* ---- Speed ---- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* 16 MB of a format's blocks, packed three times; the best run counts. */
static void measure(format_id f) {
    const format_row *row = &format_table[f];
    enum { COLS = 2048 };
    matrix few = make_matrix(f, row->block_values < 32 ? 32 : row->block_values, 64);
    backend_view v = {.format = f, .cols = COLS, .row_bytes = (size_t)(COLS / row->block_values) * row->block_bytes};
    v.rows = (int)((16 << 20) / v.row_bytes);
    size_t bytes = (size_t)v.rows * v.row_bytes, period = (size_t)few.view.rows * few.view.row_bytes;
    unsigned char *data = malloc(bytes);
    CU_ASSERT_FATAL(data != NULL);
    for (size_t i = 0; i < bytes; i++) data[i] = few.data[1 + i % period];
    v.data = data;
    packed p = pack(gles_layout_of(f), &v, 0, v.rows);
    double best = 1e9;
    for (int i = 0; i < 3; i++) {
        double start = now();
        gles_layout_pack(p.id, &v, 0, v.rows, p.planes);
        double took = now() - start;
        if (took < best) best = took;
    }
    printf("\n    %-8s to %-6s %6.2f GB/s of the file", row->name, gles_layouts[p.id].name,
           1e-9 * (double)bytes / best);
    free(p.data);
    free(data);
    free(few.data);
}

static void measures_speed(void) {
    const char *wanted = getenv("GLINT_BENCH");
    if (!wanted || strcmp(wanted, "1") != 0) return;
    for (int f = 0; f < FORMAT_COUNT; f++) measure((format_id)f);
}

int main(void) {
    const support_case cases[] = {
        {"opens the reference blocks", opens_reference},
        {"means the same numbers", means_the_same_numbers},
        {"packs ranges of rows", packs_ranges_of_rows},
        {"undoes rotary order", undoes_rotary_order},
        {"undoes rotary order of vectors", undoes_rotary_order_of_vectors},
        {"adds one where stored minus one", adds_one_where_stored_minus_one},
        {"sizes slices", sizes_slices},
        {"measures speed", measures_speed},
    };
    int status = support_main("gles layouts", cases, sizeof cases / sizeof *cases);
    safetensors_view_close(&reference);
    return status;
}
