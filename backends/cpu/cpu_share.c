/* What every part needs: its thread's share of a call, and the words for a program that finds no memory. */
#include "backends/cpu/cpu.h"

void cpu_my_rows(const cpu_call *c, int *begin, int *end) {
    team_share(c->rows, 1, c->me, begin, end);
}

void cpu_my_columns(const cpu_call *c, int *begin, int *end) {
    team_share(c->width, CPU_UNIT, c->me, begin, end);
}

glint_status cpu_no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "cpu: out of memory for a program");
}
