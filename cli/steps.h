/* check --steps: the whole way of a text through a model as a numbered log, each step with its verdict. */
#ifndef CLI_STEPS_H
#define CLI_STEPS_H

#include "glint.h"

typedef struct steps {
    const glint_model *model;
    const char *text; /* NULL: ids were given */
    size_t bytes;
    int number; /* of the last line */
} steps;

steps steps_open(const glint_model *model, const char *text, size_t bytes);
void steps_add(steps *s, const glint_comparison *c);

#endif
