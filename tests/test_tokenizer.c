/* Tokenizers against ids that others made: ten published vocabularies with 46 texts each, and the texts and tokenizers
 * of the golden file. Then what no reference says: round trips, streaming, long runs. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/file_map.h"
#include "core/base/json.h"
#include "core/tokenizer/utf8.h"
#include "tests/support/maker.h"
#include "tests/support/support.h"
#include "tests/support/tokens.h"

extern char **environ;

/* ---- The ten vocabularies ----------------------------------------------------------------------------------- */

static const struct vocab {
    const char *name;
    bool lossless;      /* any text comes back; Falcon's and StarCoder's lack tokens for some bytes */
    const char *around; /* ids of the empty text with its ends */
} vocabs[] = {
    {"llama-spm", false, "1"},
    {"phi-3", false, "1"},
    {"gpt-2", true, ""},
    {"deepseek-llm", true, "100000"},
    {"deepseek-coder", true, "32013"},
    {"falcon", false, ""},
    {"starcoder", false, ""},
    {"qwen2", false, ""},
    {"llama-bpe", true, "128000"},
    {"bert-bge", false, "101 102"},
};
enum { VOCABS = sizeof vocabs / sizeof *vocabs };

static char folder[1024]; /* where they are unpacked; empty: not there */

/* Unpacks with tar and xz; a counted skip where they are missing. */
static bool unpack(void) {
    char archive[1024];
    if (folder[0]) return true;
    support_data(archive, "vocab.tar.xz");
    maker_folder(folder);
    char *arguments[] = {"tar", "-xJf", archive, "-C", folder, NULL};
    pid_t pid;
    int status = -1;
    if (posix_spawnp(&pid, "tar", NULL, NULL, arguments, environ) == 0) waitpid(pid, &status, 0);
    if (status == 0) return true;
    maker_remove(folder);
    folder[0] = 0;
    support_skip("vocab.tar.xz cannot be unpacked: tar and xz are needed");
    return false;
}

static void file_name(char *path, const char *vocab, const char *suffix) {
    snprintf(path, 2048, "%s/ggml-vocab-%s.gguf%s", folder, vocab, suffix);
}

static tokenizer *open_vocab(const char *name) {
    char path[2048];
    file_name(path, name, "");
    return tokens_open(path);
}

static void check_text(const tokenizer *t, const char *text, size_t bytes, const char *ids, bool decodes) {
    tokens made = tokens_of(t, text, bytes, 0);
    CU_ASSERT(tokens_are(made, ids));
    size_t n;
    char *back = tokens_text(t, made, false, &n);
    if (decodes) CU_ASSERT(n == bytes && memcmp(back, text, n) == 0);
    free(back);
    free(made.ids);
}

/* Every text of NAME.inp makes the line of NAME.out. */
static void check_pairs(const struct vocab *v) {
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char path[2048];
    file_map texts;
    glint_error err;
    tokenizer *t = open_vocab(v->name);
    file_name(path, v->name, ".inp");
    SUPPORT_OK(file_map_open(path, &texts, &err), &err);
    file_name(path, v->name, ".out");
    FILE *ids = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(ids);
    const char *text = (const char *)texts.data, *last = text + texts.bytes, *end;
    char line[4096];
    int n = 0;
    while ((end = memmem(text, (size_t)(last - text), separator, strlen(separator)))) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(fgets(line, sizeof line, ids));
        check_text(t, text, (size_t)(end - text), line, strcmp(v->name, "bert-bge") != 0);
        text = end + strlen(separator);
        n++;
    }
    CU_ASSERT_EQUAL(n, 46);
    tokens empty = tokens_of(t, "", 0, GLINT_TOKENIZE_ADD_ENDS);
    CU_ASSERT(tokens_are(empty, v->around));
    free(empty.ids);
    fclose(ids);
    file_map_close(&texts);
    tokenizer_close(&t);
}

static void vocabularies(void) {
    if (!unpack()) return;
    for (int i = 0; i < VOCABS; i++) check_pairs(&vocabs[i]);
}

/* Odd texts (white space of every kind, marks out of order, contractions, scripts, runs) with the ids of independent
 * tokenizers that were rebuilt from the same vocabularies; null where those go another way (the file says why). */
