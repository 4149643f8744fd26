/* glint inspect: an overview of a model file with what is suspicious in its weights, the architecture's card, its
 * tensors, their digests. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/print.h"
#include "cli/setup.h"

static const char *shape(char buffer[96], const glint_tensor_info *t) {
    size_t n = 0;
    buffer[0] = 0;
    for (int i = 0; i < t->n_dims && i < 4; i++)
        n += (size_t)snprintf(buffer + n, 96 - n, i ? " x %" PRIu64 : "%" PRIu64, t->dims[i]);
    return buffer;
}

static double total_bytes(const glint_tensor_info *tensors, int n) {
    double bytes = 0;
    for (int i = 0; i < n; i++) bytes += (double)tensors[i].bytes;
    return bytes;
}

/* How many tensors each format has, "Q4_K 12, F32 49", in the order in which they first occur. */
static void formats(const glint_tensor_info *tensors, int n, char *out, size_t room) {
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < n && used < room; i++) {
        int count = 0, earlier = 0;
        for (int k = 0; k < n; k++) {
            bool same = strcmp(tensors[k].format, tensors[i].format) == 0;
            count += same;
            earlier += same && k < i;
        }
        if (!earlier)
            used += (size_t)snprintf(out + used, room - used, "%s%s %d", used ? ", " : "", tensors[i].format, count);
    }
}

typedef struct sections {
    bool overview, card, tensors, digest;
    glint_tensor_content *contents; /* by tensor; NULL: not looked at */
} sections;

/* ---- What the weights hold ---- */

/* What is wrong, or at least odd, with a tensor: false where nothing is. */
static bool finding(const glint_tensor_content *c, char *out, size_t room) {
    if (c->not_finite)
        snprintf(out, room, "%zu of %zu numbers are NaN or infinite", c->not_finite, c->numbers);
    else if (c->numbers && c->zeros == c->numbers)
        snprintf(out, room, "all %zu numbers are zero", c->numbers);
    else
        return false;
    return true;
}

/* GLINT_BAD_INPUT, after everything was printed, where a weight is no number. */
static glint_status judge(const glint_model *m, const sections *wanted, glint_error *err) {
    const glint_tensor_info *tensors;
    char words[96];
    int n = glint_model_tensors(m, &tensors);
    for (int i = 0; i < n && wanted->contents; i++)
        if (wanted->contents[i].not_finite && finding(&wanted->contents[i], words, sizeof words))
            return cli_fail(err, GLINT_BAD_INPUT, "%s: tensor %s: %s", glint_model_path(m), tensors[i].name, words);
    return GLINT_OK;
}

static void print_findings(const glint_model *m, const glint_tensor_content *contents) {
    const glint_tensor_info *tensors;
    char words[96];
    int n = glint_model_tensors(m, &tensors), found = 0;
    double numbers = 0;
    for (int i = 0; i < n; i++) {
        numbers += (double)contents[i].numbers;
        if (finding(&contents[i], words, sizeof words))
            printf("%s%s: %s\n", found++ ? "              " : "weights       ", tensors[i].name, words);
    }
    if (!found) printf("weights       %.0f numbers, all finite, in no tensor all zero\n", numbers);
}

/* ---- Text ---- */

static void print_overview(const glint_model *m, const glint_tensor_content *contents) {
    const glint_tensor_info *tensors;
    int n = glint_model_tensors(m, &tensors);
    char size[32], kinds[512];
    formats(tensors, n, kinds, sizeof kinds);
    printf("model         %s\n", glint_model_path(m));
    printf("container     %s\n", glint_model_container(m));
    printf("architecture  %s\n", glint_model_architecture(m));
    printf("layers        %d\n", glint_model_layers(m));
    printf("vocabulary    %d\n", glint_model_vocabulary(m));
    printf("context       %d\n", glint_model_context(m));
    printf("tokenizer     %s\n", glint_has_tokenizer(m) ? "yes" : "none");
    printf("tensors       %d, %s: %s\n", n, print_bytes(size, total_bytes(tensors, n)), kinds);
    print_findings(m, contents);
}

static glint_status print_card(const glint_model *m, glint_error *err) {
    const glint_card_entry *card;
    int n = glint_model_card(m, &card);
    print_table t;
    print_table_open(&t, "lll", (const char *[]){"choice", "value", "source"});
    for (int i = 0; i < n; i++) {
        print_table_cell(&t, "%s", card[i].key);
        print_table_cell(&t, "%s", card[i].value);
        print_table_cell(&t, "%s", card[i].source);
    }
    return print_table_end(&t, err);
}

static void digest_text(const glint_tensor_content *c, char out[24]) {
    if (c->numbers)
        snprintf(out, 24, "%016" PRIx64, c->digest);
    else
        strcpy(out, "-"); /* no weight */
}

