/* Changes to how a weight is read: rows, columns and blocks in another order, fields of a block taken for others. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/formats/blocks.h"
#include "core/instruments/suspect.h"

enum { BLOCK_BYTES = 256, BLOCK_VALUES = 256 }; /* no format has larger blocks */

static bool read_as(suspect_trial *t, int i, suspect_reader *read, int parameter) {
    t->ops[i].changed = true;
    t->ops[i].read = read;
    t->ops[i].parameter = parameter;
    return true;
}

static const backend_view *view_of(const suspect_trial *t, int i) {
    return &t->s->c->views[t->tape.ops[i].weight[0]];
}

static size_t blocks_of_row(const backend_view *v) {
    return (size_t)v->cols / format_table[v->format].block_values;
}

static const unsigned char *block_at(const backend_view *v, size_t block) {
    return (const unsigned char *)v->data + block * format_table[v->format].block_bytes;
}

/* ---- Order ---- */

bool suspect_row_order(suspect_trial *t, int i, int variant) {
    (void)variant;
    backend_view *v = &t->views[t->tape.ops[i].weight[0]];
    if (v->head_dim < 4 || v->rows == 1) return false;
    v->rotary_adjacent = !v->rotary_adjacent;
    t->ops[i].changed = true;
    snprintf(t->words, sizeof t->words, "rows of each head taken for %s",
             v->rotary_adjacent ? "adjacent pairs" : "halves");
    return true;
}

/* Number (r, c) is looked for at c * rows + r. */
static void read_transposed(const backend_view *v, int row, int parameter, float *out) {
    (void)parameter;
    const format_row *f = &format_table[v->format];
    float values[BLOCK_VALUES];
    for (size_t c = 0; c < (size_t)v->cols; c++) {
        size_t at = c * (size_t)v->rows + (size_t)row;
        f->decode(block_at(v, at / f->block_values), values, 1);
        out[c] = values[at % f->block_values];
    }
}

bool suspect_transposed(suspect_trial *t, int i, int variant) {
    (void)variant;
    const double most_decoded = 3e8; /* numbers: each costs a block */
    const backend_view *v = view_of(t, i);
    double rows = i == t->s->last_op && t->s->column ? t->s->width : v->rows;
    if (v->rows < 2 || rows * v->cols * format_table[v->format].block_values > most_decoded) return false;
    snprintf(t->words, sizeof t->words, "weight read transposed");
    return read_as(t, i, read_transposed, 0);
}

/* Block b of row r is looked for at b * rows + r. */
static void read_columns(const backend_view *v, int row, int parameter, float *out) {
    (void)parameter;
    const format_row *f = &format_table[v->format];
    for (size_t b = 0; b < blocks_of_row(v); b++)
        f->decode(block_at(v, b * (size_t)v->rows + (size_t)row), out + b * f->block_values, 1);
}

bool suspect_columns(suspect_trial *t, int i, int variant) {
    (void)variant;
    const backend_view *v = view_of(t, i);
    if (format_table[v->format].block_values < 2 || blocks_of_row(v) < 2) return false;
    snprintf(t->words, sizeof t->words, "%s blocks walked along columns instead of rows", format_table[v->format].name);
    return read_as(t, i, read_columns, 0);
}

static void read_wrapped(const backend_view *v, int row, int period, float *out) {
    format_table[v->format].decode((const char *)v->data + (size_t)(row % period) * v->row_bytes, out,
                                   blocks_of_row(v));
}

/* Variants: the first half of the rows is repeated; then as many rows as fit a power of two of bytes. */
bool suspect_wrapped(suspect_trial *t, int i, int variant) {
    const backend_view *v = view_of(t, i);
    size_t bytes = (size_t)v->rows * v->row_bytes, limit = 1;
    while (2 * limit < bytes) limit *= 2;
    limit >>= variant ? variant - 1 : 0;
    size_t period = variant ? limit / v->row_bytes : ((size_t)v->rows + 1) / 2;
    if (period < 1 || period >= (size_t)v->rows) return false;
    snprintf(t->words, sizeof t->words, "rows of the weight repeat after %zu", period);
    return read_as(t, i, read_wrapped, (int)period);
}

/* ---- Fields of a block ---- */

/* Where a format keeps what: first byte and number of bytes. */
typedef struct fields {
    format_id format;
    uint8_t nibbles, n_nibbles;
    int8_t scale, minimum; /* float16 factors of scales and of minima; -1: none */
    int8_t packed;         /* 12 bytes of 6-bit scales and minima; -1: none */
} fields;

