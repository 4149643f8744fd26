#include "core/tokenizer/vocabulary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/tokenizer/utf8.h"

static uint64_t hash_text(const char *text, size_t bytes) {
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */
    for (size_t i = 0; i < bytes; i++) h = (h ^ (unsigned char)text[i]) * 0x100000001B3u;
    return h ^ h >> 29;
}

static bool same_text(container_text a, const char *text, size_t bytes) {
    return a.bytes == bytes && memcmp(a.data, text, bytes) == 0;
}

/* The slot that holds this text, or the free one where it belongs. The table is at most half full. */
static size_t find_slot(const vocabulary *v, const char *text, size_t bytes) {
    size_t slot = hash_text(text, bytes) & v->slot_mask;
    while (v->slots[slot] >= 0 && !same_text(v->texts[v->slots[slot]], text, bytes)) slot = (slot + 1) & v->slot_mask;
    return slot;
}

int32_t vocabulary_find(const vocabulary *v, const char *text, size_t bytes) {
    return v->slots[find_slot(v, text, bytes)];
}

static glint_status out_of_memory(const vocabulary *v, glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "%s: tokenizer: out of memory", v->path);
}

/* ---- Reading the container's arrays ------------------------------------------------------------------------- */

static glint_status read_texts(vocabulary *v, const container *c, glint_error *err) {
    size_t n, total = 0;
    if (!container_array(c, "tokenizer.tokens", &n))
        return base_fail(err, GLINT_BAD_INPUT, "%s: tokenizer.tokens is missing", v->path);
    if (!n || n >= VOCABULARY_MAX)
        return base_fail(err, GLINT_BAD_INPUT, "%s: tokenizer.tokens: %zu tokens, 1 to %d are possible", v->path, n,
                         VOCABULARY_MAX - 1);
    v->n = (int32_t)n;
    v->texts = arena_array(&v->memory, n, sizeof *v->texts);
    v->pieces = arena_array(&v->memory, n, sizeof *v->pieces);
    if (!v->texts || !v->pieces) return out_of_memory(v, err);
    if (!container_strings(c, "tokenizer.tokens", v->texts))
        return base_fail(err, GLINT_BAD_INPUT, "%s: tokenizer.tokens: not an array of strings", v->path);
    for (size_t i = 0; i < n; i++) {
        if (!size_add(total, v->texts[i].bytes, &total)) return out_of_memory(v, err);
        if (v->texts[i].bytes > v->longest) v->longest = v->texts[i].bytes;
    }
    char *copy = arena_array(&v->memory, total, 1); /* the container may be closed before the tokenizer */
    if (!copy) return out_of_memory(v, err);
    for (size_t i = 0; i < n; i++) {
        if (v->texts[i].bytes) memcpy(copy, v->texts[i].data, v->texts[i].bytes);
        v->texts[i].data = copy;
        copy += v->texts[i].bytes;
        v->pieces[i] = v->texts[i];
    }
    return GLINT_OK;
}

/* Is there an array of this name? One of another length than the tokens is an error. */
static glint_status has_array(const vocabulary *v, const container *c, const char *key, bool *has, glint_error *err) {
    size_t n;
    *has = container_array(c, key, &n);
    if (*has && n != (size_t)v->n)
        return base_fail(err, GLINT_BAD_INPUT, "%s: %s: %zu entries for %d tokens", v->path, key, n, v->n);
    return GLINT_OK;
}

static glint_status read_types(vocabulary *v, const container *c, glint_error *err) {
    static const char key[] = "tokenizer.types";
    bool has;
    glint_status s = has_array(v, c, key, &has, err);
    if (s) return s;
    v->types = arena_array(&v->memory, (size_t)v->n, sizeof *v->types);
    int64_t *values = calloc((size_t)v->n, sizeof *values);
    if (!v->types || !values)
        s = out_of_memory(v, err);
    else if (has && !container_ints(c, key, values))
        s = base_fail(err, GLINT_BAD_INPUT, "%s: %s: not an array of integers", v->path, key);
    for (int32_t i = 0; !s && i < v->n; i++) {
        int64_t type = has ? values[i] : TOKEN_NORMAL;
        if (type < TOKEN_NORMAL || type > TOKEN_BYTE)
            s = base_fail(err, GLINT_BAD_INPUT, "%s: %s: token %d has type %lld, 1 to 6 are known", v->path, key, i,
                          (long long)type);
        else
            v->types[i] = (uint8_t)type;
    }
    free(values);
    return s;
}

static glint_status read_scores(vocabulary *v, const container *c, glint_error *err) {
    static const char key[] = "tokenizer.scores";
    bool has;
    glint_status s = has_array(v, c, key, &has, err);
    if (s || !has) return s;
    v->scores = arena_array(&v->memory, (size_t)v->n, sizeof *v->scores);
    if (!v->scores) return out_of_memory(v, err);
    if (!container_floats(c, key, v->scores))
        return base_fail(err, GLINT_BAD_INPUT, "%s: %s: not an array of numbers", v->path, key);
    for (int32_t i = 0; i < v->n; i++)
        if (isnan(v->scores[i]))
            return base_fail(err, GLINT_BAD_INPUT, "%s: %s: the score of token %d is not a number", v->path, key, i);
    return GLINT_OK;
}

