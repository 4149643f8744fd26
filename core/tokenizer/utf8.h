/* UTF-8: checking, reading and writing characters, and Unicode normalisation form C (through utf8proc). */
#ifndef CORE_TOKENIZER_UTF8_H
#define CORE_TOKENIZER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_MAX = 4 }; /* bytes of the longest character */

/* How many of the n bytes are whole, valid characters: n when all are, else the offset of the first that is not. */
size_t utf8_valid(const char *s, size_t n);
/* Can a character begin with these n (1 to 4) bytes? */
bool utf8_begins(const char *s, size_t n);
/* The character at s, which must be valid; *bytes is its length. */
int32_t utf8_read(const char *s, size_t *bytes);
/* Writes c (0 to 0x10FFFF) at s, which has room for UTF8_MAX bytes; returns its length. */
size_t utf8_write(int32_t c, char *s);
/* Length of the valid character that begins with this byte. */
static inline size_t utf8_length(char lead) {
    unsigned char c = (unsigned char)lead;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

enum { UTF8_DECOMPOSED = 4 }; /* characters of the longest canonical decomposition */
/* The canonical decomposition of c into out, which has room for UTF8_DECOMPOSED; returns how many. */
size_t utf8_decompose(int32_t c, int32_t *out);
/* Form C of valid text, in time n log n at most (long runs of combining marks too). *out is malloc'ed, or NULL where
 * the text is in that form as it is. False: out of memory. */
bool utf8_nfc(const char *s, size_t n, char **out, size_t *out_bytes);

#endif
