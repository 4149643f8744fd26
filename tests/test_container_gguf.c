/* GGUF files that are odd, split, cut off or hostile: right ones open, wrong ones are refused by name and cause. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file_map.h"
#include "core/container/container.h"
#include "tests/support/container_walk.h"
#include "tests/support/hostile.h"
#include "tests/support/maker.h"
#include "tests/support/support.h"

static char folder[1024];

static const char *in_folder(const char *name) {
    static char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const uint64_t shape[2] = {4, 2};
enum { F32 = 0, Q8_0 = 8, SHAPE_BYTES = 32 };

/* A right file: an architecture and two tensors of 2 x 4 floats 0, 1, 2 ... */
static maker_gguf small(void) {
    maker_gguf g = maker_gguf_open();
    maker_key_text(&g, "general.architecture", "llama");
    maker_key_u32(&g, "llama.block_count", 7);
    maker_key_f32(&g, "llama.rope.freq_base", 500000);
    maker_tensor(&g, "token_embd.weight", 2, shape, F32, 0);
    maker_tensor(&g, "blk.3.ffn_down.weight", 2, shape, F32, SHAPE_BYTES);
    for (int i = 0; i < 16; i++) {
        float f = (float)i;
        maker_put(&g.data, &f, sizeof f);
    }
    return g;
}

static const char *save(maker_gguf *g, const char *name) {
    maker_bytes file = maker_gguf_close(g);
    const char *path = in_folder(name);
    maker_write(path, file.data, file.n);
    free(file.data);
    return path;
}

static void refuse(maker_gguf *g, const char *cause) {
    hostile_refused(save(g, "hostile.gguf"), cause);
}

static container *accept(const char *path) {
    container *c = NULL;
    glint_error err;
    SUPPORT_OK(container_open(path, &c, &err), &err);
    return c;
}

/* ---- Right files ---- */

static void check_small(const char *path, const char *kind) {
    container *c = accept(path);
    const container_tensor *t;
    int64_t layers = 0;
    double base = 0;
    CU_ASSERT_STRING_EQUAL(container_kind(c), kind);
    CU_ASSERT(container_int(c, "layers", &layers) && layers == 7);
    CU_ASSERT(container_float(c, "rope_base", &base) && base == 500000);
    CU_ASSERT_FATAL(container_tensors(c, &t) == 2);
    CU_ASSERT_STRING_EQUAL(t[0].canonical, "embed");
    CU_ASSERT_STRING_EQUAL(t[1].canonical, "layers.3.ffn_down");
    float f;
    memcpy(&f, (const char *)t[1].data + 4, sizeof f);
    CU_ASSERT(f == 9 && t[1].bytes == SHAPE_BYTES && t[1].dims[0] == 4 && t[1].dims[1] == 2 && t[1].dims[2] == 1);
    container_close(&c);
}

