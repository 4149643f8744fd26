/* Byte-level BPE (tokenizer.model "gpt2"): text is cut into pieces (pretokenize.c); in each, single bytes are merged in
 * the order of the list of merges. In the file every byte is written as a printable character (GPT-2's table). */
#include "core/tokenizer/algorithm.h"

#include <stdlib.h>
#include <string.h>

#include "core/tokenizer/merge.h"
#include "core/tokenizer/pretokenize.h"
#include "core/tokenizer/utf8.h"

enum { BYTE_CHARS = 0x144 }; /* the characters that stand for bytes are below this one */

typedef struct bpe_merge {
    int32_t left, right; /* left -1: a free slot */
    int32_t rank, id;
} bpe_merge;

typedef struct bpe_state {
    const vocabulary *words;
    pretokenizer *pre;
    pretokenizer_traits traits;
    int32_t byte_ids[256]; /* -1: none */
    bpe_merge *merges;     /* hash table by the two ids */
    size_t merge_mask;
    arena memory;
} bpe_state;

/* ---- Bytes as characters ------------------------------------------------------------------------------------ */

/* GPT-2's table: printable characters of Latin-1 stand for themselves, the others, in order, for U+0100 and up. */
static int32_t byte_char(int byte) {
    if ((byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD)) return byte;
    if (byte <= ' ') return 0x100 + byte;
    return byte == 0xAD ? 0x143 : 0x100 + 0x21 + (byte - 0x7F);
}

static void fill_char_bytes(int16_t table[BYTE_CHARS]) {
    memset(table, 0xFF, BYTE_CHARS * sizeof *table);
    for (int b = 0; b < 256; b++) table[byte_char(b)] = (int16_t)b;
}

/* The bytes that a word stands for; false where it has other characters. `out` has room for the word. */
static bool read_bytes(const int16_t table[BYTE_CHARS], container_text word, char *out, size_t *bytes) {
    if (utf8_valid(word.data, word.bytes) != word.bytes) return false;
    *bytes = 0;
    for (size_t i = 0, length; i < word.bytes; i += length) {
        int32_t c = utf8_read(word.data + i, &length);
        if (c >= BYTE_CHARS || table[c] < 0) return false;
        out[(*bytes)++] = (char)table[c];
    }
    return true;
}

/* Words that stand for bytes are shown as these; special tokens, and words with other characters, as they are. */
static bool fill_pieces(vocabulary *v) {
    int16_t table[BYTE_CHARS];
    size_t total = 0;
    fill_char_bytes(table);
    for (int32_t i = 0; i < v->n; i++) total += v->texts[i].bytes; /* known to fit: they lie in one block */
    char *to = arena_array(&v->memory, total, 1);
    if (!to) return false;
    for (int32_t i = 0; i < v->n; i++) {
        size_t bytes;
        if (v->types[i] != TOKEN_NORMAL || !read_bytes(table, v->texts[i], to, &bytes)) continue;
        v->pieces[i] = (container_text){to, bytes};
        to += bytes;
    }
    return true;
}

static void find_byte_tokens(bpe_state *s) {
    for (int b = 0; b < 256; b++) {
        char text[UTF8_MAX];
        s->byte_ids[b] = vocabulary_find(s->words, text, utf8_write(byte_char(b), text));
    }
}

/* ---- Merges ------------------------------------------------------------------------------------------------- */

static bpe_merge *find_merge(const bpe_state *s, int32_t left, int32_t right) {
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t slot = key * 0x9E3779B97F4A7C15u >> 32 & s->merge_mask;
    while (s->merges[slot].left >= 0 && (s->merges[slot].left != left || s->merges[slot].right != right))
        slot = (slot + 1) & s->merge_mask;
    return &s->merges[slot];
}

/* "left right": both, and what they make, are tokens. */
static glint_status add_merge(bpe_state *s, int32_t rank, container_text text, char *joined, glint_error *err) {
    const vocabulary *v = s->words;
    const char *space = text.bytes > 1 ? memchr(text.data + 1, ' ', text.bytes - 1) : NULL;
    size_t left_bytes = space ? (size_t)(space - text.data) : 0, right_bytes = text.bytes - left_bytes - 1;
    if (!space || !right_bytes || memchr(space + 1, ' ', right_bytes))
        return base_fail(err, GLINT_BAD_INPUT, "%s: tokenizer.merges: merge %d is not two words and a space", v->path,
                         rank);
    int32_t id = -1, left = vocabulary_find(v, text.data, left_bytes);
    int32_t right = vocabulary_find(v, space + 1, right_bytes);
    if (left_bytes + right_bytes <= v->longest) {
        memcpy(joined, text.data, left_bytes);
        memcpy(joined + left_bytes, space + 1, right_bytes);
        id = vocabulary_find(v, joined, left_bytes + right_bytes);
    }
    if (left < 0 || right < 0 || id < 0)
        return base_fail(err, GLINT_BAD_INPUT, "%s: tokenizer.merges: merge %d names a word that is no token", v->path,
                         rank);
    bpe_merge *slot = find_merge(s, left, right);
    if (slot->left < 0) *slot = (bpe_merge){left, right, rank, id};
    return GLINT_OK;
}

