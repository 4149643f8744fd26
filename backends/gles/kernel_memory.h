/* How much memory a GPU has, by what the kernel says: OpenGL ES has no word for it, and only NVIDIA's driver answers.
 */
#ifndef BACKENDS_GLES_KERNEL_MEMORY_H
#define BACKENDS_GLES_KERNEL_MEMORY_H

#include "glint.h"

/* The memory of the GPU with the render node `node` ("/dev/dri/renderD128") into *info, which is left alone where the
 * kernel does not tell. amdgpu does: a GPU's own memory, without what it may borrow from the host. `sys` is where sysfs
 * lies: "/sys". */
void gles_kernel_memory(const char *sys, const char *node, glint_device_info *info);

#endif
