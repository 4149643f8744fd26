/* Threads: the one place that knows OpenMP. Without it a team is the calling thread alone. */
#ifndef BACKENDS_CPU_TEAM_H
#define BACKENDS_CPU_TEAM_H

/* Work of one thread of a team; thread runs from 0 to threads - 1. */
typedef void team_work(void *state, int thread, int threads);

/* Cores that this process may use. */
int team_processors(void);
/* Runs `work` once on each of at most `threads` threads, and returns when all have returned. */
void team_run(int threads, team_work *work, void *state);
/* Inside team_run: waits until every thread of the team is here. */
void team_barrier(void);

/* The stretch [*begin, *end) of n things that falls to a thread, in whole units but for the last. */
static inline void team_share(int n, int unit, int thread, int threads, int *begin, int *end) {
    long units = (n + unit - 1) / unit;
    long first = units * thread / threads * unit, behind = units * (thread + 1) / threads * unit;
    *begin = first < n ? (int)first : n;
    *end = behind < n ? (int)behind : n;
}

#endif
