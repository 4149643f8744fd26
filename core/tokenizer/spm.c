/* SentencePiece BPE (tokenizer.model "llama"): spaces become U+2581, then neighbours merge, those first whose word has
 * the highest score. Characters without a word become their bytes, or the unknown token where the file has no bytes. */
#include "core/tokenizer/algorithm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tokenizer/merge.h"
#include "core/tokenizer/utf8.h"

typedef struct spm_state {
    const vocabulary *words;
    bool add_prefix;
    bool words_apart;      /* no token holds a space after something else: text can be cut before each run of spaces */
    int32_t byte_ids[256]; /* -1: none */
} spm_state;

/* Byte tokens are written <0x0A>. */
static bool read_byte_token(container_text text, unsigned *byte) {
    char copy[7] = {0};
    int end = 0;
    if (text.bytes != 6) return false;
    memcpy(copy, text.data, 6);
    return sscanf(copy, "<0x%2X>%n", byte, &end) == 1 && end == 6;
}

static glint_status find_byte_tokens(spm_state *s, vocabulary *v, glint_error *err) {
    char *bytes = arena_array(&v->memory, 256, 1); /* what the pieces of byte tokens point into */
    if (!bytes) return base_fail(err, GLINT_INTERNAL, "%s: tokenizer: out of memory", v->path);
    for (int b = 0; b < 256; b++) {
        bytes[b] = (char)b;
        s->byte_ids[b] = -1;
    }
    for (int32_t i = 0; i < v->n; i++) {
        unsigned b;
        if (v->types[i] != TOKEN_BYTE) continue;
        if (!read_byte_token(v->texts[i], &b))
            return base_fail(err, GLINT_BAD_INPUT, "%s: byte token %d is not written like <0x0A>", v->path, i);
        if (s->byte_ids[b] < 0) s->byte_ids[b] = i;
        v->pieces[i] = (container_text){bytes + b, 1};
    }
    return GLINT_OK;
}

/* Words that text can make: control, byte and unused tokens cannot be written. */
static bool is_word(const vocabulary *v, int32_t id) {
    return v->types[id] == TOKEN_NORMAL || v->types[id] == TOKEN_USER_DEFINED;
}

static bool is_space(const char *text) {
    return memcmp(text, TOKENIZER_SPACE, TOKENIZER_SPACE_BYTES) == 0;
}

/* Where the word ends that begins at `start`: before the first space that does not stand at its beginning. */
static size_t word_end(const char *text, size_t start, size_t bytes) {
    while (bytes - start >= TOKENIZER_SPACE_BYTES && is_space(text + start)) start += TOKENIZER_SPACE_BYTES;
    const char *space = memmem(text + start, bytes - start, TOKENIZER_SPACE, TOKENIZER_SPACE_BYTES);
    return space ? (size_t)(space - text) : bytes;
}

static bool words_apart(const vocabulary *v) {
    for (int32_t i = 0; i < v->n; i++)
        if (is_word(v, i) && word_end(v->texts[i].data, 0, v->texts[i].bytes) < v->texts[i].bytes) return false;
    return true;
}

static glint_status spm_open(const container *c, vocabulary *v, tokenizer_rules *out, glint_error *err) {
    if (!v->scores) return base_fail(err, GLINT_BAD_INPUT, "%s: tokenizer.scores is missing", v->path);
    spm_state *s = calloc(1, sizeof *s);
    if (!s || !tokenizer_unescape_pieces(v)) {
        free(s);
        return base_fail(err, GLINT_INTERNAL, "%s: tokenizer: out of memory", v->path);
    }
    *s = (spm_state){.words = v, .add_prefix = true, .words_apart = words_apart(v)};
    container_bool(c, "tokenizer.add_space_prefix", &s->add_prefix);
    glint_status status = find_byte_tokens(s, v, err);
    if (status)
        free(s);
    else
        *out = (tokenizer_rules){
            .state = s, .begin = v->bos, .end = v->eos, .add_begin = true, .strip_space = s->add_prefix};
    return status;
}

