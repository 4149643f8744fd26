/* 8-bit dot products of IQ4_XS rows with AVX-512 and VNNI: q8_read_iq4_xs unpacks, q8_avx512.h multiplies. */
#include "cpu/dot_q8.h"
#include "cpu/q8_avx512.h"

Q8_KERNEL(cpu_dot_q8_iq4_xs_avx512, Q8_IQ4_XS)
