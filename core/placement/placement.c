#include "core/placement/placement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void placement_whole(const tape *t, const char *device, placement *out) {
    *out = (placement){.n = 1};
    out->parts[0].end = t->layers + 2;
    snprintf(out->parts[0].device, sizeof out->parts[0].device, "%s", device);
}

int placement_op(const tape *t, int piece) {
    int op = 0;
    if (piece <= 0) return 0;
    if (piece > t->layers + 1) return t->n_ops;
    while (op < t->n_ops && t->ops[op].layer < 0) op++; /* before the blocks */
    while (op < t->n_ops && t->ops[op].layer >= 0 && t->ops[op].layer < piece - 1) op++;
    if (piece == t->layers + 1 && op < t->n_ops && t->ops[op].kind == TAPE_SELECT_ROWS) op++;
    return op;
}

/* ---- Words ---- */

static void append(char *out, size_t room, const char *gap, const char *text) {
    size_t n = strlen(out);
    if (n < room && snprintf(out + n, room - n, "%s%s", n ? gap : "", text) < 0) out[n] = 0;
}

/* Pieces [first, end): "embed,0-12", or for people "embed, layers 0 to 12". */
static void append_pieces(const tape *t, int first, int end, bool words, char *out, size_t room) {
    char layers[64];
    const char *gap = words ? ", " : ",";
    int a = first > 1 ? first - 1 : 0, b = end < t->layers + 1 ? end - 1 : t->layers; /* layers [a, b) */
    if (first == 0) append(out, room, gap, "embed");
    if (b - a == 1)
        snprintf(layers, sizeof layers, "%s%d", words ? "layer " : "", a);
    else
        snprintf(layers, sizeof layers, "%s%d%s%d", words ? "layers " : "", a, words ? " to " : "-", b - 1);
    if (b > a) append(out, room, gap, layers);
    if (end == t->layers + 2) append(out, room, gap, "head");
}

void placement_text(const tape *t, const placement *p, char out[PLACEMENT_TEXT]) {
    out[0] = 0;
    for (int i = 0; i < p->n; i++) {
        const placement_part *q = &p->parts[i];
        char pieces[64] = "", part[PLACEMENT_NAME + 1 + sizeof pieces];
        append_pieces(t, q->first, q->end, false, pieces, sizeof pieces);
        snprintf(part, sizeof part, "%s=%s", q->device, pieces);
        append(out, PLACEMENT_TEXT, ",", p->n > 1 ? part : q->device);
    }
}

void placement_pieces(const tape *t, int first, int end, char *out, size_t room) {
    out[0] = 0;
    append_pieces(t, first, end, true, out, room);
}

/* ---- Reading ---- */

enum { NOWHERE = -1 };

typedef struct reader {
    const tape *t;
    int *owner; /* by piece: mention of a device, NOWHERE: not named yet */
    char names[PLACEMENT_MOST][PLACEMENT_NAME];
    int n; /* mentions */
    glint_error *err;
} reader;

static glint_status claim(reader *r, int first, int last, const char *item) {
    for (int piece = first; piece <= last; piece++) {
        char name[32];
        placement_pieces(r->t, piece, piece + 1, name, sizeof name);
        if (r->owner[piece] != NOWHERE)
            return base_fail(r->err, GLINT_USAGE, "split: %s is named twice, by \"%s\" once more", name, item);
        r->owner[piece] = r->n - 1;
    }
    return GLINT_OK;
}

/* "embed", "head", "7" or "3-7". */
static glint_status read_item(reader *r, const char *item) {
    int layers = r->t->layers;
    if (!strcmp(item, "embed")) return claim(r, 0, 0, item);
    if (!strcmp(item, "head")) return claim(r, layers + 1, layers + 1, item);
    size_t digits = strspn(item, "0123456789"), dash = item[digits] == '-';
    size_t more = dash ? strspn(item + digits + 1, "0123456789") : 0;
    if (!digits || digits > 6 || more > 6 || (dash && !more) || item[digits + dash + more])
        return base_fail(r->err, GLINT_USAGE, "split: \"%s\" is not a layer, a range as 0-12, embed or head", item);
    int first = atoi(item), last = dash ? atoi(item + digits + 1) : first;
    if (first > last) return base_fail(r->err, GLINT_USAGE, "split: \"%s\" ends before it begins", item);
    if (last >= layers)
        return base_fail(r->err, GLINT_USAGE, "split: \"%s\": the model has layers 0 to %d", item, layers - 1);
    return claim(r, first + 1, last + 1, item);
}

