/* Small vocabularies made for one purpose each: rules that published ones do not show, and broken ones, which must be
 * refused with a line that names what is wrong. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/maker.h"
#include "tests/support/support.h"
#include "tests/support/tokens.h"

enum { TOKENS_MAX = 16 };
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

/* A vocabulary as a file would have it. */
typedef struct made {
    const char *model, *pre; /* pre NULL: no key */
    struct {
        const char *text;
        int type;
        float score;
    } tokens[TOKENS_MAX]; /* up to the first without text */
    const char *merges[TOKENS_MAX];
    struct {
        const char *key; /* after "tokenizer.ggml." */
        int value;
    } ids[6];
    struct {
        const char *key;
        bool value;
    } flags[4];
    /* What is broken; zeros: nothing. */
    int scores_short, types_short; /* entries too few; 100: no such array */
    bool no_merges, no_tokens;
} made;

static const made spm = {
    .model = "llama",
    .tokens = {{"<unk>", UNKNOWN, 0},
               {"<s>", CONTROL, 0},
               {"</s>", CONTROL, 0},
               {"\xE2\x96\x81", NORMAL, -4},
               {"a", NORMAL, -5},
               {"b", NORMAL, -6},
               {"ab", NORMAL, -3},
               {"\xE2\x96\x81"
                "a",
                NORMAL, -2},
               {"ba", NORMAL, -1},
               {"aba", USER_DEFINED, 0},
               {"a b", USER_DEFINED, 0}},
    .ids = {{"bos_token_id", 1}, {"eos_token_id", 2}, {"unknown_token_id", 0}},
};

static const made bpe = {
    .model = "gpt2",
    .pre = "gpt-2",
    .tokens = {{"a", NORMAL, 0},
               {"b", NORMAL, 0},
               {"\xC4\xA0", NORMAL, 0}, /* a space */
               {"ab", NORMAL, 0},
               {"\xC4\xA0"
                "a",
                NORMAL, 0},
               {"</s>", NORMAL, 0},
               {"<|im_end|>", CONTROL, 0},
               {"<|im_", USER_DEFINED, 0},
               {"aab", NORMAL, 0}},
    .merges = {"a b", "\xC4\xA0 a"},
};

static const made bert = {
    .model = "bert",
    .tokens = {{"[UNK]", CONTROL, 0},
               {"[CLS]", CONTROL, 0},
               {"[SEP]", CONTROL, 0},
               {"\xE2\x96\x81"
                "ab",
                NORMAL, 0},
               {"c", NORMAL, 0},
               {"\xE2\x96\x81!", NORMAL, 0},
               {"\xE2\x96\x81\xE6\x97\xA5", NORMAL, 0},
               {"\xE2\x96\x81"
                "a",
                NORMAL, 0},
               {"a", NORMAL, 0}},
    .ids = {{"unknown_token_id", 0}, {"cls_token_id", 1}, {"seperator_token_id", 2}},
};

/* ---- Making files ------------------------------------------------------------------------------------------- */

static void begin_array(maker_gguf *g, const char *key, uint32_t type, int n) {
    maker_key(g, key, MAKER_ARRAY);
    maker_number(&g->keys, type, 4);
    maker_number(&g->keys, (uint64_t)n, 8);
}

static void put_tokens(maker_gguf *g, const made *m) {
    int n = 0;
    while (n < TOKENS_MAX && m->tokens[n].text) n++;
    if (!m->no_tokens) {
        begin_array(g, "tokenizer.ggml.tokens", MAKER_STRING, n);
        for (int i = 0; i < n; i++) maker_string(&g->keys, m->tokens[i].text, strlen(m->tokens[i].text));
    }
    if (m->types_short < 100) {
        begin_array(g, "tokenizer.ggml.token_type", MAKER_I32, n - m->types_short);
        for (int i = 0; i < n - m->types_short; i++) maker_number(&g->keys, (uint64_t)m->tokens[i].type, 4);
    }
    if (m->scores_short < 100) {
        begin_array(g, "tokenizer.ggml.scores", MAKER_F32, n - m->scores_short);
        for (int i = 0; i < n - m->scores_short; i++) maker_put(&g->keys, &m->tokens[i].score, 4);
    }
}

