/* Which level of kernels this processor can run, and the table of a level. */
#include "cpu/kernels.h"

#include <stdlib.h>
#include <string.h>

const char *const cpu_level_names[CPU_LEVELS] = {
    [CPU_PORTABLE] = "portable", [CPU_AVX2] = "avx2", [CPU_AVX512] = "avx512"};

static cpu_level hardware_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    /* Every processor with AVX2 has F16C, which not every compiler lets one ask for. */
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512vnni");
    if (avx2 && avx512) return CPU_AVX512;
    if (avx2) return CPU_AVX2;
#endif
    return CPU_PORTABLE;
}

cpu_level cpu_best_level(void) {
    cpu_level best = hardware_level();
    const char *mask = getenv("GLINT_CPU");
    for (int l = 0; mask && l < (int)best; l++)
        if (!strcmp(mask, cpu_level_names[l])) return (cpu_level)l;
    return best;
}

bool cpu_mask_is_known(void) {
    const char *mask = getenv("GLINT_CPU");
    bool known = !mask || !strcmp(mask, "ref");
    for (int l = 0; l < CPU_LEVELS && !known; l++) known = !strcmp(mask, cpu_level_names[l]);
    return known;
}

void cpu_kernels_for(cpu_level level, cpu_kernels *out) {
    *out = (cpu_kernels){.level = level};
    cpu_rows_f32_portable(out);
    cpu_rows_q8_portable(out);
#if defined(__x86_64__)
    if (level >= CPU_AVX2) {
        cpu_rows_f32_avx2(out);
        cpu_rows_q8_avx2(out);
    }
    if (level >= CPU_AVX512) {
        cpu_rows_f32_avx512(out);
        cpu_rows_q8_avx512(out);
    }
#endif
}
