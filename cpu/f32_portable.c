/* The portable level's float32 rows: what every processor can run. */
#include "cpu/lanes_portable.h"

#include "cpu/f32_kernels.h"

/* x / 2 erfc(-x / sqrt 2), which does not cancel for x < 0. No vector version: no fast model uses it. */
static void gate_gelu(const float *gate, const float *up, float *out, int n) {
    for (int i = 0; i < n; i++) out[i] = 0.5f * gate[i] * erfcf(gate[i] * -0.70710678f) * up[i];
}

void cpu_rows_f32_portable(cpu_kernels *k) {
    fill_rows(k);
    k->gate[CPU_GATE_GELU] = gate_gelu;
    for (int f = 0; f < FORMAT_COUNT; f++) k->decode[f] = format_table[f].decode;
}
