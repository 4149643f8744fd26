/* Threads: the one place that knows OpenMP. Without it a team is the calling thread alone. */
#ifndef BACKENDS_CPU_TEAM_H
#define BACKENDS_CPU_TEAM_H

/* A thread of a team: its number runs from 0 to threads - 1. */
typedef struct team_member {
    int thread, threads;
    struct team *team;
} team_member;

typedef void team_work(void *state, const team_member *me);

/* Processors that this process may use: by its affinity, and by how much time a container was given. */
int team_processors(void);
/* Runs `work` once on each of at most `threads` threads, and returns when all have returned. */
void team_run(int threads, team_work *work, void *state);
/* Where the team has as many threads as there are processors, each goes to one of its own, and is then free again. A
 * new thread may start on the processor of the one that made it, and two that spin there share it for a tenth of a
 * second. */
void team_spread(int threads);
/* Inside team_run: waits until every thread of the team is here. */
void team_barrier(const team_member *me);

/* The stretch [*begin, *end) of n things that falls to a thread, in whole units but for the last. */
static inline void team_share(int n, int unit, const team_member *me, int *begin, int *end) {
    long units = (n + unit - 1) / unit;
    long first = units * me->thread / me->threads * unit, behind = units * (me->thread + 1) / me->threads * unit;
    *begin = first < n ? (int)first : n;
    *end = behind < n ? (int)behind : n;
}

#endif
