/* 8-bit dot products of IQ4_XS rows with AVX2: q8_read_iq4_xs unpacks, q8_avx2.h multiplies. */
#include "cpu/dot_q8.h"
#include "cpu/q8_avx2.h"

Q8_KERNEL(cpu_dot_q8_iq4_xs_avx2, Q8_IQ4_XS)
