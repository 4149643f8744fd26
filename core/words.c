/* The public API's text functions: a model's tokenizer behind glint.h. */
#include <string.h>

#include "core/model.h"

static glint_status no_words(const glint_model *m, glint_error *err) {
    bool gguf = strncmp(container_kind(m->file), "GGUF", strlen("GGUF")) == 0;
    return base_fail(err, GLINT_BAD_INPUT, "%s: %s; give ids instead of text", glint_model_path(m),
                     gguf ? "has no tokenizer" : "a directory's tokenizer.json is not read yet");
}

bool glint_has_tokenizer(const glint_model *m) {
    return m->words != NULL;
}

glint_status glint_tokenize(const glint_model *m, const char *text, size_t bytes, unsigned flags, int32_t **ids,
                            size_t *count, glint_error *err) {
    return m->words ? tokenizer_encode(m->words, text, bytes, flags, ids, count, err) : no_words(m, err);
}

const char *glint_token_text(const glint_model *m, int32_t id, size_t *bytes) {
    return m->words && id >= 0 && id < tokenizer_size(m->words) ? tokenizer_text(m->words, id, bytes) : NULL;
}

bool glint_token_ends(const glint_model *m, int32_t id) {
    return m->words && id >= 0 && id < tokenizer_size(m->words) && tokenizer_ends(m->words, id);
}

glint_status glint_detokenizer_open(const glint_model *m, bool show_special, glint_detokenizer **out,
                                    glint_error *err) {
    return m->words ? detokenizer_open(m->words, show_special, out, err) : no_words(m, err);
}
