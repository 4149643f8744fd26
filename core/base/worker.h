/* A thread that does what its owner hands it, one job at a time, while the owner waits: for drivers whose contexts
 * belong to one thread. Whoever waits looks for a millisecond, then sleeps, so that jobs which follow each other
 * closely cost about a microsecond. */
#ifndef CORE_BASE_WORKER_H
#define CORE_BASE_WORKER_H

#include "core/base/status.h"

typedef struct worker worker;
typedef glint_status worker_job(void *what, glint_error *err);

/* GLINT_INTERNAL: no memory, or no more threads. */
glint_status worker_open(worker **out, glint_error *err);
/* Runs job(what, err) on the thread and returns what it returned; what it wrote can be read then. One owner at a time.
 */
glint_status worker_run(worker *w, worker_job *job, void *what, glint_error *err);
/* NULL is fine. */
void worker_close(worker *w);

#endif