static glint_status add_mention(reader *r, const char *device, size_t n) {
    if (!n || n >= PLACEMENT_NAME) return base_fail(r->err, GLINT_USAGE, "split: a device name of %zu characters", n);
    if (r->n == PLACEMENT_MOST) return base_fail(r->err, GLINT_USAGE, "split: more than %d parts", PLACEMENT_MOST);
    memcpy(r->names[r->n], device, n);
    r->names[r->n++][n] = 0;
    return GLINT_OK;
}

/* "DEVICE=ITEM", or "ITEM" for the device before. */
static glint_status read_word(reader *r, const char *word) {
    const char *equals = strchr(word, '=');
    glint_status status = equals ? add_mention(r, word, (size_t)(equals - word)) : GLINT_OK;
    if (status) return status;
    if (!r->n)
        return base_fail(r->err, GLINT_USAGE, "split: \"%s\" names no device with its layers: write DEVICE=LAYERS",
                         word);
    return read_item(r, equals ? equals + 1 : word);
}

static glint_status read_words(reader *r, const char *text) {
    char copy[4096];
    if (strlen(text) >= sizeof copy) return base_fail(r->err, GLINT_USAGE, "split: the text is too long");
    memcpy(copy, text, strlen(text) + 1);
    glint_status status = GLINT_OK;
    for (char *word = copy, *next; word && !status; word = next) {
        next = strchr(word, ',');
        if (next) *next++ = 0;
        word += strspn(word, " ");
        status = read_word(r, word);
    }
    return status;
}

/* Embed and head go with their neighbours; no layer may be left out. */
static glint_status fill_gaps(reader *r) {
    int layers = r->t->layers;
    for (int l = 0, last; l < layers; l = last + 1) {
        for (last = l; last + 1 < layers && r->owner[last + 2] == NOWHERE;) last++;
        if (r->owner[l + 1] != NOWHERE) {
            last = l;
            continue;
        }
        if (last > l) return base_fail(r->err, GLINT_USAGE, "split: layers %d to %d are on no device", l, last);
        return base_fail(r->err, GLINT_USAGE, "split: layer %d is on no device", l);
    }
    if (r->owner[0] == NOWHERE) r->owner[0] = r->owner[1];
    if (r->owner[layers + 1] == NOWHERE) r->owner[layers + 1] = r->owner[layers];
    return GLINT_OK;
}

static glint_status join(const reader *r, placement *out) {
    placement p = {0};
    for (int piece = 0, before = NOWHERE; piece < r->t->layers + 2; piece++) {
        if (r->owner[piece] != before) {
            if (p.n == PLACEMENT_MOST)
                return base_fail(r->err, GLINT_USAGE, "split: more than %d parts", PLACEMENT_MOST);
            placement_part *q = &p.parts[p.n++];
            memcpy(q->device, r->names[before = r->owner[piece]], sizeof q->device);
            q->first = piece;
        }
        p.parts[p.n - 1].end = piece + 1;
    }
    *out = p;
    return GLINT_OK;
}

glint_status placement_parse(const tape *t, const char *text, placement *out, glint_error *err) {
    arena memory = {0};
    reader r = {.t = t, .err = err, .owner = arena_array(&memory, (size_t)t->layers + 2, sizeof *r.owner)};
    glint_status status = r.owner ? GLINT_OK : base_fail(err, GLINT_INTERNAL, "out of memory for a split");
    for (int piece = 0; piece < t->layers + 2 && !status; piece++) r.owner[piece] = NOWHERE;
    if (!status) status = read_words(&r, text);
    if (!status) status = fill_gaps(&r);
    if (!status) status = join(&r, out);
    arena_free(&memory);
    return status;
}
