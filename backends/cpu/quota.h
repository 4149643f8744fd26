/* What the control group of this process allows: what a container was given. */
#ifndef BACKENDS_CPU_QUOTA_H
#define BACKENDS_CPU_QUOTA_H

#include <stdint.h>

#define QUOTA_LIST  "/proc/self/cgroup"
#define QUOTA_MOUNT "/sys/fs/cgroup"

/* `list` names the process's groups, `mount` is where groups are: QUOTA_LIST and QUOTA_MOUNT but in tests. UINT64_MAX:
 * no limit. Both versions of groups: of the Linux kernel's documentation admin-guide/cgroup-v2.rst ("cpu.max",
 * "memory.max"), scheduler/sched-bwc.rst ("cpu.cfs_quota_us") and admin-guide/cgroup-v1/memory.rst
 * ("memory.limit_in_bytes"). */

/* Processors' worth of time, a part of one counted as one. */
uint64_t quota_processors(const char *list, const char *mount);
/* Bytes. */
uint64_t quota_memory(const char *list, const char *mount);

#endif