static void test_versions(void) {
    maker_gguf g = small();
    check_small(save(&g, "v3.gguf"), "GGUF v3");
    g = small();
    g.version = 2;
    check_small(save(&g, "v2.gguf"), "GGUF v2");
    static const struct {
        uint32_t version;
        const char *cause;
    } wrong[] = {{0, "version 0"}, {1, "version 1 is not"}, {4, "version 4 is not"}, {0x03000000, "big-endian GGUF"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        g = small();
        g.version = wrong[i].version;
        refuse(&g, wrong[i].cause);
    }
    maker_write_text(in_folder("text.gguf"), "no model at all");
    hostile_refused(in_folder("text.gguf"), "not a GGUF file");
    maker_write_text(in_folder("empty.gguf"), "");
    hostile_refused(in_folder("empty.gguf"), "not a GGUF file");
    hostile_refused(in_folder("absent.gguf"), "No such file");
}

static void test_alignment(void) {
    maker_gguf g = small();
    maker_key_u32(&g, "general.alignment", 16);
    g.alignment = 16;
    check_small(save(&g, "aligned.gguf"), "GGUF v3");
    static const uint32_t wrong[] = {0, 3, 24, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        g = small();
        maker_key_u32(&g, "general.alignment", wrong[i]);
        refuse(&g, "general.alignment");
    }
    g = small();
    maker_key_text(&g, "general.alignment", "32");
    refuse(&g, "general.alignment: an integer expected, found string");
    g = small();
    maker_key_u32(&g, "general.alignment", 64); /* 32 is no multiple of it */
    refuse(&g, "blk.3.ffn_down.weight: offset 32 is no multiple of 64");
}

static void test_numbers(void) {
    maker_gguf g = small();
    maker_key(&g, "llama.context_length", MAKER_U64);
    maker_number(&g.keys, 8192, 8);
    maker_key(&g, "llama.attention.head_count", 1); /* i8 */
    maker_number(&g.keys, (uint64_t)-3, 1);
    maker_key_u32(&g, "llama.attention.scale", 2);
    container *c = accept(save(&g, "numbers.gguf"));
    int64_t i;
    double f;
    bool b;
    container_text text;
    CU_ASSERT(container_int(c, "context", &i) && i == 8192);
    CU_ASSERT(container_int(c, "heads", &i) && i == -3);
    CU_ASSERT(container_float(c, "attention_scale", &f) && f == 2);
    CU_ASSERT(!container_int(c, "rope_base", &i) && !container_bool(c, "heads", &b) &&
              !container_string(c, "heads", &text));
    CU_ASSERT(!container_int(c, "width", &i) && !container_float(c, "no such key", &f));
    container_close(&c);
}

/* llama's files order the rows of q and k, and of their biases, for adjacent pairs; others do not. */
static void test_rotary(void) {
    static const char *const names[] = {"blk.0.attn_q.weight", "blk.0.attn_k.bias", "blk.0.attn_v.weight"};
    static const char *const architectures[] = {"llama", "qwen2"};
    for (size_t a = 0; a < 2; a++) {
        maker_gguf g = maker_gguf_open();
        maker_key_text(&g, "general.architecture", architectures[a]);
        for (size_t i = 0; i < 3; i++) maker_tensor(&g, names[i], 2, shape, F32, i * SHAPE_BYTES);
        for (int i = 0; i < 3 * SHAPE_BYTES; i++) maker_number(&g.data, 0, 1);
        container *c = accept(save(&g, "rotary.gguf"));
        const container_tensor *t;
        CU_ASSERT(container_tensors(c, &t) == 3);
        CU_ASSERT(t[0].rotary_adjacent == (a == 0) && t[1].rotary_adjacent == (a == 0) && !t[2].rotary_adjacent);
        container_close(&c);
    }
}

/* Numbers in names are decimal as writers write them: nothing else can pass for a layer. */
static void test_names(void) {
    static const char *const unknown[] = {"blk.03.ffn_up.weight", "blk..ffn_up.weight",   "blk.9999999.ffn_up.weight",
                                          "blk.1.ffn_up.weightx", "blk.-1.ffn_up.weight", "blk.1.ffn_up"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        maker_gguf g = small();
        maker_tensor(&g, unknown[i], 2, shape, F32, 2 * SHAPE_BYTES);
        for (int k = 0; k < SHAPE_BYTES; k++) maker_number(&g.data, 0, 1);
        container *c = accept(save(&g, "names.gguf"));
        const container_tensor *t;
        CU_ASSERT(container_tensors(c, &t) == 3 && !t[2].canonical && !strcmp(t[2].name, unknown[i]));
        container_close(&c);
    }
}

/* ---- Hostile counts, keys and values ---- */

static void test_counts(void) {
    static const uint64_t large[] = {UINT64_MAX, UINT64_MAX / 2, (uint64_t)1 << 60, 100};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        maker_gguf g = small();
        g.n_tensors = large[i];
        refuse(&g, "tensors declared in a file of");
        g = small();
        g.n_keys = large[i];
        refuse(&g, "keys declared in a file of");
    }
    maker_gguf g = small();
    g.n_tensors = 3;
    refuse(&g, "tensor 3 of 3");
    g = small();
    g.n_keys = 4; /* the first tensor is read as a key */
    refuse(&g, "hostile.gguf: ");
}

static void test_keys(void) {
    maker_gguf g = small();
    maker_key_u32(&g, "llama.block_count", 7);
    refuse(&g, "key llama.block_count: given twice");
    g = small();
    maker_key_u32(&g, "", 7);
    refuse(&g, "key 4 of 4 is empty");
    g = small();
    maker_string(&g.keys, "a\0b", 3);
    maker_number(&g.keys, MAKER_U32, 4);
    maker_number(&g.keys, 1, 4);
    g.n_keys++;
    refuse(&g, "key 4 of 4 is empty or has a NUL byte");
    static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, 100000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        g = small();
        maker_number(&g.keys, lengths[i], 8);
        g.n_keys++;
        refuse(&g, "the file ends inside key 4 of 4");
        g = small();
        maker_key(&g, "general.name", MAKER_STRING);
        maker_number(&g.keys, lengths[i], 8);
        refuse(&g, "key general.name: the file ends inside its value");
    }
    g = small();
    maker_key_text(&g, "general.na\nme\x1b[31m", "x");
    maker_key_text(&g, "general.na\nme\x1b[31m", "x");
    refuse(&g, "key general.na?me?[31m: given twice");
}

