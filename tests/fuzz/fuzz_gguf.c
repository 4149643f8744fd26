/* Any bytes as a GGUF file: opened as users open it, then read from end to end. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/container_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    container *c = NULL;
    glint_error err;
    if (write(fd, data, bytes) == (ssize_t)bytes && container_open(path, &c, &err) == GLINT_OK) container_walk(c);
    container_close(&c);
    close(fd);
    return 0;
}
