/* WordPiece (tokenizer.model "bert", uncased): text becomes lower-case words without accents, cut at white space, at
 * punctuation and around ideographs; each word is then the longest tokens that it begins with, one after the other.
 * In the file a token that begins a word carries U+2581, one that continues it carries nothing. */
#include "core/tokenizer/algorithm.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "core/tokenizer/utf8.h"

enum { WORD_MAX = 100 }; /* characters; a longer word is unknown */

static glint_status wordpiece_open(const container *c, vocabulary *v, tokenizer_rules *out, glint_error *err) {
    (void)c;
    if (v->unknown < 0) return base_fail(err, GLINT_BAD_INPUT, "%s: tokenizer.unknown is missing", v->path);
    if (!tokenizer_unescape_pieces(v)) return base_fail(err, GLINT_INTERNAL, "%s: tokenizer: out of memory", v->path);
    *out = (tokenizer_rules){
        .state = v, .begin = v->cls, .end = v->separator, .add_begin = true, .add_end = true, .strip_space = true};
    return GLINT_OK;
}

static void wordpiece_close(void *state) {
    (void)state; /* the vocabulary, which is not its own */
}

/* ---- Kinds of characters ------------------------------------------------------------------------------------ */

static bool is_space(int32_t c, utf8proc_category_t category) {
    return c == '\t' || c == '\n' || c == '\r' || category == UTF8PROC_CATEGORY_ZS ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

/* Controls, formats and private use; U+FFFD too. */
static bool is_dropped(int32_t c, utf8proc_category_t category) {
    return c == 0xFFFD || category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_CO;
}

static bool is_punctuation(int32_t c) {
    utf8proc_category_t category = utf8proc_category(c);
    if (c < 0x80)
        return c > ' ' && c < 0x7F && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z');
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

/* As in Hugging Face's BertNormalizer, which begins the seventh at 0x2B920 (the Unicode block begins at 0x2B820). */
static bool is_ideograph(int32_t c) {
    static const struct {
        int32_t first, last;
    } blocks[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
                  {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (c >= blocks[i].first && c <= blocks[i].last) return true;
    return false;
}

/* ---- Words -------------------------------------------------------------------------------------------------- */

typedef struct word {
    char text[TOKENIZER_SPACE_BYTES + WORD_MAX * UTF8_MAX]; /* after U+2581 */
    size_t bytes;                                           /* with it */
    int characters;
} word;

static void begin_word(word *w) {
    memcpy(w->text, TOKENIZER_SPACE, TOKENIZER_SPACE_BYTES);
    w->bytes = TOKENIZER_SPACE_BYTES;
    w->characters = 0;
}

static void add_character(word *w, int32_t c) {
    if (w->characters++ < WORD_MAX) w->bytes += utf8_write(c, w->text + w->bytes);
}

/* The longest token that text begins with, -1: none. */
static int32_t longest_token(const vocabulary *v, const char *text, size_t bytes, size_t *taken) {
    if (bytes > v->longest) {
        bytes = v->longest;
        while (bytes && (text[bytes] & 0xC0) == 0x80) bytes--;
    }
    while (bytes) {
        int32_t id = vocabulary_find(v, text, bytes);
        if (id >= 0 && v->types[id] == TOKEN_NORMAL) {
            *taken = bytes;
            return id;
        }
        do bytes--;
        while (bytes && (text[bytes] & 0xC0) == 0x80);
    }
    return -1;
}

/* U+2581 in a word is no beginning of another one. */
static bool begins_word(const char *text, size_t bytes) {
    return bytes >= TOKENIZER_SPACE_BYTES && !memcmp(text, TOKENIZER_SPACE, TOKENIZER_SPACE_BYTES);
}

static void end_word(const vocabulary *v, word *w, id_list *out) {
    size_t before = out->n, taken;
    bool known = w->characters <= WORD_MAX;
    for (size_t at = 0; w->characters && known && at < w->bytes; at += taken) {
        int32_t id = -1;
        if (!at || !begins_word(w->text + at, w->bytes - at))
            id = longest_token(v, w->text + at, w->bytes - at, &taken);
        known = id >= 0 && at + taken > TOKENIZER_SPACE_BYTES;
        if (known) id_list_add(out, id);
    }
    if (!known) { /* all of it, not only the part without a token */
        out->n = before;
        id_list_add(out, v->unknown);
    }
    begin_word(w);
}

static void alone(const vocabulary *v, word *w, int32_t c, id_list *out) {
    end_word(v, w, out);
    add_character(w, c);
    end_word(v, w, out);
}

static glint_status wordpiece_encode(const void *state, const char *text, size_t bytes, id_list *out,
                                     glint_error *err) {
    (void)err;
    const vocabulary *v = state;
    word w;
    begin_word(&w);
    for (size_t i = 0, length; i < bytes; i += length) {
        int32_t c = utf8_read(text + i, &length), parts[UTF8_DECOMPOSED];
        utf8proc_category_t category = utf8proc_category(c);
        if (is_space(c, category)) {
            end_word(v, &w, out);
            continue;
        }
        if (is_dropped(c, category)) continue;
        bool ideograph = is_ideograph(c);
        if (ideograph) end_word(v, &w, out);
        for (size_t k = 0, n = utf8_decompose(c, parts); k < n; k++) {
            if (utf8proc_category(parts[k]) == UTF8PROC_CATEGORY_MN) continue;
            int32_t lower = utf8proc_tolower(parts[k]);
            if (is_punctuation(lower))
                alone(v, &w, lower, out);
            else
                add_character(&w, lower);
        }
        if (ideograph) end_word(v, &w, out);
    }
    end_word(v, &w, out);
    return GLINT_OK;
}

const tokenizer_algorithm wordpiece_algorithm = {"bert", wordpiece_open, wordpiece_close, wordpiece_encode};
