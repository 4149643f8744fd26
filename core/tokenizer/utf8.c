#include "core/tokenizer/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* What the second byte may be after each lead byte (Unicode, table 3-7: no overlong forms, no surrogates). */
static bool second_fits(unsigned char lead, unsigned char second) {
    if (lead == 0xE0) return second >= 0xA0 && second <= 0xBF;
    if (lead == 0xED) return second >= 0x80 && second <= 0x9F;
    if (lead == 0xF0) return second >= 0x90 && second <= 0xBF;
    if (lead == 0xF4) return second >= 0x80 && second <= 0x8F;
    return second >= 0x80 && second <= 0xBF;
}

bool utf8_begins(const char *s, size_t n) {
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80) return n == 1;
    if (u[0] < 0xC2 || u[0] > 0xF4 || n > utf8_length(*s)) return false;
    if (n > 1 && !second_fits(u[0], u[1])) return false;
    for (size_t i = 2; i < n; i++)
        if ((u[i] & 0xC0) != 0x80) return false;
    return true;
}

size_t utf8_valid(const char *s, size_t n) {
    size_t i = 0;
    while (i < n) {
        size_t length = utf8_length(s[i]);
        if (length > n - i || !utf8_begins(s + i, length)) break;
        i += length;
    }
    return i;
}

int32_t utf8_read(const char *s, size_t *bytes) {
    size_t n = utf8_length(*s);
    int32_t c = (unsigned char)*s & (n == 1 ? 0x7F : 0x7F >> n);
    for (size_t i = 1; i < n; i++) c = c << 6 | (s[i] & 0x3F);
    *bytes = n;
    return c;
}

size_t utf8_write(int32_t c, char *s) {
    return (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)s);
}

size_t utf8_decompose(int32_t c, int32_t *out) {
    int last = 0; /* of grapheme breaking, which is off */
    utf8proc_ssize_t n = utf8proc_decompose_char(c, out, UTF8_DECOMPOSED, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &last);
    if (n < 1 || n > UTF8_DECOMPOSED) {
        out[0] = c;
        return 1;
    }
    return (size_t)n;
}

typedef struct mark {
    int32_t c;
    int class; /* canonical combining class */
    size_t at; /* where it stood: qsort is not stable */
} mark;

static int by_class(const void *pa, const void *pb) {
    const mark *a = pa, *b = pb;
    if (a->class != b->class) return a->class < b->class ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static int class_of(int32_t c) {
    return utf8proc_get_property(c)->combining_class;
}

/* Canonical ordering: each run of marks sorted by combining class. utf8proc's own is quadratic in the run's length. */
static bool order_marks(int32_t *c, size_t n) {
    mark *run = NULL;
    size_t capacity = 0;
    for (size_t i = 0, end; i < n; i = end + 1) {
        bool sorted = true;
        for (end = i; end < n && class_of(c[end]); end++)
            if (end > i && class_of(c[end - 1]) > class_of(c[end])) sorted = false;
        if (sorted) continue;
        size_t length = end - i;
        if (length > capacity) {
            mark *more = realloc(run, length * sizeof *run);
            if (!more) {
                free(run);
                return false;
            }
            run = more;
            capacity = length;
        }
        for (size_t k = 0; k < length; k++) run[k] = (mark){c[i + k], class_of(c[i + k]), k};
        qsort(run, length, sizeof *run, by_class);
        for (size_t k = 0; k < length; k++) c[i + k] = run[k].c;
    }
    free(run);
    return true;
}

/* Characters below U+0300 neither compose with what stands before them nor decompose and stay so. */
static bool plainly_nfc(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] >= 0xCC) return false;
    return true;
}

bool utf8_nfc(const char *s, size_t n, char **out, size_t *out_bytes) {
    *out = NULL;
    *out_bytes = n;
    if (plainly_nfc(s, n)) return true;
    int32_t *points = calloc(n, UTF8_DECOMPOSED * sizeof *points);
    if (!points) return false;
    size_t count = 0;
    for (size_t i = 0, bytes; i < n; i += bytes) count += utf8_decompose(utf8_read(s + i, &bytes), points + count);
    bool ok = order_marks(points, count);
    utf8proc_ssize_t composed =
        ok ? utf8proc_normalize_utf32(points, (utf8proc_ssize_t)count, UTF8PROC_COMPOSE | UTF8PROC_STABLE) : -1;
    ok = composed >= 0 && (*out = malloc((size_t)composed * UTF8_MAX + 1));
    if (ok) {
        *out_bytes = 0;
        for (utf8proc_ssize_t i = 0; i < composed; i++) *out_bytes += utf8_write(points[i], *out + *out_bytes);
    }
    free(points);
    return ok;
}
