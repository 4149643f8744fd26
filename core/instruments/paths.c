/* glint_check_paths: the same tokens on other ways through the engine, as sessions run them. The logits must be those
 * of the plainest way: the prompt in one piece, nothing watched, a new session. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/model.h"

enum { KEPT = 16 /* last rows of the prompt whose logits are compared */, OTHERS = 2, MOST_PIECE = 512 };

typedef struct way {
    const char *name;
    const char *device; /* NULL: the one under test */
    int piece;          /* tokens of the prompt at once; 0: all */
    int threads;        /* 0: as asked */
    bool beside;        /* other sequences in the same batches */
    bool used;          /* the session has run something else before */
    bool forked;        /* the first half of the prompt is another sequence's */
    bool watched;       /* every value is observed */
    bool f32;           /* keys and values in float32 */
    bool bounds;        /* even in exact no bits are promised: these are other devices */
} way;

static const way plain = {.name = "the prompt at once"};

static const way ways[] = {
    {"the same once more", .piece = 0},
    {"a token at a time", .piece = 1},
    {"pieces of 7", .piece = 7},
    {"pieces of 32", .piece = 32},
    {"among other sequences", .piece = 8, .beside = true},
    {"a session used before", .used = true},
    {"a forked sequence", .forked = true},
    {"every value watched", .watched = true},
    {"one thread", .threads = 1},
    {"keys and values in float32", .f32 = true, .bounds = true},
    {"portable kernels", .device = "cpu:portable", .bounds = true},
    {"AVX2 kernels", .device = "cpu:avx2", .bounds = true},
    {"AVX-512 kernels", .device = "cpu:avx512", .bounds = true},
};

typedef struct paths {
    glint_model *model;
    const glint_check_options *o;
    const char *device;
    int prompt, kept;
    int32_t *ids;  /* of the prompt, and of the steps as the plain way chose them */
    float *logits; /* of the plain way: kept + n rows */
    glint_row *rows;
    const char *first_failure;
    arena memory;
} paths;

static glint_status no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for the paths");
}

/* ---- Going one way ---- */

/* A walk in progress: rows of logits come out in their order. */
typedef struct walk {
    paths *p;
    const way *w;
    glint_session *s;
    int piece;
    float *out;
    int n_out;
} walk;

static bool is_on_cpu(const paths *p) {
    return !strcmp(p->device, "cpu");
}

/* Ways that say nothing here. */
static bool is_left_out(const paths *p, const way *w) {
    if ((w->device || w->threads) && !is_on_cpu(p)) return true;
    if (w->f32 && p->o->precision == GLINT_EXACT) return true;
    return w->piece >= p->prompt;
}

static glint_status open_session(walk *k, glint_error *err) {
    const paths *p = k->p;
    k->piece = k->w->piece && k->w->piece < p->prompt ? k->w->piece : p->prompt;
    glint_session_options o = {.device = k->w->device ? k->w->device : p->device,
                               .precision = p->o->precision,
                               .threads = k->w->threads ? k->w->threads : p->o->threads,
                               .context = p->prompt + p->o->n + 1,
                               .batch = k->piece * (k->w->beside ? 1 + OTHERS : 1),
                               .sequences = 1 + OTHERS,
                               .outputs = p->kept,
                               .cache_f32 = k->w->f32,
                               .observe = k->w->watched ? "*" : NULL};
    return glint_session_open(p->model, &o, &k->s, err);
}

