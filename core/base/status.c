#include "core/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

enum { ROOM = sizeof((glint_error *)0)->message, LONGEST = 8192 };

/* Control characters and bytes that are no character become '?'. */
static void make_printable(char *s) {
    size_t n = strlen(s), to = 0;
    for (size_t from = 0, bytes; from < n; from += bytes) {
        utf8proc_int32_t c;
        utf8proc_ssize_t valid = utf8proc_iterate((unsigned char *)s + from, (utf8proc_ssize_t)(n - from), &c);
        bytes = valid > 0 ? (size_t)valid : 1;
        if (valid <= 0 || c < 0x20 || (c >= 0x7F && c < 0xA0))
            s[to++] = '?';
        else
            for (size_t i = 0; i < bytes; i++) s[to++] = s[from + i];
    }
    s[to] = 0;
}

static bool is_inside_character(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* A message begins with a name, which may be long, and ends with the cause: what does not fit is left out between. */
static void copy_ends(const char *s, char *out) {
    static const char gap[] = "...";
    size_t n = strlen(s), head = ROOM / 4;
    if (n < ROOM) {
        memcpy(out, s, n + 1);
        return;
    }
    while (is_inside_character(s[head])) head--;
    size_t tail = n - (ROOM - 1 - head - (sizeof gap - 1));
    while (is_inside_character(s[tail])) tail++;
    memcpy(out, s, head);
    memcpy(out + head, gap, sizeof gap - 1);
    memcpy(out + head + sizeof gap - 1, s + tail, n - tail + 1);
}

glint_status base_fail(glint_error *err, glint_status status, const char *format, ...) {
    if (!err) return status;
    char whole[LONGEST]; /* also because an argument may be err->message */
    va_list args;
    va_start(args, format);
    vsnprintf(whole, sizeof whole, format, args);
    va_end(args);
    make_printable(whole);
    copy_ends(whole, err->message);
    return status;
}
