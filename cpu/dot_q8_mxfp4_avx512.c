/* 8-bit dot products of MXFP4 rows with AVX-512 and VNNI: q8_read_mxfp4 unpacks, q8_avx512.h multiplies. */
#include "cpu/dot_q8.h"
#include "cpu/q8_avx512.h"

Q8_KERNEL(cpu_dot_q8_mxfp4_avx512, Q8_MXFP4)
