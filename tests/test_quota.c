/* What a container was given, from files as Linux has them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/cpu/quota.h"
#include "tests/support/support.h"

enum { FILES = 4, ROOM = 512 };
#define NONE UINT64_MAX

typedef struct group_file {
    const char *path, *text;
} group_file;

typedef struct container {
    const char *list; /* /proc/self/cgroup */
    group_file files[FILES];
    uint64_t processors, bytes;
} container;

static const container containers[] = {
    {"0::/\n", {{"cpu.max", "200000 100000\n"}}, 2, NONE},
    {"0::/\n", {{"cpu.max", "max 100000\n"}}, NONE, NONE},
    {"0::/\n", {{NULL, NULL}}, NONE, NONE},
    {"0::/\n", {{"cpu.max", "150000 100000\n"}}, 2, NONE},
    {"0::/\n", {{"cpu.max", "1000 100000\n"}}, 1, NONE},
    {"0::/\n", {{"cpu.max", "100000 100000\n"}}, 1, NONE},
    {"0::/\n", {{"cpu.max", "0 0\n"}}, NONE, NONE},
    {"0::/\n", {{"cpu.max", "9000000000000000000 1\n"}}, 9000000000000000000u, NONE},
    {"0::/\n", {{"cpu.max", "nonsense\n"}}, NONE, NONE},
    {"0::/pod/one\n", {{"pod/cpu.max", "300000 100000\n"}, {"pod/one/cpu.max", "max 100000\n"}}, 3, NONE},
    {"0::/pod/one\n", {{"pod/cpu.max", "300000 100000\n"}, {"pod/one/cpu.max", "50000 50000\n"}}, 1, NONE},
    {"0::/of/the/host\n", {{"cpu.max", "400000 100000\n"}}, 4, NONE},
    {"0::/pod", {{"pod/cpu.max", "500000 100000"}}, 5, NONE},
    {"3:cpuset:/\n2:cpu,cpuacct:/docker/x\n0::/\n",
     {{"cpu/docker/x/cpu.cfs_quota_us", "600000\n"}, {"cpu/docker/x/cpu.cfs_period_us", "100000\n"}},
     6,
     NONE},
    {"2:cpu:/\n", {{"cpu/cpu.cfs_quota_us", "-1\n"}, {"cpu/cpu.cfs_period_us", "100000\n"}}, NONE, NONE},
    {"2:cpuset:/\n", {{"cpu/cpu.cfs_quota_us", "100000\n"}, {"cpu/cpu.cfs_period_us", "100000\n"}}, NONE, NONE},
    {"0::/pod/one\n", {{"pod/memory.max", "4294967296\n"}, {"pod/one/memory.max", "max\n"}}, NONE, 4294967296},
    {"0::/\n", {{"memory.max", "0\n"}}, NONE, 0},
    {"5:memory:/x\n", {{"memory/x/memory.limit_in_bytes", "1000\n"}, {"memory.max", "10\n"}}, NONE, 1000},
    {"5:memory:/x\n", {{"memory/x/memory.limit_in_bytes", "9223372036854771712\n"}}, NONE, 9223372036854771712u},
    {"no colons\n::\n1:cpu\n", {{"cpu/cpu.cfs_quota_us", "1\n"}, {"cpu/cpu.cfs_period_us", "1\n"}}, NONE, NONE},
};

/* root/path with all its folders. */
static void put(const char *root, const char *path, const char *text) {
    char whole[ROOM];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *f = fopen(whole, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void take_away(const char *root) {
    char command[ROOM];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void test_containers(void) {
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
        const container *c = &containers[i];
        char root[] = "/tmp/glint-quota-XXXXXX", list[ROOM];
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
        put(root, "list", c->list);
        for (int k = 0; k < FILES && c->files[k].path; k++) put(root, c->files[k].path, c->files[k].text);
        snprintf(list, sizeof list, "%s/list", root);
        uint64_t n = quota_processors(list, root), bytes = quota_memory(list, root);
        if (n != c->processors || bytes != c->bytes) printf("\n    case %zu: %" PRIu64 ", %" PRIu64 "\n", i, n, bytes);
        CU_ASSERT_EQUAL(n, c->processors);
        CU_ASSERT_EQUAL(bytes, c->bytes);
        take_away(root);
    }
}

static void test_no_groups(void) {
    CU_ASSERT_EQUAL(quota_processors("/nowhere/list", "/nowhere"), NONE);
    CU_ASSERT_EQUAL(quota_memory("/nowhere/list", "/nowhere"), NONE);
}

int main(void) {
    const support_case cases[] = {{"containers", test_containers}, {"no groups", test_no_groups}};
    return support_main("quota", cases, sizeof cases / sizeof *cases);
}
