#include "backends/gles/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *gles_cache_folder(arena *memory) {
    const char *own = getenv("GLINT_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own) return arena_printf(memory, "%s", own);
    if (xdg && *xdg == '/') return arena_printf(memory, "%s/glint", xdg); /* a relative one is invalid, says XDG */
    return home && *home ? arena_printf(memory, "%s/.cache/glint", home) : NULL;
}

void gles_folder_make(const char *folder) {
    char *path = strdup(folder);
    if (!path) return;
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    mkdir(path, 0700);
    free(path);
}

uint64_t gles_hash(uint64_t h, const void *data, size_t n) {
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i += sizeof h) {
        uint64_t word = 0;
        memcpy(&word, p + i, n - i < sizeof word ? n - i : sizeof word);
        h = (h ^ word) * 0x100000001B3u;
        h ^= h >> 32;
    }
    return h;
}

/* ---- Pruning ---- */

typedef struct old_file {
    char name[37]; /* the longest of ours */
    struct timespec used;
    uint64_t bytes;
} old_file;

/* Also what a process that died has left unfinished: a name of ours and a few letters more. */
static bool is_ours(const char *name) {
    const char *kind = name + strspn(name, "0123456789abcdef");
    return kind - name == 16 && strlen(kind) <= 20 && (!strncmp(kind, ".program", 8) || !strncmp(kind, ".device", 7));
}

static int by_use(const void *a, const void *b) {
    const struct timespec *x = &((const old_file *)a)->used, *y = &((const old_file *)b)->used;
    if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Our files in the folder; *n is how many. The caller frees them. */
static old_file *list_files(DIR *d, int *n) {
    old_file *all = NULL;
    int room = 0;
    *n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (!is_ours(e->d_name) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (*n == room) {
            old_file *more = realloc(all, sizeof *all * (size_t)(room = 2 * room + 64));
            if (!more) break; /* the rest stays for another time */
            all = more;
        }
        old_file *f = &all[(*n)++];
        *f = (old_file){.used = st.st_mtim, .bytes = (uint64_t)st.st_size};
        memcpy(f->name, e->d_name, strlen(e->d_name) + 1);
    }
    return all;
}

void gles_folder_prune(const char *folder, uint64_t most) {
    DIR *d = opendir(folder);
    if (!d) return;
    int n;
    old_file *all = list_files(d, &n);
    uint64_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += all[i].bytes;
    if (bytes > most) qsort(all, (size_t)n, sizeof *all, by_use);
    for (int i = 0; i < n && bytes > most; i++)
        if (unlinkat(dirfd(d), all[i].name, 0) == 0) bytes -= all[i].bytes;
    free(all);
    closedir(d);
}

/* Once a day is enough to know what is in use. */
void gles_folder_touch(const char *path) {
    enum { DAY = 24 * 60 * 60 };
    struct stat st;
    if (stat(path, &st) == 0 && time(NULL) - st.st_mtim.tv_sec > DAY) utimensat(AT_FDCWD, path, NULL, 0);
}