static void put_merges(maker_gguf *g, const made *m) {
    int n = 0;
    while (n < TOKENS_MAX && m->merges[n]) n++;
    begin_array(g, "tokenizer.ggml.merges", MAKER_STRING, n);
    for (int i = 0; i < n; i++) maker_string(&g->keys, m->merges[i], strlen(m->merges[i]));
}

/* Writes the file into a folder of its own, opens container and tokenizer, removes the folder. */
static glint_status open_made(const made *m, tokenizer **out, glint_error *err) {
    char folder[1024], path[2048], key[128];
    container *c = NULL;
    maker_gguf g = maker_gguf_open();
    maker_key_text(&g, "general.architecture", "llama");
    maker_key_text(&g, "tokenizer.ggml.model", m->model);
    if (m->pre) maker_key_text(&g, "tokenizer.ggml.pre", m->pre);
    put_tokens(&g, m);
    if (!m->no_merges) put_merges(&g, m);
    for (int i = 0; i < 6 && m->ids[i].key; i++) {
        snprintf(key, sizeof key, "tokenizer.ggml.%s", m->ids[i].key);
        maker_key_u32(&g, key, (uint32_t)m->ids[i].value);
    }
    for (int i = 0; i < 4 && m->flags[i].key; i++) {
        snprintf(key, sizeof key, "tokenizer.ggml.%s", m->flags[i].key);
        maker_key(&g, key, MAKER_BOOL);
        maker_number(&g.keys, m->flags[i].value, 1);
    }
    maker_bytes file = maker_gguf_close(&g);
    maker_folder(folder);
    snprintf(path, sizeof path, "%s/made.gguf", folder);
    maker_write(path, file.data, file.n);
    free(file.data);
    SUPPORT_OK(container_open(path, &c, err), err);
    glint_status s = tokenizer_open(c, out, err);
    container_close(&c);
    maker_remove(folder);
    return s;
}

/* ---- Rules -------------------------------------------------------------------------------------------------- */

typedef struct rule_case {
    const char *text;
    unsigned flags;
    const char *ids;
} rule_case;

static void check_rules(const made *m, const rule_case *cases, size_t n) {
    glint_error err = {{0}};
    tokenizer *t = NULL;
    SUPPORT_OK(open_made(m, &t, &err), &err);
    for (size_t i = 0; i < n; i++) {
        tokens made_ids = tokens_of(t, cases[i].text, strlen(cases[i].text), cases[i].flags);
        CU_ASSERT(tokens_are(made_ids, cases[i].ids));
        free(made_ids.ids);
    }
    tokenizer_close(&t);
}
#define CHECK_RULES(m, ...)                                                                                            \
    check_rules(m, (const rule_case[]){__VA_ARGS__}, sizeof((const rule_case[]){__VA_ARGS__}) / sizeof(rule_case))

enum { SPECIAL = GLINT_TOKENIZE_SPECIAL, ENDS = GLINT_TOKENIZE_ADD_ENDS };

static void rules_spm(void) {
    CHECK_RULES(&spm, {"a", 0, "7"}, {"ab", 0, "7 5"}, /* _a before ab: the higher score */
                {"bab", 0, "3 8 5"}, {"", 0, ""}, {"", ENDS, "1"}, {"b", ENDS, "1 3 5"},
                {"aba", 0, "9"},                            /* user-defined, matched though nothing is parsed */
                {"b<s>b", SPECIAL, "3 5 1 3 5"},            /* a prefix again after a special token */
                {"a bb", 0, "10 3 5"}, {"cdb", 0, "3 0 5"}, /* one unknown token for a run of unknown characters */
                {"c b", 0, "3 0 3 5"}, {"<s>", 0, "3 0"});  /* control tokens cannot be written */
    made m = spm;
    m.flags[0].key = "add_space_prefix";
    m.flags[1].key = "add_eos_token";
    m.flags[1].value = true;
    CHECK_RULES(&m, {"a", 0, "4"}, {" a", 0, "7"}, {"ab", ENDS, "1 6 2"}, {"", ENDS, "1 2"});
    m.flags[2].key = "add_bos_token";
    CHECK_RULES(&m, {"b", ENDS, "5 2"});
    m = spm; /* merging leads to no control token, though there is "<s" to make it of */
    m.tokens[11].text = "<s";
    m.tokens[11].type = NORMAL;
    CHECK_RULES(&m, {"<s>", 0, "3 11 0"});
    m = spm; /* tokens that go on after a space: "b_" and "b_a" */
    m.tokens[11].text = "b\xE2\x96\x81";
    m.tokens[12].text = "b\xE2\x96\x81"
                        "a";
    m.tokens[11].type = m.tokens[12].type = NORMAL;
    CHECK_RULES(&m, {"b a", 0, "3 12"});
    m = spm; /* bytes for "c" (0x63), none for the rest */
    m.tokens[11].text = "<0x63>";
    m.tokens[11].type = BYTE;
    CHECK_RULES(&m, {"bcd", 0, "3 5 11 0"}, {"<0x63>", 0, "3 0"});
}