static void array_head(maker_gguf *g, uint32_t type, uint64_t count) {
    maker_key(g, "llama.array", MAKER_ARRAY);
    maker_number(&g->keys, type, 4);
    maker_number(&g->keys, count, 8);
}

static void test_values(void) {
    maker_gguf g = small();
    maker_key(&g, "llama.value", 13);
    refuse(&g, "key llama.value: unknown type 13");
    g = small();
    array_head(&g, 99, 1);
    refuse(&g, "key llama.array: unknown type 99");
    g = small();
    array_head(&g, MAKER_ARRAY, 1);
    refuse(&g, "key llama.array: an array of arrays");
    static const uint64_t counts[] = {UINT64_MAX, (uint64_t)1 << 61, ((uint64_t)1 << 61) + 1, 100000};
    static const uint32_t types[] = {MAKER_U64, MAKER_F32, MAKER_STRING, MAKER_BOOL};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++) {
            g = small();
            array_head(&g, types[k], counts[i]);
            refuse(&g, "key llama.array: the file ends inside its array of");
        }
    g = small();
    maker_key(&g, "llama.flag", MAKER_BOOL);
    maker_number(&g.keys, 2, 1);
    refuse(&g, "key llama.flag: a bool is 0 or 1");
    g = small();
    array_head(&g, MAKER_STRING, 0); /* an empty array is right */
    check_small(save(&g, "array.gguf"), "GGUF v3");
}

static void test_kinds(void) {
    maker_gguf g = small();
    maker_key_text(&g, "llama.embedding_length", "wide");
    refuse(&g, "key llama.embedding_length: an integer expected, found string");
    g = small();
    maker_key(&g, "llama.embedding_length", MAKER_U64);
    maker_number(&g.keys, UINT64_MAX, 8);
    refuse(&g, "key llama.embedding_length: an integer expected");
    g = small();
    maker_key(&g, "llama.attention.head_count_kv", MAKER_ARRAY);
    maker_number(&g.keys, MAKER_U32, 4);
    maker_number(&g.keys, 0, 8);
    refuse(&g, "key llama.attention.head_count_kv: an integer expected, found an array of u32");
    g = small();
    maker_key(&g, "llama.attention.layer_norm_rms_epsilon", MAKER_F32);
    maker_number(&g.keys, 0x7FC00000, 4); /* NaN */
    refuse(&g, "layer_norm_rms_epsilon: a finite number expected");
    g = small();
    maker_key_u32(&g, "tokenizer.ggml.tokens", 1);
    refuse(&g, "key tokenizer.ggml.tokens: an array of strings expected, found u32");
    g = maker_gguf_open();
    maker_key_text(&g, "general.name", "x");
    refuse(&g, "key general.architecture is missing");
    g = maker_gguf_open();
    maker_key_u32(&g, "general.architecture", 1);
    refuse(&g, "key general.architecture: a string expected");
    g = maker_gguf_open();
    maker_key_text(&g, "general.architecture", "");
    refuse(&g, "key general.architecture: not a name");
}

/* ---- Hostile tensors ---- */

static void refuse_tensor(uint32_t n_dims, const uint64_t *dims, uint32_t type, uint64_t offset, const char *cause) {
    maker_gguf g = small();
    maker_tensor(&g, "blk.3.ffn_up.weight", n_dims, dims, type, offset);
    refuse(&g, cause);
}

