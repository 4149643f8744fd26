#include "cli/steps.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/print.h"

enum { MOST_IDS = 24 /* on a line */ };

steps steps_open(const glint_model *model, const char *text, size_t bytes) {
    return (steps){.model = model, .text = text, .bytes = bytes};
}

static void print_token(const steps *s, int32_t id) {
    size_t bytes;
    const char *text = glint_token_text(s->model, id, &bytes);
    printf(" %d", id);
    if (!text) return;
    putchar(' ');
    print_quoted(stdout, text, bytes);
}

/* The ids that go in: of a prompt after its text, of a step the one token. */
static void print_ids(steps *s, const glint_comparison *c) {
    if (s->number == 0 && s->text) {
        printf("%4d  text   ", ++s->number);
        print_quoted(stdout, s->text, s->bytes);
        putchar('\n');
    }
    printf("%4d  ids    positions %d to %d:", ++s->number, c->first_row, c->first_row + c->rows - 1);
    for (int r = 0; r < c->rows && r < MOST_IDS && c->ids; r++) print_token(s, c->ids[r]);
    puts(c->rows > MOST_IDS ? " ..." : "");
}

static double root_mean_square(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return n ? sqrt(sum / (double)n) : 0;
}

static void print_op(steps *s, const glint_comparison *c) {
    size_t n = (size_t)c->rows * (size_t)c->width;
    printf("%4d  %-12s %-26s %5d x %-6d", ++s->number, c->op, c->value, c->rows, c->width);
    bool ids = !strcmp(c->op, "argmax") || !strcmp(c->op, "top_k");
    if (c->tested_rows && c->reference_rows && !ids)
        printf("  rms %-10.5g reference %-10.5g", root_mean_square(c->tested_rows, n),
               root_mean_square(c->reference_rows, n));
    printf("  max error %-9.3g at (%d,%d), %.2g of its bound: ", c->largest, c->first_row + c->row, c->index, c->share);
    puts(c->pass ? "ok" : "FAIL");
    if (*c->kind || *c->reason) printf("      %s%s%s\n", c->kind, *c->kind && *c->reason ? ": " : "", c->reason);
}

/* argmax is the last op: its ids are what greedy sampling takes. */
static void print_chosen(steps *s, const glint_comparison *c) {
    if (!c->tested_rows || !c->rows) return;
    printf("%4d  chosen after position %d:", ++s->number, c->first_row + c->rows - 1);
    print_token(s, (int32_t)c->tested_rows[c->rows - 1]);
    putchar('\n');
}

/* Ids go in where an embedding comes out. */
void steps_add(steps *s, const glint_comparison *c) {
    if (!strcmp(c->op, "embed")) print_ids(s, c);
    print_op(s, c);
    if (!strcmp(c->op, "argmax")) print_chosen(s, c);
}
