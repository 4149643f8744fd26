/* Faults in how a device takes weights in. */
#include <string.h>

#include "backends/zoo/zoo_hooks.h"

static size_t blocks_of(const backend_view *v) {
    return v->row_bytes / format_table[v->format].block_bytes;
}

/* F01: block b of row r is looked for at b * rows + r. */
bool zoo_has_rows_of_blocks(const backend_view *v) {
    return format_table[v->format].block_values > 1 && blocks_of(v) > 1 && v->rows > 1;
}

void zoo_columns(backend_view *v, unsigned char *copy) {
    size_t bytes = format_table[v->format].block_bytes, n = blocks_of(v), rows = (size_t)v->rows;
    for (size_t r = 0; r < rows; r++)
        for (size_t b = 0; b < n; b++)
            memcpy(copy + (r * n + b) * bytes, (const unsigned char *)v->data + (b * rows + r) * bytes, bytes);
}

/* F02, F03 */
void zoo_minus_one(backend_view *v, unsigned char *copy) {
    (void)copy;
    v->minus_one = !v->minus_one;
}

/* F12: number (r, c) is looked for at c * rows + r. */
void zoo_transpose(backend_view *v, unsigned char *copy) {
    const format_row *f = &format_table[v->format];
    size_t n = (size_t)v->rows * (size_t)v->cols, rows = (size_t)v->rows;
    float block[256]; /* no format has a larger one */
    for (size_t i = 0; i < n; i++) {
        if (i % f->block_values == 0) f->decode((const char *)v->data + i / f->block_values * f->block_bytes, block, 1);
        size_t to = i % rows * (size_t)v->cols + i / rows;
        memcpy(copy + to * sizeof *block, &block[i % f->block_values], sizeof *block);
    }
    v->format = FORMAT_F32;
    v->row_bytes = (size_t)v->cols * sizeof *block;
}

/* ---- Inside blocks ---- */

typedef struct field {
    format_id format;
    size_t first, bytes; /* of the field in the block */
} field;

static const field nibbles[] = {{FORMAT_Q4_0, 2, 16},   {FORMAT_Q4_1, 4, 16},    {FORMAT_Q4_K, 16, 128},
                                {FORMAT_IQ4_NL, 2, 16}, {FORMAT_IQ4_XS, 8, 128}, {FORMAT_MXFP4, 1, 16}};
static const field k_scales[] = {{FORMAT_Q4_K, 4, 8}, {FORMAT_Q5_K, 4, 8}};
static const field minima[] = {
    {FORMAT_Q4_K, 3, 1}, {FORMAT_Q5_K, 3, 1}, {FORMAT_Q2_K, 83, 1}, {FORMAT_Q4_1, 3, 1}, {FORMAT_Q5_1, 3, 1}};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static const field *find(const field *list, size_t n, format_id format) {
    for (size_t i = 0; i < n; i++)
        if (list[i].format == format) return &list[i];
    return NULL;
}

static unsigned char swap_nibbles(unsigned char x) {
    return (unsigned char)(x << 4 | x >> 4);
}
static unsigned char low_six(unsigned char x) {
    return x & 63;
}
static unsigned char flip_sign(unsigned char x) {
    return x ^ 0x80;
}

static void change(const backend_view *v, unsigned char *copy, const field *f, unsigned char (*to)(unsigned char)) {
    size_t step = format_table[v->format].block_bytes, end = (size_t)v->rows * v->row_bytes;
    for (size_t at = f->first; at < end; at += step)
        for (size_t i = 0; i < f->bytes; i++) copy[at + i] = to(copy[at + i]);
}

/* F31 */
bool zoo_has_nibbles(const backend_view *v) {
    return find(nibbles, COUNT(nibbles), v->format);
}
void zoo_nibbles(backend_view *v, unsigned char *copy) {
    change(v, copy, find(nibbles, COUNT(nibbles), v->format), swap_nibbles);
}

/* F32: see block_k_scale; the two high bits of bytes 0 to 7 belong to the scales and minima 4 to 7. */
bool zoo_has_k_scales(const backend_view *v) {
    return find(k_scales, COUNT(k_scales), v->format);
}
void zoo_scale_bits(backend_view *v, unsigned char *copy) {
    change(v, copy, find(k_scales, COUNT(k_scales), v->format), low_six);
}

/* F33: the high byte of the minimum's factor. */
bool zoo_has_minimum(const backend_view *v) {
    return find(minima, COUNT(minima), v->format);
}
void zoo_minimum_sign(backend_view *v, unsigned char *copy) {
    change(v, copy, find(minima, COUNT(minima), v->format), flip_sign);
}

/* F34 */
bool zoo_is_half(const backend_view *v) {
    return v->format == FORMAT_F16 || v->format == FORMAT_BF16;
}
void zoo_other_half(backend_view *v, unsigned char *copy) {
    (void)copy;
    v->format = v->format == FORMAT_F16 ? FORMAT_BF16 : FORMAT_F16;
}

/* F38: storage blocks hold the first half of the rows; the others are looked for there again. */
void zoo_wrap_rows(backend_view *v, unsigned char *copy) {
    size_t held = ((size_t)v->rows + 1) / 2;
    for (size_t r = held; r < (size_t)v->rows; r++)
        memcpy(copy + r * v->row_bytes, copy + r % held * v->row_bytes, v->row_bytes);
}

/* ---- Twins ---- */

static unsigned of_weights(const backend_device *d, unsigned faults) {
    for (int i = 0; i < d->set.n; i++)
        if (!d->set.fault[i]->view) faults &= ~(1u << i);
    return faults;
}

static glint_status make_twin(backend_device *d, backend_weight *w, unsigned faults, zoo_twin *twin, glint_error *err) {
    backend_view v = w->view;
    for (int i = 0; i < d->set.n; i++) {
        if (!(faults >> i & 1)) continue;
        size_t numbers = (size_t)v.cols * sizeof(float);
        unsigned char *copy = arena_array(&w->memory, (size_t)v.rows, v.row_bytes > numbers ? v.row_bytes : numbers);
        if (!copy) return base_fail(err, GLINT_INTERNAL, "zoo: out of memory for a weight");
        memcpy(copy, v.data, (size_t)v.rows * v.row_bytes);
        d->set.fault[i]->view(&v, copy);
        v.data = copy;
    }
    twin->faults = faults;
    return d->backend->adopt(d->inner, &v, &twin->inner, err);
}

glint_status zoo_weight_of(backend_device *d, backend_weight *w, unsigned faults, backend_weight **out,
                           glint_error *err) {
    faults = of_weights(d, faults);
    zoo_twin *twin = w->twins;
    while (twin && twin->faults != faults) twin = twin->next;
    if (faults && !twin) {
        twin = arena_array(&w->memory, 1, sizeof *twin);
        if (!twin) return base_fail(err, GLINT_INTERNAL, "zoo: out of memory for a weight");
        glint_status status = make_twin(d, w, faults, twin, err);
        if (status) return status;
        twin->next = w->twins;
        w->twins = twin;
    }
    *out = faults ? twin->inner : w->inner;
    return GLINT_OK;
}
