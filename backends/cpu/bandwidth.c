/* How fast this machine reads memory: what decoding is compared with. */
#include "glint.h"

#include <stdlib.h>
#include <string.h>

#include "backends/cpu/team.h"
#include "core/base/clock.h"

enum { WORDS = 1 << 25 /* 256 MiB: larger than the caches */, MAX_THREADS = 1024, STREAMS = 16 };

typedef struct sweep {
    uint64_t *words;
    uint64_t sum[MAX_THREADS]; /* so that the reads are needed */
} sweep;

static void fill(void *state, const team_member *me) {
    sweep *s = state;
    int begin, end;
    team_share(WORDS, STREAMS, me, &begin, &end);
    memset(s->words + begin, 1, (size_t)(end - begin) * sizeof *s->words);
}

static void read_once(void *state, const team_member *me) {
    sweep *s = state;
    int begin, end;
    team_share(WORDS, STREAMS, me, &begin, &end);
    uint64_t sum[STREAMS] = {0}; /* independent sums, so that no add waits for another */
    for (int i = begin; i < end; i += STREAMS)
        for (int j = 0; j < STREAMS; j++) sum[j] += s->words[i + j];
    for (int j = 0; j < STREAMS; j++) s->sum[me->thread] += sum[j];
}

double glint_measure_bandwidth(int threads) {
    const double seconds = 0.2;
    if (threads <= 0) threads = team_processors();
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    sweep *s = calloc(1, sizeof *s);
    if (s) s->words = malloc(WORDS * sizeof *s->words);
    double best = 0, begin = base_seconds(), last = begin;
    if (s && s->words) {
        team_run(threads, fill, s); /* each thread touches its part first, so that it lies near */
        for (begin = last = base_seconds(); last - begin < seconds;) {
            double start = base_seconds();
            team_run(threads, read_once, s);
            last = base_seconds();
            double rate = WORDS * sizeof *s->words / (last - start);
            if (rate > best) best = rate;
        }
    }
    if (s) free(s->words);
    free(s);
    return best;
}
