/* Makes small model files for tests, right or wrong as the test wants them: GGUF piece by piece, safetensors from its
 * header's text, folders that are removed afterwards. */
#ifndef TESTS_SUPPORT_MAKER_H
#define TESTS_SUPPORT_MAKER_H

#include <stddef.h>
#include <stdint.h>

typedef struct maker_bytes { /* grows; zeros are an empty one; the owner frees `data` */
    unsigned char *data;
    size_t n, room;
} maker_bytes;

void maker_put(maker_bytes *b, const void *data, size_t bytes);
void maker_number(maker_bytes *b, uint64_t v, size_t bytes); /* little-endian */
void maker_string(maker_bytes *b, const char *s, size_t n);  /* as GGUF has it: 64-bit length, bytes */

typedef struct maker_gguf { /* maker_gguf_open() makes a right file without keys and tensors */
    uint32_t version;
    uint64_t n_keys, n_tensors; /* as declared; counted up by the calls below */
    size_t alignment;           /* of the data in the file; the key is the test's to add */
    maker_bytes keys, tensors, data;
} maker_gguf;

enum { MAKER_U32 = 4, MAKER_I32 = 5, MAKER_F32 = 6, MAKER_BOOL = 7, MAKER_STRING = 8, MAKER_ARRAY = 9, MAKER_U64 = 10 };

maker_gguf maker_gguf_open(void);
void maker_key(maker_gguf *g, const char *key, uint32_t type); /* the value is appended to g->keys by the caller */
void maker_key_u32(maker_gguf *g, const char *key, uint32_t v);
void maker_key_f32(maker_gguf *g, const char *key, float v);
void maker_key_text(maker_gguf *g, const char *key, const char *v);
void maker_tensor(maker_gguf *g, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type,
                  uint64_t offset);
/* The file in memory; frees the maker. */
maker_bytes maker_gguf_close(maker_gguf *g);

void maker_write(const char *path, const void *data, size_t bytes);
void maker_write_text(const char *path, const char *text);
/* A safetensors file: the header's text, then data_bytes bytes 0, 1, 2 ... */
void maker_safetensors(const char *path, const char *header, size_t data_bytes);

/* A new folder in TMPDIR or /tmp; `path` has room for 1024. maker_remove deletes it with everything in it. */
void maker_folder(char *path);
void maker_remove(const char *path);

#endif
