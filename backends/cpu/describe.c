/* What `enumerate` says of this machine. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends/cpu/cpu.h"
#include "backends/cpu/quota.h"

/* The processor's name from /proc/cpuinfo; elsewhere, or where it has none, "processor". */
static void read_model_name(char *out, size_t room) {
    char line[256];
    snprintf(out, room, "processor");
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        for (value++; isspace((unsigned char)*value); value++) continue;
        value[strcspn(value, "\n")] = 0;
        snprintf(out, room, "%s", value);
        break;
    }
    if (f) fclose(f);
}

/* What programs may still ask for, the page cache included, which mapped models fill; from /proc/meminfo. */
static uint64_t available_bytes(void) {
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && !kib && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu", &kib) != 1) kib = 0;
    if (f) fclose(f);
    return (uint64_t)kib << 10;
}

void cpu_describe(glint_device_info *out) {
#ifdef GLINT_BLAS
    const char *blas = "OpenBLAS";
#else
    const char *blas = "no BLAS";
#endif
    char model[128];
    read_model_name(model, sizeof model);
    *out = (glint_device_info){.name = "cpu", .software = true};
    int threads = team_processors();
    snprintf(out->description, sizeof out->description, "%s, %s, %d thread%s, %s", model,
             cpu_level_names[cpu_best_level()], threads, threads == 1 ? "" : "s", blas);
    long page = sysconf(_SC_PAGESIZE), all = sysconf(_SC_PHYS_PAGES);
    if (page > 0 && all > 0) out->memory_bytes = (uint64_t)page * (uint64_t)all;
    /* What the group uses already is not subtracted: most of it is page cache. */
    uint64_t allowed = quota_memory(QUOTA_LIST, QUOTA_MOUNT), available = available_bytes();
    if (out->memory_bytes > allowed) out->memory_bytes = allowed;
    out->free_bytes = available < allowed ? available : allowed;
}
