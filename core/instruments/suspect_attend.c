/* Changes to rotations, positions and attention. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/instruments/suspect.h"

static suspect_op *mark(suspect_trial *t, int i) {
    t->ops[i].changed = true;
    return &t->ops[i];
}

/* ---- Frequencies ---- */

static const tape_rope_info *rope_of(const suspect_trial *t, int i) {
    return &t->tape.ropes[t->tape.ops[i].p.rope];
}

/* Points op i at a rotation with these frequencies. false: it turns so already, or there is no room. */
static bool turn(suspect_trial *t, int i, const double *freq) {
    const tape_rope_info was = *rope_of(t, i);
    int half = was.dims / 2, found = -1;
    bool same = true;
    for (int k = 0; k < half; k++) same &= fabs(freq[k] - was.freq[k]) <= 1e-9 * fabs(was.freq[k]);
    if (same) return false;
    for (int r = 0; r < t->tape.n_ropes; r++)
        if (t->tape.ropes[r].dims == was.dims && !memcmp(t->tape.ropes[r].freq, freq, (size_t)half * sizeof *freq))
            found = r;
    if (found < 0 && t->tape.n_ropes == TAPE_MAX_ROPES) return false;
    if (found < 0) t->tape.ropes[found = t->tape.n_ropes++] = (tape_rope_info){was.dims, freq, was.scale};
    t->tape.ops[i].p.rope = found;
    mark(t, i);
    return true;
}

/* The slowest waves are stretched alike, so that their ratio is what it would be unstretched. */
static double base_of(const tape_rope_info *r) {
    int last = r->dims / 2 - 1;
    return last < 1 ? 1 : pow(r->freq[last - 1] / r->freq[last], r->dims / 2.0);
}

static double *waves(suspect_trial *t, int i, double base, double divisor) {
    int dims = rope_of(t, i)->dims;
    double *freq = arena_array(&t->memory, (size_t)dims / 2, sizeof *freq);
    for (int k = 0; freq && k < dims / 2; k++) freq[k] = pow(base, -2.0 * k / dims) / divisor;
    return freq;
}

/* Variants: the other rotations of the tape, then usual bases. */
bool suspect_rope_base(suspect_trial *t, int i, int variant) {
    static const double bases[] = {1e4, 1e6, 5e5, 1e5};
    double was = base_of(rope_of(t, i)), to;
    const double *freq;
    if (variant < TAPE_MAX_ROPES) {
        if (variant >= t->s->own.n_ropes || t->tape.ropes[variant].dims != rope_of(t, i)->dims) return false;
        freq = t->tape.ropes[variant].freq;
        to = base_of(&t->tape.ropes[variant]);
    } else
        freq = waves(t, i, to = bases[variant - TAPE_MAX_ROPES], 1);
    if (!freq || fabs(to - was) < 1e-3 * was || !turn(t, i, freq)) return false;
    snprintf(t->words, sizeof t->words, "rotary base %.6g instead of %.6g", to, was);
    return true;
}

bool suspect_rope_plain(suspect_trial *t, int i, int variant) {
    (void)variant;
    double *freq = waves(t, i, base_of(rope_of(t, i)), 1);
    if (!freq || !turn(t, i, freq)) return false;
    snprintf(t->words, sizeof t->words, "rotary frequencies without their factors");
    return true;
}

/* Llama 3's stretched waves (arXiv 2407.21783): slow ones by `factor`, fast ones not, between them a mixture. */
static double stretched(double freq, double factor, double original) {
    const double low = 1, high = 4;
    double turns = original * freq / (2 * M_PI), smooth = (turns - low) / (high - low);
    if (turns < low) return freq / factor;
    if (turns > high) return freq;
    return (1 - smooth) * freq / factor + smooth * freq;
}

/* Variants: all waves by 2, 4, 8, 16, 32; then Llama 3's by 8 and 32 for original lengths of 32 to 32768. */
bool suspect_rope_stretched(suspect_trial *t, int i, int variant) {
    enum { LINEAR = 5, LENGTHS = 11 };
    double base = base_of(rope_of(t, i));
    double *freq = waves(t, i, base, variant < LINEAR ? 2 << variant : 1);
    if (!freq) return false;
    int step = variant < LINEAR ? 0 : variant - LINEAR;
    int factor = step < LENGTHS ? 8 : 32, original = 32 << step % LENGTHS;
    for (int k = 0; k < rope_of(t, i)->dims / 2 && variant >= LINEAR; k++)
        freq[k] = stretched(freq[k], factor, original);
    if (!turn(t, i, freq)) return false;
    if (variant < LINEAR)
        snprintf(t->words, sizeof t->words, "rotary frequencies / %d", 2 << variant);
    else
        snprintf(t->words, sizeof t->words, "rotary frequencies of llama3 scaling, factor %d, original length %d",
                 factor, original);
    return true;
}

/* ---- Pairs ---- */

