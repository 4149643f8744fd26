/* Numbers that are none: NaN and Inf, places that nobody wrote, tails. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/instruments/classify.h"
#include "core/instruments/measure.h"

static size_t numbers(const diagnose_tensors *t) {
    return (size_t)t->rows * (size_t)t->width;
}

/* What check poisons values with, and what backends in host memory fill them with when a program is opened; no
 * arithmetic makes either. */
static bool is_poison(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits == measure_poison_bits || bits == UINT32_MAX;
}

/* ---- Where holes lie ---- */

/* A hole for each element where `hole` says so; the shape that they make. */
typedef struct holes {
    size_t n, first;
    bool rows, columns, flat; /* all elements from a row, a column, an element on, and no others */
    int row, column;
} holes;

typedef bool is_hole(float tested, float reference);

static holes find_holes(const diagnose_tensors *t, is_hole *hole) {
    holes h = {0};
    size_t width = (size_t)t->width, last = 0;
    int least_column = t->width;
    for (size_t i = 0; i < numbers(t); i++) {
        if (!hole(t->tested[i], t->reference[i])) continue;
        if (!h.n++) h.first = i;
        if ((int)(i % width) < least_column) least_column = (int)(i % width);
        last = i;
    }
    if (!h.n) return h;
    h.row = (int)(h.first / width);
    h.column = least_column;
    h.flat = last == numbers(t) - 1 && h.n == numbers(t) - h.first;
    h.rows = h.flat && h.first % width == 0;
    h.columns = h.n == (size_t)t->rows * (size_t)(t->width - least_column);
    return h;
}

static const char *place_of(const diagnose_tensors *t, const holes *h, char *out, size_t room) {
    if (h->n == numbers(t))
        snprintf(out, room, "all of it");
    else if (h->rows)
        snprintf(out, room, "all rows from %d on", h->row);
    else if (h->columns)
        snprintf(out, room, "every row from element %d on", h->column);
    else if (h->flat)
        snprintf(out, room, "all from (%d,%d) on", h->row, (int)(h->first % (size_t)t->width));
    else
        snprintf(out, room, "%zu of %zu, the first at (%d,%d)", h->n, numbers(t), h->row,
                 (int)(h->first % (size_t)t->width));
    return out;
}

static bool is_tail(const diagnose_tensors *t, const holes *h) {
    return h->n < numbers(t) && (h->rows || h->columns || h->flat);
}

/* ---- NaN, Inf, poison ---- */

static bool poisoned(float tested, float reference) {
    (void)reference;
    return is_poison(tested);
}

static bool not_finite(float tested, float reference) {
    return !isfinite(tested) && isfinite(reference);
}

static const char *name_of(float x) {
    return isnan(x) ? "NaN" : x < 0 ? "-Inf" : "Inf";
}

static bool not_zero(float tested, float reference) {
    (void)reference;
    return tested != 0;
}

bool classify_holes(const diagnose_tensors *t, classify_guess *out) {
    char place[80];
    holes h = find_holes(t, not_zero);
    if (!h.n) {
        out->kind = "unwritten";
        snprintf(out->words, sizeof out->words, "zeros: all of it");
        return true;
    }
    h = find_holes(t, poisoned);
    if (h.n) {
        out->kind = is_tail(t, &h) ? "unwritten tail" : "unwritten";
        snprintf(out->words, sizeof out->words, "never written: %s", place_of(t, &h, place, sizeof place));
        return true;
    }
    h = find_holes(t, not_finite);
    if (!h.n) return false;
    const float half_limit = 65504;
    float there = t->reference[h.first];
    out->kind = "NaN/Inf";
    snprintf(out->words, sizeof out->words, "%s at %s%s", name_of(t->tested[h.first]),
             place_of(t, &h, place, sizeof place),
             fabsf(there) > half_limit ? ", where the reference exceeds 65504, the largest half" : "");
    return true;
}

/* ---- Explanations ---- */

static bool zero_instead(float tested, float reference) {
    return tested == 0 && reference != 0;
}

/* Zeros in a tail, everything before them right. */
bool classify_zeros(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    char place[80];
    holes h = find_holes(t, zero_instead);
    if (!h.n || !is_tail(t, &h)) return false;
    for (size_t i = 0; i < numbers(t); i++) out[i] = zero_instead(t->tested[i], t->reference[i]) ? 0 : t->reference[i];
    snprintf(words, CLASSIFY_WORDS, "zeros: %s", place_of(t, &h, place, sizeof place));
    return true;
}

/* Sum of squared errors of a column. */
static double column_error(const diagnose_tensors *t, size_t column) {
    double sum = 0;
    for (size_t r = 0; r < (size_t)t->rows; r++) {
        size_t at = r * (size_t)t->width + column;
        sum += ((double)t->tested[at] - t->reference[at]) * ((double)t->tested[at] - t->reference[at]);
    }
    return sum;
}

/* The last columns hold something else: at most an eighth of each row, with errors far larger than elsewhere. */
bool classify_tail(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    const double far = 1e4;
    size_t width = (size_t)t->width, healthy = width - width / 8, wrong = width;
    double usual = 0;
    for (size_t i = 0; i < healthy; i++) usual += column_error(t, i) / (double)healthy;
    while (wrong > healthy && column_error(t, wrong - 1) > far * usual) wrong--;
    if (wrong == width || wrong == healthy) return false;
    for (size_t i = 0; i < numbers(t); i++) out[i] = i % width >= wrong ? t->tested[i] : t->reference[i];
    snprintf(words, CLASSIFY_WORDS, "right but for the last %zu of each row", width - wrong);
    return true;
}

/* ---- Half precision ---- */

/* Numbers whose low `bits` bits are 0. */
static size_t short_numbers(const float *x, size_t n, int bits) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], sizeof u);
        count += (u & ((1u << bits) - 1)) == 0;
    }
    return count;
}

bool classify_halves(const diagnose_tensors *t, char *words) {
    static const struct {
        int bits;
        const char *name;
    } types[] = {{16, "bfloat16"}, {13, "half"}};
    size_t n = numbers(t);
    for (int i = 0; i < 2; i++)
        if (n >= 8 && short_numbers(t->tested, n, types[i].bits) == n &&
            short_numbers(t->reference, n, types[i].bits) < n / 2) {
            snprintf(words, CLASSIFY_WORDS, "every number fits a %s float, the reference's do not", types[i].name);
            return true;
        }
    return false;
}
