/* Sizes beyond what a GPU's program is made for: scratch that no storage block holds, rows of which too few sums fit
 * into shared memory. */
#include <stdlib.h>
#include <string.h>

#include "backends/gles/device.h"
#include "glint.h"
#include "tests/support/maker.h"
#include "tests/support/support.h"
#include "tests/support/tiny.h"

enum { DEVICES = 4, COLS = 1024, ROWS = 8 };

/* ---- Scratch ---- */

/* 2^32 floats and more are refused too: their number has no room in 32 bits. */
static void try_scratch(const char *device, const tape *t, const float *numbers) {
    glint_error err = {""};
    const backend *b = backend_of_device(device);
    backend_device *d;
    backend_weight *w;
    const backend_view view = {.name = "embed",
                               .format = FORMAT_F32,
                               .data = numbers,
                               .row_bytes = COLS * sizeof *numbers,
                               .rows = ROWS,
                               .cols = COLS};
    SUPPORT_OK(b->open(device, &(backend_options){0}, &d, &err), &err);
    SUPPORT_OK(b->adopt(d, &view, &w, &err), &err);
    for (int rows = 1 << 21; rows <= 1 << 23; rows *= 2) {
        backend_program *p = NULL;
        const tape_value observed = 0;
        const backend_compile_request r = {.tape = t,
                                           .n_ops = t->n_ops,
                                           .weights = &w,
                                           .max_rows = rows,
                                           .max_outputs = 1,
                                           .max_sequences = 1,
                                           .observed = &observed,
                                           .n_observed = 1};
        CU_ASSERT_EQUAL(b->compile(d, &r, &p, &err), GLINT_DEVICE);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "ask for a smaller batch"));
        b->program_close(p);
    }
    b->release(d, w);
    b->close(d);
}

static void test_scratch(void) {
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    float *numbers = calloc((size_t)ROWS * COLS, sizeof *numbers);
    tape t;
    CU_ASSERT_FATAL(numbers != NULL);
    tape_open(&t);
    tape_embed(&t, "embed", tape_add_weight(&t, "embed", ROWS, COLS, 0), 1);
    for (int i = 0; i < n; i++) try_scratch(list[i].name, &t, numbers);
    tape_close(&t);
    free(numbers);
}

/* ---- Rows ---- */

static void last_logits(glint_model *m, const char *device, float *out) {
    glint_error err;
    glint_session *s = NULL;
    const float *logits;
    const glint_session_options o = {.device = device, .context = 16, .batch = 8};
    SUPPORT_OK(glint_session_open(m, &o, &s, &err), &err);
    SUPPORT_OK(glint_session_step(s, &(glint_row){.token = 7, .output = true}, 1, &err), &err);
    SUPPORT_OK(glint_session_logits(s, 0, &logits, &err), &err);
    memcpy(out, logits, (size_t)glint_model_vocabulary(m) * sizeof *out);
    glint_session_close(&s);
}

/* 225 blocks: an odd number, so that no lane adds up for others. In 32 KiB there is no room for all sums then. */
static void test_rows(void) {
    enum { WORDS = 512 };
    static const tiny_model shape = {.architecture = "llama",
                                     .format = FORMAT_Q8_0,
                                     .layers = 1,
                                     .width = 480,
                                     .heads = 15,
                                     .kv_heads = 15,
                                     .head_dim = 32,
                                     .ffn = 7200,
                                     .vocabulary = WORDS};
    float got[WORDS], want[WORDS];
    char folder[1024], path[1100];
    glint_device_info list[DEVICES];
    int n = support_gles(list, DEVICES);
    glint_model *m = NULL;
    glint_error err;
    maker_folder(folder);
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    tiny_write(&shape, path);
    SUPPORT_OK(glint_model_open(path, &m, &err), &err);
    for (int i = 0; i < n; i++) {
        support_fuse("0");
        last_logits(m, list[i].name, want);
        support_fuse("1");
        last_logits(m, list[i].name, got);
        CU_ASSERT(support_nmse(got, want, WORDS) <= 1e-8); /* other orders of sums */
    }
    glint_model_close(&m);
    maker_remove(folder);
}

int main(void) {
    static const support_case cases[] = {{"scratch", test_scratch}, {"rows", test_rows}};
    return support_main("gles sizes", cases, sizeof cases / sizeof *cases);
}