/* The text as the words are written. Room for prefix and text where every byte is a space. */
static size_t escape_spaces(const spm_state *s, const char *text, size_t bytes, char *out) {
    char *to = out;
    if (s->add_prefix) to = (char *)memcpy(to, TOKENIZER_SPACE, TOKENIZER_SPACE_BYTES) + TOKENIZER_SPACE_BYTES;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] != ' ')
            *to++ = text[i];
        else
            to = (char *)memcpy(to, TOKENIZER_SPACE, TOKENIZER_SPACE_BYTES) + TOKENIZER_SPACE_BYTES;
    }
    return (size_t)(to - out);
}

static int32_t find_word(const vocabulary *v, const char *text, uint32_t bytes) {
    int32_t id = bytes <= v->longest ? vocabulary_find(v, text, bytes) : -1;
    return id >= 0 && is_word(v, id) ? id : -1;
}

typedef struct spm_rule {
    const vocabulary *words;
    const char *text;
} spm_rule;

static bool merge_by_score(const void *context, const merge_symbol *a, const merge_symbol *b, float *cost,
                           int32_t *id) {
    const spm_rule *rule = context;
    *id = find_word(rule->words, rule->text + a->start, a->bytes + b->bytes);
    if (*id < 0) return false;
    *cost = -rule->words->scores[*id];
    return true;
}

/* What one call works on. */
typedef struct spm_work {
    char *text; /* escaped */
    merge_work merges;
    bool after_unknown; /* the last id was the unknown token */
} spm_work;

/* A character that is no word: its bytes; without byte tokens the unknown token, once for a run of such characters. */
static bool add_character(const spm_state *s, const merge_symbol *symbol, spm_work *w, id_list *out) {
    const char *text = w->text + symbol->start;
    bool all_bytes = true;
    for (uint32_t i = 0; i < symbol->bytes; i++) all_bytes &= s->byte_ids[(unsigned char)text[i]] >= 0;
    for (uint32_t i = 0; all_bytes && i < symbol->bytes; i++) id_list_add(out, s->byte_ids[(unsigned char)text[i]]);
    if (!all_bytes && !w->after_unknown) id_list_add(out, s->words->unknown);
    w->after_unknown = !all_bytes;
    return all_bytes || s->words->unknown >= 0;
}

static glint_status encode_stretch(const spm_state *s, spm_work *w, size_t start, size_t end, id_list *out,
                                   glint_error *err) {
    merge_work *m = &w->merges;
    bool ok = true;
    m->n = 0;
    for (size_t i = start, length; ok && i < end; i += length) {
        length = utf8_length(w->text[i]);
        ok = merge_add(m, (uint32_t)i, (uint32_t)length, find_word(s->words, w->text + i, (uint32_t)length));
    }
    if (!ok || !merge_run(m, merge_by_score, &(spm_rule){s->words, w->text}))
        return base_fail(err, GLINT_INTERNAL, "tokenizer: out of memory");
    for (int32_t i = 0; i >= 0; i = m->symbols[i].next) {
        const merge_symbol *symbol = &m->symbols[i];
        if (symbol->id >= 0) {
            id_list_add(out, symbol->id);
            w->after_unknown = false;
        } else if (!add_character(s, symbol, w, out)) {
            return base_fail(err, GLINT_BAD_INPUT, "%s: no token for '%.*s', and none for unknown text", s->words->path,
                             (int)symbol->bytes, w->text + symbol->start);
        }
    }
    return GLINT_OK;
}

static glint_status spm_encode(const void *state, const char *text, size_t bytes, id_list *out, glint_error *err) {
    const spm_state *s = state;
    spm_work w = {.text = malloc((bytes + 1) * TOKENIZER_SPACE_BYTES)};
    if (!w.text) return base_fail(err, GLINT_INTERNAL, "tokenizer: out of memory");
    size_t n = escape_spaces(s, text, bytes, w.text);
    glint_status status = GLINT_OK;
    for (size_t start = 0, end; !status && start < n; start = end) {
        end = s->words_apart ? word_end(w.text, start, n) : n;
        status = encode_stretch(s, &w, start, end, out, err);
    }
    merge_free(&w.merges);
    free(w.text);
    return status;
}

const tokenizer_algorithm spm_algorithm = {"llama", spm_open, free, spm_encode};
