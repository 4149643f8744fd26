/* A progress bar on standard error, drawn only where that is a terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct progress {
    const char *label;
    bool shown;
    double drawn; /* seconds, when last */
} progress;

void progress_open(progress *p, const char *label, bool quiet);
/* A glint_progress: `user` is the progress. */
void progress_update(size_t done, size_t total, void *user);
void progress_close(progress *p); /* clears the line */

#endif
