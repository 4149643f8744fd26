/* glint inspect: an overview of a model file, the architecture's card, its tensors, their digests. */
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

/* ---- Text ---- */

static void print_overview(const glint_model *m) {
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

/* Ignored tensors have no digest: "-". */
static glint_status digest_text(const glint_model *m, int i, const char *canonical, char out[24], glint_error *err) {
    uint64_t digest;
    strcpy(out, "-");
    if (!canonical) return GLINT_OK;
    glint_status s = glint_model_digest(m, i, &digest, err);
    if (!s) snprintf(out, 24, "%016" PRIx64, digest);
    return s;
}

static glint_status print_tensors(const glint_model *m, bool digests, glint_error *err) {
    const glint_tensor_info *tensors;
    int n = glint_model_tensors(m, &tensors);
    char dims[96], digest[24];
    glint_status s = GLINT_OK;
    print_table t;
    static const char align[] = "llllrll", *const headers[] = {"digest", "canonical", "format", "shape",
                                                               "bytes",  "use",       "name"};
    print_table_open(&t, align + !digests, headers + !digests);
    for (int i = 0; i < n && !s; i++) {
        const glint_tensor_info *x = &tensors[i];
        if (digests) s = digest_text(m, i, x->canonical, digest, err);
        if (digests) print_table_cell(&t, "%s", digest);
        print_table_cell(&t, "%s", x->canonical ? x->canonical : "-");
        print_table_cell(&t, "%s", x->format);
        print_table_cell(&t, "%s", shape(dims, x));
        print_table_cell(&t, "%" PRIu64, x->bytes);
        print_table_cell(&t, "%s", x->use);
        print_table_cell(&t, "%s", x->name);
    }
    if (!s) return print_table_end(&t, err);
    print_table_discard(&t);
    return s;
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

static glint_status tensors_json(const glint_model *m, bool digests, json_t *list, glint_error *err) {
    const glint_tensor_info *tensors;
    int n = glint_model_tensors(m, &tensors);
    char digest[24];
    for (int i = 0; i < n; i++) {
        const glint_tensor_info *x = &tensors[i];
        json_t *dims = json_array();
        for (int d = 0; d < x->n_dims; d++) json_array_append_new(dims, json_integer((json_int_t)x->dims[d]));
        json_t *tensor =
            json_pack("{s:o, s:s?, s:s, s:o, s:I, s:s}", "name", print_json_name(x->name), "canonical", x->canonical,
                      "format", x->format, "shape", dims, "bytes", (json_int_t)x->bytes, "use", x->use);
        json_array_append_new(list, tensor);
        if (!digests || !x->canonical) continue;
        glint_status s = digest_text(m, i, x->canonical, digest, err);
        if (s) return s;
        json_object_set_new(tensor, "digest", json_string(digest));
    }
    return GLINT_OK;
}

/* ---- Both ---- */

typedef struct sections {
    bool overview, card, tensors, digest;
} sections;

static glint_status print_document(const glint_model *m, sections wanted, glint_error *err) {
    json_t *document = wanted.overview ? overview_json(m) : json_object();
    glint_status s = GLINT_OK;
    if (wanted.card) json_object_set_new(document, "card", card_json(m));
    if (wanted.tensors) {
        json_t *list = json_array();
        s = tensors_json(m, wanted.digest, list, err);
        json_object_set_new(document, "tensors", list);
    }
    if (!s) return print_json(document, false, err);
    json_decref(document);
    return s;
}

static glint_status print_sections(const glint_model *m, sections wanted, glint_error *err) {
    glint_status s = GLINT_OK;
    if (wanted.overview) print_overview(m);
    if (wanted.overview && wanted.card) putchar('\n');
    if (wanted.card) s = print_card(m, err);
    if (wanted.card && wanted.tensors) putchar('\n');
    if (!s && wanted.tensors) s = print_tensors(m, wanted.digest, err);
    return s;
}

glint_status cli_inspect(const cli_options *o, glint_error *err) {
    glint_model *model = NULL;
    bool all = !o->card && !o->tensors && !o->digest;
    sections wanted = {all, all || o->card, o->tensors || o->digest, o->digest};
    glint_status s = cli_open_model(o, &model, err);
    if (!s) s = (o->json ? print_document : print_sections)(model, wanted, err);
    glint_model_close(&model);
    return s;
}
