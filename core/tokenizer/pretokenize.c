/* The pre-tokenizers of byte-level BPE, by their names in GGUF. Which expressions a family uses is a fact of the
 * family, found in the pre_tokenizer of its published tokenizer.json; they are written here in PCRE2's syntax. */
#include "core/tokenizer/pretokenize.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERNS_MAX = 6 };

/* Unicode's White_Space. PCRE2's own \s also holds U+180E, which lost that property in Unicode 6.3. */
#define WS                     "\\t-\\r\\x{85}\\p{Z}"
#define S                      "[" WS "]"
#define NOT_SPACE_LETTER_DIGIT "[^" WS "\\p{L}\\p{N}]"

#define GPT2 "'(?:s|t|re|ve|m|ll|d)| ?\\p{L}+| ?\\p{N}+| ?" NOT_SPACE_LETTER_DIGIT "+|" S "+(?![^" WS "])|" S "+"
/* Contractions in either case, a letter run with one sign before it, new lines with the white space before them. */
#define CL100K(digits)                                                                                                 \
    "(?i:'(?:s|t|re|ve|m|ll|d))|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?" NOT_SPACE_LETTER_DIGIT "+[\\r\\n]*|" S    \
    "*[\\r\\n]+|" S "+(?![^" WS "])|" S "+"
#define CJK "[\\x{800}-\\x{9FA5}\\x{AC00}-\\x{D7FF}]+"

/* DeepSeek LLM names its cased letters one by one: the categories Lu, Ll and Lt of Unicode 11. */
#define CASED_LETTERS                                                                                                  \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}"                    \
    "\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}"             \
    "\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}"                    \
    "\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}"                  \
    "\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}"                  \
    "\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}"          \
    "\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}"         \
    "\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}"                   \
    "\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}"                    \
    "\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}"                    \
    "\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}"                   \
    "\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}"                  \
    "\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}"                \
    "\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}"                             \
    "\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"

typedef struct family {
    const char *name;
    const char *patterns[PATTERNS_MAX]; /* applied one after the other, each to the pieces that the one before left */
    pretokenizer_traits traits;
} family;

