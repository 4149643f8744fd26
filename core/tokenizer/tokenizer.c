/* What all tokenizers share: the vocabulary, special tokens in text, what is added around a text, which tokens end one.
 * The algorithm between special tokens comes from a table. */
#include "core/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "core/tokenizer/algorithm.h"
#include "core/tokenizer/state.h"
#include "core/tokenizer/utf8.h"

static const tokenizer_algorithm *const algorithms[] = {&spm_algorithm, &bpe_algorithm, &wordpiece_algorithm};

/* Tokens that end a turn or a text by what they are called, for files that do not name them. Only special tokens
 * count: "</s>" may well be an ordinary word of a vocabulary that saw HTML. */
static const char *const end_texts[] = {
    "<|im_end|>",
    "<end_of_turn>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "</s>",
    "<eos>",
    "<EOT>",
    "<|EOT|>",
    "<｜end▁of▁sentence｜>",
};

static glint_status out_of_memory(const tokenizer *t, glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "%s: tokenizer: out of memory", t->words.path);
}

/* ---- Opening ------------------------------------------------------------------------------------------------ */

static const tokenizer_algorithm *find_algorithm(container_text model) {
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (strlen(algorithms[i]->model) == model.bytes && !memcmp(algorithms[i]->model, model.data, model.bytes))
            return algorithms[i];
    return NULL;
}

static void mark_end(tokenizer *t, int32_t id) {
    if (id >= 0) t->ends[id] = true;
}

static glint_status mark_listed_ends(tokenizer *t, const container *c, glint_error *err) {
    size_t n;
    if (!container_array(c, "eos_ids", &n) || !n) return GLINT_OK;
    int64_t *ids = calloc(n, sizeof *ids);
    if (!ids) return out_of_memory(t, err);
    glint_status s = GLINT_OK;
    if (!container_ints(c, "eos_ids", ids))
        s = base_fail(err, GLINT_BAD_INPUT, "%s: eos_ids: not an array of integers", t->words.path);
    for (size_t i = 0; !s && i < n; i++) {
        if (ids[i] < 0 || ids[i] >= t->words.n)
            s = base_fail(err, GLINT_BAD_INPUT, "%s: eos_ids: no token %lld, there are %d", t->words.path,
                          (long long)ids[i], t->words.n);
        else
            mark_end(t, (int32_t)ids[i]);
    }
    free(ids);
    return s;
}

static glint_status mark_ends(tokenizer *t, const container *c, glint_error *err) {
    vocabulary *v = &t->words;
    t->ends = arena_array(&v->memory, (size_t)v->n, sizeof *t->ends);
    if (!t->ends) return out_of_memory(t, err);
    mark_end(t, v->eos);
    mark_end(t, v->eot);
    mark_end(t, v->eom);
    for (size_t i = 0; i < sizeof end_texts / sizeof *end_texts; i++) {
        int32_t id = vocabulary_find(v, end_texts[i], strlen(end_texts[i]));
        if (id >= 0 && (v->types[id] == TOKEN_CONTROL || v->types[id] == TOKEN_USER_DEFINED)) mark_end(t, id);
    }
    return mark_listed_ends(t, c, err);
}

/* What goes before and after a text: the file's word, or the algorithm's where it says nothing. */
static glint_status read_around(tokenizer *t, const container *c, const tokenizer_rules *rules, glint_error *err) {
    const struct {
        const char *key;
        bool fallback;
        int32_t id;
        int32_t *out;
    } around[] = {
        {"tokenizer.add_bos", rules->add_begin, rules->begin, &t->before},
        {"tokenizer.add_eos", rules->add_end, rules->end, &t->after},
    };
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        bool add = around[i].fallback, said = container_bool(c, around[i].key, &add);
        if (said && add && around[i].id < 0)
            return base_fail(err, GLINT_BAD_INPUT, "%s: %s is set, but the file names no such token", t->words.path,
                             around[i].key);
        *around[i].out = add ? around[i].id : -1;
    }
    return GLINT_OK;
}

static glint_status open_rules(tokenizer *t, const container *c, glint_error *err) {
    tokenizer_rules rules = {0};
    glint_status s = t->algorithm->open(c, &t->words, &rules, err);
    if (s) return s;
    t->rules = rules.state;
    t->strip_space = rules.strip_space;
    s = read_around(t, c, &rules, err);
    return s ? s : mark_ends(t, c, err);
}

