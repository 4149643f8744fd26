#include "backends/gles/upload.h"

#include <pthread.h>
#include <stdlib.h>

#include "backends/gles/device.h"

enum { MOST_THREADS = GLES_SEGMENTS / 4 };

struct gles_crew {
    pthread_t thread[MOST_THREADS];
    int n_threads;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t offered, filled;
    bool ends;
    const gles_upload *upload;
    unsigned char *memory[GLES_SEGMENTS]; /* of piece i: i % GLES_SEGMENTS */
    bool is_filled[GLES_SEGMENTS];
    int n_offered, n_taken; /* pieces from n_taken to n_offered are anyone's */
};

/* Fills the next piece, the lock being held before and after. */
static void fill_one(gles_crew *c) {
    const gles_upload *u = c->upload;
    int piece = c->n_taken++, i = piece % GLES_SEGMENTS;
    pthread_mutex_unlock(&c->lock);
    u->fill(u, piece, c->memory[i]);
    pthread_mutex_lock(&c->lock);
    c->is_filled[i] = true;
    pthread_cond_signal(&c->filled);
}

static void *work(void *crew) {
    gles_crew *c = crew;
    pthread_mutex_lock(&c->lock);
    while (!c->ends) {
        if (c->n_taken < c->n_offered)
            fill_one(c);
        else
            pthread_cond_wait(&c->offered, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

glint_status gles_crew_open(int threads, gles_crew **out, glint_error *err) {
    gles_crew *c = calloc(1, sizeof *c);
    if (!c) return base_fail(err, GLINT_INTERNAL, "out of memory for uploading");
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->offered, NULL);
    pthread_cond_init(&c->filled, NULL);
    /* Fewer are enough: whoever waits for a piece fills others meanwhile. */
    while (c->n_threads < threads && c->n_threads < MOST_THREADS &&
           pthread_create(&c->thread[c->n_threads], NULL, work, c) == 0)
        c->n_threads++;
    *out = c;
    return GLINT_OK;
}

void gles_crew_close(gles_crew **crew) {
    gles_crew *c = *crew;
    if (!c) return;
    pthread_mutex_lock(&c->lock);
    c->ends = true;
    pthread_cond_broadcast(&c->offered);
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < c->n_threads; i++) pthread_join(c->thread[i], NULL);
    pthread_cond_destroy(&c->filled);
    pthread_cond_destroy(&c->offered);
    pthread_mutex_destroy(&c->lock);
    free(c);
    *crew = NULL;
}

/* Only the owner makes offers: it may take the next segment of the ring without the lock. */
static void offer(gles_crew *c, int piece, unsigned char *memory) {
    pthread_mutex_lock(&c->lock);
    c->memory[piece % GLES_SEGMENTS] = memory;
    c->is_filled[piece % GLES_SEGMENTS] = false;
    c->n_offered = piece + 1;
    pthread_cond_signal(&c->offered);
    pthread_mutex_unlock(&c->lock);
}

static void await(gles_crew *c, int piece) {
    pthread_mutex_lock(&c->lock);
    while (!c->is_filled[piece % GLES_SEGMENTS]) {
        if (c->n_taken < c->n_offered)
            fill_one(c);
        else
            pthread_cond_wait(&c->filled, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
}

static void begin(gles_crew *c, const gles_upload *u) {
    pthread_mutex_lock(&c->lock);
    c->upload = u;
    c->n_offered = c->n_taken = 0;
    pthread_mutex_unlock(&c->lock);
}

/* Half of the ring is being filled, the other half copied: each thread finds a next piece when it has done one. */
glint_status gles_upload_run(backend_device *d, const gles_upload *u, glint_error *err) {
    gles_crew *c = d->crew;
    int ahead = 2 * (c->n_threads + 1), offered = 0, copied = 0, segment[GLES_SEGMENTS];
    glint_status s = GLINT_OK;
    if (ahead > GLES_SEGMENTS / 2) ahead = GLES_SEGMENTS / 2;
    begin(c, u);
    while (copied < u->pieces && !s) {
        for (; offered < u->pieces && offered < copied + ahead && !s; offered++) {
            int *at = &segment[offered % GLES_SEGMENTS];
            s = gles_stage_begin(d, at, err);
            if (s) break;
            offer(c, offered, gles_stage_memory(d, *at));
        }
        if (s) break;
        await(c, copied);
        u->copy(u, d, copied, segment[copied % GLES_SEGMENTS]);
        s = gles_stage_end(d, segment[copied % GLES_SEGMENTS], err);
        copied++;
    }
    while (copied < offered) await(c, copied++); /* after an error: nobody may still write */
    return s;
}