static const family families[] = {
    {"default", {"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}, {0}},
    {"gpt-2", {GPT2}, {0}},
    {"llama-bpe", {CL100K("\\p{N}{1,3}")}, {.ignore_merges = true, .add_bos = true}},
    {"qwen2", {CL100K("\\p{N}")}, {.nfc = true}},
    {"deepseek-llm",
     {"[\\r\\n]", S "?[" CASED_LETTERS "]+",
      S "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
      /* Tried at the beginning of a run of spaces only: a long run would take quadratic time. */
      "(?<!" S ")" S "+\\z", CJK, "\\p{N}"},
     {0}},
    {"deepseek-coder", {"[\\r\\n]", S "?\\p{L}+", S "?\\p{P}+", CJK, "\\p{N}"}, {0}},
    {"falcon", {"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"}, {0}},
    {"starcoder", {"\\p{N}", GPT2}, {0}},
};
enum { FAMILIES = sizeof families / sizeof *families };

/* Far above what real text needs (long runs of spaces need a step for each); there to end, not to tune. */
enum { STEPS_MAX = 1 << 30, HEAP_MAX_KIB = 64 << 10 };

struct pretokenizer {
    const family *family;
    pcre2_code *codes[PATTERNS_MAX];
    pcre2_match_context *limits;
    int n;
};

static const family *find_family(container_text name) {
    for (int i = 0; i < FAMILIES; i++)
        if (strlen(families[i].name) == name.bytes && !memcmp(families[i].name, name.data, name.bytes))
            return &families[i];
    return NULL;
}

static glint_status unknown_name(const char *path, container_text name, glint_error *err) {
    char known[256] = "";
    for (int i = 0; i < FAMILIES; i++) {
        if (i) strcat(known, ", ");
        strcat(known, families[i].name);
    }
    int shown = name.bytes < 64 ? (int)name.bytes : 64;
    return base_fail(err, GLINT_BAD_INPUT, "%s: unknown pre-tokenizer '%.*s'; known are %s", path, shown, name.data,
                     known);
}

glint_status pretokenizer_open(const char *path, container_text name, pretokenizer **out, glint_error *err) {
    const family *f = find_family(name);
    if (!f) return unknown_name(path, name, err);
    pretokenizer *p = calloc(1, sizeof *p);
    if (!p || !(p->limits = pcre2_match_context_create(NULL))) {
        pretokenizer_close(p);
        return base_fail(err, GLINT_INTERNAL, "%s: tokenizer: out of memory", path);
    }
    p->family = f;
    pcre2_set_match_limit(p->limits, STEPS_MAX);
    pcre2_set_depth_limit(p->limits, STEPS_MAX);
    pcre2_set_heap_limit(p->limits, HEAP_MAX_KIB);
    for (; p->n < PATTERNS_MAX && f->patterns[p->n]; p->n++) {
        int code;
        PCRE2_SIZE at;
        p->codes[p->n] = pcre2_compile((PCRE2_SPTR)f->patterns[p->n], PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                                       &code, &at, NULL);
        if (!p->codes[p->n]) {
            base_fail(err, GLINT_INTERNAL, "pre-tokenizer '%s': pattern %d, offset %zu: PCRE2 error %d", f->name, p->n,
                      at, code);
            pretokenizer_close(p);
            return GLINT_INTERNAL;
        }
        pcre2_jit_compile(p->codes[p->n], PCRE2_JIT_COMPLETE); /* where it fails, patterns are interpreted */
    }
    *out = p;
    return GLINT_OK;
}

void pretokenizer_close(pretokenizer *p) {
    if (!p) return;
    for (int i = 0; i < PATTERNS_MAX; i++) pcre2_code_free(p->codes[i]);
    pcre2_match_context_free(p->limits);
    free(p);
}

pretokenizer_traits pretokenizer_is(const pretokenizer *p) {
    return p->family->traits;
}

/* ---- Cutting ------------------------------------------------------------------------------------------------ */

static bool add_end(pretokenizer_cuts *cuts, size_t end) {
    if (cuts->n == cuts->capacity) {
        size_t capacity = cuts->capacity ? 2 * cuts->capacity : 256;
        uint32_t *more = realloc(cuts->ends, capacity * sizeof *more);
        if (!more) return false;
        cuts->ends = more;
        cuts->capacity = capacity;
    }
    cuts->ends[cuts->n++] = (uint32_t)end;
    return true;
}

/* Cuts [start, end) of the text at every match of the pattern. Nothing outside it is seen, by look-ahead neither.
 * 0, or an error of PCRE2. */
static int cut_piece(const pcre2_code *code, const pretokenizer *p, pcre2_match_data *match, const char *text,
                     size_t start, size_t end, pretokenizer_cuts *cuts) {
    size_t at = 0, bytes = end - start;
    while (at < bytes) {
        int found = pcre2_match(code, (PCRE2_SPTR)text + start, bytes, at, PCRE2_NO_UTF_CHECK, match, p->limits);
        if (found == PCRE2_ERROR_NOMATCH) break;
        if (found < 0) return found;
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(match);
        if (range[1] <= at) return PCRE2_ERROR_INTERNAL; /* no pattern matches nothing */
        if (range[0] > at && !add_end(cuts, start + range[0])) return PCRE2_ERROR_NOMEMORY;
        if (!add_end(cuts, start + range[1])) return PCRE2_ERROR_NOMEMORY;
        at = range[1];
    }
    return at < bytes && !add_end(cuts, end) ? PCRE2_ERROR_NOMEMORY : 0;
}

glint_status pretokenizer_cut(const pretokenizer *p, const char *text, size_t bytes, pretokenizer_cuts *out,
                              glint_error *err) {
    pretokenizer_cuts old = {0}, cuts = {0};
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    int failed = match && add_end(&cuts, bytes) ? 0 : PCRE2_ERROR_NOMEMORY;
    for (int i = 0; !failed && i < p->n; i++) {
        pretokenizer_cuts swap = old;
        old = cuts;
        cuts = swap;
        cuts.n = 0;
        for (size_t k = 0, start = 0; !failed && k < old.n; start = old.ends[k++])
            failed = cut_piece(p->codes[i], p, match, text, start, old.ends[k], &cuts);
    }
    pcre2_match_data_free(match);
    free(old.ends);
    if (!failed) {
        *out = cuts;
        return GLINT_OK;
    }
    free(cuts.ends);
    if (failed == PCRE2_ERROR_NOMEMORY) return base_fail(err, GLINT_INTERNAL, "tokenizer: out of memory");
    PCRE2_UCHAR why[128];
    pcre2_get_error_message(failed, why, sizeof why);
    return base_fail(err, GLINT_BAD_INPUT, "pre-tokenizer '%s' gave up on this text: %s", p->family->name, (char *)why);
}
