/* A clock that the test moves, so that what it says of times holds on a busy machine too. The one file of a test
 * program that includes this has it in place of core/base/clock.c. */
#ifndef TESTS_SUPPORT_OWN_CLOCK_H
#define TESTS_SUPPORT_OWN_CLOCK_H

#include "core/base/clock.h"

static double clock_now = 1, clock_slept; /* seconds */

/* A look at it takes a microsecond: loops come to their end. */
double base_seconds(void) {
    return clock_now += 1e-6;
}

void base_sleep(double seconds) {
    clock_now += seconds;
    clock_slept += seconds;
}

#endif
