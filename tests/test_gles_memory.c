/* What the kernel says of a GPU's memory, from a folder that looks like sysfs. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/gles/kernel_memory.h"

typedef struct sysfs {
    char root[64], device[128];
} sysfs;

static void open_sysfs(sysfs *s) {
    static const char *const folders[] = {"class", "class/drm", "class/drm/renderD128", "class/drm/renderD128/device"};
    strcpy(s->root, "/tmp/glint-sysfs-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(s->root));
    for (int i = 0; i < 4; i++) {
        snprintf(s->device, sizeof s->device, "%s/%s", s->root, folders[i]);
        CU_ASSERT_EQUAL_FATAL(mkdir(s->device, 0700), 0);
    }
}

static void close_sysfs(sysfs *s) {
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", s->root);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void put(const sysfs *s, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", s->device, name);
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static bool says(const sysfs *s, const char *node, uint64_t total, uint64_t available) {
    glint_device_info info = {.memory_bytes = 7, .free_bytes = 7}; /* left alone where nothing is known */
    gles_kernel_memory(s->root, node, &info);
    return info.memory_bytes == total && info.free_bytes == available;
}

static void test_kernel_memory(void) {
    sysfs s;
    open_sysfs(&s);
    CU_ASSERT(says(&s, "/dev/dri/renderD128", 7, 7));
    put(&s, "mem_info_vram_total", "17163091968\n");
    CU_ASSERT(says(&s, "/dev/dri/renderD128", 7, 7));
    put(&s, "mem_info_vram_used", "1163091968\n");
    CU_ASSERT(says(&s, "/dev/dri/renderD128", 17163091968u, 16000000000u));
    CU_ASSERT(says(&s, "renderD128", 17163091968u, 16000000000u));
    CU_ASSERT(says(&s, "/dev/dri/renderD129", 7, 7));
    put(&s, "mem_info_vram_used", "99163091968\n");
    CU_ASSERT(says(&s, "/dev/dri/renderD128", 7, 7));
    put(&s, "mem_info_vram_used", "none\n");
    CU_ASSERT(says(&s, "/dev/dri/renderD128", 7, 7));
    close_sysfs(&s);
}

int main(void) {
    const support_case cases[] = {{"the kernel's words", test_kernel_memory}};
    return support_main("gles memory", cases, sizeof cases / sizeof *cases);
}
