/* Qwen2 and Qwen2.5 (arXiv 2407.10671, 2412.15115): llama's decoder with biases on q, k and v. */
#include "core/arch/arch.h"

void qwen2_build(glint_model *m) {
    llama_decoder(m, true, false);
}
