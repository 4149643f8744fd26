/* What is behind container.h, for the readers of this folder: one store that each kind of file fills.
 *
 * A metadata value keeps the packed bytes that GGUF has for it (little-endian, a string is a 64-bit length and its
 * bytes), so that nothing of a mapped file is copied; values from JSON are packed the same way into the arena. */
#ifndef CORE_CONTAINER_STORE_H
#define CORE_CONTAINER_STORE_H

#include "core/base/arena.h"
#include "core/base/file_map.h"
#include "core/container/container.h"

/* Numbers of the types are GGUF's own. */
typedef enum store_type {
    STORE_U8,
    STORE_I8,
    STORE_U16,
    STORE_I16,
    STORE_U32,
    STORE_I32,
    STORE_F32,
    STORE_BOOL,
    STORE_STRING,
    STORE_ARRAY,
    STORE_U64,
    STORE_I64,
    STORE_F64,
    STORE_TYPES
} store_type;

typedef struct store_value {
    const char *key; /* canonical */
    store_type type; /* of the value, or of every element of an array; never STORE_ARRAY */
    bool array;
    size_t count;              /* elements; 1 unless an array */
    const unsigned char *data; /* packed, checked to be complete */
} store_value;

struct container {
    const char *path, *kind, *architecture;
    store_value *values;
    size_t n_values;
    container_tensor *tensors;
    size_t n_tensors;
    file_map *maps;
    size_t n_maps;
    arena memory; /* everything above but the mapped bytes */
};

/* The readers: each fills an empty container, whose path is set, or fails and leaves the rest to container_close. */
glint_status gguf_read(container *c, glint_error *err);
glint_status hf_read(container *c, glint_error *err);

/* ---- Values ---- */

size_t store_type_bytes(store_type t);                     /* 0: no fixed size */
uint64_t store_load(const unsigned char *p, size_t bytes); /* little-endian */
bool store_int(const store_value *v, const unsigned char *at, int64_t *out);
bool store_float(const store_value *v, const unsigned char *at, double *out);
container_text store_text(const unsigned char *at); /* of a packed string */

/* ---- Tables: own keys and names to canonical ones. First row that fits wins. ---- */

typedef struct store_key_row {
    const char *architecture; /* glob; NULL: any */
    const char *canonical;
    char kind;           /* i(nteger) f(loat) b(ool) s(tring); capital: array of them */
    const char *file;    /* "%s.block_count" with the architecture for %s, "rope_scaling/factor" as a path in JSON */
    const char *only_if; /* own key of a bool that must be true, or the canonical key stays unset; NULL: none */
} store_key_row;

typedef struct store_name_row {
    const char *architecture;     /* glob; NULL: any */
    const char *file, *canonical; /* %d: the layer, the same in both */
    bool rotary_adjacent, norm_minus_one;
} store_name_row;

bool store_row_fits(const char *row_architecture, const char *architecture);
/* GLINT_BAD_INPUT, naming `own`, when the value is not of the kind; a float must be finite, an integer fit int64. */
glint_status store_check_kind(const char *path, const char *own, const store_value *v, char kind, glint_error *err);
/* Appends a value; room was made by the caller. */
void store_add(container *c, const char *canonical, const store_value *v);
/* Sets canonical name and flags of a tensor; a name that no row knows stays NULL. False: out of memory. */
bool store_match_name(arena *memory, const store_name_row *rows, size_t n, const char *architecture, const char *name,
                      container_tensor *t);

/* ---- An index over names: duplicates and look-ups in n log n, whatever the names are ---- */

typedef struct store_index {
    const container_text *texts;
    size_t *sorted, n; /* positions in texts, by length and bytes */
} store_index;

bool store_index_build(arena *memory, const container_text *texts, size_t n, store_index *out); /* false: no memory */
const container_text *store_index_duplicate(const store_index *x);                              /* NULL: none */
size_t store_index_find(const store_index *x, container_text text);                             /* SIZE_MAX: none */
/* Refuses tensors that share a name or a canonical name. */
glint_status store_check_names(container *c, glint_error *err);

#endif
