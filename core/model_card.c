/* Metadata as architectures read it, and the card that remembers where each choice came from. */
#include "core/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char model_default[] = "default of the architecture";
const char model_derived[] = "derived";
static const char from_file[] = "file";
enum { LARGEST = 1 << 28 };

static bool failed(const glint_model *m) {
    return m->tape.failure != GLINT_OK;
}

static void no_memory(glint_model *m) {
    tape_fail(&m->tape, GLINT_INTERNAL, "out of memory for the card");
}

static void note_text(glint_model *m, const char *key, const char *value, const char *source) {
    for (int i = 0; i < m->n_card; i++)
        if (!strcmp(m->card[i].key, key)) return;
    if (m->n_card == m->card_room) {
        int room = m->card_room ? 2 * m->card_room : 32;
        glint_card_entry *bigger = arena_array(&m->memory, (size_t)room, sizeof *bigger);
        if (!bigger) {
            no_memory(m);
            return;
        }
        if (m->n_card) memcpy(bigger, m->card, (size_t)m->n_card * sizeof *bigger);
        m->card = bigger;
        m->card_room = room;
    }
    value = arena_text(&m->memory, value, strlen(value));
    if (!value)
        no_memory(m);
    else
        m->card[m->n_card++] = (glint_card_entry){key, value, source};
}

void model_note(glint_model *m, const char *key, double value, const char *source) {
    char text[32];
    snprintf(text, sizeof text, "%.9g", value);
    note_text(m, key, text, source);
}

static void missing(glint_model *m, const char *key) {
    tape_fail(&m->tape, GLINT_BAD_INPUT, "metadata lacks \"%s\", or it has the wrong type", key);
}

static int note_int(glint_model *m, const char *key, int64_t v, const char *source) {
    if (v < 0 || v > LARGEST) {
        tape_fail(&m->tape, GLINT_BAD_INPUT, "metadata: \"%s\" is %lld", key, (long long)v);
        return 0;
    }
    model_note(m, key, (double)v, source);
    return (int)v;
}

int model_int(glint_model *m, const char *key) {
    int64_t v;
    if (failed(m)) return 0;
    if (container_int(m->file, key, &v)) return note_int(m, key, v, from_file);
    missing(m, key);
    return 0;
}

int model_int_or(glint_model *m, const char *key, int otherwise, const char *source) {
    int64_t v;
    if (failed(m)) return 0;
    if (container_int(m->file, key, &v)) return note_int(m, key, v, from_file);
    return note_int(m, key, otherwise, source);
}

static double note_float(glint_model *m, const char *key, double v, const char *source) {
    if (!isfinite(v)) {
        tape_fail(&m->tape, GLINT_BAD_INPUT, "metadata: \"%s\" is not finite", key);
        return 0;
    }
    model_note(m, key, v, source);
    return v;
}

double model_float(glint_model *m, const char *key) {
    double v;
    if (failed(m)) return 0;
    if (container_float(m->file, key, &v)) return note_float(m, key, v, from_file);
    missing(m, key);
    return 0;
}

double model_float_or(glint_model *m, const char *key, double otherwise, const char *source) {
    double v;
    if (failed(m)) return 0;
    if (container_float(m->file, key, &v)) return note_float(m, key, v, from_file);
    return note_float(m, key, otherwise, source);
}

int model_word(glint_model *m, const char *key, const char *const *words) {
    container_text t;
    char known[128] = "";
    if (failed(m) || !container_string(m->file, key, &t)) return 0;
    for (int i = 0; words[i]; i++) {
        if (t.bytes == strlen(words[i]) && !memcmp(t.data, words[i], t.bytes)) {
            note_text(m, key, words[i], from_file);
            return i;
        }
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", words[i]);
    }
    tape_fail(&m->tape, GLINT_BAD_INPUT, "metadata: \"%s\" is \"%.*s\", which is not supported (%s are)", key,
              (int)(t.bytes < 64 ? t.bytes : 64), t.data, known);
    return 0;
}

bool model_layer_is_local(glint_model *m, int layer, int pattern) {
    enum { MAX_LAYERS = 1024 };
    container_text types[MAX_LAYERS];
    size_t n;
    static const char local[] = "sliding_attention";
    if (failed(m)) return false;
    if (!container_array(m->file, "layer_types", &n)) return pattern > 0 && (layer + 1) % pattern != 0;
    if (n > MAX_LAYERS || (size_t)layer >= n || !container_strings(m->file, "layer_types", types)) {
        missing(m, "layer_types");
        return false;
    }
    note_text(m, "layer_types", "list", from_file);
    return types[layer].bytes == sizeof local - 1 && !memcmp(types[layer].data, local, sizeof local - 1);
}

int model_product(glint_model *m, int a, int b) {
    int64_t v = (int64_t)a * b;
    if (v <= LARGEST) return (int)v;
    tape_fail(&m->tape, GLINT_BAD_INPUT, "metadata: a width of %lld", (long long)v);
    return 0;
}