static void test_tensors(void) {
    static const uint64_t five[5] = {4, 1, 1, 1, 1}, zero[2] = {4, 0}, wide[2] = {(uint64_t)1 << 62, 1};
    static const uint64_t huge[2] = {(uint64_t)1 << 40, (uint64_t)1 << 40}, all[2] = {UINT64_MAX, UINT64_MAX};
    static const uint64_t big[2] = {1024, 1024}, odd[2] = {33, 1};
    refuse_tensor(0, shape, F32, 64, "tensor blk.3.ffn_up.weight: 0 dimensions");
    refuse_tensor(5, five, F32, 64, "tensor blk.3.ffn_up.weight: 5 dimensions");
    refuse_tensor(2, zero, F32, 64, "tensor blk.3.ffn_up.weight: dimension 1 is 0");
    refuse_tensor(2, wide, F32, 64, "tensor blk.3.ffn_up.weight: its size does not fit");
    refuse_tensor(2, huge, F32, 64, "tensor blk.3.ffn_up.weight: its size does not fit");
    refuse_tensor(2, all, F32, 64, "tensor blk.3.ffn_up.weight: its size does not fit");
    refuse_tensor(2, odd, Q8_0, 64, "tensor blk.3.ffn_up.weight: rows of 33 values");
    refuse_tensor(2, shape, 4, 64, "tensor blk.3.ffn_up.weight: unknown type 4");
    refuse_tensor(2, shape, 0xFFFFFFFF, 64, "tensor blk.3.ffn_up.weight: unknown type 4294967295");
    refuse_tensor(2, shape, F32, 65, "tensor blk.3.ffn_up.weight: offset 65 is no multiple of 32");
    refuse_tensor(2, shape, F32, 64, "tensor blk.3.ffn_up.weight: 32 bytes needed, file ends after 0");
    refuse_tensor(2, shape, F32, UINT64_MAX - 31, "tensor blk.3.ffn_up.weight: 32 bytes needed");
    refuse_tensor(2, big, F32, 32, "tensor blk.3.ffn_up.weight: 4194304 bytes needed, file ends after 32");
    refuse_tensor(2, shape, F32, 32, "overlaps tensor blk.3.ffn_");
    maker_gguf g = small();
    maker_tensor(&g, "token_embd.weight", 2, shape, F32, 64);
    for (int i = 0; i < SHAPE_BYTES; i++) maker_number(&g.data, 0, 1);
    refuse(&g, "tensor token_embd.weight: there are two");
    g = small();
    maker_tensor(&g, "", 2, shape, F32, 64);
    refuse(&g, "tensor 3 of 3: its name is empty");
    g = small();
    maker_tensor(&g, "a\nb", 0, shape, F32, 64);
    refuse(&g, "tensor a?b: 0 dimensions");
}

/* ---- Split files ---- */

typedef struct part {
    uint64_t tensors;     /* in this file */
    uint32_t no, count;   /* UINT32_MAX: no such key */
    uint32_t all_tensors; /* UINT32_MAX: no such key */
} part;

static const char *save_part(const char *name, const part *p, int first_tensor) {
    maker_gguf g = maker_gguf_open();
    if (p->no == 0) maker_key_text(&g, "general.architecture", "llama");
    if (p->no != UINT32_MAX) maker_key_u32(&g, "split.no", p->no);
    if (p->count != UINT32_MAX) maker_key_u32(&g, "split.count", p->count);
    if (p->all_tensors != UINT32_MAX) maker_key_u32(&g, "split.tensors.count", p->all_tensors);
    for (uint64_t i = 0; i < p->tensors; i++) {
        char tensor[64];
        snprintf(tensor, sizeof tensor, "blk.%d.ffn_up.weight", first_tensor + (int)i);
        maker_tensor(&g, tensor, 2, shape, F32, i * SHAPE_BYTES);
        for (int k = 0; k < SHAPE_BYTES; k++) maker_number(&g.data, (uint64_t)first_tensor + i, 1);
    }
    return save(&g, name);
}

static void test_split(void) {
    static const part right[3] = {{0, 0, 3, 3}, {2, 1, 3, 3}, {1, 2, 3, 3}};
    char first[1200];
    save_part("m-00002-of-00003.gguf", &right[1], 0);
    save_part("m-00003-of-00003.gguf", &right[2], 2);
    snprintf(first, sizeof first, "%s", save_part("m-00001-of-00003.gguf", &right[0], 0));
    container *c = accept(first);
    const container_tensor *t;
    CU_ASSERT_FATAL(container_tensors(c, &t) == 3);
    CU_ASSERT_STRING_EQUAL(t[2].canonical, "layers.2.ffn_up");
    CU_ASSERT(*(const char *)t[1].data == 1 && *(const char *)t[2].data == 2);
    CU_ASSERT(container_walk(c) != 0);
    container_close(&c);
    hostile_refused(in_folder("m-00002-of-00003.gguf"), "file 2 of a split model: name the first one");
    save_part("renamed.gguf", &right[0], 0);
    hostile_refused(in_folder("renamed.gguf"), "must end in -00001-of-00003.gguf");
}

/* Files of a split model that do not belong together: the first file's message names the other file. */
static void refuse_split(part a, part b, const char *wrong_file, const char *cause) {
    char both[1200];
    container *c = NULL;
    glint_error err = {"(no message)"};
    save_part("s-00002-of-00002.gguf", &b, 1);
    save_part("s-00001-of-00002.gguf", &a, 0);
    glint_status s = container_open(in_folder("s-00001-of-00002.gguf"), &c, &err);
    snprintf(both, sizeof both, "%s: %s", wrong_file, cause);
    if (!strstr(err.message, both)) printf("\n    \"%s\", where \"%s\" was expected\n", err.message, both);
    CU_ASSERT(s == GLINT_BAD_INPUT && strstr(err.message, both));
    container_close(&c);
}

