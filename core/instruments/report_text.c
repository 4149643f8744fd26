/* Foreign text as HTML: names, paths and tokens can hold markup, control characters and bytes that are no text. */
#include <math.h>
#include <string.h>
#include <utf8proc.h>

#include "core/instruments/report.h"

static const char *entity(utf8proc_int32_t c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* Would it be seen as itself? Not: controls, marks that change direction, private and unassigned characters, and
 * separators other than the space. */
static bool visible(utf8proc_int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    default:
        return true;
    }
}

static void write_escape(FILE *out, utf8proc_int32_t c) {
    static const char letters[] = "nrt", meanings[] = "\n\r\t";
    const char *known = c ? strchr(meanings, c) : NULL;
    if (c < 0x80 && known)
        fprintf(out, "\\%c", letters[known - meanings]);
    else
        fprintf(out, "\\u{%x}", (unsigned)c);
}

void report_text(FILE *out, const char *text, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const unsigned char *)text + at, (utf8proc_ssize_t)(bytes - at), &c);
        if (n <= 0) {
            fprintf(out, "\\x%02x", (unsigned char)text[at++]);
            continue;
        }
        if (entity(c))
            fputs(entity(c), out);
        else if (visible(c))
            fwrite(text + at, 1, (size_t)n, out);
        else
            write_escape(out, c);
        at += (size_t)n;
    }
}

void report_name(FILE *out, const char *text) {
    if (text) report_text(out, text, strlen(text));
}

void report_token(FILE *out, const glint_model *m, int32_t id) {
    size_t bytes = 0;
    const char *text = glint_token_text(m, id, &bytes);
    fputs("<bdi>", out);
    if (text) {
        fputs("&quot;", out);
        report_text(out, text, bytes);
        fputs("&quot;", out);
    } else {
        fprintf(out, "#%d", (int)id);
    }
    fputs("</bdi>", out);
}

const char *report_number(char buffer[32], double x) {
    if (isnan(x))
        strcpy(buffer, "NaN");
    else if (isinf(x))
        strcpy(buffer, x > 0 ? "∞" : "−∞");
    else
        snprintf(buffer, 32, fabs(x) >= 1e3 && fabs(x) < 1e6 ? "%.0f" : "%.3g", x);
    return buffer;
}
