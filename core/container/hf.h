/* Parts of reading a Hugging Face directory. */
#ifndef CORE_CONTAINER_HF_H
#define CORE_CONTAINER_HF_H

#include "core/base/json.h"
#include "core/container/store.h"

/* Sets architecture and values. GLINT_BAD_INPUT with file and cause. */
glint_status hf_config_read(container *c, glint_error *err);
/* The same from JSON in memory: `path` is for messages, `generation` (generation_config.json) may be NULL. */
glint_status hf_config_take(container *c, const char *path, json_t *root, json_t *generation, glint_error *err);

#endif