static glint_status read_named(vocabulary *v, const container *c, glint_error *err) {
    const struct {
        const char *key;
        int32_t *id;
    } named[] = {
        {"tokenizer.bos", &v->bos}, {"tokenizer.eos", &v->eos},         {"tokenizer.eot", &v->eot},
        {"tokenizer.eom", &v->eom}, {"tokenizer.unknown", &v->unknown}, {"tokenizer.separator", &v->separator},
        {"tokenizer.cls", &v->cls},
    };
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        int64_t id = -1;
        bool has = container_int(c, named[i].key, &id);
        if (has && (id < 0 || id >= v->n))
            return base_fail(err, GLINT_BAD_INPUT, "%s: %s: no token %lld, there are %d", v->path, named[i].key,
                             (long long)id, v->n);
        *named[i].id = (int32_t)id;
    }
    return GLINT_OK;
}

/* ---- Look-up ------------------------------------------------------------------------------------------------ */

static bool build_slots(vocabulary *v) {
    size_t slots = 4;
    while (slots < 2 * (size_t)v->n) slots *= 2;
    v->slots = arena_array(&v->memory, slots, sizeof *v->slots);
    if (!v->slots) return false;
    memset(v->slots, 0xFF, slots * sizeof *v->slots);
    v->slot_mask = slots - 1;
    for (int32_t i = 0; i < v->n; i++) {
        size_t slot = find_slot(v, v->texts[i].data, v->texts[i].bytes);
        if (v->slots[slot] < 0) v->slots[slot] = i;
    }
    return true;
}

static int by_text(const void *pa, const void *pb) {
    const vocabulary_special *a = pa, *b = pb;
    size_t n = a->text.bytes < b->text.bytes ? a->text.bytes : b->text.bytes;
    int order = memcmp(a->text.data, b->text.data, n);
    if (order) return order;
    if (a->text.bytes != b->text.bytes) return a->text.bytes < b->text.bytes ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

/* Text that is not UTF-8 is never looked for: it could match inside a character. */
static bool is_special(const vocabulary *v, int32_t id) {
    container_text text = v->texts[id];
    bool type = v->types[id] == TOKEN_CONTROL || v->types[id] == TOKEN_UNKNOWN || v->types[id] == TOKEN_USER_DEFINED;
    return type && text.bytes && utf8_valid(text.data, text.bytes) == text.bytes;
}

static bool build_specials(vocabulary *v) {
    size_t n = 0;
    for (int32_t i = 0; i < v->n; i++) n += is_special(v, i);
    v->specials = arena_array(&v->memory, n, sizeof *v->specials);
    if (!v->specials) return false;
    n = 0;
    for (int32_t i = 0; i < v->n; i++)
        if (is_special(v, i))
            v->specials[n++] = (vocabulary_special){v->texts[i], i, v->types[i] != TOKEN_USER_DEFINED};
    qsort(v->specials, n, sizeof *v->specials, by_text);
    for (size_t i = 0, b = 0; b <= 256; b++) {
        while (i < n && (unsigned char)v->specials[i].text.data[0] < b) i++;
        v->first_special[b] = i;
    }
    return true;
}

/* The first of specials [low, high), which agree in their first `depth` bytes and have more, whose next byte is at
 * least `byte`. */
static size_t lower_bound(const vocabulary *v, size_t low, size_t high, size_t depth, int byte) {
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((unsigned char)v->specials[middle].text.data[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The sorted list serves as a trie: each byte of the text narrows the range of those that begin like it. */
int32_t vocabulary_special_at(const vocabulary *v, const char *text, size_t left, bool control, size_t *bytes) {
    int32_t found = -1;
    size_t low = v->first_special[(unsigned char)*text], high = v->first_special[(unsigned char)*text + 1];
    for (size_t depth = 1; low < high; depth++) {
        for (bool first = true; low < high && v->specials[low].text.bytes == depth; low++) {
            if (!first || (v->specials[low].control && !control)) continue;
            first = false;
            found = v->specials[low].id;
            *bytes = depth;
        }
        if (depth == left) break;
        int next = (unsigned char)text[depth];
        low = lower_bound(v, low, high, depth, next);
        high = lower_bound(v, low, high, depth, next + 1);
    }
    return found;
}

/* ---- Opening ------------------------------------------------------------------------------------------------ */

glint_status vocabulary_open(const container *c, vocabulary *out, glint_error *err) {
    vocabulary v = {0};
    glint_status s = GLINT_OK;
    v.path = arena_printf(&v.memory, "%s", container_path(c));
    if (!v.path) return base_fail(err, GLINT_INTERNAL, "tokenizer: out of memory");
    glint_status (*const readers[])(vocabulary *, const container *, glint_error *) = {read_texts, read_types,
                                                                                       read_scores, read_named};
    for (size_t i = 0; !s && i < sizeof readers / sizeof *readers; i++) s = readers[i](&v, c, err);
    if (!s && (!build_slots(&v) || !build_specials(&v))) s = out_of_memory(&v, err);
    if (s)
        vocabulary_close(&v);
    else
        *out = v;
    return s;
}

void vocabulary_close(vocabulary *v) {
    arena_free(&v->memory);
}

void id_list_add(id_list *list, int32_t id) {
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        int32_t *more = realloc(list->ids, capacity * sizeof *more);
        if (!more) {
            list->failed = true;
            return;
        }
        list->ids = more;
        list->capacity = capacity;
    }
    list->ids[list->n++] = id;
}
