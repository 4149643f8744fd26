/* The float32 rows of the level avx2. */
#include "cpu/lanes_avx2.h"

#include "cpu/f32_kernels.h"
#include "cpu/decode_x86.h"

void cpu_rows_f32_avx2(cpu_kernels *k) {
    fill_rows(k);
    fill_decode(k);
}