static void odd_texts(void) {
    char path[1024];
    json_t *all, *ids, *text;
    const char *name;
    size_t i;
    glint_error err;
    if (!unpack()) return;
    SUPPORT_OK(base_json_open(support_data(path, "tokenizer_odd.json"), &all, &err), &err);
    json_object_foreach(json_object_get(all, "ids"), name, ids) {
        tokenizer *t = open_vocab(name);
        json_array_foreach(json_object_get(all, "texts"), i, text) {
            const char *expected = json_string_value(json_array_get(ids, i));
            tokens made = tokens_of(t, json_string_value(text), json_string_length(text), 0);
            bool same = !expected || tokens_are(made, expected);
            if (!same) printf("    %s, text %zu\n", name, i);
            CU_ASSERT(same);
            free(made.ids);
        }
        tokenizer_close(&t);
    }
    json_decref(all);
}

/* ---- The golden file ---------------------------------------------------------------------------------------- */

static tokens ids_of_json(json_t *list) {
    tokens out = {calloc(json_array_size(list) + 1, sizeof *out.ids), json_array_size(list)};
    if (!out.ids) exit(2);
    for (size_t i = 0; i < out.n; i++) out.ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return out;
}

static bool same_ids(tokens a, tokens b) {
    return a.n == b.n && memcmp(a.ids, b.ids, a.n * sizeof *a.ids) == 0;
}

/* Entry i of a list, or of another where that is null. */
static json_t *entry(json_t *tokenizer_of, const char *key, const char *otherwise, size_t i) {
    json_t *e = json_array_get(json_object_get(tokenizer_of, key), i);
    return json_is_null(e) ? json_array_get(json_object_get(tokenizer_of, otherwise), i) : e;
}

static void check_golden_text(const tokenizer *t, json_t *golden, size_t i, const char *text) {
    static const struct {
        const char *ids, *otherwise;
        unsigned flags;
        const char *decoded; /* NULL: not given */
    } ways[] = {
        {"ids", "ids", GLINT_TOKENIZE_SPECIAL, "decoded"},
        {"ids_no_parse", "ids", 0, NULL},
        {"ids_special", "ids_special", GLINT_TOKENIZE_SPECIAL | GLINT_TOKENIZE_ADD_ENDS, "decoded_skip_special"}};
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        tokens expected = ids_of_json(entry(golden, ways[k].ids, ways[k].otherwise, i));
        tokens made = tokens_of(t, text, strlen(text), ways[k].flags);
        bool same = same_ids(made, expected);
        if (!same) printf("\n    %s, text %zu\n", ways[k].ids, i);
        CU_ASSERT(same);
        if (ways[k].decoded) {
            const char *given = json_string_value(json_array_get(json_object_get(golden, ways[k].decoded), i));
            size_t n;
            char *back = tokens_text(t, made, k == 0, &n);
            CU_ASSERT_STRING_EQUAL(back, given ? given : text);
            free(back);
        }
        free(made.ids);
        free(expected.ids);
    }
}

static void check_golden(json_t *all, const char *family, const char *path) {
    json_t *golden = NULL, *text;
    size_t i;
    json_array_foreach(json_object_get(all, "tokenizers"), i, golden) {
        if (!strcmp(json_string_value(json_object_get(golden, "dir")), family)) break;
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(golden);
    tokenizer *t = tokens_open(path);
    bool gemma = !strncmp(family, "gemma", 5);
    json_array_foreach(json_object_get(all, "texts"), i, text) {
        /* " _ x" with a literal U+2581 between spaces: the GGUF's runs of spaces are ASCII spaces, which do not match.
         */
        if (gemma && i == 90) continue;
        check_golden_text(t, golden, i, json_string_value(text));
    }
    tokenizer_close(&t);
}

static void golden_texts(void) {
    static const char *const shipped[][2] = {{"gemma3-shakespeare", "gemma3-shakespeare-Q4_K_M.gguf"},
                                             {"llama-shakespeare", "gguf/llama-shakespeare-Q4_K_M.gguf"},
                                             {"qwen3-shakespeare", "gguf/qwen3-shakespeare-Q5_K_M.gguf"}};
    char path[1024];
    json_t *all;
    glint_error err;
    SUPPORT_OK(base_json_open(support_data(path, "tokenizer_golden.json"), &all, &err), &err);
    for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++)
        check_golden(all, shipped[i][0], support_data(path, shipped[i][1]));
    if (support_shared(path, "gguf/qwen2-shakespeare-f16.gguf")) check_golden(all, "qwen2-shakespeare", path);
    json_decref(all);
}

/* ---- Which tokens end a text -------------------------------------------------------------------------------- */

