/* The self-test of one open device; glint_self_test is it in both precisions. */
#ifndef CORE_INSTRUMENTS_SELF_TEST_H
#define CORE_INSTRUMENTS_SELF_TEST_H

#include "backends/backend.h"

/* Every op once, in the precision that the device is open for, against the oracle; the backend keeps the verdict.
 * GLINT_MISMATCH names the first op beyond its bound, without a name for the device. */
glint_status self_test_device(const backend *b, backend_device *d, const backend_options *options, glint_error *err);

#endif
