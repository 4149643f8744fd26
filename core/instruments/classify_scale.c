/* Explanations by factors and offsets. A fit with as many free numbers as it explains would prove nothing, so fits by
 * row and by column want several times more numbers than they have parameters. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/instruments/classify.h"

enum { MANY = 4 };

static size_t numbers(const diagnose_tensors *t) {
    return (size_t)t->rows * (size_t)t->width;
}

/* The factor c with the least sum (a - c b)^2 over n numbers, `step` apart. */
static double best_factor(const float *a, const float *b, int n, size_t step) {
    double dot = 0, power = 0;
    for (int i = 0; i < n; i++) {
        dot += (double)a[(size_t)i * step] * b[(size_t)i * step];
        power += (double)b[(size_t)i * step] * b[(size_t)i * step];
    }
    return power > 0 ? dot / power : 1;
}

bool classify_factor(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    char name[64];
    double dot = 0, power = 0;
    for (size_t i = 0; i < numbers(t); i++) {
        dot += (double)t->tested[i] * t->reference[i];
        power += (double)t->reference[i] * t->reference[i];
    }
    double c = power > 0 ? dot / power : 0;
    if (c == 0 || fabs(c - 1) < 1e-6) return false;
    classify_name_factor(t, c, name, sizeof name);
    for (size_t i = 0; i < numbers(t); i++) out[i] = (float)(c * t->reference[i]);
    snprintf(words, CLASSIFY_WORDS, "all times %s", name);
    return true;
}

bool classify_offset(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    double sum = 0;
    for (size_t i = 0; i < numbers(t); i++) sum += (double)t->tested[i] - t->reference[i];
    double d = sum / (double)numbers(t);
    if (numbers(t) < MANY || d == 0) return false;
    for (size_t i = 0; i < numbers(t); i++) out[i] = (float)(t->reference[i] + d);
    snprintf(words, CLASSIFY_WORDS, "all plus %.6g", d);
    return true;
}

/* Variant 0: each row without its mean. 1: and scaled, as a LayerNorm does. */
bool classify_mean_removed(const diagnose_tensors *t, int variant, float *out, char *words) {
    if (t->width < 2 * MANY) return false;
    for (int r = 0; r < t->rows; r++) {
        const float *from = t->reference + (size_t)r * (size_t)t->width;
        float *to = out + (size_t)r * (size_t)t->width;
        double mean = 0;
        for (int i = 0; i < t->width; i++) mean += from[i] / (double)t->width;
        for (int i = 0; i < t->width; i++) to[i] = (float)(from[i] - mean);
        double c = variant ? best_factor(t->tested + (size_t)r * (size_t)t->width, to, t->width, 1) : 1;
        for (int i = 0; i < t->width; i++) to[i] = (float)(c * to[i]);
    }
    snprintf(words, CLASSIFY_WORDS, "the mean of each row removed%s", variant ? ", and a factor for each row" : "");
    return true;
}

bool classify_row_factor(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    double least = INFINITY, most = -INFINITY;
    if (t->rows < 2 || t->width < 2 * MANY) return false;
    for (int r = 0; r < t->rows; r++) {
        size_t at = (size_t)r * (size_t)t->width;
        double c = best_factor(t->tested + at, t->reference + at, t->width, 1);
        for (int i = 0; i < t->width; i++) out[at + (size_t)i] = (float)(c * t->reference[at + (size_t)i]);
        least = fmin(least, c);
        most = fmax(most, c);
    }
    snprintf(words, CLASSIFY_WORDS, "a factor for each row, %.6g to %.6g", least, most);
    return true;
}

bool classify_column_factor(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    double least = INFINITY, most = -INFINITY;
    size_t width = (size_t)t->width;
    if (t->rows < MANY) return false;
    for (size_t i = 0; i < width; i++) {
        double c = best_factor(t->tested + i, t->reference + i, t->rows, width);
        for (size_t r = 0; r < (size_t)t->rows; r++) out[r * width + i] = (float)(c * t->reference[r * width + i]);
        least = fmin(least, c);
        most = fmax(most, c);
    }
    snprintf(words, CLASSIFY_WORDS, "a factor for each column, %.6g to %.6g, as of another norm weight", least, most);
    return true;
}

bool classify_column_offset(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    size_t width = (size_t)t->width;
    if (t->rows < MANY) return false;
    for (size_t i = 0; i < width; i++) {
        double d = 0;
        for (size_t r = 0; r < (size_t)t->rows; r++)
            d += ((double)t->tested[r * width + i] - t->reference[r * width + i]) / t->rows;
        for (size_t r = 0; r < (size_t)t->rows; r++) out[r * width + i] = (float)(t->reference[r * width + i] + d);
    }
    snprintf(words, CLASSIFY_WORDS, "an offset for each column, as of a missing bias");
    return true;
}

/* The cap c with r = c tanh(t / c), by halving: for |r| < |t| it grows with |r|. */
static double cap_of(double t, double r) {
    double low = fabs(r), high = 1e9 * fabs(t);
    for (int i = 0; i < 200; i++) {
        double c = sqrt(low * high);
        if (c * tanh(fabs(t) / c) < fabs(r))
            low = c;
        else
            high = c;
    }
    return sqrt(low * high);
}

/* The reference is c tanh(tested / c). The element that is bent most gives c. */
bool classify_saturation(const diagnose_tensors *t, int variant, float *out, char *words) {
    (void)variant;
    size_t at = 0, n = numbers(t);
    for (size_t i = 0; i < n; i++)
        if (fabs((double)t->tested[i]) > fabs((double)t->tested[at])) at = i;
    double x = t->tested[at], y = t->reference[at];
    if (!(fabs(y) < 0.999 * fabs(x)) || x * y <= 0) return false;
    double c = cap_of(x, y);
    for (size_t i = 0; i < n; i++) {
        double bent = t->reference[i] / c;
        if (fabs(bent) > 1 + 1e-6) return false;
        /* Backwards from what the reference holds; where it is at the cap itself, nothing can be said. */
        out[i] = fabs(bent) > 0.99999 ? t->tested[i] : (float)(c * atanh(bent));
    }
    snprintf(words, CLASSIFY_WORDS, "not capped: the reference is c tanh(x / c) with c = %.6g", c);
    return true;
}
