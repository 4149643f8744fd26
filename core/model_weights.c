/* Weights as architectures claim them, and as devices take them. */
#include "core/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 128 };

static uint64_t hash(const char *s) {
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001B3u;
    return h;
}

/* The file tensor of a canonical name; -1: none. */
static int find(const glint_model *m, const char *canonical) {
    if (!m->n_by_name) return -1;
    for (uint64_t i = hash(canonical);; i++) {
        int at = m->by_name[i & (uint64_t)(m->n_by_name - 1)] - 1;
        if (at < 0 || !strcmp(m->tensors[at].canonical, canonical)) return at;
    }
}

void model_index_names(glint_model *m) {
    int room = 16;
    while (room < 2 * m->n_tensors) room *= 2;
    m->by_name = arena_array(&m->memory, (size_t)room, sizeof *m->by_name);
    if (!m->by_name) {
        tape_fail(&m->tape, GLINT_INTERNAL, "out of memory for the tensor names");
        return;
    }
    m->n_by_name = room;
    for (int i = 0; i < m->n_tensors; i++) {
        const char *name = m->tensors[i].canonical;
        if (!name) continue;
        int other = find(m, name);
        if (other >= 0) {
            tape_fail(&m->tape, GLINT_BAD_INPUT, "tensors %s and %s are both %s", m->tensors[other].name,
                      m->tensors[i].name, name);
            return;
        }
        uint64_t at = hash(name) & (uint64_t)(room - 1);
        while (m->by_name[at]) at = (at + 1) & (uint64_t)(room - 1);
        m->by_name[at] = i + 1;
    }
}

static const char *full_name(const glint_model *m, const char *name, char *buffer) {
    if (m->tape.layer < 0) return name;
    snprintf(buffer, NAME_BYTES, "layers.%d.%s", m->tape.layer, name);
    return buffer;
}

/* Vectors are short: their numbers are looked at whenever a model is opened. Matrices are read by glint inspect. */
static bool is_finite(const container_tensor *c) {
    const format_row *f = &format_table[c->format];
    float values[256]; /* no format has larger blocks */
    for (size_t i = 0; i < c->dims[0] / f->block_values; i++) {
        f->decode((const char *)c->data + i * f->block_bytes, values, 1);
        for (int k = 0; k < f->block_values; k++)
            if (!isfinite(values[k])) return false;
    }
    return true;
}

/* Claims the tensor for a new tape weight after checking its shape. */
static tape_weight claim(glint_model *m, const char *name, int rows, int cols, int head_dim, bool vector) {
    char buffer[NAME_BYTES];
    if (m->tape.failure) return TAPE_NONE;
    name = full_name(m, name, buffer);
    int i = find(m, name);
    if (i < 0) {
        tape_fail(&m->tape, GLINT_BAD_INPUT, "tensor %s is missing", name);
        return TAPE_NONE;
    }
    glint_tensor_info *info = &m->tensors[i];
    uint64_t want[4] = {(uint64_t)cols, vector ? 1 : (uint64_t)rows, 1, 1};
    if (memcmp(info->dims, want, sizeof want) != 0) {
        tape_fail(&m->tape, GLINT_BAD_INPUT, "tensor %s: %llu x %llu x %llu x %llu numbers, %llu x %llu needed",
                  info->name, (unsigned long long)info->dims[0], (unsigned long long)info->dims[1],
                  (unsigned long long)info->dims[2], (unsigned long long)info->dims[3], (unsigned long long)want[0],
                  (unsigned long long)want[1]);
        return TAPE_NONE;
    }
    if (info->use) {
        tape_fail(&m->tape, GLINT_INTERNAL, "tensor %s is claimed twice", info->name);
        return TAPE_NONE;
    }
    const container_tensor *all;
    container_tensors(m->file, &all);
    if (vector && all[i].rotary_adjacent) {
        tape_fail(&m->tape, GLINT_BAD_INPUT, "tensor %s: a vector in adjacent rotary order", info->name);
        return TAPE_NONE;
    }
    if (vector && !is_finite(&all[i])) {
        tape_fail(&m->tape, GLINT_BAD_INPUT, "tensor %s: holds NaN or infinite numbers", info->name);
        return TAPE_NONE;
    }
    tape_weight w = tape_add_weight(&m->tape, name, rows, cols, head_dim);
    if (w < 0) return w;
    m->weight_data[w] = &all[i];
    info->use = "claimed";
    return w;
}

