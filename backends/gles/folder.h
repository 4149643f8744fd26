/* The folder for what Glint may forget: linked programs and notes on devices. $GLINT_CACHE_DIR, else
 * $XDG_CACHE_HOME/glint, else ~/.cache/glint. */
#ifndef BACKENDS_GLES_FOLDER_H
#define BACKENDS_GLES_FOLDER_H

#include <stdint.h>

#include "core/base/arena.h"

/* The path, in `memory`. NULL: the environment names none, or memory is out. */
const char *gles_cache_folder(arena *memory);
/* Makes the folder and those above it. Whoever writes a file there next tells a failure better. */
void gles_folder_make(const char *folder);
/* Removes the files that have not been used for longest until those left have at most `most` bytes. */
void gles_folder_prune(const char *folder, uint64_t most);
/* Marks a file as used now. */
void gles_folder_touch(const char *path);

/* Begins with GLES_HASH. FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv) made to take eight bytes at a time, since
 * a start hashes all programs: the upper half, which products never carry down, is folded in each time. */
#define GLES_HASH UINT64_C(0xCBF29CE484222325)
uint64_t gles_hash(uint64_t h, const void *data, size_t n);

#endif
