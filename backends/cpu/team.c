/* Threads through OpenMP, where the build has it. */
#include "backends/cpu/team.h"

#ifdef _OPENMP
#include <omp.h>

int team_processors(void) {
    return omp_get_num_procs();
}

void team_run(int threads, team_work *work, void *state) {
#pragma omp parallel num_threads(threads)
    work(state, omp_get_thread_num(), omp_get_num_threads());
}

void team_barrier(void) {
#pragma omp barrier
}
#else
int team_processors(void) {
    return 1;
}

void team_run(int threads, team_work *work, void *state) {
    (void)threads;
    work(state, 0, 1);
}

void team_barrier(void) {}
#endif
