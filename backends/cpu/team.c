/* Threads through OpenMP, where the build has it. The barrier is our own: hundreds are passed in a step, and one that
 * spins for long takes the core from the very thread it waits for when the machine has other work. */
#include "backends/cpu/team.h"

#include <sched.h>
#include <stdatomic.h>

#ifdef _OPENMP
#include <omp.h>

#include "backends/cpu/quota.h"
#endif

struct team {
    atomic_int waiting;
    atomic_uint round; /* barriers passed */
};

int team_processors(void) {
#ifdef _OPENMP
    int all = omp_get_num_procs();
    uint64_t allowed = quota_processors(QUOTA_LIST, QUOTA_MOUNT);
    return allowed < (uint64_t)all ? (int)allowed : all;
#else
    return 1;
#endif
}

void team_run(int threads, team_work *work, void *state) {
    struct team team = {0};
#ifdef _OPENMP
#pragma omp parallel num_threads(threads)
    work(state, &(team_member){omp_get_thread_num(), omp_get_num_threads(), &team});
#else
    (void)threads;
    work(state, &(team_member){0, 1, &team});
#endif
}

/* ---- Processors ---- */

#if defined(__linux__) && defined(_OPENMP)
/* The n-th processor of a set. */
static int processor_of(const cpu_set_t *set, int n) {
    int cpu = 0;
    while (!CPU_ISSET(cpu, set) || n-- > 0) cpu++;
    return cpu;
}

static void go_to_own(void *state, const team_member *me) {
    cpu_set_t allowed, own;
    (void)state;
    if (sched_getaffinity(0, sizeof allowed, &allowed) || CPU_COUNT(&allowed) != me->threads) return;
    CPU_ZERO(&own);
    CPU_SET(processor_of(&allowed, me->thread), &own);
    if (!sched_setaffinity(0, sizeof own, &own)) sched_setaffinity(0, sizeof allowed, &allowed);
}
#else
static void go_to_own(void *state, const team_member *me) {
    (void)state;
    (void)me;
}
#endif

void team_spread(int threads) {
    team_run(threads, go_to_own, NULL);
}

/* ---- Waiting ---- */

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* The last to come opens the round for all. */
void team_barrier(const team_member *me) {
    enum { SPINS = 4000 };
    struct team *t = me->team;
    unsigned round = atomic_load_explicit(&t->round, memory_order_acquire);
    if (atomic_fetch_add_explicit(&t->waiting, 1, memory_order_acq_rel) == me->threads - 1) {
        atomic_store_explicit(&t->waiting, 0, memory_order_relaxed);
        atomic_store_explicit(&t->round, round + 1, memory_order_release);
        return;
    }
    for (int i = 0; atomic_load_explicit(&t->round, memory_order_acquire) == round; i++)
        if (i < SPINS)
            pause_briefly();
        else
            sched_yield();
}
