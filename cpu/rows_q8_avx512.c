/* The 8-bit kernels of the AVX-512 level. */
#include "cpu/dot_q8.h"

void cpu_rows_q8_avx512(cpu_kernels *k) {
    k->dot_q8[FORMAT_Q4_0] = cpu_dot_q8_q4_0_avx512;
    k->dot_q8[FORMAT_Q4_1] = cpu_dot_q8_q4_1_avx512;
    k->dot_q8[FORMAT_Q5_0] = cpu_dot_q8_q5_0_avx512;
    k->dot_q8[FORMAT_Q5_1] = cpu_dot_q8_q5_1_avx512;
    k->dot_q8[FORMAT_Q8_0] = cpu_dot_q8_q8_0_avx512;
    k->dot_q8[FORMAT_Q2_K] = cpu_dot_q8_q2_k_avx512;
    k->dot_q8[FORMAT_Q3_K] = cpu_dot_q8_q3_k_avx512;
    k->dot_q8[FORMAT_Q4_K] = cpu_dot_q8_q4_k_avx512;
    k->dot_q8[FORMAT_Q5_K] = cpu_dot_q8_q5_k_avx512;
    k->dot_q8[FORMAT_Q6_K] = cpu_dot_q8_q6_k_avx512;
    k->dot_q8[FORMAT_IQ4_NL] = cpu_dot_q8_iq4_nl_avx512;
    k->dot_q8[FORMAT_IQ4_XS] = cpu_dot_q8_iq4_xs_avx512;
    k->dot_q8[FORMAT_MXFP4] = cpu_dot_q8_mxfp4_avx512;
}
