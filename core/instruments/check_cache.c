/* Keys and values of a check: pages of the reference on the device under test, and what a step wrote there. */
#include <math.h>
#include <string.h>

#include "core/instruments/check.h"

/* ---- Where the rows of a step lie ---- */

typedef struct place {
    int page;
    size_t key, value; /* first numbers in the page */
} place;

static place place_of(const check *c, int cache, int r) {
    const tape_cache_info *info = &c->tape->caches[cache];
    const backend_pages *pages = &c->batch.pages[info->group];
    size_t width = (size_t)info->kv_heads * (size_t)info->head_dim, position = (size_t)c->batch.position[r];
    size_t slot = position / TAPE_PAGE % (size_t)pages->slots;
    size_t key = rig_page_first(&c->tested->setup, cache) + position % TAPE_PAGE * width;
    return (place){pages->table[(size_t)c->batch.sequence[r] * (size_t)pages->slots + slot], key,
                   key + TAPE_PAGE * width};
}

static size_t cache_width(const check *c, int cache) {
    return (size_t)c->tape->caches[cache].kv_heads * (size_t)c->tape->caches[cache].head_dim;
}

/* Does a page of the group hold a row of this step? */
static bool is_written(const check *c, int cache, int page) {
    for (int r = 0; r < c->batch.n_rows; r++)
        if (place_of(c, cache, r).page == page) return true;
    return false;
}

/* Poison in the rows that this step writes to `page`, of one cache. */
static void poison_rows(const check *c, int cache, int page, float *numbers) {
    for (int r = 0; r < c->batch.n_rows; r++) {
        place at = place_of(c, cache, r);
        if (at.page != page) continue;
        measure_poison(numbers + at.key, cache_width(c, cache));
        measure_poison(numbers + at.value, cache_width(c, cache));
    }
}

static glint_status page_room(check *c, int group, float **out, glint_error *err) {
    *out = arena_array(&c->work, rig_page_numbers(&c->tested->setup, group), sizeof **out);
    return *out ? GLINT_OK : check_no_memory(err);
}

/* ---- Before a step ---- */

glint_status check_spoil(const check *c, check_side *s, glint_error *err) {
    glint_status status = GLINT_OK;
    arena room = {0};
    for (int g = 0; g < c->tape->n_groups && !status; g++) {
        size_t n = rig_page_numbers(&s->setup, g);
        float *numbers = arena_array(&room, n, sizeof *numbers);
        if (!numbers) status = check_no_memory(err);
        for (size_t i = 0; i < n && !status; i++) numbers[i] = i % 2 ? 30000 : -30000;
        for (int page = 0; page < rig_pages(&s->setup, g) && !status; page++)
            status = s->rig.backend->cache_write(s->rig.cache, g, page, numbers, err);
    }
    arena_free(&room);
    return status;
}

glint_status check_give_pages(check *c, glint_error *err) {
    const rig *from = &c->oracle.rig, *to = &c->tested->rig;
    glint_status status = GLINT_OK;
    for (int g = 0; g < c->tape->n_groups && !status; g++) {
        float *numbers;
        status = page_room(c, g, &numbers, err);
        for (int page = 0; page < rig_pages(&c->tested->setup, g) && !status; page++) {
            status = from->backend->cache_read(from->cache, g, page, numbers, err);
            if (!status) status = to->backend->cache_write(to->cache, g, page, numbers, err);
        }
    }
    return status;
}

/* ---- After a cache write ---- */

/* Poison that went through half precision is another NaN. */
static void restore_poison(const check *c, float *x, size_t n) {
    float poison, through;
    memcpy(&poison, &measure_poison_bits, sizeof poison);
    through = format_f16_to_f32(format_f32_to_f16(poison));
    if (c->tested->setup.cache_f32) return;
    for (size_t i = 0; i < n; i++)
        if (!memcmp(&x[i], &through, sizeof through)) x[i] = poison;
}

static glint_status read_rows(check *c, const rig *g, int cache, float *out, glint_error *err) {
    int group = c->tape->caches[cache].group;
    size_t width = cache_width(c, cache);
    float *numbers;
    glint_status status = page_room(c, group, &numbers, err);
    for (int r = 0, there = -1; r < c->batch.n_rows && !status; r++) {
        place at = place_of(c, cache, r);
        if (at.page != there) status = g->backend->cache_read(g->cache, group, there = at.page, numbers, err);
        memcpy(out + 2 * (size_t)r * width, numbers + at.key, width * sizeof *out);
        memcpy(out + (2 * (size_t)r + 1) * width, numbers + at.value, width * sizeof *out);
    }
    return status;
}

glint_status check_read_cache(check *c, const tape_op *op, const float **out, glint_error *err) {
    size_t n = 2 * (size_t)c->batch.n_rows * cache_width(c, op->p.cache);
    float *rows = arena_array(&c->work, n, sizeof *rows);
    glint_status status = rows ? read_rows(c, &c->tested->rig, op->p.cache, rows, err) : check_no_memory(err);
    if (!status) restore_poison(c, rows, n);
    *out = rows;
    return status;
}

glint_status check_poison_cache(check *c, const tape_op *op, glint_error *err) {
    const rig *g = &c->tested->rig;
    int group = c->tape->caches[op->p.cache].group;
    float *numbers;
    glint_status status = page_room(c, group, &numbers, err);
    for (int page = 0; page < rig_pages(&c->tested->setup, group) && !status; page++) {
        if (!is_written(c, op->p.cache, page)) continue;
        status = g->backend->cache_read(g->cache, group, page, numbers, err);
        if (!status) poison_rows(c, op->p.cache, page, numbers);
        if (!status) status = g->backend->cache_write(g->cache, group, page, numbers, err);
    }
    return status;
}

