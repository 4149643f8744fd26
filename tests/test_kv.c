/* The cache bookkeeping against a model of it: every sequence also keeps its history in a plain array, pages hold what
 * a device would have written, and whatever the next position must see has to be there after any mixture of steps,
 * cuts and forks. */
#include "tests/support/support.h"

#include <string.h>

#include "core/kv.h"

enum { SEQUENCES = 3, CONTEXT = 700, BATCH = 96, WINDOW = 100, MAX_PAGES = SEQUENCES * 12 };

typedef struct world {
    kv k;
    arena memory;
    int content[2][MAX_PAGES][TAPE_PAGE];
    int history[SEQUENCES][CONTEXT];
    int next; /* a fresh number for each position ever written */
} world;

static glint_status copy_page(void *user, int group, int from, int to, glint_error *err) {
    world *w = user;
    (void)err;
    memcpy(w->content[group][to], w->content[group][from], sizeof w->content[group][to]);
    return GLINT_OK;
}

static void open_world(world *w) {
    tape t;
    glint_error err;
    memset(w, 0, sizeof *w);
    tape_open(&t);
    t.n_groups = 2;
    t.groups[1].window = WINDOW;
    SUPPORT_OK(kv_open(&w->k, &t, SEQUENCES, CONTEXT, BATCH, &w->memory, &err), &err);
    CU_ASSERT_FATAL(w->k.groups[0].pages <= MAX_PAGES && w->k.groups[1].pages <= MAX_PAGES);
    CU_ASSERT(w->k.groups[1].slots < w->k.groups[0].slots);
}

static int *cell(world *w, int group, int sequence, int position) {
    kv_group *g = &w->k.groups[group];
    int page = g->table[sequence * g->slots + position / TAPE_PAGE % g->slots];
    CU_ASSERT_FATAL(page >= 0 && page < g->pages);
    return &w->content[group][page][position % TAPE_PAGE];
}

static void append(world *w, int sequence, int n) {
    glint_error err;
    SUPPORT_OK(kv_reserve(&w->k, sequence, n, copy_page, w, &err), &err);
    for (int p = w->k.length[sequence]; p < w->k.length[sequence] + n; p++) {
        w->history[sequence][p] = ++w->next;
        for (int g = 0; g < 2; g++) *cell(w, g, sequence, p) = w->next;
    }
    /* What each new row sees. */
    for (int p = w->k.length[sequence]; p < w->k.length[sequence] + n; p++)
        for (int g = 0; g < 2; g++)
            for (int j = g && p >= WINDOW ? p - WINDOW + 1 : 0; j <= p; j++)
                CU_ASSERT_EQUAL_FATAL(*cell(w, g, sequence, j), w->history[sequence][j]);
    kv_advance(&w->k, sequence, n);
}

static void test_grows_to_the_context(void) {
    static world w;
    open_world(&w);
    for (int s = 0; s < SEQUENCES; s++)
        while (w.k.length[s] < CONTEXT)
            append(&w, s, w.k.length[s] + BATCH <= CONTEXT ? BATCH : CONTEXT - w.k.length[s]);
    arena_free(&w.memory);
}

static void test_random_steps(void) {
    static world w;
    glint_error err;
    int refused = 0;
    open_world(&w);
    support_random r = support_seed(7);
    for (int i = 0; i < 3000; i++) {
        int s = support_below(&r, SEQUENCES), other = support_below(&r, SEQUENCES), what = support_below(&r, 10);
        if (what < 7) {
            int n = support_below(&r, 2) ? BATCH : 1 + support_below(&r, BATCH);
            if (w.k.length[s] + n <= CONTEXT)
                append(&w, s, n);
            else
                SUPPORT_OK(kv_cut(&w.k, s, 0, &err), &err);
        } else {
            int to = what == 7 ? s : other, length = support_below(&r, w.k.length[s] + 1);
            glint_status status = to == s ? kv_cut(&w.k, s, length, &err) : kv_fork(&w.k, s, to, length, &err);
            CU_ASSERT(status == GLINT_OK || status == GLINT_USAGE);
            refused += status == GLINT_USAGE;
            if (!status) memcpy(w.history[to], w.history[s], sizeof w.history[s]);
        }
    }
    CU_ASSERT(refused > 0);
    for (int s = 0; s < SEQUENCES; s++) SUPPORT_OK(kv_cut(&w.k, s, 0, &err), &err);
    for (int g = 0; g < 2; g++) CU_ASSERT_EQUAL(w.k.groups[g].n_free, w.k.groups[g].pages);
    arena_free(&w.memory);
}

static void test_refuses_a_dropped_window(void) {
    static world w;
    glint_error err;
    open_world(&w);
    while (w.k.length[0] + BATCH <= CONTEXT) append(&w, 0, BATCH);
    CU_ASSERT_EQUAL(kv_cut(&w.k, 0, 200, &err), GLINT_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "window of 100"));
    CU_ASSERT_EQUAL(kv_cut(&w.k, 0, CONTEXT, &err), GLINT_USAGE);
    SUPPORT_OK(kv_cut(&w.k, 0, w.k.length[0] - 10, &err), &err);
    arena_free(&w.memory);
}

int main(void) {
    const support_case cases[] = {{"grows to the context", test_grows_to_the_context},
                                  {"random steps, cuts and forks", test_random_steps},
                                  {"refuses a dropped window", test_refuses_a_dropped_window}};
    return support_main("kv", cases, sizeof cases / sizeof *cases);
}