static void rules_bpe(void) {
    CHECK_RULES(&bpe, {"ab a", 0, "3 4"}, {"aab", 0, "0 3"}, {"aab", ENDS, "0 3"},
                {"<|im_end|>", SPECIAL, "6"}, /* the longest */
                {"<|im_a", SPECIAL, "7 0"}, {"<|im_", 0, "7"},
                {"a\x01"
                 "b",
                 0, "0 1"}); /* no token for 0x01 */
    made m = bpe;
    m.pre = "llama-bpe";
    m.ids[0].key = "bos_token_id";
    m.ids[0].value = 6;
    CHECK_RULES(&m, {"aab", 0, "8"}, {"a", ENDS, "6 0"}); /* whole pieces before merges; BOS implied */
    m.flags[0].key = "add_bos_token";
    CHECK_RULES(&m, {"a", ENDS, "0"});
}

static void rules_bert(void) {
    char hundred[128], more[128];
    memset(hundred, 'a', sizeof hundred);
    memcpy(more, hundred, sizeof more);
    hundred[100] = 0;
    more[101] = 0;
    char ids[512] = "7";
    for (int i = 1; i < 100; i++) strcat(ids, " 8");
    CHECK_RULES(&bert, {"abc", 0, "3 4"},
                {"ABC! \xC3\xA1"
                 "b",
                 0, "3 4 5 3"},
                {"", ENDS, "1 2"}, {"ab", ENDS, "1 3 2"},
                {"ab\xE6\x97\xA5"
                 "abc",
                 0, "3 6 3 4"},
                {"abx", 0, "0"}, {"a\tb", 0, "7 0"},
                {"a\x01"
                 "b",
                 0, "3"},
                {"[CLS]", SPECIAL, "1"}, {hundred, 0, ids}, {more, 0, "0"},
                {"\xE2\x96\x81"
                 "ab",
                 0, "0"});
}

/* Ends are known by their text, but only where the token is special. */
static void ends_by_text(void) {
    glint_error err = {{0}};
    tokenizer *t = NULL;
    SUPPORT_OK(open_made(&bpe, &t, &err), &err);
    CU_ASSERT(tokenizer_ends(t, 6));
    CU_ASSERT_FALSE(tokenizer_ends(t, 5));
    CU_ASSERT_FALSE(tokenizer_ends(t, -1));
    size_t n;
    CU_ASSERT_PTR_NULL(tokenizer_text(t, 9, &n));
    const char *space_a = tokenizer_text(t, 4, &n);
    CU_ASSERT(n == 2 && !memcmp(space_a, " a", 2));
    tokenizer_close(&t);
}

/* Control tokens are shown on request only; words of WordPiece are joined with spaces. */
static void shown(void) {
    static const int32_t ids[] = {1, 3, 4, 5, 7, 2};
    glint_error err = {{0}};
    tokenizer *t = NULL;
    size_t n;
    SUPPORT_OK(open_made(&bert, &t, &err), &err);
    char *plain = tokens_text(t, (tokens){(int32_t *)ids, 6}, false, &n);
    char *special = tokens_text(t, (tokens){(int32_t *)ids, 6}, true, &n);
    CU_ASSERT_STRING_EQUAL(plain, "abc ! a");
    CU_ASSERT_STRING_EQUAL(special, "[CLS] abc ! a[SEP]");
    free(plain);
    free(special);
    tokenizer_close(&t);
}

