/* A model: a container and an architecture become a tape, a file tensor for each of its weights, and a card of every
 * choice made. Accounting: each tensor of the file is claimed once, or declared ignorable by name, or opening fails. */
#ifndef CORE_MODEL_H
#define CORE_MODEL_H

#include "backends/backend.h"
#include "core/container/container.h"
#include "core/tape.h"
#include "core/tokenizer/tokenizer.h"

/* What an architecture file reads its metadata and weights from, and writes its tape to. Mistakes are kept in the tape
 * (tape_fail), so that an architecture reads straight on; after one, every function returns 0 or TAPE_NONE. */
typedef struct glint_model {
    container *file;
    tokenizer *words; /* NULL: the file has none */
    tape tape;
    int context;                          /* longest the model was made for */
    const container_tensor **weight_data; /* by tape weight */
    glint_tensor_info *tensors;           /* by file tensor; use NULL: not accounted for yet */
    int n_tensors;
    int *by_name; /* open-addressing table over canonical names: file tensor + 1 */
    int n_by_name;
    glint_card_entry *card;
    int n_card, card_room;
    arena memory;
} glint_model;

/* ---- For architecture files ---- */

/* Metadata by canonical key (core/container/container.h). The first form fails when the file lacks the key; the second
 * takes `otherwise`, and the card says that `source` ("default of the architecture", "derived") chose it. Integers are
 * at most 2^28 and not negative. */
int model_int(glint_model *m, const char *key);
int model_int_or(glint_model *m, const char *key, int otherwise, const char *source);
double model_float(glint_model *m, const char *key);
double model_float_or(glint_model *m, const char *key, double otherwise, const char *source);
bool model_bool_or(glint_model *m, const char *key, bool otherwise, const char *source);
/* Which of `words` (ends with NULL) is the text under `key`: its index, 0 where the file lacks the key. Fails at any
 * other text, naming it. */
int model_word(glint_model *m, const char *key, const char *const *words);
/* Does the layer attend through the sliding window? From "layer_types" where the file has them; else every
 * `pattern`-th layer (counted from 1) is global. */
bool model_layer_is_local(glint_model *m, int layer, int pattern);
/* a * b, failing when it exceeds 2^28. */
int model_product(glint_model *m, int a, int b);
/* Notes a choice that no key made. */
void model_note(glint_model *m, const char *key, double value, const char *source);

extern const char model_default[]; /* "default of the architecture" */
extern const char model_derived[]; /* "derived" */

/* Weights of the tape's present layer (or of none), by canonical name without the layer. The tensor is claimed; it must
 * be rows x cols (a vector: 1 x cols), or opening fails naming it. */
tape_weight model_matrix(glint_model *m, const char *name, int rows, int cols);
tape_weight model_head_matrix(glint_model *m, const char *name, int heads, int head_dim, int cols); /* q, k */
tape_weight model_vector(glint_model *m, const char *name, int cols);
/* The head: the tensor "output", or the embedding where the file ties them. */
tape_weight model_output(glint_model *m, tape_weight embed, int rows, int cols);
/* Claims a vector of n numbers and decodes it into `out`; false when the file has none. */
bool model_numbers(glint_model *m, const char *name, int n, float *out);

/* How the rows of a tensor with this number of rows are counted: dims[1], 1 for a vector. 0: no such tensor. */
int model_rows(glint_model *m, const char *name);

/* ---- For sessions ---- */

/* A weight as a device adopts it; and all of them, by tape weight (NULL: out of memory). */
backend_view model_view(const glint_model *m, tape_weight w);
backend_view *model_views(const glint_model *m, arena *memory);

/* The failure of a step without numbers to choose from or to score; `what` and `index` name its token. */
glint_status model_no_logits(const glint_model *m, const char *what, size_t index, glint_error *err);

#endif
