/* Threads that share a processor are parted, and afterwards may run where they could before. */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "backends/cpu/team.h"
#include "tests/support/support.h"

enum { MOST = 1024, TRIES = 20, ROUNDS = 20, PAUSE = 100000 /* microseconds */ };

typedef struct places {
    cpu_set_t allowed[MOST];
    int cpu[MOST];
    int members;
} places;

static void look(void *state, const team_member *me) {
    places *p = state;
    p->members = me->threads;
    p->cpu[me->thread] = sched_getcpu();
    sched_getaffinity(0, sizeof p->allowed[0], &p->allowed[me->thread]);
}

/* All on the first processor, and free to leave it. */
static void crowd(void *state, const team_member *me) {
    cpu_set_t allowed, first;
    (void)state;
    (void)me;
    sched_getaffinity(0, sizeof allowed, &allowed);
    CPU_ZERO(&first);
    for (int cpu = 0; !CPU_COUNT(&first); cpu++)
        if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &first);
    sched_setaffinity(0, sizeof first, &first);
    sched_setaffinity(0, sizeof allowed, &allowed);
}

static int distinct(const places *p) {
    int n = 0;
    for (int i = 0; i < p->members; i++) {
        int earlier = 0;
        while (earlier < i && p->cpu[earlier] != p->cpu[i]) earlier++;
        n += earlier == i;
    }
    return n;
}

/* How many of TRIES crowds part, spread or left alone. */
static int count_apart(int threads, bool spread, const places *before) {
    static places after;
    int apart = 0;
    for (int i = 0; i < TRIES; i++) {
        team_run(threads, crowd, NULL);
        if (spread) team_spread(threads);
        team_run(threads, look, &after);
        CU_ASSERT_EQUAL(after.members, before->members);
        CU_ASSERT_EQUAL(memcmp(after.allowed, before->allowed, sizeof before->allowed), 0);
        apart += distinct(&after) == after.members;
    }
    return apart;
}

/* Other processes move threads too, for a while: there is a round in which most crowds are parted that else stay. */
static void test_spread(void) {
    static places before;
    cpu_set_t allowed;
    int threads = sched_getaffinity(0, sizeof allowed, &allowed) ? 1 : CPU_COUNT(&allowed), more = 0;
    if (threads < 2 || threads > MOST) { /* a container's quota may be less, and counts for others */
        support_skip("one processor");
        return;
    }
    team_run(threads, look, &before);
    for (int round = 0; round < ROUNDS && more <= TRIES / 2; round++) {
        if (round) usleep(PAUSE);
        more = count_apart(threads, true, &before) - count_apart(threads, false, &before);
    }
    CU_ASSERT(more > TRIES / 2);
}

int main(void) {
    const support_case cases[] = {{"threads part", test_spread}};
    return support_main("team", cases, sizeof cases / sizeof *cases);
}
