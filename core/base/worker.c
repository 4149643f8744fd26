#include "core/base/worker.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/clock.h"

enum turn { OWNERS, WORKERS };

struct worker {
    pthread_t thread;
    pthread_mutex_t lock; /* around sleeping and waking */
    pthread_cond_t changed;
    atomic_int turn;
    atomic_int sleepers;
    worker_job *job; /* these belong to whoever has the turn; NULL ends the thread */
    void *what;
    glint_error *err;
    glint_status status;
};

static bool look_for(const worker *w, int turn) {
    enum { LOOKS = 64 };
    static const double patience = 1e-3;
    double until = base_seconds() + patience;
    do {
        for (int i = 0; i < LOOKS; i++)
            if (atomic_load(&w->turn) == turn) return true;
        sched_yield(); /* the other one may need this very core */
    } while (base_seconds() < until);
    return false;
}

static void wait_for(worker *w, int turn) {
    if (look_for(w, turn)) return;
    pthread_mutex_lock(&w->lock);
    atomic_fetch_add(&w->sleepers, 1);
    while (atomic_load(&w->turn) != turn) pthread_cond_wait(&w->changed, &w->lock);
    atomic_fetch_sub(&w->sleepers, 1);
    pthread_mutex_unlock(&w->lock);
}

/* Who goes to sleep says so before looking for the last time, and who gives the turn looks for sleepers after that. */
static void give_turn(worker *w, int turn) {
    atomic_store(&w->turn, turn);
    if (!atomic_load(&w->sleepers)) return;
    pthread_mutex_lock(&w->lock);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void *work(void *mine) {
    worker *w = mine;
    for (wait_for(w, WORKERS); w->job; wait_for(w, WORKERS)) {
        w->status = w->job(w->what, w->err);
        give_turn(w, OWNERS);
    }
    return NULL;
}

glint_status worker_open(worker **out, glint_error *err) {
    worker *w = calloc(1, sizeof *w);
    if (!w) return base_fail(err, GLINT_INTERNAL, "out of memory for a thread");
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    atomic_init(&w->turn, OWNERS);
    atomic_init(&w->sleepers, 0);
    if (pthread_create(&w->thread, NULL, work, w)) {
        free(w);
        return base_fail(err, GLINT_INTERNAL, "no more threads can be made");
    }
    *out = w;
    return GLINT_OK;
}

glint_status worker_run(worker *w, worker_job *job, void *what, glint_error *err) {
    w->job = job;
    w->what = what;
    w->err = err;
    give_turn(w, WORKERS);
    wait_for(w, OWNERS);
    return w->status;
}

void worker_close(worker *w) {
    if (!w) return;
    w->job = NULL;
    give_turn(w, WORKERS);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