static void test_wrong_split(void) {
    static const char first[] = "s-00001-of-00002.gguf", second[] = "s-00002-of-00002.gguf";
    const part a = {1, 0, 2, 2}, b = {1, 1, 2, 2};
    const uint32_t none = UINT32_MAX;
    refuse_split(a, (part){1, 0, 2, 2}, second, "key split.no: 0, 1 expected");
    refuse_split(a, (part){1, none, 2, 2}, second, "key split.no is missing");
    refuse_split(a, (part){1, 1, 3, 2}, second, "key split.count: 3, 2 expected");
    refuse_split(a, (part){1, 1, none, 2}, second, "key split.count is missing");
    refuse_split((part){1, 0, 3, 2}, b, first, "the first of 3 files, whose name must end in -00001-of-00003.gguf");
    refuse_split((part){1, 0, 0, 2}, b, first, "key split.count: 0 files");
    refuse_split((part){1, 0, 0xFFFFFFFE, 2}, b, first, "key split.count: 4294967294 files");
    refuse_split((part){1, 0, 2, 3}, b, first, "key split.tensors.count: 3, 2 expected");
    refuse_split((part){1, 0, 2, none}, b, first, "key split.tensors.count is missing");
    refuse_split((part){2, 0, 2, 3}, b, first, "tensor blk.1.ffn_up.weight: there are two");
    unlink(in_folder("s-00002-of-00002.gguf"));
    container *c = NULL;
    glint_error err;
    CU_ASSERT(container_open(in_folder(first), &c, &err) == GLINT_BAD_INPUT);
    CU_ASSERT(strstr(err.message, second) && strstr(err.message, "No such file"));
}

/* ---- Cut off, flipped ---- */

static void test_cut(void) {
    maker_gguf g = small();
    maker_key_text(&g, "general.name", "cut");
    array_head(&g, MAKER_STRING, 2);
    maker_string(&g.keys, "one", 3);
    maker_string(&g.keys, "", 0);
    maker_bytes file = maker_gguf_close(&g);
    const char *path = in_folder("cut.gguf");
    maker_write(path, file.data, file.n);
    container *c = accept(path);
    container_close(&c);
    hostile_cut(path, path, file.n, 1);
    free(file.data);
}

static file_map map_shipped(void) {
    char path[1024];
    file_map m = {0};
    glint_error err;
    SUPPORT_OK(file_map_open(support_data(path, "gemma3-shakespeare-Q4_K_M.gguf"), &m, &err), &err);
    return m;
}

static void test_cut_shipped(void) {
    file_map m = map_shipped();
    const char *path = in_folder("shipped.gguf");
    maker_write(path, m.data, m.bytes);
    hostile_cut(path, path, m.bytes, 997);
    file_map_close(&m);
}

static void test_flipped(void) {
    maker_gguf g = small();
    array_head(&g, MAKER_STRING, 2);
    maker_string(&g.keys, "one", 3);
    maker_string(&g.keys, "", 0);
    maker_bytes file = maker_gguf_close(&g);
    const char *path = in_folder("flipped.gguf");
    int opened = hostile_flip(path, path, file.data, file.n, file.n, 5000, 1);
    CU_ASSERT(opened > 100 && opened < 4500);
    free(file.data);
    file_map m = map_shipped();
    hostile_flip(path, path, m.data, m.bytes, 2000, 100, 2);
    hostile_flip(path, path, m.data, m.bytes, 72000, 100, 3);
    file_map_close(&m);
}

int main(void) {
    static const support_case cases[] = {
        {"versions 2 and 3; others and big-endian refused", test_versions},
        {"alignment", test_alignment},
        {"numbers of all widths", test_numbers},
        {"rotary order of llama", test_rotary},
        {"names that are no layers", test_names},
        {"counts", test_counts},
        {"keys", test_keys},
        {"values", test_values},
        {"kinds of known keys", test_kinds},
        {"tensors", test_tensors},
        {"split files", test_split},
        {"split files that do not belong together", test_wrong_split},
        {"cut off at every byte", test_cut},
        {"the shipped model cut off", test_cut_shipped},
        {"flipped bytes", test_flipped},
    };
    maker_folder(folder);
    int status = support_main("container_gguf", cases, sizeof cases / sizeof *cases);
    maker_remove(folder);
    return status;
}
