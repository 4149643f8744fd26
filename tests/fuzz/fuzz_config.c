/* Any bytes as config.json of a Hugging Face directory; every key that comes of it is asked for. */
#include "core/container/hf.h"
#include "tests/support/container_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    container c = {.path = "fuzz"};
    json_t *root = NULL;
    glint_error err;
    if (base_json_parse("fuzz", data, bytes, &root, &err) == GLINT_OK &&
        hf_config_take(&c, "fuzz", root, NULL, &err) == GLINT_OK)
        container_walk(&c);
    json_decref(root);
    arena_free(&c.memory);
    return 0;
}