/* Moves number from(i) of each head to place i, dims that are rotated only. */
static void reorder(const suspect_trial *t, const tape_op *op, float *x, int rows, int width, bool to_halves) {
    int dims = t->tape.ropes[op->p.rope].dims, half = dims / 2;
    float was[1024];
    if (dims > 1024) return;
    for (float *end = x + (size_t)rows * (size_t)width; x < end; x += op->p.head_dim) {
        memcpy(was, x, (size_t)dims * sizeof *x);
        for (int i = 0; i < dims; i++) {
            int pair = i < half ? 2 * i : 2 * (i - half) + 1;
            if (to_halves)
                x[i] = was[pair];
            else
                x[pair] = was[i];
        }
    }
}

static void to_halves(const suspect_trial *t, const tape_op *op, float *x, int rows, int width) {
    reorder(t, op, x, rows, width, true);
}

static void to_pairs(const suspect_trial *t, const tape_op *op, float *x, int rows, int width) {
    reorder(t, op, x, rows, width, false);
}

bool suspect_rope_pairs(suspect_trial *t, int i, int variant) {
    (void)variant;
    suspect_op *o = mark(t, i);
    o->before = to_halves;
    o->after = to_pairs;
    snprintf(t->words, sizeof t->words, "rotary pairs adjacent instead of halves");
    return true;
}

/* ---- Positions ---- */

static int32_t *positions(suspect_trial *t) {
    const backend_batch *b = &t->s->batch;
    return arena_copy(&t->memory, b->position, (size_t)b->n_rows * sizeof *b->position);
}

/* Where the rows of row r's sequence begin in this batch. */
static int first_position(const backend_batch *b, int r) {
    for (int i = 0; i < r; i++)
        if (b->sequence[i] == b->sequence[r]) return b->position[i];
    return b->position[r];
}

/* The next row of the same sequence; -1: none. */
static int next_row(const backend_batch *b, int r) {
    for (int i = r + 1; i < b->n_rows; i++)
        if (b->sequence[i] == b->sequence[r]) return i;
    return -1;
}

static bool shift(suspect_trial *t, int i, int by, bool from_second) {
    const backend_batch *b = &t->s->batch;
    int32_t *p = positions(t);
    bool moved = false;
    for (int r = 0; p && r < b->n_rows; r++) {
        if (p[r] + by < 0 || (from_second && first_position(b, r) == 0)) continue;
        p[r] += by;
        moved = true;
    }
    if (!moved) return false;
    mark(t, i)->position = p;
    return true;
}

bool suspect_rope_position(suspect_trial *t, int i, int variant) {
    int by = variant ? -1 : 1;
    snprintf(t->words, sizeof t->words, "rotary position %s 1", variant ? "-" : "+");
    return shift(t, i, by, false);
}

/* Variants: one slot early, one late; only after the first chunk, or always. */
bool suspect_write_position(suspect_trial *t, int i, int variant) {
    snprintf(t->words, sizeof t->words, "keys and values one slot too %s%s", variant % 2 ? "late" : "early",
             variant < 2 ? " after the first chunk" : "");
    return shift(t, i, variant % 2 ? 1 : -1, variant < 2);
}

/* Variants: from the batch's first row; then chunks of 8, 16, ... 512 rows. */
bool suspect_rope_reset(suspect_trial *t, int i, int variant) {
    const backend_batch *b = &t->s->batch;
    int32_t *p = positions(t);
    int chunk = 4 << variant;
    bool moved = false;
    for (int r = 0; p && r < b->n_rows; r++) {
        int was = p[r];
        p[r] = variant ? was % chunk : was - first_position(b, r);
        moved |= p[r] != was;
    }
    if (!moved) return false;
    mark(t, i)->position = p;
    if (variant)
        snprintf(t->words, sizeof t->words, "rotary position restarts every %d rows", chunk);
    else
        snprintf(t->words, sizeof t->words, "rotary position restarts with the chunk");
    return true;
}

/* ---- Attention ---- */

bool suspect_attend_scale(suspect_trial *t, int i, int variant) {
    tape_params *p = &t->tape.ops[i].p;
    double was = p->scale, head = p->head_dim, width = t->tape.values[t->tape.ops[i].out].width;
    double model = t->tape.values[0].width;
    const struct {
        double scale;
        const char *words;
    } scales[] = {{1 / sqrt(width), "1/sqrt(width of q)"},
                  {1 / sqrt(model), "1/sqrt(width)"},
                  {1 / sqrt(head), "1/sqrt(head_dim)"},
                  {1, "1"},
                  {1 / head, "1/head_dim"},
                  {2 * was, "twice its value"},
                  {was / 2, "half its value"},
                  {was * was, "its square"},
                  {was / sqrt(head), "its value over sqrt(head_dim)"}};
    double to = scales[variant].scale;
    if (fabs(to - was) <= 1e-6 * was) return false;
    p->scale = (float)to;
    mark(t, i);
    snprintf(t->words, sizeof t->words, "attention scale %s, %.6g instead of %.6g", scales[variant].words, to, was);
    return true;
}