/* ---- Broken vocabularies ------------------------------------------------------------------------------------ */

static void refuse(made m, const char *says) {
    glint_error err = {{0}};
    tokenizer *t = NULL;
    CU_ASSERT_EQUAL(open_made(&m, &t, &err), GLINT_BAD_INPUT);
    CU_ASSERT_PTR_NULL(t);
    bool named = strstr(err.message, says) && strstr(err.message, "made.gguf: ");
    if (!named) printf("\n    '%s' does not say '%s'\n", err.message, says);
    CU_ASSERT(named);
    tokenizer_close(&t);
}

static void refuse_merge(const char *merge, const char *says) {
    made m = bpe;
    m.merges[1] = merge;
    refuse(m, says);
}

static void broken(void) {
    made m;
    refuse((m = spm, m.model = "t5", m), "unknown tokenizer 't5'");
    refuse((m = bpe, m.pre = "tekken", m), "'tekken'; known are default, gpt-2, llama-bpe, qwen2, deepseek-llm");
    refuse((m = spm, m.no_tokens = true, m), "tokenizer.tokens is missing");
    refuse((m = spm, m.tokens[0].text = NULL, m.types_short = m.scores_short = 100, m), "0 tokens");
    refuse((m = spm, m.types_short = 1, m), "tokenizer.types: 10 entries for 11 tokens");
    refuse((m = spm, m.scores_short = 1, m), "tokenizer.scores: 10 entries for 11 tokens");
    refuse((m = spm, m.scores_short = 100, m), "tokenizer.scores is missing");
    refuse((m = spm, m.tokens[4].type = 7, m), "token 4 has type 7");
    refuse((m = spm, m.tokens[4].type = -1, m), "token 4 has type -1");
    refuse((m = spm, m.tokens[4].score = NAN, m), "token 4");
    refuse((m = spm, m.tokens[4].type = BYTE, m), "byte token 4");
    refuse((m = spm, m.ids[0].value = 11, m), "tokenizer.bos: no token 11, there are 11");
    refuse((m = spm, m.ids[1].value = -1, m), "tokenizer.eos: no token");
    refuse((m = bpe, m.flags[0].key = "add_bos_token", m.flags[0].value = true, m), "tokenizer.add_bos is set");
    refuse((m = bpe, m.no_merges = true, m), "tokenizer.merges is missing");
    refuse((m = bert, m.ids[0].key = NULL, m), "tokenizer.unknown is missing");
    refuse_merge("ab", "merge 1 is not two words");
    refuse_merge("", "merge 1 is not two words");
    refuse_merge(" ", "merge 1 is not two words");
    refuse_merge("a ", "merge 1 is not two words");
    refuse_merge(" b", "merge 1 is not two words");
    refuse_merge("a b a", "merge 1 is not two words");
    refuse_merge("x b", "merge 1 names a word that is no token");
    refuse_merge("a x", "merge 1 names a word that is no token");
    refuse_merge("b a", "merge 1 names a word that is no token");
    refuse_merge("<|im_end|> <|im_end|>", "merge 1 names a word that is no token");
}

/* What is odd but harmless: doubled and empty tokens, a merge given twice, an infinite score, no types, a token that is
 * half a character. */
static void odd(void) {
    made m = bpe;
    m.merges[2] = "a b";
    m.tokens[5].text = "";
    m.tokens[8].text = "ab";
    m.types_short = 100;
    CHECK_RULES(&m, {"ab a", SPECIAL, "3 4"});
    m = spm;
    m.tokens[6].score = -INFINITY;
    m.tokens[9].text = "";
    m.tokens[10].text = "\xA9";
    CHECK_RULES(&m, {"aba", SPECIAL, "7 8"}, {"b", SPECIAL, "3 5"}, {"b\xC3\xA9", SPECIAL, "3 5 0"});
}

int main(void) {
    static const support_case cases[] = {
        {"rules_spm", rules_spm},
        {"rules_bpe", rules_bpe},
        {"rules_bert", rules_bert},
        {"ends_by_text", ends_by_text},
        {"shown", shown},
        {"broken", broken},
        {"odd", odd},
    };
    return support_main("vocabulary", cases, sizeof cases / sizeof *cases);
}
