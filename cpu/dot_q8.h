/* The 8-bit dot product kernels by name: cpu_dot_q8_FORMAT, and _avx2 and _avx512 for the levels above portable. */
#ifndef CPU_DOT_Q8_H
#define CPU_DOT_Q8_H

#include "cpu/kernels.h"

cpu_dot_q8_fn cpu_dot_q8_q4_0, cpu_dot_q8_q4_1, cpu_dot_q8_q5_0, cpu_dot_q8_q5_1, cpu_dot_q8_q8_0, cpu_dot_q8_q2_k,
    cpu_dot_q8_q3_k, cpu_dot_q8_q4_k, cpu_dot_q8_q5_k, cpu_dot_q8_q6_k, cpu_dot_q8_iq4_nl, cpu_dot_q8_iq4_xs,
    cpu_dot_q8_mxfp4;
cpu_dot_q8_fn cpu_dot_q8_q4_0_avx2, cpu_dot_q8_q4_1_avx2, cpu_dot_q8_q5_0_avx2, cpu_dot_q8_q5_1_avx2,
    cpu_dot_q8_q8_0_avx2, cpu_dot_q8_q2_k_avx2, cpu_dot_q8_q3_k_avx2, cpu_dot_q8_q4_k_avx2, cpu_dot_q8_q5_k_avx2,
    cpu_dot_q8_q6_k_avx2, cpu_dot_q8_iq4_nl_avx2, cpu_dot_q8_iq4_xs_avx2, cpu_dot_q8_mxfp4_avx2;
cpu_dot_q8_fn cpu_dot_q8_q4_0_avx512, cpu_dot_q8_q4_1_avx512, cpu_dot_q8_q5_0_avx512, cpu_dot_q8_q5_1_avx512,
    cpu_dot_q8_q8_0_avx512, cpu_dot_q8_q2_k_avx512, cpu_dot_q8_q3_k_avx512, cpu_dot_q8_q4_k_avx512,
    cpu_dot_q8_q5_k_avx512, cpu_dot_q8_q6_k_avx512, cpu_dot_q8_iq4_nl_avx512, cpu_dot_q8_iq4_xs_avx512,
    cpu_dot_q8_mxfp4_avx512;

void cpu_quantize_q8(const float *x, int cols, int8_t *q, float *d, float *sum);
void cpu_quantize_q8_avx2(const float *x, int cols, int8_t *q, float *d, float *sum);

#endif
