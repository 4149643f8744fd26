/* Any text through small tokenizers and back: nothing may crash, what comes out is UTF-8, and where the tokenizer keeps
 * all of a text, the same text must come back. The first byte picks the tokenizer and the flags, the rest is the text.
 *
 * The tokenizers are all GGUF files of the folder GLINT_FUZZ_MODELS names; without it, of tests/data/gguf (run it in
 * the top folder then). */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tokenizer/tokenizer.h"
#include "core/tokenizer/utf8.h"

enum { MODELS_MAX = 16, FLAGS = 4 };

static struct model {
    tokenizer *t;
    glint_detokenizer *d;
    bool lossless;
} models[MODELS_MAX];
static int n_models;

static void fail(const char *what) {
    fprintf(stderr, "fuzz_tokenizer: %s\n", what);
    abort();
}

/* Text to ids and back. NULL: refused. */
static char *there_and_back(const struct model *m, const char *text, size_t bytes, unsigned flags, size_t *out_bytes) {
    glint_error err;
    int32_t *ids;
    size_t n, part_bytes;
    const char *part;
    char *out = NULL;
    if (tokenizer_encode(m->t, text, bytes, flags, &ids, &n, &err)) return NULL;
    FILE *stream = open_memstream(&out, out_bytes);
    if (!stream) exit(2);
    for (size_t i = 0; i <= n; i++) {
        if (i == n)
            glint_detokenizer_end(m->d, &part, &part_bytes);
        else if (glint_detokenizer_next(m->d, ids[i], &part, &part_bytes, &err))
            fail("an id that is no token's");
        if (utf8_valid(part, part_bytes) != part_bytes) fail("half a character came out");
        fwrite(part, 1, part_bytes, stream);
    }
    fclose(stream);
    free(ids);
    return out;
}

/* Does a text come back in which every byte of UTF-8, a combining mark and U+2581 occur? */
static bool is_lossless(const struct model *m) {
    char text[0x2200 * UTF8_MAX];
    size_t bytes = 0, n;
    for (int32_t c = 0; c < 0x800; c++) bytes += utf8_write(c, text + bytes);
    for (int32_t c = 0x800; c < 0x110000; c += 0x400)
        if (c < 0xD800 || c >= 0xE000) bytes += utf8_write(c, text + bytes);
    bytes += utf8_write(0x2581, text + bytes);
    bytes += utf8_write('e', text + bytes);
    bytes += utf8_write(0x301, text + bytes);
    char *back = there_and_back(m, text, bytes, 0, &n);
    bool same = back && n == bytes && memcmp(back, text, n) == 0;
    free(back);
    return same;
}

static void open_model(const char *path) {
    glint_error err;
    container *c = NULL;
    struct model m = {0};
    if (container_open(path, &c, &err) || tokenizer_open(c, &m.t, &err)) fail(err.message);
    container_close(&c);
    if (!m.t || detokenizer_open(m.t, true, &m.d, &err)) fail(path);
    m.lossless = is_lossless(&m);
    models[n_models++] = m;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    const char *folder = getenv("GLINT_FUZZ_MODELS");
    if (!folder) folder = "tests/data/gguf";
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[4096];
        const char *end = strrchr(entries[i]->d_name, '.');
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (end && !strcmp(end, ".gguf") && n_models < MODELS_MAX) open_model(path);
        free(entries[i]);
    }
    if (n < 0 || !n_models) fail("no models: GLINT_FUZZ_MODELS names their folder");
    free(entries);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    const struct model *m = &models[data[0] / FLAGS % n_models];
    unsigned flags = data[0] % FLAGS;
    const char *text = (const char *)data + 1;
    size_t bytes = size - 1, n;
    char *back = there_and_back(m, text, bytes, flags, &n);
    if (!back && utf8_valid(text, bytes) == bytes) fail("valid text was refused");
    if (back && utf8_valid(text, bytes) != bytes) fail("text that is not UTF-8 was taken");
    if (back && m->lossless && !(flags & GLINT_TOKENIZE_ADD_ENDS) && (n != bytes || memcmp(back, text, n) != 0))
        fail("another text came back");
    free(back);
    return 0;
}
