/* A container from a Hugging Face directory. */
#include "core/container/store.h"

glint_status hf_read(container *c, glint_error *err) {
    return base_fail(err, GLINT_BAD_INPUT, "%s: Hugging Face directories are not read yet", c->path);
}
