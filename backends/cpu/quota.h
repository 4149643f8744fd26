/* How much time of processors the control group of this process allows: what a container was given. */
#ifndef BACKENDS_CPU_QUOTA_H
#define BACKENDS_CPU_QUOTA_H

/* Processors' worth, a part of one counted as one; INT_MAX: no limit. `list` names the process's groups
 * (/proc/self/cgroup), `mount` is where the groups are (/sys/fs/cgroup). Both versions:
 * Documentation/admin-guide/cgroup-v2.rst ("cpu.max") and Documentation/scheduler/sched-bwc.rst ("cpu.cfs_quota_us") of
 * the Linux kernel. */
int quota_processors(const char *list, const char *mount);

#endif
