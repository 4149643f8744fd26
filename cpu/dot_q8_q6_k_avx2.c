/* 8-bit dot products of Q6_K rows with AVX2: q8_read_q6_k unpacks, q8_avx2.h multiplies. */
#include "cpu/dot_q8.h"
#include "cpu/q8_avx2.h"

Q8_KERNEL(cpu_dot_q8_q6_k_avx2, Q8_Q6_K)
