/* The public API's list of devices: every backend's, in the order of the table. */
#include "backends/backend.h"

glint_status glint_devices(glint_device_info *out, int capacity, int *count, glint_error *err) {
    int total = 0;
    for (const backend *const *b = backend_table; *b; b++) {
        int n = 0, room = capacity > total ? capacity - total : 0;
        glint_status s = (*b)->enumerate(room ? out + total : out, room, &n, err);
        if (s) return s;
        total += n;
    }
    *count = total;
    return GLINT_OK;
}
