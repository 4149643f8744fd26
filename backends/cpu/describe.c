/* What `enumerate` says of this machine. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends/cpu/cpu.h"

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
    long page = sysconf(_SC_PAGESIZE), all = sysconf(_SC_PHYS_PAGES), available = sysconf(_SC_AVPHYS_PAGES);
    if (page <= 0) return;
    if (all > 0) out->memory_bytes = (uint64_t)page * (uint64_t)all;
    if (available > 0) out->free_bytes = (uint64_t)page * (uint64_t)available;
}