/* Tokens [at, at + n) of sequence 0, with rows of other sequences around them where the way has those. */
static glint_status feed(walk *k, int at, int n, glint_error *err) {
    paths *p = k->p;
    int rows = 0, wanted = 0, length = p->prompt + p->o->n;
    for (int q = 0; q < (k->w->beside ? 1 + OTHERS : 1); q++)
        for (int i = at; i < at + n; i++) {
            int32_t token = p->ids[q ? (i + 5 * q) % p->prompt : i % length];
            bool output = q == 0 && i >= p->prompt - p->kept;
            p->rows[rows++] = (glint_row){.token = token, .sequence = q, .output = output};
            wanted += output;
        }
    glint_status status = glint_session_step(k->s, p->rows, rows, err);
    for (int i = 0; i < wanted && !status; i++) {
        size_t width = (size_t)p->model->tape.vocabulary;
        const float *row;
        status = glint_session_logits(k->s, i, &row, err);
        if (!status) memcpy(k->out + (size_t)k->n_out++ * width, row, width * sizeof *row);
    }
    return status;
}

/* Something else first, all of it forgotten. */
static glint_status use_before(walk *k, glint_error *err) {
    paths *p = k->p;
    for (int i = 0; i < p->prompt; i++) p->rows[i] = (glint_row){.token = p->ids[p->prompt - 1 - i]};
    glint_status status = glint_session_step(k->s, p->rows, p->prompt, err);
    return status ? status : glint_session_cut(k->s, 0, 0, err);
}

/* The first `half` tokens belong to sequence 1, which goes on with others. */
static glint_status fork_half(walk *k, int half, glint_error *err) {
    paths *p = k->p;
    for (int i = 0; i < half; i++) p->rows[i] = (glint_row){.token = p->ids[i], .sequence = 1};
    glint_status status = glint_session_step(k->s, p->rows, half, err);
    if (!status) status = glint_session_fork(k->s, 1, 0, half, err);
    for (int i = 0; i < p->prompt - half; i++) p->rows[i] = (glint_row){.token = p->ids[0], .sequence = 1};
    return status ? status : glint_session_step(k->s, p->rows, p->prompt - half, err);
}

static int32_t likeliest(const float *x, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* The prompt, then n steps of one token; the plain way chooses which. */
static glint_status walk_through(walk *k, glint_error *err) {
    paths *p = k->p;
    glint_status status = GLINT_OK;
    int at = k->w->forked ? p->prompt / 2 : 0, width = p->model->tape.vocabulary;
    if (k->w->used) status = use_before(k, err);
    if (k->w->forked) status = fork_half(k, at, err);
    for (int n; at < p->prompt && !status; at += n) {
        n = p->prompt - at < k->piece ? p->prompt - at : k->piece;
        status = feed(k, at, n, err);
    }
    for (int i = 0; i < p->o->n && !status; i++) {
        if (k->w == &plain) p->ids[p->prompt + i] = likeliest(k->out + (size_t)(k->n_out - 1) * (size_t)width, width);
        status = feed(k, p->prompt + i, 1, err);
    }
    return status;
}

static glint_status go(paths *p, const way *w, float *out, glint_error *err) {
    walk k = {.p = p, .w = w, .out = out};
    glint_status status = open_session(&k, err);
    if (!status) status = walk_through(&k, err);
    glint_session_close(&k.s);
    return status;
}

/* ---- Comparing ---- */

static double nmse_of(const float *a, const float *b, size_t n) {
    double error = 0, power = 0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        power += (double)b[i] * b[i];
    }
    return error == 0 ? 0 : error / power;
}

/* Another token where the plain way's was ahead of all others by more than `margin`. */
static bool is_other_token(const float *a, const float *b, int n, double margin) {
    int best = likeliest(b, n);
    for (int i = 0; i < n; i++)
        if (i != best && b[best] - b[i] <= margin) return false;
    return likeliest(a, n) != best;
}

