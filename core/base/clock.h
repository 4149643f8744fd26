/* A clock that only goes forward. */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

double base_seconds(void);

#endif