tape_weight model_matrix(glint_model *m, const char *name, int rows, int cols) {
    return claim(m, name, rows, cols, 0, false);
}

tape_weight model_head_matrix(glint_model *m, const char *name, int heads, int head_dim, int cols) {
    return claim(m, name, model_product(m, heads, head_dim), cols, head_dim, false);
}

tape_weight model_vector(glint_model *m, const char *name, int cols) {
    return claim(m, name, 1, cols, 0, true);
}

tape_weight model_output(glint_model *m, tape_weight embed, int rows, int cols) {
    int i = find(m, "output");
    bool tied;
    bool declared = container_bool(m->file, "tied", &tied);
    if (i >= 0 && !(declared && tied)) return model_matrix(m, "output", rows, cols);
    if (i < 0 && declared && !tied) return model_matrix(m, "output", rows, cols); /* fails, naming it */
    if (i >= 0) m->tensors[i].use = "ignored: tied to the embedding";
    model_note(m, "tied", 1, declared ? "file" : model_default);
    return embed;
}

bool model_numbers(glint_model *m, const char *name, int n, float *out) {
    if (m->tape.failure || find(m, name) < 0) return false;
    const container_tensor *all, *c;
    int i = find(m, name);
    container_tensors(m->file, &all);
    c = &all[i];
    uint64_t want[4] = {(uint64_t)n, 1, 1, 1};
    const format_row *f = &format_table[c->format];
    if (memcmp(c->dims, want, sizeof want) != 0) {
        tape_fail(&m->tape, GLINT_BAD_INPUT, "tensor %s: %llu numbers, %d needed", c->name,
                  (unsigned long long)c->dims[0], n);
        return false;
    }
    f->decode(c->data, out, (size_t)n / f->block_values);
    m->tensors[i].use = "claimed";
    return true;
}

int model_rows(glint_model *m, const char *name) {
    int i = m->tape.failure ? -1 : find(m, name);
    if (i < 0) return 0;
    return model_product(m, m->tensors[i].dims[1] > INT32_MAX ? INT32_MAX : (int)m->tensors[i].dims[1], 1);
}

backend_view model_view(const glint_model *m, tape_weight w) {
    const container_tensor *c = m->weight_data[w];
    const tape_weight_info *info = &m->tape.weights[w];
    size_t row_bytes = 0;
    format_row_bytes(c->format, (uint64_t)info->cols, &row_bytes); /* fits: the container checked the whole tensor */
    return (backend_view){.name = info->name,
                          .format = c->format,
                          .data = c->data,
                          .row_bytes = row_bytes,
                          .rows = info->rows,
                          .cols = info->cols,
                          .rotary_adjacent = c->rotary_adjacent,
                          .head_dim = info->head_dim,
                          .minus_one = c->norm_minus_one};
}

backend_view *model_views(const glint_model *m, arena *memory) {
    backend_view *views = arena_array(memory, (size_t)m->tape.n_weights, sizeof *views);
    for (tape_weight w = 0; views && w < m->tape.n_weights; w++) views[w] = model_view(m, w);
    return views;
}

glint_status model_no_logits(const glint_model *m, const char *what, size_t index, glint_error *err) {
    return base_fail(err, GLINT_BAD_INPUT,
                     "%s: %s %zu: its logits are not numbers; 'glint inspect' says whether all weights are, 'glint "
                     "check' which op makes others",
                     glint_model_path(m), what, index);
}
