/* Digests prove that two files, or a file and a device's own copy, hold the same weights; and weights that are no
 * numbers, or nothing but zeros, are found. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file_map.h"
#include "core/model.h"
#include "tests/support/maker.h"
#include "tests/support/support.h"

typedef struct opened {
    glint_model *model;
    const glint_tensor_info *tensors;
    glint_tensor_content *contents;
    int n;
} opened;

static bool open_model(opened *o, const char *name, const char *device) {
    char path[1024];
    glint_error err;
    *o = (opened){0};
    if (!support_any(path, name)) return false;
    SUPPORT_OK(glint_model_open(path, &o->model, &err), &err);
    o->n = glint_model_tensors(o->model, &o->tensors);
    o->contents = calloc((size_t)o->n, sizeof *o->contents);
    SUPPORT_OK(glint_model_contents(o->model, device, o->contents, &err), &err);
    return true;
}

static void close_model(opened *o) {
    free(o->contents);
    glint_model_close(&o->model);
}

static int find(const opened *o, const char *canonical) {
    for (int i = 0; i < o->n; i++)
        if (o->tensors[i].canonical && !strcmp(o->tensors[i].canonical, canonical)) return i;
    return -1;
}

/* ---- Two containers ---- */

/* All numbers of a weight through the oracle's decoding of matrices whose rows are in no other order. */
static float *numbers(const opened *o, int i) {
    const container_tensor *c;
    container_tensors(o->model->file, &c);
    const format_row *f = &format_table[c[i].format];
    size_t n = (size_t)(c[i].dims[0] * c[i].dims[1]);
    float *x = malloc(n * sizeof *x);
    f->decode(c[i].data, x, n / f->block_values);
    return x;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* Numbers of tensor i that are others in b's k, in whatever order: sorted, both are the same sequence but for those. */
static int differing(const opened *a, int i, const opened *b, int k, double *largest) {
    size_t n = a->contents[i].numbers;
    float *x = numbers(a, i), *y = numbers(b, k);
    int count = 0;
    qsort(x, n, sizeof *x, by_value);
    qsort(y, n, sizeof *y, by_value);
    for (size_t j = 0; j < n; j++) {
        double d = fabs((double)x[j] - y[j]);
        count += d > 0;
        if (d > *largest) *largest = d;
    }
    free(x);
    free(y);
    return count;
}

/* Weights whose digests differ hold bfloat16 numbers that float16 cannot: `most` in all, off by 3e-8 at most.
 */
static void compare(const char *folder, const char *gguf, int most) {
    opened a, b;
    int compared = 0, others = 0;
    double largest = 0;
    if (!open_model(&a, folder, NULL)) return;
    if (!open_model(&b, gguf, NULL)) {
        close_model(&a);
        return;
    }
    for (int i = 0; i < a.n; i++) {
        if (!a.contents[i].numbers) continue;
        int k = find(&b, a.tensors[i].canonical);
        CU_ASSERT_FATAL(k >= 0);
        CU_ASSERT_EQUAL(a.contents[i].numbers, b.contents[k].numbers);
        compared++;
        if (a.contents[i].digest != b.contents[k].digest) others += differing(&a, i, &b, k, &largest);
        CU_ASSERT(most || a.contents[i].digest == b.contents[k].digest);
    }
    printf("\n    %-20s %3d weights, %d numbers that float16 cannot hold", folder + 7, compared, others);
    CU_ASSERT(compared > 10 && others == most && largest <= 3e-8);
    close_model(&b);
    close_model(&a);
}

static void test_containers(void) {
    compare("models/gemma3-shakespeare", "gguf/gemma3-shakespeare-bf16.gguf", 0);
    compare("models/qwen3-shakespeare", "gguf/qwen3-shakespeare-bf16.gguf", 0);
    compare("models/llama-shakespeare", "gguf/llama-shakespeare-f16.gguf", 85);
    compare("models/qwen2-shakespeare", "gguf/qwen2-shakespeare-f16.gguf", 8);
}

static void test_other_weights(void) {
    opened a, b;
    if (!open_model(&a, "gemma3-shakespeare-Q4_K_M.gguf", NULL)) return;
    if (open_model(&b, "gguf/gemma3-shakespeare-Q8_0.gguf", NULL)) {
        int i = find(&a, "layers.0.ffn_up"), k = find(&b, "layers.0.ffn_up");
        CU_ASSERT_FATAL(i >= 0 && k >= 0);
        CU_ASSERT_NOT_EQUAL(a.contents[i].digest, b.contents[k].digest);
        close_model(&b);
    }
    close_model(&a);
}

/* ---- A device's own copy ---- */

static void test_devices(void) {
    static const char *const files[] = {"gemma3-shakespeare-Q4_K_M.gguf", "gguf/llama-shakespeare-Q4_K_M.gguf",
                                        "gguf/qwen3-shakespeare-Q5_K_M.gguf", "models/qwen2-shakespeare"};
    glint_device_info gles[4];
    const char *devices[5] = {"cpu"};
    int n = support_gles(gles, 4) + 1;
    for (int d = 1; d < n; d++) devices[d] = gles[d - 1].name;
    for (int f = 0; f < 4; f++) {
        opened oracle, own;
        if (!open_model(&oracle, files[f], NULL)) continue;
        for (int d = 0; d < n; d++) {
            CU_ASSERT_FATAL(open_model(&own, files[f], devices[d]));
            CU_ASSERT(memcmp(oracle.contents, own.contents, (size_t)own.n * sizeof *own.contents) == 0);
            close_model(&own);
        }
        close_model(&oracle);
    }
}

/* ---- Weights that are none ---- */

/* A copy of the model in which `bytes` bytes of the tensor's data, from `first` on, are `value`. */
static glint_status spoilt(const char *tensor, size_t first, size_t bytes, int value, opened *o, glint_error *err) {
    char folder[1024], path[1100], good[1024];
    file_map m;
    glint_model *model = NULL;
    SUPPORT_OK(file_map_open(support_data(good, "gemma3-shakespeare-Q4_K_M.gguf"), &m, err), err);
    SUPPORT_OK(glint_model_open(good, &model, err), err);
    const container_tensor *c;
    size_t n = container_tensors(model->file, &c), data = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(c[i].name, tensor)) continue;
        for (size_t at = 0; at + c[i].bytes <= m.bytes && !data; at += 32)
            if (!memcmp(m.data + at, c[i].data, c[i].bytes)) data = at;
        if (!bytes) bytes = c[i].bytes;
    }
    CU_ASSERT_FATAL(data > 0);
    unsigned char *copy = malloc(m.bytes);
    memcpy(copy, m.data, m.bytes);
    memset(copy + data + first, value, bytes);
    maker_folder(folder);
    snprintf(path, sizeof path, "%s/x.gguf", folder);
    maker_write(path, copy, m.bytes);
    free(copy);
    file_map_close(&m);
    glint_model_close(&model);
    *o = (opened){0};
    glint_status s = glint_model_open(path, &o->model, err);
    if (!s) {
        o->n = glint_model_tensors(o->model, &o->tensors);
        o->contents = calloc((size_t)o->n, sizeof *o->contents);
        SUPPORT_OK(glint_model_contents(o->model, NULL, o->contents, err), err);
    }
    maker_remove(folder);
    return s;
}

static void test_no_numbers(void) {
    opened o;
    glint_error err;
    CU_ASSERT_EQUAL(spoilt("blk.3.attn_norm.weight", 8, 4, 0xFF, &o, &err), GLINT_BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "blk.3.attn_norm.weight"));
    SUPPORT_OK(spoilt("blk.2.attn_output.weight", 0, 2, 0xFF, &o, &err), &err); /* the scale of a Q4_K block: NaN */
    glint_tensor_content c = o.contents[find(&o, "layers.2.attn_output")];
    CU_ASSERT(c.not_finite == 256 && c.numbers == 192 * 256);
    close_model(&o);
    SUPPORT_OK(spoilt("blk.2.attn_output.weight", 0, 0, 0, &o, &err), &err);
    c = o.contents[find(&o, "layers.2.attn_output")];
    CU_ASSERT(c.zeros == c.numbers && !c.not_finite);
    close_model(&o);
}

int main(void) {
    const support_case cases[] = {{"two containers", test_containers},
                                  {"other weights", test_other_weights},
                                  {"a device's own copy", test_devices},
                                  {"weights that are no numbers", test_no_numbers}};
    return support_main("digest", cases, sizeof cases / sizeof *cases);
}
