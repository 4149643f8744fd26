/* 8-bit dot products of MXFP4 rows with AVX2: q8_read_mxfp4 unpacks, q8_avx2.h multiplies. */
#include "cpu/dot_q8.h"
#include "cpu/q8_avx2.h"

Q8_KERNEL(cpu_dot_q8_mxfp4_avx2, Q8_MXFP4)