static void ends(void) {
    static const struct {
        const char *file;
        const char *ends;
        int32_t bos;
    } cases[] = {{"gemma3-shakespeare-Q4_K_M.gguf", "1 6", 2}, /* <eos>, <end_of_turn> */
                 {"gguf/llama-shakespeare-Q4_K_M.gguf", "1016 1021 1022", 1015},
                 {"gguf/qwen3-shakespeare-Q5_K_M.gguf", "1017 1019", -1},
                 {"gguf/stories260K-f32.gguf", "2", 1}};
    char path[1024];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tokenizer *t = tokens_open(support_data(path, cases[i].file));
        int32_t found[8];
        tokens list = {found, 0};
        for (int32_t id = -1; id <= tokenizer_size(t); id++)
            if (tokenizer_ends(t, id) && list.n < 8) found[list.n++] = id;
        CU_ASSERT(tokens_are(list, cases[i].ends));
        CU_ASSERT_EQUAL(tokenizer_bos(t), cases[i].bos);
        tokenizer_close(&t);
    }
}

/* ---- Round trips -------------------------------------------------------------------------------------------- */

/* Up to 60 characters: runs, ASCII, and anything else that Unicode can write. */
static size_t random_text(support_random *r, char *out) {
    size_t n = 0;
    for (int left = support_below(r, 20); left > 0; left--) {
        int32_t c = 0x20 + support_below(r, 0x5F);
        if (support_below(r, 3) == 0) c = support_below(r, 0x110000);
        if (support_below(r, 4) == 0) c = support_below(r, 0x3000);
        if (support_below(r, 6) == 0) c = support_below(r, 0x21);
        if (c >= 0xD800 && c < 0xE000) c = ' ';
        for (int run = support_below(r, 5) ? 1 : 3; run > 0; run--) n += utf8_write(c, out + n);
    }
    return n;
}

static void round_trips(void) {
    if (!unpack()) return;
    for (int i = 0; i < VOCABS; i++) {
        if (!vocabs[i].lossless) continue;
        tokenizer *t = open_vocab(vocabs[i].name);
        support_random r = support_seed(7);
        int different = 0;
        for (int k = 0; k < 2000; k++) {
            char text[60 * UTF8_MAX];
            size_t n, bytes = random_text(&r, text);
            tokens made = tokens_of(t, text, bytes, k & 1 ? GLINT_TOKENIZE_SPECIAL : 0);
            char *back = tokens_text(t, made, false, &n);
            different += n != bytes || memcmp(back, text, n) != 0;
            free(back);
            free(made.ids);
        }
        CU_ASSERT_EQUAL(different, 0);
        tokenizer_close(&t);
    }
}

/* A space at the beginning, NUL bytes and the empty text come back from SentencePiece too. */
static void round_trip_spm(void) {
    static const struct {
        const char *text;
        size_t bytes;
    } texts[] = {{"", 0}, {" ", 1}, {"  two", 5}, {"a\0b", 3}, {"\0", 1}, {"tail ", 5}, {"\n \t", 3}};
    char path[1024];
    tokenizer *t = tokens_open(support_data(path, "gguf/stories260K-f32.gguf"));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t n;
        tokens made = tokens_of(t, texts[i].text, texts[i].bytes, 0);
        char *back = tokens_text(t, made, false, &n);
        CU_ASSERT(n == texts[i].bytes && memcmp(back, texts[i].text, n) == 0);
        free(back);
        free(made.ids);
    }
    tokenizer_close(&t);
}

/* ---- Streaming ---------------------------------------------------------------------------------------------- */

/* Feeds byte tokens; `expected`: what comes out after each, separated by '|', and at the end. */
static void check_stream(const tokenizer *t, const char *bytes, const char *expected) {
    glint_error err;
    glint_detokenizer *d;
    char all[256] = "", token[8];
    const char *part;
    size_t n, count = strlen(bytes);
    SUPPORT_OK(detokenizer_open(t, false, &d, &err), &err);
    for (size_t i = 0; i <= count; i++) {
        if (i < count) {
            snprintf(token, sizeof token, "<0x%02X>", (unsigned char)bytes[i]);
            int32_t id = 3 + (unsigned char)bytes[i]; /* <unk>, <s>, </s>, then the bytes */
            SUPPORT_OK(glint_detokenizer_next(d, id, &part, &n, &err), &err);
        } else
            glint_detokenizer_end(d, &part, &n);
        strncat(all, part, n);
        if (i < count) strcat(all, "|");
    }
    CU_ASSERT_STRING_EQUAL(all, expected);
    glint_detokenizer_close(&d);
}

#define BAD "\xEF\xBF\xBD"

