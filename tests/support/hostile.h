/* Model files that are wrong: each must be refused with words that name the file and the cause, and none may crash.
 * `open` is what is opened: `file` itself, or the directory that it lies in. */
#ifndef TESTS_SUPPORT_HOSTILE_H
#define TESTS_SUPPORT_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Asserts GLINT_BAD_INPUT and a message of one clean line that names the last part of `open` and contains `cause`.
 * Prints what it got where that fails. */
bool hostile_refused(const char *open, const char *cause);
/* Cuts the file, which has `bytes` bytes, shorter and shorter by `step`: every length must be refused. */
void hostile_cut(const char *file, const char *open, size_t bytes, size_t step);
/* Writes `data` to the file with a few of its first `range` bytes changed and opens it, `rounds` times; what opens is
 * walked, what does not is refused by name. Returns how many opened. */
int hostile_flip(const char *file, const char *open, const void *data, size_t bytes, size_t range, int rounds,
                 uint64_t salt);

#endif
