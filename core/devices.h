/* Opening devices for use: what a driver makes of our shaders is tested before anything is believed. */
#ifndef CORE_DEVICES_H
#define CORE_DEVICES_H

#include "backends/backend.h"

/* Opens the device of this name. The self-test runs once for a driver, a device, a build and a precision; its verdict
 * is kept by the backend. A device that fails it is GLINT_DEVICE, with the op in the message. GLINT_SELF_TEST in the
 * environment: 0 opens without a test and in spite of its verdict, 1 tests anew. GLINT_USAGE: no such device. */
glint_status device_open(const char *name, const backend_options *options, const backend **b, backend_device **out,
                         glint_error *err);

#endif
