/* 8-bit dot products of Q3_K rows with AVX-512 and VNNI: q8_read_q3_k unpacks, q8_avx512.h multiplies. */
#include "cpu/dot_q8.h"
#include "cpu/q8_avx512.h"

Q8_KERNEL(cpu_dot_q8_q3_k_avx512, Q8_Q3_K)
