/* Ids to text as they come: bytes go through a small UTF-8 decoder, which lets only whole characters out. */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/tokenizer/state.h"
#include "core/tokenizer/tokenizer.h"
#include "core/tokenizer/utf8.h"

struct glint_detokenizer {
    const tokenizer *t;
    bool show_special;
    bool at_start;        /* nothing has come out yet */
    char begun[UTF8_MAX]; /* a character that is not whole */
    size_t begun_bytes;
    char *out;
    size_t out_bytes;
};

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
enum { REPLACEMENT_BYTES = sizeof replacement - 1 };

glint_status detokenizer_open(const tokenizer *t, bool show_special, glint_detokenizer **out, glint_error *err) {
    size_t longest = 0, room;
    for (int32_t i = 0; i < t->words.n; i++)
        if (t->words.pieces[i].bytes > longest) longest = t->words.pieces[i].bytes;
    glint_detokenizer *d = calloc(1, sizeof *d);
    /* At worst each byte comes out as U+FFFD, and so does what was begun before. */
    if (d && size_mul(longest + UTF8_MAX, REPLACEMENT_BYTES, &room)) d->out = malloc(room);
    if (!d || !d->out) {
        free(d);
        return base_fail(err, GLINT_INTERNAL, "detokenizer: out of memory");
    }
    d->t = t;
    d->show_special = show_special;
    d->at_start = true;
    *out = d;
    return GLINT_OK;
}

void glint_detokenizer_close(glint_detokenizer **d) {
    if (!d || !*d) return;
    free((*d)->out);
    free(*d);
    *d = NULL;
}

static void emit(glint_detokenizer *d, const char *bytes, size_t n) {
    memcpy(d->out + d->out_bytes, bytes, n);
    d->out_bytes += n;
}

static void drop_begun(glint_detokenizer *d) {
    if (d->begun_bytes) emit(d, replacement, REPLACEMENT_BYTES);
    d->begun_bytes = 0;
}

/* One U+FFFD for each longest beginning of a character that does not go on, as the Unicode standard recommends. */
static void feed(glint_detokenizer *d, char byte) {
    if (d->begun_bytes) {
        d->begun[d->begun_bytes] = byte;
        if (utf8_begins(d->begun, d->begun_bytes + 1)) {
            if (++d->begun_bytes < utf8_length(d->begun[0])) return;
            emit(d, d->begun, d->begun_bytes);
            d->begun_bytes = 0;
            return;
        }
        drop_begun(d);
    }
    d->begun[0] = byte;
    if ((unsigned char)byte < 0x80)
        emit(d, &byte, 1);
    else if (utf8_begins(d->begun, 1))
        d->begun_bytes = 1;
    else
        emit(d, replacement, REPLACEMENT_BYTES);
}

glint_status glint_detokenizer_next(glint_detokenizer *d, int32_t id, const char **text, size_t *bytes,
                                    glint_error *err) {
    const vocabulary *v = &d->t->words;
    if (id < 0 || id >= v->n) return base_fail(err, GLINT_BAD_INPUT, "no token has the id %d, there are %d", id, v->n);
    d->out_bytes = 0;
    container_text piece = v->pieces[id];
    bool hidden = v->types[id] == TOKEN_CONTROL || v->types[id] == TOKEN_UNKNOWN;
    if (piece.bytes && (!hidden || d->show_special)) {
        size_t skip = d->at_start && d->t->strip_space && piece.data[0] == ' ';
        d->at_start = false;
        for (size_t i = skip; i < piece.bytes; i++) feed(d, piece.data[i]);
    }
    *text = d->out;
    *bytes = d->out_bytes;
    return GLINT_OK;
}

void glint_detokenizer_end(glint_detokenizer *d, const char **text, size_t *bytes) {
    d->out_bytes = 0;
    drop_begun(d);
    d->at_start = true;
    *text = d->out;
    *bytes = d->out_bytes;
}
