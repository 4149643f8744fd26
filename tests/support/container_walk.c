#include "tests/support/container_walk.h"

#include <stdlib.h>
#include <string.h>

#include "core/container/store.h"

static uint64_t mix(uint64_t h, const void *data, size_t n) {
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001B3u;
    return h;
}

static uint64_t walk_array(const container *c, const char *key, uint64_t h) {
    size_t n;
    if (!container_array(c, key, &n)) return h;
    container_text *texts = calloc(n + 1, sizeof *texts);
    int64_t *ints = calloc(n + 1, sizeof *ints);
    float *floats = calloc(n + 1, sizeof *floats);
    if (texts && container_strings(c, key, texts))
        for (size_t i = 0; i < n; i++) h = mix(h, texts[i].data, texts[i].bytes);
    if (ints && container_ints(c, key, ints)) h = mix(h, ints, n * sizeof *ints);
    if (floats && container_floats(c, key, floats)) h = mix(h, floats, n * sizeof *floats);
    free(texts);
    free(ints);
    free(floats);
    return h;
}

static uint64_t walk_scalar(const container *c, const char *key, uint64_t h) {
    int64_t i;
    double f;
    bool b;
    container_text text;
    if (container_int(c, key, &i)) h = mix(h, &i, sizeof i);
    if (container_float(c, key, &f)) h = mix(h, &f, sizeof f);
    if (container_bool(c, key, &b)) h = mix(h, &b, sizeof b);
    if (container_string(c, key, &text)) h = mix(h, text.data, text.bytes);
    return h;
}

uint64_t container_walk(const container *c) {
    uint64_t h = mix(0xCBF29CE484222325u, container_architecture(c), strlen(container_architecture(c)));
    for (size_t i = 0; i < c->n_values; i++) {
        h = walk_scalar(c, c->values[i].key, h);
        h = walk_array(c, c->values[i].key, h);
    }
    const container_tensor *t;
    size_t n = container_tensors(c, &t);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *data = t[i].data;
        h = mix(h, t[i].name, strlen(t[i].name));
        if (t[i].canonical) h = mix(h, t[i].canonical, strlen(t[i].canonical));
        h = mix(h, data, 1);
        h = mix(h, data + t[i].bytes - 1, 1);
        for (int d = 0; d < 4; d++) h = mix(h, &t[i].dims[d], sizeof t[i].dims[d]);
    }
    return h;
}