/* ---- Comparing ---- */

/* One number for each of a row's keys and values, from two numbers of rows. */
static double *beside(check *c, const double *keys, const double *values, size_t width) {
    size_t rows = (size_t)c->batch.n_rows;
    double *out = arena_array(&c->work, 2 * rows * width, sizeof *out);
    for (size_t r = 0; r < rows && out; r++) {
        memcpy(out + 2 * r * width, keys + r * width, width * sizeof *out);
        memcpy(out + (2 * r + 1) * width, values + r * width, width * sizeof *out);
    }
    return out;
}

/* Positions that the step did not write, but which are not as the reference has them; puts the reference's numbers of
 * this cache in the device's place. */
static glint_status compare_pages(check *c, int cache, int *strays, glint_error *err) {
    const rig *from = &c->oracle.rig, *to = &c->tested->rig;
    int group = c->tape->caches[cache].group;
    size_t width = cache_width(c, cache), first = rig_page_first(&c->tested->setup, cache);
    float *want = NULL, *have = NULL;
    glint_status status = page_room(c, group, &want, err);
    if (!status) status = page_room(c, group, &have, err);
    for (int page = 0; page < rig_pages(&c->tested->setup, group) && !status; page++) {
        status = from->backend->cache_read(from->cache, group, page, want, err);
        if (!status) status = to->backend->cache_read(to->cache, group, page, have, err);
        if (status || !memcmp(want + first, have + first, 2 * TAPE_PAGE * width * sizeof *want)) continue;
        bool written[TAPE_PAGE] = {false};
        for (int r = 0; r < c->batch.n_rows; r++)
            if (place_of(c, cache, r).page == page) written[c->batch.position[r] % TAPE_PAGE] = true;
        for (int i = 0; i < 2 * TAPE_PAGE; i++)
            *strays += !written[i % TAPE_PAGE] && memcmp(want + first + (size_t)i * width,
                                                         have + first + (size_t)i * width, width * sizeof *want) != 0;
        memcpy(have + first, want + first, 2 * TAPE_PAGE * width * sizeof *have);
        status = to->backend->cache_write(to->cache, group, page, have, err);
    }
    return status;
}

/* How far the keys (0) or values (1) of the cache may be from the oracle's. */
static glint_status cache_bound(check *c, const tape_op *op, int which, double **bound, glint_error *err) {
    size_t n = (size_t)c->batch.n_rows * cache_width(c, op->p.cache);
    float *x;
    *bound = arena_array(&c->work, n, sizeof **bound);
    if (!*bound) return check_no_memory(err);
    glint_status status = check_expect(c, op->in[which], &x, err);
    if (!status) bound_cached(x, c->off[op->in[which]], c->tested->setup.cache_f32, n, *bound);
    return status;
}

/* How far they are, for an attention of the same group. */
static glint_status note_off(check *c, int cache, const float *got, const float *want, glint_error *err) {
    size_t width = cache_width(c, cache);
    for (size_t which = 0; which < 2; which++) {
        double *off = arena_array(&c->work, (size_t)c->batch.n_rows * width, sizeof *off);
        if (!off) return check_no_memory(err);
        for (size_t i = 0; i < (size_t)c->batch.n_rows * width; i++) {
            size_t at = (2 * (i / width) + which) * width + i % width;
            off[i] = fabs((double)got[at] - want[at]);
            if (isnan(off[i])) off[i] = INFINITY;
        }
        c->off_cache[cache][which] = off;
    }
    return GLINT_OK;
}

glint_status check_cache(check *c, const backend_group *g, const tape_op *op, const float *got, bool differs,
                         glint_error *err) {
    size_t width = cache_width(c, op->p.cache);
    float *want = arena_array(&c->work, 2 * (size_t)c->batch.n_rows * width, sizeof *want);
    double *keys = NULL, *values = NULL, *bound = NULL;
    glint_status status = want ? read_rows(c, &c->oracle.rig, op->p.cache, want, err) : check_no_memory(err);
    if (!status) status = cache_bound(c, op, 0, &keys, err);
    if (!status) status = cache_bound(c, op, 1, &values, err);
    if (!status && !(bound = beside(c, keys, values, width))) status = check_no_memory(err);
    if (!status) status = note_off(c, op->p.cache, got, want, err);
    int strays = 0;
    if (!status) status = compare_pages(c, op->p.cache, &strays, err);
    if (status) return status;
    const char *name = op->layer < 0 ? "cache" : arena_printf(&c->work, "layers.%d.attn.cache", op->layer);
    if (!name) return check_no_memory(err);
    glint_comparison out;
    measure m;
    check_describe(c, g, op, name, c->batch.position[0], &out);
    out.differs_from_itself = differs;
    measure_begin(&m, &out, 2 * (int)width);
    measure_rows(&m, got, want, bound, c->batch.n_rows);
    measure_end(&m);
    if (strays) out.share = INFINITY;
    c->carried = c->off[op->in[0]] || c->off[op->in[1]];
    if (!check_wanted(c, op->layer)) return GLINT_OK;
    if (check_fails(&out)) status = check_diagnose_cache(c, g->first_op, op, strays, got, want, &out, err);
    if (!status) check_report(c, &out);
    return status;
}
