/* A device that works until it fails, for tests of what the engine does then; only builds with GLINT_TESTS have it.
 * "failing:step7@gles:llvmpipe" is gles:llvmpipe whose seventh step fails; "read7" and "adopt7" are the seventh read
 * and weight. From then on every call fails, as on a GPU whose context is lost; only closing works. The
 * environment's GLINT_FAILING lists devices of this kind that are found as if they were hardware GPUs. */
#ifndef BACKENDS_FAILING_FAILING_H
#define BACKENDS_FAILING_FAILING_H

/* How many of these devices are open now, in the whole process. */
int failing_devices_open(void);
/* How often one of them was told to rest. */
int failing_rests(void);

#endif
