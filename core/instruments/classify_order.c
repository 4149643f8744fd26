/* Explanations by another order of the same numbers. Orders are found by matching pieces (rows, heads, blocks of
 * columns, places inside a block): each tested piece takes the reference's piece that is nearest. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/instruments/classify.h"

enum { MOST_PIECES = 4096, NEAR_SHIFTS = 64 };
static const double most_work = 3e8; /* multiplications that a search may cost */

static size_t numbers(const diagnose_tensors *t) {
    return (size_t)t->rows * (size_t)t->width;
}

/* ---- Fixed orders ---- */

/* Variant 0: the whole tensor. 1, 2: numbers of a head and heads, one way and the other. */
bool classify_transpose(const diagnose_tensors *t, int variant, float *out, char *words) {
    if (!variant) {
        if (t->rows < 2 || t->width < 2) return false;
        for (int r = 0; r < t->rows; r++)
            for (int i = 0; i < t->width; i++) {
                size_t at = (size_t)r * (size_t)t->width + (size_t)i;
                out[at] = t->reference[at % (size_t)t->rows * (size_t)t->width + at / (size_t)t->rows];
            }
        snprintf(words, CLASSIFY_WORDS, "rows and columns transposed");
        return true;
    }
    int heads = t->head_dim > 1 ? t->width / t->head_dim : 0;
    if (heads < 2) return false;
    for (int r = 0; r < t->rows; r++)
        for (int h = 0; h < heads; h++)
            for (int d = 0; d < t->head_dim; d++) {
                size_t by_head = (size_t)r * (size_t)t->width + (size_t)(h * t->head_dim + d);
                size_t by_number = (size_t)r * (size_t)t->width + (size_t)(d * heads + h);
                if (variant == 1)
                    out[by_number] = t->reference[by_head];
                else
                    out[by_head] = t->reference[by_number];
            }
    snprintf(words, CLASSIFY_WORDS, "heads and the numbers of a head transposed");
    return true;
}

/* Variants: within heads or whole rows; adjacent instead of halves, or the reverse. */
bool classify_half_adjacent(const diagnose_tensors *t, int variant, float *out, char *words) {
    int block = variant < 2 ? t->head_dim : t->width, half = block / 2;
    if (block < 4 || block % 2 || t->width % block || (variant >= 2 && t->width == t->head_dim)) return false;
    for (size_t i = 0; i < numbers(t); i++) {
        size_t in_block = i % (size_t)t->width % (size_t)block, first = i - in_block;
        size_t pair = in_block < (size_t)half ? 2 * in_block : 2 * (in_block - (size_t)half) + 1;
        if (variant % 2)
            out[first + pair] = t->reference[i];
        else
            out[i] = t->reference[first + pair];
    }
    snprintf(words, CLASSIFY_WORDS, "%s of each %s where %s are due", variant % 2 ? "adjacent pairs" : "halves",
             variant < 2 ? "head" : "row", variant % 2 ? "halves" : "adjacent pairs");
    return true;
}

/* ---- Shifts ---- */

/* Variants 0, 1, 2, 3 ...: one row later, one earlier, two later, ... Rows that would come from outside are free. */
bool classify_positions(const diagnose_tensors *t, int variant, float *out, char *words) {
    int shift = variant % 2 ? -(variant / 2 + 1) : variant / 2 + 1;
    if (abs(shift) > t->rows / 2 || t->rows < 3) return false;
    size_t bytes = (size_t)t->width * sizeof *out;
    for (int r = 0; r < t->rows; r++) {
        int from = r - shift;
        const float *row = from >= 0 && from < t->rows ? t->reference + (size_t)from * (size_t)t->width
                                                       : t->tested + (size_t)r * (size_t)t->width;
        memcpy(out + (size_t)r * (size_t)t->width, row, bytes);
    }
    snprintf(words, CLASSIFY_WORDS, "row r holds what belongs to row r %c %d", shift < 0 ? '+' : '-', abs(shift));
    return true;
}

