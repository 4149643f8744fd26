/* Opening a model: container, architecture, accounting, tokenizer. And what the public API tells about it. */
#include "core/model.h"

#include <stdlib.h>
#include <string.h>

#include "core/arch/arch.h"

void model_index_names(glint_model *m); /* model_weights.c */

/* Tensors that no architecture claims and that may lie in a file all the same. */
static const struct {
    const char *part; /* of the file's name */
    const char *use;
} ignorable[] = {
    {"rotary_emb.inv_freq", "ignored: computed from the metadata"},
    {"rope_freqs.weight", "ignored: this architecture has no use for it"},
    {"vision_tower.", "ignored: text only"},
    {"multi_modal_projector.", "ignored: text only"},
};

static glint_status list_tensors(glint_model *m, glint_error *err) {
    const container_tensor *c;
    size_t n = container_tensors(m->file, &c);
    if (n > 1 << 20) return base_fail(err, GLINT_BAD_INPUT, "%s: %zu tensors", container_path(m->file), n);
    m->tensors = arena_array(&m->memory, n, sizeof *m->tensors);
    m->weight_data = arena_array(&m->memory, n, sizeof *m->weight_data);
    if (!m->tensors || !m->weight_data) return base_fail(err, GLINT_INTERNAL, "out of memory for the tensor list");
    m->n_tensors = (int)n;
    for (size_t i = 0; i < n; i++) {
        m->tensors[i] = (glint_tensor_info){.name = c[i].name,
                                            .canonical = c[i].canonical,
                                            .format = format_table[c[i].format].name,
                                            .n_dims = c[i].n_dims,
                                            .bytes = c[i].bytes};
        memcpy(m->tensors[i].dims, c[i].dims, sizeof c[i].dims);
    }
    model_index_names(m);
    return GLINT_OK;
}

static const char *ignorable_use(const char *name) {
    for (size_t i = 0; i < sizeof ignorable / sizeof *ignorable; i++)
        if (strstr(name, ignorable[i].part)) return ignorable[i].use;
    return NULL;
}

static glint_status account(glint_model *m, glint_error *err) {
    for (int i = 0; i < m->n_tensors; i++) {
        glint_tensor_info *t = &m->tensors[i];
        if (!t->use) t->use = ignorable_use(t->name);
        if (!t->use)
            return base_fail(err, GLINT_BAD_INPUT, "%s: tensor %s: architecture %s has no use for it",
                             container_path(m->file), t->name, container_architecture(m->file));
    }
    return GLINT_OK;
}

#if GLINT_ZOO
/* backends/zoo: faults that tests put into the tape. */
enum { ZOO_FLIP_MINUS_ONE = 1, ZOO_FLIP_ROTARY = 2 };
glint_status zoo_alter_tape(tape *t, unsigned char *flips, glint_error *err);

static glint_status spoil(glint_model *m, glint_error *err) {
    unsigned char *flips = arena_array(&m->memory, (size_t)m->tape.n_weights, 1);
    if (!flips) return base_fail(err, GLINT_INTERNAL, "out of memory for faults");
    glint_status status = zoo_alter_tape(&m->tape, flips, err);
    for (tape_weight w = 0; w < m->tape.n_weights && !status; w++) {
        container_tensor *c = flips[w] ? arena_copy(&m->memory, m->weight_data[w], sizeof *c) : NULL;
        if (!c) continue;
        if (flips[w] & ZOO_FLIP_MINUS_ONE) c->norm_minus_one = !c->norm_minus_one;
        if (flips[w] & ZOO_FLIP_ROTARY) c->rotary_adjacent = !c->rotary_adjacent;
        m->weight_data[w] = c;
    }
    return status;
}
#endif

static glint_status build(glint_model *m, glint_error *err) {
    const char *path = container_path(m->file), *name = container_architecture(m->file);
    const arch_row *row = arch_table;
    while (row->name && strcmp(row->name, name)) row++;
    if (!row->name)
        return base_fail(err, GLINT_BAD_INPUT, "%s: architecture \"%s\" is not supported (%s are)", path, name,
                         arch_names());
    row->build(m);
    if (m->tape.failure) return base_fail(err, m->tape.failure, "%s: %s", path, m->tape.error.message);
    if (!m->tape.layers || !m->tape.vocabulary || !m->context || m->tape.vocabulary >= 1 << 24)
        return base_fail(err, GLINT_BAD_INPUT, "%s: %d layers, %d tokens, context %d", path, m->tape.layers,
                         m->tape.vocabulary, m->context);
#if GLINT_ZOO
    glint_status spoilt = spoil(m, err);
    if (spoilt) return spoilt;
#endif
    return account(m, err);
}

static glint_status open_words(glint_model *m, glint_error *err) {
    glint_status s = tokenizer_open(m->file, &m->words, err);
    if (s || !m->words) return s;
    if (tokenizer_size(m->words) > m->tape.vocabulary)
        return base_fail(err, GLINT_BAD_INPUT, "%s: %d tokens, but the embedding has %d rows", container_path(m->file),
                         tokenizer_size(m->words), m->tape.vocabulary);
    return GLINT_OK;
}

glint_status glint_model_open(const char *path, glint_model **out, glint_error *err) {
    glint_model *m = calloc(1, sizeof *m);
    if (!m) return base_fail(err, GLINT_INTERNAL, "%s: out of memory", path);
    tape_open(&m->tape);
    glint_status s = container_open(path, &m->file, err);
    if (!s) s = list_tensors(m, err);
    if (!s) s = build(m, err);
    if (!s) s = open_words(m, err);
    if (s)
        glint_model_close(&m);
    else
        *out = m;
    return s;
}

void glint_model_close(glint_model **model) {
    if (!model || !*model) return;
    glint_model *m = *model;
    tokenizer_close(&m->words);
    container_close(&m->file);
    tape_close(&m->tape);
    arena_free(&m->memory);
    free(m);
    *model = NULL;
}

const char *glint_model_path(const glint_model *m) {
    return container_path(m->file);
}
const char *glint_model_container(const glint_model *m) {
    return container_kind(m->file);
}
const char *glint_model_architecture(const glint_model *m) {
    return container_architecture(m->file);
}
int glint_model_vocabulary(const glint_model *m) {
    return m->tape.vocabulary;
}
int glint_model_context(const glint_model *m) {
    return m->context;
}
int glint_model_layers(const glint_model *m) {
    return m->tape.layers;
}

int glint_model_card(const glint_model *m, const glint_card_entry **out) {
    *out = m->card;
    return m->n_card;
}

int glint_model_tensors(const glint_model *m, const glint_tensor_info **out) {
    *out = m->tensors;
    return m->n_tensors;
}
