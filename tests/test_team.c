/* Threads of a full team go to processors of their own, and may then run where they could before. Where they run later
 * is the system's to say, so what is looked at is what they ask it for. */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/cpu/team.h"
#include "tests/support/support.h"

enum { MOST = 1024, REQUESTS = 4 * MOST };

/* A thread asked to run on these processors, and ran on this one when that was granted. */
typedef struct request {
    pid_t thread;
    cpu_set_t set;
    int cpu;
} request;

static request requests[REQUESTS];
static atomic_int n_requests;

/* In place of the C library's. */
int sched_setaffinity(pid_t thread, size_t bytes, const cpu_set_t *set) {
    int result = (int)syscall(SYS_sched_setaffinity, thread, bytes, set), i = atomic_fetch_add(&n_requests, 1);
    if (i < REQUESTS && bytes == sizeof *set) requests[i] = (request){gettid(), *set, sched_getcpu()};
    return result;
}

typedef struct places {
    pid_t thread[MOST];
    cpu_set_t allowed[MOST];
    int members;
} places;

static void look(void *state, const team_member *me) {
    places *p = state;
    p->members = me->threads;
    p->thread[me->thread] = gettid();
    sched_getaffinity(0, sizeof p->allowed[0], &p->allowed[me->thread]);
}

static int processors(void) {
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) ? 1 : CPU_COUNT(&allowed);
}

/* What the k-th request of a thread was, counted from 0. */
static const request *find_request(pid_t thread, int k) {
    for (int i = 0; i < n_requests && i < REQUESTS; i++)
        if (requests[i].thread == thread && k-- == 0) return &requests[i];
    return NULL;
}

static void test_spread(void) {
    static places before, after;
    cpu_set_t taken;
    int threads = processors();
    if (threads < 2 || threads > MOST) { /* a container's quota may be less, and counts for others */
        support_skip("one processor");
        return;
    }
    team_run(threads, look, &before);
    bool bound = false;
    for (int i = 0; i < before.members; i++) bound |= CPU_COUNT(&before.allowed[i]) < threads;
    if (before.members < threads || bound) {
        support_skip("threads are fewer than processors, or bound to some");
        return;
    }
    n_requests = 0;
    team_spread(threads);
    CU_ASSERT_EQUAL(n_requests, 2 * threads);
    CPU_ZERO(&taken);
    for (int i = 0; i < threads; i++) {
        const request *own = find_request(before.thread[i], 0), *free = find_request(before.thread[i], 1);
        CU_ASSERT_FATAL(own && free);
        CU_ASSERT_EQUAL(CPU_COUNT(&own->set), 1);
        CU_ASSERT(CPU_ISSET(own->cpu, &own->set));
        CU_ASSERT(!CPU_ISSET(own->cpu, &taken));
        CPU_SET(own->cpu, &taken);
        CU_ASSERT(CPU_EQUAL(&free->set, &before.allowed[i]));
    }
    team_run(threads, look, &after);
    CU_ASSERT_EQUAL(memcmp(after.allowed, before.allowed, sizeof before.allowed), 0);
}

/* A team that leaves processors to others does not choose which. */
static void test_leaves(void) {
    int threads = processors() - 1;
    if (threads < 1 || threads > MOST) {
        support_skip("one processor");
        return;
    }
    n_requests = 0;
    team_spread(threads);
    CU_ASSERT_EQUAL(n_requests, 0);
}

int main(void) {
    const support_case cases[] = {{"threads part", test_spread}, {"a smaller team stays", test_leaves}};
    return support_main("team", cases, sizeof cases / sizeof *cases);
}
