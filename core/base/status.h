/* How every fallible function of Glint reports: a glint_status returned, one line of words in a glint_error. */
#ifndef CORE_BASE_STATUS_H
#define CORE_BASE_STATUS_H

#include "glint.h"

/* Writes the message (printf style, without a newline, naming the file, tensor or device and the cause) and returns
 * `status`, so that a failing function reads `return base_fail(err, GLINT_BAD_INPUT, "%s: wrong magic", path);`.
 * `err` may be NULL, and err->message may be an argument. Where a message is too long its middle is left out; control
 * characters and what is not UTF-8 become '?'. */
glint_status base_fail(glint_error *err, glint_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

#endif
