/* The table of backends: a row each. */
#include "backends/backend.h"

#include <string.h>

extern const backend gles_backend, cpu_backend, ref_backend, null_backend;

const backend *const backend_table[] = {
#if GLINT_GLES
    &gles_backend,
#endif
    &cpu_backend, &ref_backend, &null_backend, NULL};

enum { MAX_DEVICES = 16 };

const backend *backend_of_device(const char *name) {
    glint_device_info info[MAX_DEVICES];
    for (const backend *const *b = backend_table; *b; b++) {
        int n = 0;
        if ((*b)->enumerate(info, MAX_DEVICES, &n, NULL)) continue;
        for (int i = 0; i < n && i < MAX_DEVICES; i++)
            if (!strcmp(info[i].name, name)) return *b;
    }
    return NULL;
}