glint_status tokenizer_open(const container *c, tokenizer **out, glint_error *err) {
    container_text model;
    if (!container_string(c, "tokenizer.model", &model)) {
        *out = NULL;
        return GLINT_OK;
    }
    const tokenizer_algorithm *algorithm = find_algorithm(model);
    if (!algorithm)
        return base_fail(err, GLINT_BAD_INPUT, "%s: unknown tokenizer '%.*s'; known are llama, gpt2, bert",
                         container_path(c), model.bytes < 64 ? (int)model.bytes : 64, model.data);
    tokenizer *t = calloc(1, sizeof *t);
    if (!t) return base_fail(err, GLINT_INTERNAL, "%s: tokenizer: out of memory", container_path(c));
    glint_status s = vocabulary_open(c, &t->words, err);
    t->algorithm = algorithm;
    if (!s) s = open_rules(t, c, err);
    if (s)
        tokenizer_close(&t);
    else
        *out = t;
    return s;
}

void tokenizer_close(tokenizer **t) {
    if (!t || !*t) return;
    if ((*t)->rules) (*t)->algorithm->close((*t)->rules);
    vocabulary_close(&(*t)->words);
    free(*t);
    *t = NULL;
}

bool tokenizer_unescape_pieces(vocabulary *v) {
    size_t total = 0;
    for (int32_t i = 0; i < v->n; i++) total += v->texts[i].bytes; /* known to fit: they lie in one block */
    char *to = arena_array(&v->memory, total, 1);
    if (!to) return false;
    for (int32_t i = 0; i < v->n; i++) {
        container_text from = v->texts[i];
        if (v->types[i] != TOKEN_NORMAL) continue;
        v->pieces[i].data = to;
        for (size_t k = 0; k < from.bytes;) {
            bool space = from.bytes - k >= TOKENIZER_SPACE_BYTES &&
                         !memcmp(from.data + k, TOKENIZER_SPACE, TOKENIZER_SPACE_BYTES);
            *to++ = space ? ' ' : from.data[k];
            k += space ? TOKENIZER_SPACE_BYTES : 1;
        }
        v->pieces[i].bytes = (size_t)(to - v->pieces[i].data);
    }
    return true;
}

/* ---- Asking ------------------------------------------------------------------------------------------------- */

int tokenizer_size(const tokenizer *t) {
    return t->words.n;
}

const char *tokenizer_text(const tokenizer *t, int32_t id, size_t *bytes) {
    if (id < 0 || id >= t->words.n) return NULL;
    *bytes = t->words.pieces[id].bytes;
    return t->words.pieces[id].data;
}

bool tokenizer_ends(const tokenizer *t, int32_t id) {
    return id >= 0 && id < t->words.n && t->ends[id];
}

int32_t tokenizer_bos(const tokenizer *t) {
    return t->before;
}

/* ---- Encoding ----------------------------------------------------------------------------------------------- */

/* Special tokens are found first, the leftmost and of those the longest; what lies between is the algorithm's. */
static glint_status encode_text(const tokenizer *t, const char *text, size_t bytes, bool control, id_list *out,
                                glint_error *err) {
    size_t start = 0;
    glint_status s = GLINT_OK;
    for (size_t i = 0, length; !s && i < bytes; i += length) {
        int32_t id = vocabulary_special_at(&t->words, text + i, bytes - i, control, &length);
        if (id < 0) {
            length = 1;
            continue;
        }
        if (i > start) s = t->algorithm->encode(t->rules, text + start, i - start, out, err);
        id_list_add(out, id);
        start = i + length;
    }
    if (!s && bytes > start) s = t->algorithm->encode(t->rules, text + start, bytes - start, out, err);
    return s;
}

glint_status tokenizer_encode(const tokenizer *t, const char *text, size_t bytes, unsigned flags, int32_t **ids,
                              size_t *count, glint_error *err) {
    if (bytes > TOKENIZER_MAX_BYTES)
        return base_fail(err, GLINT_BAD_INPUT, "the text has %zu bytes, at most %d can be tokenized at once", bytes,
                         TOKENIZER_MAX_BYTES);
    size_t valid = utf8_valid(text, bytes);
    if (valid < bytes) return base_fail(err, GLINT_BAD_INPUT, "the text is not UTF-8 at byte %zu", valid);
    id_list list = {0};
    bool ends = flags & GLINT_TOKENIZE_ADD_ENDS;
    if (ends && t->before >= 0) id_list_add(&list, t->before);
    glint_status s = encode_text(t, text, bytes, flags & GLINT_TOKENIZE_SPECIAL, &list, err);
    if (ends && t->after >= 0) id_list_add(&list, t->after);
    if (!s && !list.ids && !(list.ids = malloc(sizeof *list.ids))) list.failed = true; /* never NULL, also for none */
    if (!s && list.failed) s = out_of_memory(t, err);
    if (s) {
        free(list.ids);
        return s;
    }
    *ids = list.ids;
    *count = list.n;
    return GLINT_OK;
}
