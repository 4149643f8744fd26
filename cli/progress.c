#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/setup.h"

void progress_open(progress *p, const char *label, bool quiet) {
    *p = (progress){.label = label, .shown = !quiet && isatty(STDERR_FILENO)};
}

void progress_update(size_t done, size_t total, void *user) {
    progress *p = user;
    double now = cli_seconds();
    if (!p->shown || total == 0 || (now - p->drawn < 0.1 && done < total)) return;
    p->drawn = now;
    int filled = (int)(30.0 * (double)done / (double)total);
    fprintf(stderr, "\r%s [%.*s%*s] %zu/%zu ", p->label, filled, "##############################", 30 - filled, "",
            done, total);
    fflush(stderr);
}

void progress_close(progress *p) {
    if (p->shown) fputs("\r\033[K", stderr); /* the line is not part of any result */
    p->shown = false;
}
