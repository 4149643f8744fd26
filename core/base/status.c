#include "core/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cuts an incomplete UTF-8 character off the end of a full buffer. */
static void trim_utf8(char *s) {
    size_t n = strlen(s), lead = n;
    while (lead > 0 && n - lead < 4 && ((unsigned char)s[lead - 1] & 0xC0) == 0x80) lead--;
    if (lead > 0 && ((unsigned char)s[lead - 1] & 0x80)) s[lead - 1] = 0;
}

glint_status base_fail(glint_error *err, glint_status status, const char *format, ...) {
    if (!err) return status;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (n >= (int)sizeof err->message) trim_utf8(err->message);
    for (unsigned char *p = (unsigned char *)err->message; *p; p++)
        if (*p < 0x20 || *p == 0x7F) *p = '?';
    return status;
}
