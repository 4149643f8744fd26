#include "backends/cpu/quota.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_ROOM = 4096 };

/* Of the one group whose files are in folder/path. */
typedef int group_limit(const char *folder, const char *path);

static int processors(long long quota, long long period) {
    if (quota <= 0 || period <= 0 || (quota - 1) / period >= INT_MAX) return INT_MAX;
    return (int)((quota - 1) / period) + 1;
}

static FILE *open_file(const char *folder, const char *path, const char *name) {
    char whole[2 * PATH_ROOM];
    int n = snprintf(whole, sizeof whole, "%s/%s/%s", folder, path, name);
    return n < (int)sizeof whole ? fopen(whole, "r") : NULL;
}

/* "200000 100000": microseconds of processors' time in each period; "max 100000" where there is no limit. */
static int limit_of_2(const char *folder, const char *path) {
    long long quota = 0, period = 0;
    FILE *f = open_file(folder, path, "cpu.max");
    if (f && fscanf(f, "%lld %lld", &quota, &period) != 2) quota = 0;
    if (f) fclose(f);
    return processors(quota, period);
}

static long long number_in(const char *folder, const char *path, const char *name) {
    long long n = 0;
    FILE *f = open_file(folder, path, name);
    if (f && fscanf(f, "%lld", &n) != 1) n = 0;
    if (f) fclose(f);
    return n;
}

/* The quota is -1 where there is no limit. */
static int limit_of_1(const char *folder, const char *path) {
    return processors(number_in(folder, path, "cpu.cfs_quota_us"), number_in(folder, path, "cpu.cfs_period_us"));
}

/* The least of a group and all those around it. Inside a container the path may be the host's and its folder missing;
 * the container's own group is then the outermost that it sees. */
static int least(const char *folder, char *path, group_limit *limit) {
    int all = INT_MAX;
    for (bool inside = true; inside;) {
        int one = limit(folder, path);
        if (one < all) all = one;
        char *last = strrchr(path, '/');
        inside = last != NULL;
        if (inside) *last = 0;
    }
    return all;
}

/* Is "cpu" one of "cpu,cpuacct"? */
static bool has_cpu(char *controllers) {
    char *rest, *name = strtok_r(controllers, ",", &rest);
    while (name && strcmp(name, "cpu") != 0) name = strtok_r(NULL, ",", &rest);
    return name != NULL;
}

/* "0::/path" of version 2, "4:cpu,cpuacct:/path" of version 1. */
static int limit_of_line(char *line, const char *mount) {
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    char folder[PATH_ROOM];
    if (!path) return INT_MAX;
    *controllers++ = 0;
    *path++ = 0;
    path[strcspn(path, "\n")] = 0;
    if (!*controllers) return least(mount, path, limit_of_2);
    snprintf(folder, sizeof folder, "%s/cpu", mount);
    return has_cpu(controllers) ? least(folder, path, limit_of_1) : INT_MAX;
}

int quota_processors(const char *list, const char *mount) {
    char line[PATH_ROOM];
    int all = INT_MAX;
    FILE *f = fopen(list, "r");
    while (f && fgets(line, sizeof line, f)) {
        int one = limit_of_line(line, mount);
        if (one < all) all = one;
    }
    if (f) fclose(f);
    return all;
}
