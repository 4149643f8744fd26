#include "tests/support/hostile.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/container_walk.h"
#include "tests/support/maker.h"
#include "tests/support/support.h"

static bool is_clean(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F) return false;
    return true;
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool hostile_refused(const char *open, const char *cause) {
    container *c = NULL;
    glint_error err = {"(no message)"};
    glint_status s = container_open(open, &c, &err);
    bool right = s == GLINT_BAD_INPUT && !c && strstr(err.message, last_part(open)) && strstr(err.message, cause) &&
                 is_clean(err.message);
    if (!right) printf("\n    status %d: \"%s\", where \"%s\" was expected\n", (int)s, err.message, cause);
    CU_ASSERT(right);
    container_close(&c);
    return right;
}

void hostile_cut(const char *file, const char *open, size_t bytes, size_t step) {
    while (bytes >= step) {
        bytes -= step;
        CU_ASSERT_EQUAL_FATAL(truncate(file, (off_t)bytes), 0);
        if (!hostile_refused(open, last_part(file))) return;
    }
}

int hostile_flip(const char *file, const char *open, const void *data, size_t bytes, size_t range, int rounds,
                 uint64_t salt) {
    support_random r = support_seed(salt);
    unsigned char *copy = malloc(bytes);
    int opened = 0;
    for (int i = 0; copy && i < rounds; i++) {
        memcpy(copy, data, bytes);
        for (int k = support_below(&r, 4); k >= 0; k--) {
            unsigned char any = (unsigned char)support_bits(&r);
            unsigned char digit = (unsigned char)('0' + any % 10);
            copy[support_bits(&r) % range] = (unsigned char[]){any, 0xFF, digit}[support_below(&r, 3)];
        }
        maker_write(file, copy, bytes);
        container *c = NULL;
        glint_error err = {{0}};
        glint_status s = container_open(open, &c, &err);
        CU_ASSERT(s == GLINT_OK || (s == GLINT_BAD_INPUT && strstr(err.message, last_part(file))));
        if (!s) opened++, container_walk(c);
        container_close(&c);
    }
    free(copy);
    return opened;
}