static const fields field_table[] = {
    {FORMAT_Q4_0, offsetof(q4_0_block, qs), 16, offsetof(q4_0_block, d), -1, -1},
    {FORMAT_Q4_1, offsetof(q4_1_block, qs), 16, offsetof(q4_1_block, d), offsetof(q4_1_block, m), -1},
    {FORMAT_Q5_0, offsetof(q5_0_block, qs), 16, offsetof(q5_0_block, d), -1, -1},
    {FORMAT_Q5_1, offsetof(q5_1_block, qs), 16, offsetof(q5_1_block, d), offsetof(q5_1_block, m), -1},
    {FORMAT_Q8_0, 0, 0, offsetof(q8_0_block, d), -1, -1},
    {FORMAT_Q2_K, 0, 0, offsetof(q2_k_block, d), offsetof(q2_k_block, dmin), -1},
    {FORMAT_Q3_K, 0, 0, offsetof(q3_k_block, d), -1, -1},
    {FORMAT_Q4_K, offsetof(q4_k_block, qs), 128, offsetof(q4_k_block, d), offsetof(q4_k_block, dmin),
     offsetof(q4_k_block, scales)},
    {FORMAT_Q5_K, offsetof(q5_k_block, qs), 128, offsetof(q5_k_block, d), offsetof(q5_k_block, dmin),
     offsetof(q5_k_block, scales)},
    {FORMAT_Q6_K, offsetof(q6_k_block, ql), 128, -1, -1, -1},
    {FORMAT_IQ4_NL, offsetof(iq4_nl_block, qs), 16, offsetof(iq4_nl_block, d), -1, -1},
    {FORMAT_IQ4_XS, offsetof(iq4_xs_block, qs), 128, offsetof(iq4_xs_block, d), -1, -1},
    {FORMAT_MXFP4, offsetof(mxfp4_block, qs), 16, -1, -1, -1},
};

static const fields *fields_of(format_id f) {
    for (size_t i = 0; i < sizeof field_table / sizeof *field_table; i++)
        if (field_table[i].format == f) return &field_table[i];
    return NULL;
}

/* Decodes a row whose blocks `change` has edited. */
typedef void edit(const fields *f, int parameter, unsigned char *block);

static void read_edited(const backend_view *v, int row, edit *change, int parameter, float *out) {
    const format_row *f = &format_table[v->format];
    const fields *places = fields_of(v->format);
    unsigned char block[BLOCK_BYTES];
    for (size_t b = 0; b < blocks_of_row(v); b++) {
        memcpy(block, block_at(v, (size_t)row * blocks_of_row(v) + b), f->block_bytes);
        change(places, parameter, block);
        f->decode(block, out + b * f->block_values, 1);
    }
}

static void swap_nibbles(const fields *f, int parameter, unsigned char *block) {
    (void)parameter;
    for (int i = f->nibbles; i < f->nibbles + f->n_nibbles; i++)
        block[i] = (unsigned char)(block[i] << 4 | block[i] >> 4);
}

static void read_nibbles(const backend_view *v, int row, int parameter, float *out) {
    read_edited(v, row, swap_nibbles, parameter, out);
}

bool suspect_nibbles(suspect_trial *t, int i, int variant) {
    (void)variant;
    const fields *f = fields_of(view_of(t, i)->format);
    if (!f || !f->n_nibbles) return false;
    snprintf(t->words, sizeof t->words, "low and high nibbles of %s swapped", format_table[view_of(t, i)->format].name);
    return read_as(t, i, read_nibbles, 0);
}

/* 6-bit scales and minima as block_k_scale reads them, put back in their places. */
static void pack_scales(const int scale[8], const int minimum[8], uint8_t out[12]) {
    for (int j = 0; j < 4; j++) {
        out[j] = (uint8_t)(scale[j] | scale[j + 4] >> 4 << 6);
        out[j + 4] = (uint8_t)(minimum[j] | minimum[j + 4] >> 4 << 6);
        out[j + 8] = (uint8_t)((scale[j + 4] & 15) | (minimum[j + 4] & 15) << 4);
    }
}

/* Parameter 0: the high bits of parts 4 to 7 are lost. 1: these parts are read as parts 0 to 3 are, four bytes on.
 * 2: their scales and minima are swapped. */
