#include "backends/cpu/quota.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_ROOM = 4096 };

/* What one group allows, whose files are in folder/path; UINT64_MAX: no limit. */
typedef uint64_t group_limit(const char *folder, const char *path);

typedef struct resource {
    const char *controller; /* its name in version 1, and its folder there */
    group_limit *version_1, *version_2;
} resource;

static FILE *open_file(const char *folder, const char *path, const char *name) {
    char whole[2 * PATH_ROOM];
    int n = snprintf(whole, sizeof whole, "%s/%s/%s", folder, path, name);
    return n < (int)sizeof whole ? fopen(whole, "r") : NULL;
}

/* The numbers that a file begins with, at most two; how many. */
static int read_numbers(const char *folder, const char *path, const char *name, long long n[2]) {
    FILE *f = open_file(folder, path, name);
    int read = f ? fscanf(f, "%lld %lld", &n[0], &n[1]) : 0;
    if (f) fclose(f);
    return read;
}

/* ---- Resources ---- */

static uint64_t processors(long long quota, long long period) {
    if (quota <= 0 || period <= 0) return UINT64_MAX;
    return (uint64_t)((quota - 1) / period) + 1;
}

/* "200000 100000": microseconds of processors' time in each period; "max 100000" where there is no limit. */
static uint64_t processors_2(const char *folder, const char *path) {
    long long n[2];
    return read_numbers(folder, path, "cpu.max", n) == 2 ? processors(n[0], n[1]) : UINT64_MAX;
}

/* The quota is -1 where there is no limit. */
static uint64_t processors_1(const char *folder, const char *path) {
    long long quota[2], period[2];
    bool known = read_numbers(folder, path, "cpu.cfs_quota_us", quota) > 0 &&
                 read_numbers(folder, path, "cpu.cfs_period_us", period) > 0;
    return known ? processors(quota[0], period[0]) : UINT64_MAX;
}

static uint64_t memory(const char *folder, const char *path, const char *name) {
    long long n[2];
    return read_numbers(folder, path, name, n) > 0 && n[0] >= 0 ? (uint64_t)n[0] : UINT64_MAX;
}

static uint64_t memory_2(const char *folder, const char *path) { /* bytes, or "max" */
    return memory(folder, path, "memory.max");
}

static uint64_t memory_1(const char *folder, const char *path) {
    return memory(folder, path, "memory.limit_in_bytes");
}

/* ---- Groups ---- */

/* The least of a group and all those around it. Inside a container the path may be the host's and its folder missing;
 * the container's own group is then the outermost that it sees. */
static uint64_t least(const char *folder, char *path, group_limit *limit) {
    uint64_t all = UINT64_MAX;
    for (bool inside = true; inside;) {
        uint64_t one = limit(folder, path);
        if (one < all) all = one;
        char *last = strrchr(path, '/');
        inside = last != NULL;
        if (inside) *last = 0;
    }
    return all;
}

/* Is `name` one of "cpu,cpuacct"? */
static bool is_among(char *controllers, const char *name) {
    char *rest, *one = strtok_r(controllers, ",", &rest);
    while (one && strcmp(one, name) != 0) one = strtok_r(NULL, ",", &rest);
    return one != NULL;
}

/* "0::/path" of version 2, "4:cpu,cpuacct:/path" of version 1. */
static uint64_t limit_of_line(const resource *r, char *line, const char *mount) {
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    char folder[PATH_ROOM];
    if (!path) return UINT64_MAX;
    *controllers++ = 0;
    *path++ = 0;
    path[strcspn(path, "\n")] = 0;
    if (!*controllers) return least(mount, path, r->version_2);
    snprintf(folder, sizeof folder, "%s/%s", mount, r->controller);
    return is_among(controllers, r->controller) ? least(folder, path, r->version_1) : UINT64_MAX;
}

static uint64_t limit_of(const resource *r, const char *list, const char *mount) {
    char line[PATH_ROOM];
    uint64_t all = UINT64_MAX;
    FILE *f = fopen(list, "r");
    while (f && fgets(line, sizeof line, f)) {
        uint64_t one = limit_of_line(r, line, mount);
        if (one < all) all = one;
    }
    if (f) fclose(f);
    return all;
}

uint64_t quota_processors(const char *list, const char *mount) {
    static const resource r = {"cpu", processors_1, processors_2};
    return limit_of(&r, list, mount);
}

uint64_t quota_memory(const char *list, const char *mount) {
    static const resource r = {"memory", memory_1, memory_2};
    return limit_of(&r, list, mount);
}
