/* glint tokenize: text to ids, or ids to text. */
#include <stdlib.h>

#include "cli/command.h"
#include "cli/print.h"
#include "cli/setup.h"

static glint_status print_ids_json(const glint_model *model, const cli_ids *ids, bool ids_only, glint_error *err) {
    json_t *list = json_array(), *tokens = json_array();
    for (size_t i = 0; i < ids->n; i++) {
        size_t bytes = 0;
        const char *text = glint_token_text(model, ids->ids[i], &bytes);
        json_array_append_new(list, json_integer(ids->ids[i]));
        json_array_append_new(
            tokens, json_pack("{s:i, s:o}", "id", ids->ids[i], "text", print_json_text(text ? text : "", bytes)));
    }
    json_t *document = json_pack("{s:o}", "ids", list);
    if (!ids_only && document) json_object_set(document, "tokens", tokens);
    json_decref(tokens);
    return print_json(document, false, err);
}

static void print_tokens(const glint_model *model, const cli_ids *ids) {
    for (size_t i = 0; i < ids->n; i++) {
        size_t bytes = 0;
        const char *text = glint_token_text(model, ids->ids[i], &bytes);
        printf("%8d  ", ids->ids[i]);
        print_quoted(stdout, text ? text : "", bytes);
        putchar('\n');
    }
}

static glint_status encode(const cli_options *o, const glint_model *model, glint_error *err) {
    cli_ids ids = {0};
    glint_status s = cli_read_ids(o, model, &ids, err);
    if (s) return s;
    if (o->json)
        s = print_ids_json(model, &ids, o->ids_only, err);
    else if (o->ids_only) {
        for (size_t i = 0; i < ids.n; i++) printf(i ? " %d" : "%d", ids.ids[i]);
        putchar('\n');
    } else
        print_tokens(model, &ids);
    cli_free_ids(&ids);
    return s;
}

/* The whole text of `ids` into `out`. */
static glint_status detokenize(const glint_model *model, const int32_t *ids, size_t n, FILE *out, glint_error *err) {
    glint_detokenizer *d = NULL;
    const char *text;
    size_t bytes;
    glint_status s = glint_detokenizer_open(model, false, &d, err);
    for (size_t i = 0; !s && i < n; i++)
        if ((s = glint_detokenizer_next(d, ids[i], &text, &bytes, err)) == GLINT_OK) fwrite(text, 1, bytes, out);
    if (!s) {
        glint_detokenizer_end(d, &text, &bytes);
        fwrite(text, 1, bytes, out);
    }
    glint_detokenizer_close(&d);
    return s;
}

static glint_status decode(const cli_options *o, const glint_model *model, glint_error *err) {
    char *list = NULL, *text = NULL;
    int32_t *ids = NULL;
    size_t bytes = 0, n = 0;
    glint_status s = cli_read_text(o, &list, &bytes, err);
    if (!s) s = cli_parse_ids(list, "--decode", "token id", &ids, &n, err);
    FILE *out = open_memstream(&text, &bytes); /* nothing is printed where an id is wrong */
    if (!s && !out) s = cli_fail(err, GLINT_INTERNAL, "out of memory");
    if (!s) s = detokenize(model, ids, n, out, err);
    if (out) fclose(out);
    if (!s && o->json)
        s = print_json(json_pack("{s:o}", "text", print_json_text(text, bytes)), false, err);
    else if (!s)
        fwrite(text, 1, bytes, stdout);
    free(list);
    free(ids);
    free(text);
    return s;
}

glint_status cli_tokenize(const cli_options *o, glint_error *err) {
    glint_model *model = NULL;
    glint_status s = cli_open_model(o, &model, err);
    if (!s) s = o->decode ? decode(o, model, err) : encode(o, model, err);
    glint_model_close(&model);
    return s;
}
