#include "core/base/file_map.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

glint_status file_map_open(const char *path, file_map *out, glint_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe would wait for somebody to write */
    if (fd < 0) return base_fail(err, GLINT_BAD_INPUT, "%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return base_fail(err, GLINT_BAD_INPUT, "%s: not a regular file", path);
    }
    file_map m = {.bytes = (size_t)st.st_size};
    if (m.bytes) {
        void *p = mmap(NULL, m.bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            int why = errno;
            close(fd);
            return base_fail(err, GLINT_BAD_INPUT, "%s: cannot be mapped: %s", path, strerror(why));
        }
        m.data = p;
    }
    close(fd);
    *out = m;
    return GLINT_OK;
}

void file_map_close(file_map *m) {
    if (m->data) munmap((void *)m->data, m->bytes);
    *m = (file_map){0};
}

/* Of a path, up to the name of the file. */
static int folder_bytes(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) + 1 : 0;
}

/* A file in the path's folder that has no name yet, so that nothing is left of it if this process is killed; -1 where
 * the system cannot do that or give it a name later. */
static int open_nameless(const char *path) {
    int n = folder_bytes(path);
    char *folder = n ? strndup(path, (size_t)n) : strdup("."), proc[32];
    int fd = folder ? open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644) : -1;
    free(folder);
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    if (fd < 0 || access(proc, F_OK) == 0) return fd;
    close(fd);
    return -1;
}

/* A temporary name begins as the final one does; some file systems have names of 143 bytes at most. */
enum { STEM = 64, NAME_ROOM = 32 /* of what comes behind */ };

/* Of a path, what a temporary one begins with. */
static int stem_bytes(const char *path) {
    int n = (int)strlen(path), most = folder_bytes(path) + STEM;
    return n < most ? n : most;
}

/* Gives it a name beside the final one: a link cannot replace a file, as a rename then does. */
static bool name_temporary(file_out *f) {
    enum { TRIES = 1000 };
    char proc[32];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fileno(f->stream));
    for (int i = 0; i < TRIES; i++) {
        snprintf(f->temporary, strlen(f->path) + NAME_ROOM, "%.*s.%d.%d", stem_bytes(f->path), f->path, (int)getpid(),
                 i);
        if (linkat(AT_FDCWD, proc, AT_FDCWD, f->temporary, AT_SYMLINK_FOLLOW) == 0) return true;
        if (errno != EEXIST) break;
    }
    f->temporary[0] = 0;
    return false;
}

glint_status file_out_open(const char *path, file_out *out, glint_error *err) {
    file_out f = {0};
    struct stat st;
    bool there = stat(path, &st) == 0;
    int cause = there || (errno == ENOENT && path[0]) ? 0 : errno;
    if (!cause && stem_bytes(path) + NAME_ROOM >= PATH_MAX) cause = ENAMETOOLONG;
    if (cause) /* better now than when all is done */
        return base_fail(err, GLINT_BAD_INPUT, "%s: cannot be written: %s", path, strerror(cause));
    if (there && !S_ISREG(st.st_mode)) /* the final rename would replace a device or a folder */
        return base_fail(err, GLINT_BAD_INPUT, "%s: cannot be written: not a regular file", path);
    size_t n = strlen(path);
    f.path = strdup(path);
    f.temporary = calloc(n + NAME_ROOM, 1);
    if (!f.path || !f.temporary) {
        file_out_abort(&f);
        return base_fail(err, GLINT_INTERNAL, "%s: out of memory", path);
    }
    int fd = open_nameless(path);
    if (fd < 0) {
        snprintf(f.temporary, n + NAME_ROOM, "%.*s.XXXXXX", stem_bytes(path), path);
        fd = mkstemp(f.temporary);
    }
    if (fd < 0) {
        int why = errno;
        f.temporary[0] = 0;
        file_out_abort(&f);
        return base_fail(err, GLINT_BAD_INPUT, "%s: cannot be written: %s", path, strerror(why));
    }
    fchmod(fd, 0644);
    f.stream = fdopen(fd, "wb");
    if (!f.stream) {
        close(fd);
        file_out_abort(&f);
        return base_fail(err, GLINT_INTERNAL, "%s: out of memory", path);
    }
    *out = f;
    return GLINT_OK;
}

glint_status file_out_commit(file_out *out, glint_error *err) {
    bool bad = ferror(out->stream) != 0;
    bad |= fflush(out->stream) != 0;
    bad |= fsync(fileno(out->stream)) != 0 && errno != EINVAL && errno != EROFS;
    if (!bad && !out->temporary[0]) bad = !name_temporary(out);
    int why = errno;
    bad |= fclose(out->stream) != 0;
    out->stream = NULL;
    glint_status s = GLINT_OK;
    if (bad)
        s = base_fail(err, GLINT_BAD_INPUT, "%s: cannot be written: %s", out->path, strerror(why ? why : EIO));
    else if (rename(out->temporary, out->path) != 0)
        s = base_fail(err, GLINT_BAD_INPUT, "%s: cannot be written: %s", out->path, strerror(errno));
    else
        out->temporary[0] = 0;
    file_out_abort(out);
    return s;
}

void file_out_abort(file_out *out) {
    if (out->stream) fclose(out->stream);
    if (out->temporary && out->temporary[0]) unlink(out->temporary);
    free(out->path);
    free(out->temporary);
    *out = (file_out){0};
}
