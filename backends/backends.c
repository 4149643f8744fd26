/* The table of backends: a row each. */
#include "backends/backend.h"

#include <string.h>

extern const backend gles_backend, cpu_backend, ref_backend, null_backend, zoo_backend, failing_backend;

const backend *const backend_table[] = {
#if GLINT_TESTS
    &failing_backend,
#endif
#if GLINT_GLES
    &gles_backend,
#endif
#if GLINT_ZOO
    &zoo_backend,
#endif
    &cpu_backend,     &ref_backend, &null_backend, NULL};

const backend *backend_of_device(const char *name) {
    const backend *family = NULL;
    for (const backend *const *b = backend_table; *b; b++) {
        size_t n = strlen((*b)->name);
        if (!strcmp((*b)->name, name)) return *b;
        if (!strncmp((*b)->name, name, n) && name[n] == ':') family = *b; /* "gles" of "gles:0" */
    }
    return family;
}