static void compare(const paths *p, const way *w, const float *logits, glint_path *out) {
    bool exact = p->o->precision == GLINT_EXACT;
    int width = p->model->tape.vocabulary, rows = p->kept + p->o->n;
    *out = (glint_path){.name = w->name, .bits_promised = exact && !w->bounds, .same_bits = true};
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * (size_t)width;
        double nmse = nmse_of(logits + at, p->logits + at, (size_t)width);
        out->same_bits &= !memcmp(logits + at, p->logits + at, (size_t)width * sizeof *logits);
        out->other_tokens += is_other_token(logits + at, p->logits + at, width, exact ? 0.01 : 1);
        if (nmse <= out->nmse) continue;
        out->nmse = nmse;
        out->position = p->prompt - p->kept + r;
        if (isnan(nmse)) break;
    }
    bool within = out->nmse <= (exact ? 1e-8 : 2e-2) && !out->other_tokens;
    out->pass = out->bits_promised ? out->same_bits : within;
}

/* ---- All ways ---- */

static glint_status make_room(paths *p, glint_error *err) {
    size_t rows = (size_t)(p->prompt + p->o->n), width = (size_t)p->model->tape.vocabulary;
    p->ids = arena_array(&p->memory, rows, sizeof *p->ids);
    p->rows = arena_array(&p->memory, (1 + OTHERS) * rows, sizeof *p->rows);
    p->logits = arena_array(&p->memory, (size_t)(p->kept + p->o->n), width * sizeof *p->logits);
    if (!p->ids || !p->rows || !p->logits) return no_memory(err);
    memcpy(p->ids, p->o->prompt, (size_t)p->prompt * sizeof *p->ids);
    return GLINT_OK;
}

/* A level of kernels that this processor lacks is no failure. */
static glint_status try_way(paths *p, const way *w, float *logits, void (*tell)(const glint_path *, void *), void *user,
                            glint_verdict *v, glint_error *err) {
    if (is_left_out(p, w)) return GLINT_OK;
    glint_status status = go(p, w, logits, err);
    if (status) return w->device && status == GLINT_USAGE ? GLINT_OK : status;
    glint_path found;
    compare(p, w, logits, &found);
    v->compared++;
    if (!found.pass && !v->failed++) p->first_failure = found.name;
    if (tell) tell(&found, user);
    return GLINT_OK;
}

static glint_status run(paths *p, void (*tell)(const glint_path *, void *), void *user, glint_verdict *v,
                        glint_error *err) {
    glint_status status = make_room(p, err);
    if (status) return status;
    size_t numbers = (size_t)(p->kept + p->o->n) * (size_t)p->model->tape.vocabulary;
    float *logits = arena_array(&p->memory, numbers, sizeof *logits);
    if (!logits) return no_memory(err);
    status = go(p, &plain, p->logits, err);
    for (size_t i = 0; i < sizeof ways / sizeof *ways && !status; i++)
        status = try_way(p, &ways[i], logits, tell, user, v, err);
    if (status) return status;
    snprintf(v->line, sizeof v->line, "%s, %s: %d of %d other ways lead to the same logits as the prompt at once%s%s",
             p->device, p->o->precision == GLINT_EXACT ? "exact" : "fast", v->compared - v->failed, v->compared,
             v->failed ? "; the first that does not: " : "", v->failed ? p->first_failure : "");
    if (!v->failed) return GLINT_OK;
    return base_fail(err, GLINT_MISMATCH, "%d of %d ways differ", v->failed, v->compared);
}

glint_status glint_check_paths(glint_model *model, const glint_check_options *o,
                               void (*path)(const glint_path *path, void *user), void *user, glint_verdict *verdict,
                               glint_error *err) {
    enum { MOST = 1 << 20 };
    if (o->n_prompt < 2 || o->n_prompt > MOST_PIECE || o->n < 0 || o->n > MOST)
        return base_fail(err, GLINT_USAGE, "the paths need a prompt of 2 to %d tokens", MOST_PIECE);
    int prompt = (int)o->n_prompt, half = (prompt + 1) / 2;
    paths p = {.model = model,
               .o = o,
               .device = o->device ? o->device : "cpu",
               .prompt = prompt,
               .kept = half < KEPT ? half : KEPT};
    *verdict = (glint_verdict){0};
    glint_status status = run(&p, path, user, verdict, err);
    arena_free(&p.memory);
    return status;
}
