/* A clock that only goes forward, and sleeping by it. */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

double base_seconds(void);
void base_sleep(double seconds);

#endif