static glint_status read_merges(bpe_state *s, const container *c, glint_error *err) {
    const char *path = s->words->path;
    size_t n, slots = 4;
    if (!container_array(c, "tokenizer.merges", &n))
        return base_fail(err, GLINT_BAD_INPUT, "%s: tokenizer.merges is missing", path);
    if (n >= VOCABULARY_MAX)
        return base_fail(err, GLINT_BAD_INPUT, "%s: tokenizer.merges: %zu merges, %d are possible", path, n,
                         VOCABULARY_MAX - 1);
    while (slots < 2 * n) slots *= 2;
    s->merges = arena_array(&s->memory, slots, sizeof *s->merges);
    s->merge_mask = slots - 1;
    container_text *texts = calloc(n + 1, sizeof *texts);
    char *joined = malloc(s->words->longest + 1);
    glint_status status = GLINT_OK;
    if (!s->merges || !texts || !joined)
        status = base_fail(err, GLINT_INTERNAL, "%s: tokenizer: out of memory", path);
    else if (!container_strings(c, "tokenizer.merges", texts))
        status = base_fail(err, GLINT_BAD_INPUT, "%s: tokenizer.merges: not an array of strings", path);
    for (size_t i = 0; !status && i < slots; i++) s->merges[i].left = -1;
    for (size_t i = 0; !status && i < n; i++) status = add_merge(s, (int32_t)i, texts[i], joined, err);
    free(texts);
    free(joined);
    return status;
}

/* ---- Opening ------------------------------------------------------------------------------------------------ */

static void bpe_close(void *state) {
    bpe_state *s = state;
    pretokenizer_close(s->pre);
    arena_free(&s->memory);
    free(s);
}

static glint_status bpe_open(const container *c, vocabulary *v, tokenizer_rules *out, glint_error *err) {
    container_text pre = {"default", strlen("default")};
    container_string(c, "tokenizer.pre", &pre);
    bpe_state *s = calloc(1, sizeof *s);
    if (!s) return base_fail(err, GLINT_INTERNAL, "%s: tokenizer: out of memory", v->path);
    s->words = v;
    glint_status status = pretokenizer_open(v->path, pre, &s->pre, err);
    if (!status) status = read_merges(s, c, err);
    if (!status && !fill_pieces(v)) status = base_fail(err, GLINT_INTERNAL, "%s: tokenizer: out of memory", v->path);
    if (status) {
        bpe_close(s);
        return status;
    }
    find_byte_tokens(s);
    s->traits = pretokenizer_is(s->pre);
    *out = (tokenizer_rules){.state = s, .begin = v->bos, .end = v->eos, .add_begin = s->traits.add_bos};
    return GLINT_OK;
}

/* ---- Encoding ----------------------------------------------------------------------------------------------- */

static bool merge_by_rank(const void *context, const merge_symbol *a, const merge_symbol *b, float *cost, int32_t *id) {
    const bpe_merge *m = find_merge(context, a->id, b->id);
    if (m->left < 0) return false;
    *cost = (float)m->rank; /* exact: ranks are below 2^24 */
    *id = m->id;
    return true;
}

/* Memory of one call. */
typedef struct bpe_work {
    merge_work merges;
    char *written; /* a piece as words are written; room for the longest word */
} bpe_work;

/* The piece as a whole, where it is a token; -1: it is none. */
static int32_t whole_piece(const bpe_state *s, const char *piece, uint32_t bytes, char *written) {
    size_t n = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        if (n >= s->words->longest) return -1;
        n += utf8_write(byte_char((unsigned char)piece[i]), written + n);
    }
    return vocabulary_find(s->words, written, n);
}

/* A byte without a token (some vocabularies lack rare ones: Falcon's has none for 0x0B) adds nothing, as in the
 * reference implementation; its neighbours then stand side by side. */
static glint_status encode_piece(const bpe_state *s, const char *piece, uint32_t bytes, bpe_work *work, id_list *out,
                                 glint_error *err) {
    int32_t whole = s->traits.ignore_merges ? whole_piece(s, piece, bytes, work->written) : -1;
    if (whole >= 0) {
        id_list_add(out, whole);
        return GLINT_OK;
    }
    merge_work *w = &work->merges;
    w->n = 0;
    bool ok = true;
    for (uint32_t i = 0; ok && i < bytes; i++) {
        int32_t id = s->byte_ids[(unsigned char)piece[i]];
        if (id >= 0) ok = merge_add(w, i, 1, id);
    }
    if (!ok || !merge_run(w, merge_by_rank, s)) return base_fail(err, GLINT_INTERNAL, "tokenizer: out of memory");
    for (int32_t i = w->n ? 0 : -1; i >= 0; i = w->symbols[i].next) id_list_add(out, w->symbols[i].id);
    return GLINT_OK;
}

static glint_status bpe_encode(const void *state, const char *text, size_t bytes, id_list *out, glint_error *err) {
    const bpe_state *s = state;
    char *normal = NULL;
    bpe_work work = {.written = malloc(s->words->longest + UTF8_MAX)};
    pretokenizer_cuts cuts = {0};
    glint_status status = GLINT_OK;
    if (!work.written || (s->traits.nfc && !utf8_nfc(text, bytes, &normal, &bytes)))
        status = base_fail(err, GLINT_INTERNAL, "tokenizer: out of memory");
    if (normal) text = normal;
    if (!status) status = pretokenizer_cut(s->pre, text, bytes, &cuts, err);
    for (size_t i = 0, start = 0; !status && i < cuts.n; start = cuts.ends[i++])
        status = encode_piece(s, text + start, cuts.ends[i] - (uint32_t)start, &work, out, err);
    merge_free(&work.merges);
    free(work.written);
    free(cuts.ends);
    free(normal);
    return status;
}

const tokenizer_algorithm bpe_algorithm = {"gpt2", bpe_open, bpe_close, bpe_encode};