/* Error of a shift over at most `n` elements from the middle on. */
static double shift_error(const diagnose_tensors *t, long shift, size_t first, size_t n) {
    double error = 0;
    for (size_t i = first; i < first + n; i++) {
        double d = (double)t->tested[i] - t->reference[(size_t)((long)i - shift)];
        error += d * d;
    }
    return error;
}

/* All elements moved by up to 64 places, as a buffer that is bound too early or too late. */
bool classify_elements(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    long n = (long)numbers(t), most = n / 8 < NEAR_SHIFTS ? n / 8 : NEAR_SHIFTS, best = 0;
    double least = INFINITY;
    size_t sample = (size_t)(n - 2 * most < 4096 ? n - 2 * most : 4096);
    for (long s = -most; s <= most; s++) {
        double error = s ? shift_error(t, s, (size_t)most, sample) : INFINITY;
        if (error < least) least = error, best = s;
    }
    if (!best) return false;
    for (long i = 0; i < n; i++) out[i] = i - best >= 0 && i - best < n ? t->reference[i - best] : t->tested[i];
    snprintf(words, CLASSIFY_WORDS, "all shifted by %ld elements", best);
    return true;
}

/* ---- Matching pieces ---- */

/* Pieces of equal size: piece p has numbers at first(p) + row * row_step, `run` of them in each of `rows` rows. */
typedef struct pieces {
    int n, run, rows;
    size_t piece_step, row_step;
} pieces;

static double distance(const pieces *p, const float *a, const float *b, double limit) {
    double sum = 0;
    for (int r = 0; r < p->rows && sum < limit; r++)
        for (int i = 0; i < p->run; i++) {
            double d = (double)a[(size_t)r * p->row_step + (size_t)i] - b[(size_t)r * p->row_step + (size_t)i];
            sum += d * d;
        }
    return sum;
}

/* from[p]: the reference's piece nearest to the tested piece p, itself where none is nearer. false: too much work, or
 * nothing moved. */
static bool match(const diagnose_tensors *t, const pieces *p, int *from) {
    if (p->n < 2 || p->n > MOST_PIECES || (double)p->n * p->n * p->run * p->rows > most_work) return false;
    bool moved = false;
    for (int a = 0; a < p->n; a++) {
        const float *tested = t->tested + (size_t)a * p->piece_step;
        double least = distance(p, tested, t->reference + (size_t)a * p->piece_step, INFINITY);
        from[a] = a;
        for (int b = 0; b < p->n && least > 0; b++) {
            double d = distance(p, tested, t->reference + (size_t)b * p->piece_step, least);
            if (d < least) least = d, from[a] = b;
        }
        moved |= from[a] != a;
    }
    return moved;
}

static void move(const diagnose_tensors *t, const pieces *p, const int *from, float *out) {
    for (int a = 0; a < p->n; a++)
        for (int r = 0; r < p->rows; r++)
            memcpy(out + (size_t)a * p->piece_step + (size_t)r * p->row_step,
                   t->reference + (size_t)from[a] * p->piece_step + (size_t)r * p->row_step,
                   (size_t)p->run * sizeof *out);
}

/* The first few of an order, "1 0 3 2 ...". */
static void say_order(const int *from, int n, char *out, size_t room) {
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < n && i < 8; i++)
        used += (size_t)snprintf(out + used, room - used, "%s%d", i ? " " : "", from[i]);
    if (n > 8) snprintf(out + used, room - used, " ...");
}

static bool reorder(const diagnose_tensors *t, const pieces *p, const char *what, float *out, char *words) {
    char order[64];
    int *from = malloc(MOST_PIECES * sizeof *from);
    bool found = from && match(t, p, from);
    if (found) {
        move(t, p, from, out);
        say_order(from, p->n, order, sizeof order);
        snprintf(words, CLASSIFY_WORDS, "%s in the order %s", what, order);
    }
    free(from);
    return found;
}

static pieces columns(const diagnose_tensors *t, int block) {
    return (pieces){t->width / block, block, t->rows, (size_t)block, (size_t)t->width};
}

