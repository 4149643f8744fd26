/* Comparisons of values, as check and diff print them: a table in which what is right is folded, or JSON. */
#ifndef CLI_COMPARISON_H
#define CLI_COMPARISON_H

#include <jansson.h>

#include "cli/print.h"

typedef struct comparison_list {
    bool json, all; /* all: nothing is folded */
    json_t *values; /* json */
    print_table table;
    /* Values that were right and are not yet printed. */
    int folded, folded_step;
    char first[128], last[128], device[64];
    glint_comparison worst; /* largest of their errors; its pointers are not kept */
    json_t *notes;          /* what is said about failures, below the table */
} comparison_list;

void comparison_open(comparison_list *l, bool json, bool all);
/* The callback of checks and diffs; `user` is the list. */
void comparison_add(const glint_comparison *c, void *user);
/* Prints all of it, the verdict last, and releases the list. */
glint_status comparison_end(comparison_list *l, const glint_verdict *verdict, glint_error *err);
void comparison_discard(comparison_list *l);

#endif
