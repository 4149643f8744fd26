/* Qwen3 (arXiv 2505.09388): llama's decoder with RMSNorm on each head of q and k, and a head size of its own. */
#include "core/arch/arch.h"

void qwen3_build(glint_model *m) {
    llama_decoder(m, false, true);
}
