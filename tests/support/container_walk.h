/* Touches everything that a container offers; for tests and fuzzers. */
#ifndef TESTS_SUPPORT_CONTAINER_WALK_H
#define TESTS_SUPPORT_CONTAINER_WALK_H

#include "core/container/container.h"

/* Asks every key in every way, reads every string, number and name, and the first and last byte of every tensor.
 * Returns a hash of it all, so that nothing is optimised away. */
uint64_t container_walk(const container *c);

#endif