/* contents NULL: without digests. */
static glint_status print_tensors(const glint_model *m, const glint_tensor_content *contents, glint_error *err) {
    const glint_tensor_info *tensors;
    int n = glint_model_tensors(m, &tensors);
    char dims[96], digest[24];
    print_table t;
    static const char align[] = "llllrll", *const headers[] = {"digest", "canonical", "format", "shape",
                                                               "bytes",  "use",       "name"};
    print_table_open(&t, align + !contents, headers + !contents);
    for (int i = 0; i < n; i++) {
        const glint_tensor_info *x = &tensors[i];
        if (contents) digest_text(&contents[i], digest);
        if (contents) print_table_cell(&t, "%s", digest);
        print_table_cell(&t, "%s", x->canonical ? x->canonical : "-");
        print_table_cell(&t, "%s", x->format);
        print_table_cell(&t, "%s", shape(dims, x));
        print_table_cell(&t, "%" PRIu64, x->bytes);
        print_table_cell(&t, "%s", x->use);
        print_table_cell(&t, "%s", x->name);
    }
    return print_table_end(&t, err);
}

/* ---- JSON ---- */

static json_t *overview_json(const glint_model *m) {
    const glint_tensor_info *tensors;
    int n = glint_model_tensors(m, &tensors);
    return json_pack("{s:o, s:s, s:s, s:i, s:i, s:i, s:b, s:i, s:I}", "model", print_json_name(glint_model_path(m)),
                     "container", glint_model_container(m), "architecture", glint_model_architecture(m), "layers",
                     glint_model_layers(m), "vocabulary", glint_model_vocabulary(m), "context", glint_model_context(m),
                     "tokenizer", glint_has_tokenizer(m), "tensor_count", n, "tensor_bytes",
                     (json_int_t)total_bytes(tensors, n));
}

static json_t *card_json(const glint_model *m) {
    const glint_card_entry *card;
    int n = glint_model_card(m, &card);
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "key", card[i].key, "value",
                                              print_json_name(card[i].value), "source", card[i].source));
    return list;
}

static json_t *tensors_json(const glint_model *m, bool digests, const glint_tensor_content *contents) {
    const glint_tensor_info *tensors;
    int n = glint_model_tensors(m, &tensors);
    char digest[24];
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const glint_tensor_info *x = &tensors[i];
        json_t *dims = json_array();
        for (int d = 0; d < x->n_dims; d++) json_array_append_new(dims, json_integer((json_int_t)x->dims[d]));
        json_t *tensor =
            json_pack("{s:o, s:s?, s:s, s:o, s:I, s:s}", "name", print_json_name(x->name), "canonical", x->canonical,
                      "format", x->format, "shape", dims, "bytes", (json_int_t)x->bytes, "use", x->use);
        json_array_append_new(list, tensor);
        if (!digests || !contents[i].numbers) continue;
        digest_text(&contents[i], digest);
        json_object_set_new(tensor, "digest", json_string(digest));
        json_object_set_new(tensor, "zeros", json_integer((json_int_t)contents[i].zeros));
        json_object_set_new(tensor, "not_finite", json_integer((json_int_t)contents[i].not_finite));
    }
    return list;
}

static json_t *findings_json(const glint_model *m, const glint_tensor_content *contents) {
    const glint_tensor_info *tensors;
    char words[96];
    int n = glint_model_tensors(m, &tensors);
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        if (finding(&contents[i], words, sizeof words))
            json_array_append_new(
                list, json_pack("{s:o, s:s}", "tensor", print_json_name(tensors[i].name), "finding", words));
    return list;
}

/* ---- Both ---- */

static glint_status print_document(const glint_model *m, const sections *wanted, glint_error *err) {
    json_t *document = wanted->overview ? overview_json(m) : json_object();
    if (wanted->overview) json_object_set_new(document, "findings", findings_json(m, wanted->contents));
    if (wanted->card) json_object_set_new(document, "card", card_json(m));
    if (wanted->tensors) json_object_set_new(document, "tensors", tensors_json(m, wanted->digest, wanted->contents));
    return print_json(document, false, err);
}

static glint_status print_sections(const glint_model *m, const sections *wanted, glint_error *err) {
    glint_status s = GLINT_OK;
    if (wanted->overview) print_overview(m, wanted->contents);
    if (wanted->overview && wanted->card) putchar('\n');
    if (wanted->card) s = print_card(m, err);
    if (wanted->card && wanted->tensors) putchar('\n');
    if (!s && wanted->tensors) s = print_tensors(m, wanted->digest ? wanted->contents : NULL, err);
    return s;
}

/* Every weight is read for the overview and for digests, and for nothing else. */
static glint_status look_at_weights(const cli_options *o, const glint_model *m, sections *wanted, glint_error *err) {
    const glint_tensor_info *tensors;
    int n = glint_model_tensors(m, &tensors);
    if (!wanted->overview && !wanted->digest) return GLINT_OK;
    wanted->contents = calloc((size_t)n + 1, sizeof *wanted->contents);
    if (!wanted->contents) return cli_fail(err, GLINT_INTERNAL, "out of memory");
    return glint_model_contents(m, o->device, wanted->contents, err);
}

glint_status cli_inspect(const cli_options *o, glint_error *err) {
    glint_model *model = NULL;
    bool all = !o->card && !o->tensors && !o->digest;
    sections wanted = {all, all || o->card, o->tensors || o->digest, o->digest, NULL};
    glint_status s = cli_open_model(o, &model, err);
    if (!s) s = look_at_weights(o, model, &wanted, err);
    if (!s) s = (o->json ? print_document : print_sections)(model, &wanted, err);
    if (!s) s = judge(model, &wanted, err);
    free(wanted.contents);
    glint_model_close(&model);
    return s;
}
