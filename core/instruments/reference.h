/* Values from a file under the tape's names: a trace (docs/trace-format.md) or a Hugging Face reference made by
 * tools/hf_reference.py, or the reference.safetensors of a model directory. Names are mapped, element types (float32,
 * bfloat16, float16) are widened, every size is checked against the file. */
#ifndef CORE_INSTRUMENTS_REFERENCE_H
#define CORE_INSTRUMENTS_REFERENCE_H

#include "core/tape.h"
#include "glint.h"

typedef struct reference reference;

typedef struct reference_value {
    const char *name; /* the tape's: "layers.5.out" */
    const char *file_name;
    int rows, width;
    int first_row;   /* position of the first row: references may hold the last rows of logits only */
    double rounding; /* of its element type, relative: 0 for float32 */
} reference_value;

typedef struct reference_run {     /* one prompt */
    const int32_t *ids;            /* of every row, greedy steps included */
    int n, n_prompt;               /* n_prompt <= n */
    const reference_value *values; /* in the order in which a model computes them */
    int n_values;
} reference_run;

/* GLINT_BAD_INPUT: no such file, cut short, of no known kind. Borrowed strings live until reference_close. */
glint_status reference_open(const char *path, reference **out, glint_error *err);
void reference_close(reference **r);
const char *reference_path(const reference *r);
/* What made it: a trace's device, "Hugging Face"; and how: what is no trace counts as exact. */
const char *reference_device(const reference *r);
glint_precision reference_precision(const reference *r);
int reference_runs(const reference *r, const reference_run **out); /* returns how many */
/* Names in the file that stand for no value of a tape, for a message; returns how many there are in all. */
int reference_foreign(const reference *r, const char *const **names);
const reference_value *reference_find(const reference_run *run, const char *name); /* NULL: none */
/* Rows [first, first + n) of the value's own rows, widened to float32. */
glint_status reference_read(const reference *r, const reference_value *v, int first, int n, float *out,
                            glint_error *err);
/* Does the file fit this tape? Widths, and ids below the vocabulary; the first misfit is named (GLINT_BAD_INPUT). */
glint_status reference_fits(const reference *r, const tape *t, glint_error *err);

#endif
