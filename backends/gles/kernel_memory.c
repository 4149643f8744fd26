#include "backends/gles/kernel_memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A file of one number; false where there is none. */
static bool read_number(const char *sys, const char *node, const char *name, uint64_t *out) {
    char path[512];
    int n = snprintf(path, sizeof path, "%s/class/drm/%s/device/%s", sys, node, name);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "r") : NULL;
    if (!f) return false;
    bool good = fscanf(f, "%" SCNu64, out) == 1;
    fclose(f);
    return good;
}

void gles_kernel_memory(const char *sys, const char *node, glint_device_info *info) {
    const char *slash = strrchr(node, '/');
    uint64_t total, used;
    if (slash) node = slash + 1;
    if (!read_number(sys, node, "mem_info_vram_total", &total) || !read_number(sys, node, "mem_info_vram_used", &used))
        return;
    if (!total || used >= total) return;
    info->memory_bytes = total;
    info->free_bytes = total - used;
}
