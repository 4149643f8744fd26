/* 8-bit dot products of Q4_1 rows with AVX-512 and VNNI: q8_read_q4_1 unpacks, q8_avx512.h multiplies. */
#include "cpu/dot_q8.h"
#include "cpu/q8_avx512.h"

Q8_KERNEL(cpu_dot_q8_q4_1_avx512, Q8_Q4_1)