bool classify_heads(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    if (t->head_dim < 2 || t->width % t->head_dim) return false;
    pieces p = columns(t, t->head_dim);
    return reorder(t, &p, "heads", out, words);
}

/* Variants: blocks of 256, 128 ... 4 columns. */
bool classify_blocks(const diagnose_tensors *t, int variant, float *out, char *words) {
    int block = 256 >> variant;
    char what[32];
    if (t->width % block) return false;
    pieces p = columns(t, block);
    snprintf(what, sizeof what, "blocks of %d", block);
    return reorder(t, &p, what, out, words);
}

/* All rows in another order; rows that repeat are classify_periodic's. */
bool classify_rows(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    pieces p = {t->rows, t->width, 1, (size_t)t->width, 0};
    return reorder(t, &p, "rows", out, words);
}

/* ---- Repetition ---- */

/* The smallest period with which pieces of the tested side repeat the reference's from the first on. */
static bool period_of(const diagnose_tensors *t, const pieces *p, int *period) {
    double power = 0;
    for (size_t i = 0; i < numbers(t); i++) power += (double)t->reference[i] * t->reference[i];
    double near = 1e-3 * power / (double)numbers(t) * p->rows * p->run;
    for (int n = 1; n < p->n; n++) {
        bool same = true;
        for (int a = n; a < p->n && a < n + 4 && same; a++)
            same = distance(p, t->tested + (size_t)a * p->piece_step, t->reference + (size_t)(a - n) * p->piece_step,
                            2 * near) <= near;
        if (same && p->n - n >= 2) return *period = n, true;
    }
    return false;
}

/* Variant 0: rows repeat. 1: columns, which are rows of the weight. */
bool classify_periodic(const diagnose_tensors *t, int variant, float *out, char *words) {
    pieces p = variant ? columns(t, 1) : (pieces){t->rows, t->width, 1, (size_t)t->width, 0};
    int period;
    if (!period_of(t, &p, &period)) return false;
    for (size_t i = 0; i < numbers(t); i++) {
        size_t row = i / (size_t)t->width, column = i % (size_t)t->width;
        *(variant ? &column : &row) %= (size_t)period;
        out[i] = t->reference[row * (size_t)t->width + column];
    }
    snprintf(words, CLASSIFY_WORDS, "%s repeat after %d", variant ? "numbers of a row" : "rows", period);
    return true;
}

/* ---- Inside blocks ---- */

/* Distance of place a of the tested blocks to place b of the reference's, over all blocks. */
static double place_distance(const diagnose_tensors *t, int block, int a, int b, double limit) {
    double sum = 0;
    for (size_t i = 0; i < numbers(t) && sum < limit; i += (size_t)block) {
        double d = (double)t->tested[i + (size_t)a] - t->reference[i + (size_t)b];
        sum += d * d;
    }
    return sum;
}

/* Variants: every block of 32, 64, 256, 16 or 8 columns in the same other order. */
bool classify_inside_block(const diagnose_tensors *t, int variant, float *out, char *words) {
    static const int sizes[] = {32, 64, 256, 16, 8};
    int block = sizes[variant], from[256];
    char order[64];
    bool moved = false;
    if (t->width % block || numbers(t) < (size_t)(4 * block) || (double)numbers(t) * block > most_work) return false;
    for (int a = 0; a < block; a++) {
        double least = place_distance(t, block, a, a, INFINITY);
        from[a] = a;
        for (int b = 0; b < block && least > 0; b++) {
            double d = place_distance(t, block, a, b, least);
            if (d < least) least = d, from[a] = b;
        }
        moved |= from[a] != a;
    }
    if (!moved) return false;
    for (size_t i = 0; i < numbers(t); i++) {
        size_t in_block = i % (size_t)block;
        out[i] = t->reference[i - in_block + (size_t)from[in_block]];
    }
    say_order(from, block, order, sizeof order);
    snprintf(words, CLASSIFY_WORDS, "in each block of %d the order %s", block, order);
    return true;
}