static int *window_of(suspect_trial *t, int i) {
    return &t->tape.groups[t->tape.caches[t->tape.ops[i].p.cache].group].window;
}

bool suspect_window_near(suspect_trial *t, int i, int variant) {
    int *window = window_of(t, i), was = *window;
    if (!was) return false;
    *window += variant ? -1 : 1;
    if (*window < 1) return false;
    mark(t, i);
    snprintf(t->words, sizeof t->words, "window of %d instead of %d", *window, was);
    return true;
}

/* Variants: none; those of the tape's other groups; powers of two. */
bool suspect_window(suspect_trial *t, int i, int variant) {
    enum { OTHERS = 1, POWERS = OTHERS + TAPE_MAX_GROUPS };
    int *window = window_of(t, i), was = *window;
    int to = variant < OTHERS   ? 0
             : variant < POWERS ? t->s->own.groups[variant - OTHERS].window
                                : 16 << (variant - POWERS);
    if (variant >= OTHERS && variant < POWERS && (variant - OTHERS >= t->s->own.n_groups || !to)) return false;
    int last = 0;
    for (int r = 0; r < t->s->batch.n_rows; r++)
        if (t->s->batch.position[r] > last) last = t->s->batch.position[r];
    if (to == was || (to > last && !was)) return false; /* it would hide nothing */
    *window = to;
    mark(t, i);
    if (to && was)
        snprintf(t->words, sizeof t->words, "window of %d instead of %d", to, was);
    else if (to)
        snprintf(t->words, sizeof t->words, "window of %d where all is seen", to);
    else
        snprintf(t->words, sizeof t->words, "no window instead of %d", was);
    return true;
}

bool suspect_half_cache(suspect_trial *t, int i, int variant) {
    (void)variant;
    if (!t->s->setup.cache_f32) return false;
    t->half_cache = true;
    mark(t, i);
    snprintf(t->words, sizeof t->words, "keys and values in half precision");
    return true;
}

/* Variants: the next token is seen; its own is not; all tokens of the batch are. */
bool suspect_mask(suspect_trial *t, int i, int variant) {
    static const char *const words[] = {"the next token is seen", "its own token is not seen",
                                        "every token of the batch is seen"};
    const backend_batch *b = &t->s->batch;
    int32_t *p = positions(t);
    bool moved = false;
    for (int r = 0; p && r < b->n_rows; r++) {
        int was = p[r], next = next_row(b, r);
        if (variant == 0 && next >= 0) p[r] = b->position[next];
        if (variant == 1 && p[r] > 0) p[r]--;
        for (; variant == 2 && next >= 0; next = next_row(b, next)) p[r] = b->position[next];
        moved |= p[r] != was;
    }
    if (!moved) return false;
    mark(t, i)->position = p;
    snprintf(t->words, sizeof t->words, "%s", words[variant]);
    return true;
}

/* The newest row of each sequence sees the rest of its page, whatever lies there. */
bool suspect_stale(suspect_trial *t, int i, int variant) {
    (void)variant;
    const backend_batch *b = &t->s->batch;
    int32_t *p = positions(t);
    bool moved = false;
    for (int r = 0; p && r < b->n_rows; r++) {
        int was = p[r];
        if (next_row(b, r) < 0) p[r] |= TAPE_PAGE - 1;
        moved |= p[r] != was;
    }
    if (!moved) return false;
    mark(t, i)->position = p;
    snprintf(t->words, sizeof t->words, "what an earlier sequence left in the page is seen");
    return true;
}

/* ---- Heads ---- */

/* Head h is put where heads of kv head h % n are, and taken back from there. */
static void place_heads(const tape_op *op, float *x, int rows, int width, bool back) {
    int heads = op->p.heads, n = op->p.kv_heads, size = op->p.head_dim;
    float was[16384];
    if (width > 16384) return;
    for (int r = 0; r < rows; r++, x += width) {
        memcpy(was, x, (size_t)width * sizeof *x);
        for (int h = 0; h < heads; h++) {
            int place = h % n * (heads / n) + h / n;
            memcpy(x + (back ? h : place) * size, was + (back ? place : h) * size, (size_t)size * sizeof *x);
        }
    }
}

static void heads_there(const suspect_trial *t, const tape_op *op, float *x, int rows, int width) {
    (void)t;
    place_heads(op, x, rows, width, false);
}

static void heads_back(const suspect_trial *t, const tape_op *op, float *x, int rows, int width) {
    (void)t;
    place_heads(op, x, rows, width, true);
}

bool suspect_heads(suspect_trial *t, int i, int variant) {
    (void)variant;
    const tape_params *p = &t->tape.ops[i].p;
    if (p->kv_heads < 2 || p->kv_heads == p->heads) return false;
    suspect_op *o = mark(t, i);
    o->before = heads_there;
    o->after = heads_back;
    snprintf(t->words, sizeof t->words, "head h reads key/value head h %% %d", p->kv_heads);
    return true;
}
