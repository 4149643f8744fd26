/* The rows of a case, where their positions lie, and what the cache holds before them. */
#include "tests/support/op_maker.h"

/* Rows go round the sequences, a run at a time; later sequences are shorter. Positions count up to the lengths after
 * the batch. */
void op_make_rows(op_maker *m) {
    op_case *c = m->c;
    int n = m->s.batch, sequences = m->s.sequences ? m->s.sequences : 1, count[8] = {0};
    int run = m->s.run ? m->s.run : 1, step = m->s.step ? m->s.step : 1;
    int32_t *token = op_take(m, (size_t)n, sizeof *token), *position = op_take(m, (size_t)n, sizeof *position);
    int32_t *sequence = op_take(m, (size_t)n, sizeof *sequence), *output = op_take(m, (size_t)n, sizeof *output);
    int vocabulary = m->s.kind == MODEL ? MODEL_VOCABULARY : m->s.rows;
    int length = m->s.length > n ? m->s.length : n;
    for (int i = 0; i < n; i++) count[i / run % sequences]++;
    for (int s = 0; s < sequences; s++)
        m->positions[s] = length - 11 * s > step * count[s] ? length - 11 * s : step * count[s];
    for (int i = 0; i < n; i++) {
        int s = i / run % sequences;
        token[i] = vocabulary ? support_below(&m->random, vocabulary) : 0;
        position[i] = m->positions[s] - 1 - step * --count[s];
        sequence[i] = s;
    }
    int outputs = m->s.outputs ? m->s.outputs : m->s.kind == MODEL ? (n + 1) / 2 : 0;
    for (int i = 0; i < outputs; i++) output[i] = n - outputs + i - (i < outputs / 2 ? (n - outputs) / 2 : 0);
    c->batch = (backend_batch){.n_rows = n,
                               .n_outputs = outputs,
                               .token = token,
                               .position = position,
                               .sequence = sequence,
                               .output = output};
    c->setup.max_rows = n;
    c->setup.max_outputs = n;
}

/* Page tables in a shuffled order; one page more than needed, which stays unused. Slots of windowed groups are a ring
 * just long enough, so that old positions are overwritten. */
void op_make_tables(op_maker *m) {
    op_case *c = m->c;
    int sequences = m->s.sequences ? m->s.sequences : 1, longest = m->positions[0];
    int seen = m->s.kind == TAPE_ATTEND && m->s.window ? m->s.window + m->s.batch : longest;
    int slots = (seen < longest ? seen : longest) / TAPE_PAGE + 2, pages = slots * sequences;
    int32_t *table = op_take(m, (size_t)pages, sizeof *table);
    for (int i = 0; i < pages; i++) table[i] = i + 1;
    for (int i = pages - 1; i > 0; i--) {
        int j = support_below(&m->random, i + 1);
        int32_t page = table[i];
        table[i] = table[j];
        table[j] = page;
    }
    c->setup.slots = slots;
    c->setup.pages = pages + 1;
    c->setup.cache_f32 = m->s.f32;
    for (int g = 0; g < c->tape.n_groups; g++) c->batch.pages[g] = (backend_pages){table, slots};
}

/* What a cache holds before the batch: random keys and values where there are positions, and numbers that would spoil
 * everything where there are none. */
void op_make_pages(op_maker *m, int group) {
    op_case *c = m->c;
    size_t numbers = rig_page_numbers(&c->setup, group);
    float *pages = op_random_floats(m, (size_t)c->setup.pages * numbers, 1);
    bool *used = op_take(m, (size_t)c->setup.pages * TAPE_PAGE, sizeof *used);
    const backend_pages *p = &c->batch.pages[group];
    for (int i = 0, next[8] = {0}; i < c->batch.n_rows; i++) {
        int s = c->batch.sequence[i];
        for (int j = next[s]; j < c->batch.position[i]; j++)
            used[p->table[s * p->slots + j / TAPE_PAGE % p->slots] * TAPE_PAGE + j % TAPE_PAGE] = true;
        next[s] = c->batch.position[i] + 1; /* the batch itself writes the position of a row */
    }
    for (int i = 0; i < c->tape.n_caches; i++) {
        if (c->tape.caches[i].group != group) continue;
        size_t width = (size_t)c->tape.caches[i].kv_heads * (size_t)c->tape.caches[i].head_dim;
        for (size_t at = 0; at < (size_t)c->setup.pages * TAPE_PAGE; at++)
            for (size_t k = 0; k < 2 * width && !used[at]; k++) {
                size_t row = at % TAPE_PAGE + (k < width ? 0 : TAPE_PAGE);
                pages[at / TAPE_PAGE * numbers + rig_page_first(&c->setup, i) + row * width + k % width] =
                    k % 2 ? 30000 : -30000;
            }
    }
    c->pages[group] = pages;
}