static void misread_scales(const fields *f, int parameter, unsigned char *block) {
    uint8_t *packed = block + f->packed;
    int scale[8], minimum[8];
    for (int j = 0; j < 8; j++) block_k_scale(packed, j, &scale[j], &minimum[j]);
    for (int j = 4; j < 8; j++) {
        int s = scale[j], m = minimum[j];
        if (parameter == 0) scale[j] = s & 15, minimum[j] = m & 15;
        if (parameter == 1) scale[j] = packed[j] & 63, minimum[j] = packed[j + 4] & 63;
        if (parameter == 2) scale[j] = m, minimum[j] = s;
    }
    pack_scales(scale, minimum, packed);
}

static void read_scales(const backend_view *v, int row, int parameter, float *out) {
    read_edited(v, row, misread_scales, parameter, out);
}

bool suspect_sub_blocks(suspect_trial *t, int i, int variant) {
    static const char *const words[] = {"high bits lost", "read as those of 0 to 3", "scales and minima swapped"};
    const fields *f = fields_of(view_of(t, i)->format);
    if (!f || f->packed < 0) return false;
    snprintf(t->words, sizeof t->words, "%s scales of sub-blocks 4 to 7: %s", format_table[view_of(t, i)->format].name,
             words[variant]);
    return read_as(t, i, read_scales, variant);
}

/* Parameter 0: minima with the other sign; 1: without. */
static void change_minimum(const fields *f, int parameter, unsigned char *block) {
    if (parameter)
        block[f->minimum] = block[f->minimum + 1] = 0;
    else
        block[f->minimum + 1] ^= 0x80;
}

static void read_minimum(const backend_view *v, int row, int parameter, float *out) {
    read_edited(v, row, change_minimum, parameter, out);
}

bool suspect_minimum(suspect_trial *t, int i, int variant) {
    const fields *f = fields_of(view_of(t, i)->format);
    if (!f || f->minimum < 0) return false;
    snprintf(t->words, sizeof t->words, "minimum of each block %s", variant ? "left out" : "with the other sign");
    return read_as(t, i, read_minimum, variant);
}

/* ---- Types ---- */

static void read_other_half(const backend_view *v, int row, int parameter, float *out) {
    (void)parameter;
    format_id other = v->format == FORMAT_F16 ? FORMAT_BF16 : FORMAT_F16;
    format_table[other].decode((const char *)v->data + (size_t)row * v->row_bytes, out, (size_t)v->cols);
}

static float as_bf16(const unsigned char *half) {
    float out;
    bf16_decode(half, &out, 1);
    return out;
}

static void put_half(unsigned char *at, float x) {
    uint16_t h = format_f32_to_f16(x);
    at[0] = (unsigned char)(h & 0xFF);
    at[1] = (unsigned char)(h >> 8);
}

/* Values are linear in both factors: those of factors 1 and 0 give those of any. */
static void read_bf16_factors(const backend_view *v, int row, int parameter, float *out) {
    (void)parameter;
    const format_row *f = &format_table[v->format];
    const fields *places = fields_of(v->format);
    unsigned char block[BLOCK_BYTES];
    float part[BLOCK_VALUES];
    for (size_t b = 0; b < blocks_of_row(v); b++) {
        const unsigned char *own = block_at(v, (size_t)row * blocks_of_row(v) + b);
        memcpy(block, own, f->block_bytes);
        put_half(block + places->scale, 1);
        if (places->minimum >= 0) put_half(block + places->minimum, 0);
        f->decode(block, part, 1);
        for (int i = 0; i < f->block_values; i++) out[i] = as_bf16(own + places->scale) * part[i];
        if (places->minimum >= 0) {
            put_half(block + places->scale, 0);
            put_half(block + places->minimum, 1);
            f->decode(block, part, 1);
            for (int i = 0; i < f->block_values; i++) out[i] += as_bf16(own + places->minimum) * part[i];
        }
        out += f->block_values;
    }
}

bool suspect_type(suspect_trial *t, int i, int variant) {
    (void)variant;
    format_id format = view_of(t, i)->format;
    if (format == FORMAT_F16 || format == FORMAT_BF16) {
        snprintf(t->words, sizeof t->words, "%s read as %s", format_table[format].name,
                 format == FORMAT_F16 ? "BF16" : "F16");
        return read_as(t, i, read_other_half, 0);
    }
    const fields *f = fields_of(format);
    if (!f || f->scale < 0) return false;
    snprintf(t->words, sizeof t->words, "float16 scales of %s read as BF16", format_table[format].name);
    return read_as(t, i, read_bf16_factors, 0);
}