static void streaming(void) {
    char path[1024];
    tokenizer *t = tokens_open(support_data(path, "gguf/stories260K-f32.gguf"));
    check_stream(t, "\xF0\x9F\xA6\x99", "|||\xF0\x9F\xA6\x99|");
    check_stream(t, "\xF0\x9F\xA6", "|||" BAD);
    check_stream(t,
                 "\xF0\x9F"
                 "A",
                 "||" BAD "A|");
    check_stream(t,
                 "\x80\xFF"
                 "b",
                 BAD "|" BAD "|b|");
    check_stream(t, "\xC3\xC3\xA9", "|" BAD "|\xC3\xA9|");
    check_stream(t, "\xE0\x80\x80", "|" BAD BAD "|" BAD "|"); /* overlong */
    check_stream(t, "\xED\xA0\x80", "|" BAD BAD "|" BAD "|"); /* a surrogate */
    check_stream(t, "\xF4\x90\x80", "|" BAD BAD "|" BAD "|"); /* above U+10FFFF */
    check_stream(t, "\xE2\x82\xF0\x9F\xA6\x99", "||" BAD "|||\xF0\x9F\xA6\x99|");
    check_stream(t, " a", "|a|"); /* one space at the beginning, and no other */
    check_stream(t, "  a", "| |a|");
    glint_error err;
    glint_detokenizer *d;
    const char *part;
    size_t n;
    SUPPORT_OK(detokenizer_open(t, false, &d, &err), &err);
    CU_ASSERT_EQUAL(glint_detokenizer_next(d, -1, &part, &n, &err), GLINT_BAD_INPUT);
    CU_ASSERT_EQUAL(glint_detokenizer_next(d, 512, &part, &n, &err), GLINT_BAD_INPUT);
    glint_detokenizer_close(&d);
    tokenizer_close(&t);
}

/* ---- Text that is none, long text --------------------------------------------------------------------------- */

static void not_utf8(void) {
    static const struct {
        const char *text, *says;
    } cases[] = {{"\xFF", "byte 0"},         {"ab\x80", "byte 2"},
                 {"a\xC0\x80", "byte 1"},    {"abc\xED\xA0\x80", "byte 3"},
                 {"\xF0\x9F\xA6", "byte 0"}, {"\xC3\xA9\xF4\x90\x80\x80", "byte 2"}};
    char path[1024];
    tokenizer *t = tokens_open(support_data(path, "gguf/llama-shakespeare-Q4_K_M.gguf"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glint_error err = {{0}};
        int32_t *ids = NULL;
        size_t n;
        CU_ASSERT_EQUAL(tokenizer_encode(t, cases[i].text, strlen(cases[i].text), 0, &ids, &n, &err), GLINT_BAD_INPUT);
        CU_ASSERT_PTR_NULL(ids);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, cases[i].says));
    }
    tokenizer_close(&t);
}

/* Runs that a quadratic algorithm would not finish: each must come back whole. */
static void long_runs(void) {
    static const char *const units[] = {"a",   " ",       "\n", "1", "'", "\xE6\x97\xA5", "\xCC\x81\xCC\x96",
                                        " \n", "\xC2\xA0"};
    enum { RUN = 100000 };
    if (!unpack()) return;
    char *text = malloc(RUN + 8);
    if (!text) exit(2);
    for (int v = 0; v < VOCABS; v++) {
        tokenizer *t = open_vocab(vocabs[v].name);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            size_t n = 0, back_bytes, unit = strlen(units[u]);
            while (n + unit <= RUN) n += (size_t)snprintf(text + n, unit + 1, "%s", units[u]);
            n += (size_t)snprintf(text + n, 4, "\xE6\x97\xA5");
            tokens made = tokens_of(t, text, n, GLINT_TOKENIZE_SPECIAL);
            char *back = tokens_text(t, made, false, &back_bytes);
            if (vocabs[v].lossless) CU_ASSERT(back_bytes == n && memcmp(back, text, n) == 0);
            free(back);
            free(made.ids);
        }
        tokenizer_close(&t);
    }
    free(text);
}

int main(void) {
    static const support_case cases[] = {
        {"vocabularies", vocabularies}, {"odd_texts", odd_texts},
        {"golden_texts", golden_texts}, {"ends", ends},
        {"round_trips", round_trips},   {"round_trip_spm", round_trip_spm},
        {"streaming", streaming},       {"not_utf8", not_utf8},
        {"long_runs", long_runs},
    };
    int status = support_main("tokenizer", cases, sizeof cases / sizeof *cases);
    if (folder[0]) maker_remove(folder);
    return status;
}
