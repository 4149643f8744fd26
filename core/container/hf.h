/* Parts of reading a Hugging Face directory. */
#ifndef CORE_CONTAINER_HF_H
#define CORE_CONTAINER_HF_H

#include "core/container/store.h"

/* Sets architecture and values. GLINT_BAD_INPUT with file and cause. */
glint_status hf_config_read(container *c, glint_error *err);

#endif
