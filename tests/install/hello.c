/* A program outside the source tree: generates a few tokens with the installed library. */
#include <glint.h>
#include <stdio.h>
#include <stdlib.h>

static bool print_token(const glint_generated *token, void *user) {
    const char *text;
    size_t bytes;
    if (token->last || glint_detokenizer_next(user, token->id, &text, &bytes, NULL)) return false;
    fwrite(text, 1, bytes, stdout);
    return true;
}

int main(int argc, char **argv) {
    glint_model *model = NULL;
    glint_session *session = NULL;
    glint_detokenizer *detokenizer = NULL;
    glint_error err = {""};
    int32_t *ids = NULL;
    size_t n = 0;
    glint_status s = argc == 2 ? glint_model_open(argv[1], &model, &err) : GLINT_USAGE;
    if (!s) s = glint_tokenize(model, "ROMEO:\n", 7, GLINT_TOKENIZE_ADD_ENDS, &ids, &n, &err);
    if (!s) s = glint_session_open(model, NULL, &session, &err);
    if (!s) s = glint_detokenizer_open(model, false, &detokenizer, &err);
    glint_generate_options options = {ids, n, 16, false, false, print_token, detokenizer};
    if (!s) s = glint_generate(session, NULL, &options, NULL, &err);
    if (s) fprintf(stderr, "%s\n", err.message);
    glint_detokenizer_close(&detokenizer);
    glint_session_close(&session);
    glint_model_close(&model);
    free(ids);
    return (int)s;
}
