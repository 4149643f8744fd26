/* The zoo: each of forty faults is put into a device's path, and check has to find it, name the op, the layer and the
 * kind. The table of what was found is printed. Built with -DGLINT_ZOO=ON alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/zoo/zoo.h"
#include "core/model.h"
#include "tests/support/maker.h"
#include "tests/support/op_cases.h"
#include "tests/support/support.h"
#include "tests/support/tiny.h"

/* ---- What faults are shown on ---- */

enum { GEMMA3, LLAMA, QWEN2, Q4_K, Q4_0, BF16, LOUD, QUIET, LARGE_KEYS, SHOWS };

static const struct {
    const char *name, *path; /* under tests/data; NULL: a small model of random weights */
    tiny_model tiny;
} shows[SHOWS] = {
    [GEMMA3] = {"gemma3-shakespeare Q4_K_M", "gemma3-shakespeare-Q4_K_M.gguf", {0}},
    [LLAMA] = {"llama-shakespeare Q4_K_M", "gguf/llama-shakespeare-Q4_K_M.gguf", {0}},
    [QWEN2] = {"qwen2-shakespeare", "models/qwen2-shakespeare", {0}},
#define TINY(format) "llama", format, 1, 512, 4, 2, 64, 256, 300
    [Q4_K] = {"one layer, Q4_K", NULL, {TINY(FORMAT_Q4_K), 1, 0, 0}},
    [Q4_0] = {"one layer, Q4_0", NULL, {TINY(FORMAT_Q4_0), 1, 0, 0}},
    [BF16] = {"one layer, BF16", NULL, {TINY(FORMAT_BF16), 1, 0, 0}},
    [LOUD] = {"one layer, large scores", NULL, {TINY(FORMAT_Q4_K), 1, 0, 8}},
    [QUIET] = {"one layer, tiny rows", NULL, {TINY(FORMAT_Q4_K), 1e-3f, 0, 0}},
    [LARGE_KEYS] = {"one layer, keys of 70000", NULL, {TINY(FORMAT_Q4_K), 1, 3000, 0}},
};

static char folder[1024];

static glint_model *open_show(int which) {
    char path[1200];
    glint_model *m = NULL;
    glint_error err = {""};
    if (shows[which].path)
        support_data(path, shows[which].path);
    else {
        snprintf(path, sizeof path, "%s/%d.gguf", folder, which);
        tiny_write(&shows[which].tiny, path);
    }
    SUPPORT_OK(glint_model_open(path, &m, &err), &err);
    return m;
}

/* ---- One check ---- */

enum { PROMPT = 40, CHUNK = 16, MOST = 8 };

typedef struct failure {
    char value[64], op[32], kind[40], reason[256];
} failure;

typedef struct found {
    const tape *tape;
    failure list[MOST]; /* each value once, as it was first named */
    int n;
} found;

/* A failure belongs to the op that the diagnosis holds responsible. */
static void note(const glint_comparison *c, void *user) {
    found *f = user;
    const char *value = *c->cause ? c->cause : c->value, *op = c->op;
    tape_value v = tape_find(f->tape, value);
    failure *at = f->list;
    if (c->pass) return;
    if (v >= 0) op = tape_kinds[f->tape->ops[f->tape->values[v].op].kind].name;
    while (at < f->list + f->n && strcmp(at->value, value)) at++;
    if (at == f->list + MOST || (at < f->list + f->n && *at->kind)) return;
    if (at == f->list + f->n) f->n++;
    snprintf(at->value, sizeof at->value, "%s", value);
    snprintf(at->op, sizeof at->op, "%s", op);
    snprintf(at->kind, sizeof at->kind, "%s", c->kind);
    snprintf(at->reason, sizeof at->reason, "%s", c->reason);
}

static glint_status run_check(glint_model *m, glint_check_options *o, found *f) {
    glint_error err = {""};
    glint_verdict verdict;
    *f = (found){.tape = &m->tape};
    o->compared = note;
    o->user = f;
    glint_status status = glint_check(m, o, &verdict, &err);
    if (status != GLINT_OK && status != GLINT_MISMATCH) printf("\n    %s: %s\n", o->device, err.message);
    return status;
}

/* A prompt in chunks and one token more, on `device` beside the oracle. */
static glint_status check(glint_model *m, const char *device, glint_precision precision, found *f) {
    int32_t ids[PROMPT];
    for (int i = 0; i < PROMPT; i++) ids[i] = (i * 37 + 5) % glint_model_vocabulary(m);
    glint_check_options o = {
        .device = device, .precision = precision, .prompt = ids, .n_prompt = PROMPT, .n = 1, .batch = CHUNK};
    return run_check(m, &o, f);
}

/* The prompts of a reference file beside what the file holds. */
static glint_status check_against(glint_model *m, const char *device, const char *reference, found *f) {
    glint_check_options o = {.device = device, .against = reference, .precision = GLINT_EXACT};
    return run_check(m, &o, f);
}

/* ---- In a device's path ---- */

static const struct {
    const char *fault; /* as a device's name has it */
    int shown_on;
    const char *op, *value, *kind;
} cases[] = {
    {"F01:layers.0.attn.q", Q4_K, "matmul", "layers.0.attn.q", "row/block permutation"},
    {"F02:layers.2.attn.norm", GEMMA3, "norm", "layers.2.attn.norm", "weight offset"},
    {"F03:layers.2.attn.q_norm", GEMMA3, "head_norm", "layers.2.attn.q_norm", "weight offset"},
    {"F04", GEMMA3, "embed", "embed", "constant factor"},
    {"F05:layers.2", GEMMA3, "attend", "layers.2.attn.mix", "unwritten tail"},
    {"F06:layers.2.ffn.down", GEMMA3, "matmul", "layers.2.ffn.down", "unwritten tail"},
    {"F07:layers.2.ffn.down", GEMMA3, "matmul", "layers.2.ffn.down", "unwritten"},
    {"F08:layers.2.attn.q_rope", GEMMA3, "rope", "layers.2.attn.q_rope", "rotary base"},
    {"F09:layers.5", GEMMA3, "attend", "layers.5.attn.mix", "window"},
    {"F10:layers.2.attn.post_norm", GEMMA3, "add", "layers.2.mid", "order of norm and add"},
    {"F11:layers.2.attn.post_norm", GEMMA3, "norm", "layers.2.attn.post_norm", "op missing"},
    {"F12", GEMMA3, "matmul", "logits", "transpose"},
    {"F13", GEMMA3, "matmul", "logits", "tail"},
    {"F14:layers.2", GEMMA3, "attend", "layers.2.attn.mix", "attention scale"},
    {"F15:layers.1.attn.q", QWEN2, "matmul", "layers.1.attn.q", "missing bias"},
    {"F16:layers.2", GEMMA3, "gate", "layers.2.ffn.act", "activation function"},
    {"F17:layers.2", GEMMA3, "gate", "layers.2.ffn.act", "swapped operands"},
    {"F18:layers.2.attn.q_rope", GEMMA3, "rope", "layers.2.attn.q_rope", "half/adjacent permutation"},
    {"F19:layers.2.attn.q_rope", GEMMA3, "rope", "layers.2.attn.q_rope", "shifted position"},
    {"F20:layers.2.attn.q_rope", GEMMA3, "rope", "layers.2.attn.q_rope", "position reset"},
    {"F21:layers.1.attn.q_rope", LLAMA, "rope", "layers.1.attn.q_rope", "rotary frequencies"},
    {"F22:layers.1", LLAMA, "attend", "layers.1.attn.mix", "head permutation"},
    {"F23:layers.5", GEMMA3, "attend", "layers.5.attn.mix", "mask"},
    {"F24:layers.2", GEMMA3, "attend", "layers.2.attn.mix", "window off by one"},
    {"F25", LOUD, "attend", "layers.0.attn.mix", "NaN/Inf"},
    {"F26:layers.0.attn.norm", QUIET, "norm", "layers.0.attn.norm", "eps"},
    {"F27:layers.2.attn.norm", GEMMA3, "norm", "layers.2.attn.norm", "mean removed"},
    {"F28:layers.2", GEMMA3, "cache_write", "layers.2.attn.cache", "shifted position"},
    {"F29:layers.5", GEMMA3, "attend", "layers.5.attn.mix", "stale rows"},
    {"F30", LARGE_KEYS, "cache_write", "layers.0.attn.cache", "NaN/Inf"},
    {"F31:layers.0.attn.q", Q4_0, "matmul", "layers.0.attn.q", "permutation inside a block"},
    {"F32:layers.0.attn.q", Q4_K, "matmul", "layers.0.attn.q", "factor by sub-block"},
    {"F33:layers.0.attn.q", Q4_K, "matmul", "layers.0.attn.q", "offset by block"},
    {"F34:layers.0.attn.q", BF16, "matmul", "layers.0.attn.q", "type read as another"},
    {"F35:layers.2.ffn.down", GEMMA3, "matmul", "layers.2.ffn.down", "precision loss"},
    {"F36:layers.2.ffn.down", GEMMA3, "matmul", "layers.2.ffn.down", "not reproducible"},
    {"F37:layers.2.ffn.down", GEMMA3, "matmul", "layers.2.ffn.down", "shift by elements"},
    {"F38:embed", Q4_K, "embed", "embed", "periodic rows"},
    {"F39:layers.2.mid", GEMMA3, "add", "layers.2.mid", "op missing"},
    {"F40", GEMMA3, "matmul", "logits", "constant factor"},
};
enum { CASES = sizeof cases / sizeof *cases };

/* How well it was found: the fault's place among the failures, its kind there, and what failed in other places. */
typedef struct judgement {
    int tried, detected, placed, named, elsewhere;
} judgement;

static const failure *failure_at(const found *f, const char *value) {
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->list[i].value, value)) return &f->list[i];
    return NULL;
}

static void judge(judgement *j, const char *fault, const char *on, glint_status status, const found *f, const char *op,
                  const char *value, const char *kind) {
    const failure *at = failure_at(f, value);
    bool placed = at && !strcmp(at->op, op), named = placed && !strcmp(at->kind, kind);
    if (!at) at = &f->list[0];
    j->tried++;
    j->detected += status == GLINT_MISMATCH;
    j->placed += placed;
    j->named += named;
    j->elsewhere += f->n - placed;
    printf("    %-28s %-30s %-12s %-24s %s%s%s%s\n", fault, on, at->op, at->value, at->kind,
           placed ? "" : "  WRONG PLACE", named ? "" : "  NOT ", named ? "" : kind);
    for (int i = 0; i < f->n; i++)
        if (&f->list[i] != at) printf("      and %s: %s\n", f->list[i].value, f->list[i].kind);
    if (getenv("GLINT_TEST_VERBOSE")) printf("      %s\n", at->reason);
}

static void print_judgement(const judgement *j) {
    printf("    %d of %d detected, %d with the right op and layer, %d with the right kind too; %d failures elsewhere\n",
           j->detected, j->tried, j->placed, j->named, j->elsewhere);
}

static void test_devices(void) {
    judgement j = {0};
    glint_model *models[SHOWS] = {NULL};
    printf("\n    %-28s %-30s %-12s %-24s %s\n", "fault in a device's path", "shown on", "op", "value", "kind");
    for (int i = 0; i < CASES; i++) {
        char device[96];
        found f;
        int on = cases[i].shown_on;
        if (!models[on]) models[on] = open_show(on);
        snprintf(device, sizeof device, "zoo:%s@cpu", cases[i].fault);
        glint_status status = check(models[on], device, GLINT_EXACT, &f);
        judge(&j, cases[i].fault, shows[on].name, status, &f, cases[i].op, cases[i].value, cases[i].kind);
    }
    for (int i = 0; i < SHOWS; i++) glint_model_close(&models[i]);
    print_judgement(&j);
    CU_ASSERT_EQUAL(j.tried, 40);
    CU_ASSERT_EQUAL(j.detected, 40);
    CU_ASSERT_EQUAL(j.placed, 40);
    CU_ASSERT(j.named >= 38);
    CU_ASSERT_EQUAL(j.elsewhere, 2); /* the other op that F10 exchanges; what sees the infinite keys of F30 */
}

/* Some again behind OpenGL ES. */
static void test_gpu(void) {
    static const int again[] = {2, 5, 6, 17, 35, 36, 37};
    enum { AGAIN = sizeof again / sizeof *again };
    judgement j = {0};
    glint_device_info gles[OP_DEVICES];
    if (!support_gles(gles, OP_DEVICES)) return;
    glint_model *m = open_show(GEMMA3);
    printf("\n");
    for (int i = 0; i < AGAIN; i++) {
        int k = again[i] - 1;
        char device[160];
        found f;
        snprintf(device, sizeof device, "zoo:%s@%s", cases[k].fault, gles[0].name);
        glint_status status = check(m, device, GLINT_EXACT, &f);
        judge(&j, device, shows[GEMMA3].name, status, &f, cases[k].op, cases[k].value, cases[k].kind);
    }
    glint_model_close(&m);
    print_judgement(&j);
    CU_ASSERT_EQUAL(j.named, AGAIN);
}

/* ---- Two at once ---- */

static const int pairs[][2] = {{2, 17}, {3, 14},  {4, 40},  {5, 16},  {8, 39},
                               {9, 27}, {11, 24}, {12, 19}, {28, 36}, {20, 35}};
enum { PAIRS = sizeof pairs / sizeof *pairs };

/* Was the case's fault named at its place? */
static bool names(const found *f, int i) {
    const failure *at = failure_at(f, cases[i].value);
    return at && !strcmp(at->kind, cases[i].kind);
}

static void test_pairs(void) {
    glint_model *m = open_show(GEMMA3);
    int both = 0;
    printf("\n");
    for (int p = 0; p < PAIRS; p++) {
        int a = pairs[p][0] - 1, b = pairs[p][1] - 1;
        char device[96];
        found f;
        snprintf(device, sizeof device, "zoo:%s+%s@cpu", cases[a].fault, cases[b].fault);
        CU_ASSERT_EQUAL(check(m, device, GLINT_EXACT, &f), GLINT_MISMATCH);
        bool good = names(&f, a) && names(&f, b);
        both += good;
        printf("    %-56s %s, %s%s\n", device, cases[a].kind, cases[b].kind, good ? "" : "  NOT BOTH");
    }
    printf("    %d of %d pairs: both named\n", both, PAIRS);
    CU_ASSERT_EQUAL(PAIRS, 10);
    CU_ASSERT_EQUAL(both, PAIRS);
    glint_model_close(&m);
}

/* ---- In the tape itself: every device agrees and is wrong; only a reference from outside tells ---- */

static const struct tape_case {
    const char *fault, *model, *reference; /* below tests/data, or ../shared */
    const char *op, *value, *kind;
} tapes[] = {
#define HF(name)           "models/" name, "models/" name "/reference.safetensors"
#define GGUF(folder, name) folder name ".gguf", "gguf/" name ".reference.safetensors"
#define GEMMA_GGUF         GGUF("", "gemma3-shakespeare-Q4_K_M")
#define LLAMA3             GGUF("gguf/", "llama-shakespeare-Q4_K_M")
    {"F02:layers.2.attn.norm", GEMMA_GGUF, "norm", "layers.2.attn.norm", "weight offset"},
    {"F03:layers.2.attn.q_norm", GEMMA_GGUF, "head_norm", "layers.2.attn.q_norm", "weight offset"},
    {"F04", GEMMA_GGUF, "embed", "embed", "constant factor"},
    {"F08:layers.2", GEMMA_GGUF, "rope", "layers.2.attn.q_rope", "rotary base"},
    {"F09:layers.5", HF("gemma3-shakespeare"), "attend", "layers.5.attn.mix", "window"},
    {"F10:layers.2.attn.post_norm", GEMMA_GGUF, "add", "layers.2.attn.post_norm", "order of norm and add"},
    {"F11:layers.2.attn.post_norm", GEMMA_GGUF, "norm", "layers.2.attn.post_norm", "op missing"},
    {"F14:layers.2", GEMMA_GGUF, "attend", "layers.2.attn.mix", "attention scale"},
    {"F15:layers.1.attn.q", HF("qwen2-shakespeare"), "matmul", "layers.1.attn.q", "missing bias"},
    {"F16:layers.2", GEMMA_GGUF, "gate", "layers.2.ffn.act", "activation function"},
    {"F17:layers.2", GEMMA_GGUF, "gate", "layers.2.ffn.act", "swapped operands"},
    {"F18:layers.1", LLAMA3, "rope", "layers.1.attn.q_rope", "half/adjacent permutation"},
    {"F21:layers.1", LLAMA3, "rope", "layers.1.attn.q_rope", "rotary frequencies"},
    {"F26:layers.0.attn.norm", HF("qwen2-shakespeare"), "norm", "layers.0.attn.norm", "eps"},
    {"F39:layers.2.mid", GEMMA_GGUF, "add", "layers.2.mid", "op missing"},
};

/* A tape has no words for these: whatever computes it is wrong, be it one device or all. */
static const struct tape_case nowhere[] = {
    {"F19:layers.2.attn.q_rope", GEMMA_GGUF, "rope", "layers.2.attn.q_rope", "shifted position"},
    {"F20:layers.2.attn.q_rope", HF("gemma3-shakespeare"), "rope", "layers.2.attn.q_rope", "position reset"},
    {"F22:layers.1", LLAMA3, "attend", "layers.1.attn.mix", "head permutation"},
    {"F27:layers.2.attn.norm", GEMMA_GGUF, "norm", "layers.2.attn.norm", "mean removed"},
    {"F40", GEMMA_GGUF, "matmul", "logits", "constant factor"},
};
enum { NOWHERE = sizeof nowhere / sizeof *nowhere, TAPES = sizeof tapes / sizeof *tapes };

/* The model, with a fault in its tape or NULL; NULL where it is not there. */
static glint_model *open_tape(const struct tape_case *c, const char *fault, char *reference) {
    char path[1024];
    glint_model *m = NULL;
    glint_error err = {""};
    if (!support_any(path, c->model)) return NULL;
    support_any(reference, c->reference);
    if (fault) setenv("GLINT_ZOO_TAPE", fault, 1);
    SUPPORT_OK(glint_model_open(path, &m, &err), &err);
    unsetenv("GLINT_ZOO_TAPE");
    return m;
}

static void test_tape(const struct tape_case *c, bool in_tape, judgement *j) {
    char reference[1024], device[96] = "cpu";
    found f;
    glint_model *m = open_tape(c, in_tape ? c->fault : NULL, reference);
    if (!m) return;
    if (!in_tape) snprintf(device, sizeof device, "zoo:%s@cpu", c->fault);
    glint_status status = check_against(m, device, reference, &f);
    judge(j, c->fault, c->model, status, &f, c->op, c->value, c->kind);
    glint_model_close(&m);
}

static void test_tapes(void) {
    judgement j = {0};
    printf("\n    %-28s %-30s %-12s %-24s %s\n", "fault in the tape", "shown on", "op", "value", "kind");
    for (int i = 0; i < TAPES; i++) test_tape(&tapes[i], true, &j);
    for (int i = 0; i < NOWHERE; i++) test_tape(&nowhere[i], false, &j);
    print_judgement(&j);
    CU_ASSERT_EQUAL(j.detected, j.tried);
    CU_ASSERT_EQUAL(j.placed, j.tried);
    CU_ASSERT_EQUAL(j.named, j.tried);
}

/* No comparison of devices can find what lies in the tape. */
static void test_devices_agree(void) {
    char reference[1024];
    found f;
    glint_model *m = open_tape(&tapes[0], tapes[0].fault, reference);
    if (!m) return;
    CU_ASSERT_EQUAL(check(m, "cpu", GLINT_EXACT, &f), GLINT_OK);
    glint_model_close(&m);
}

/* ---- Nothing is found where nothing is ---- */

static void test_healthy(void) {
    glint_device_info gles[OP_DEVICES];
    int n = support_gles(gles, OP_DEVICES);
    for (int on = Q4_K; on < SHOWS; on++) { /* test_check has the trained models */
        glint_model *m = open_show(on);
        for (int d = -1; d < n; d++)
            for (int precision = GLINT_FAST; precision <= GLINT_EXACT; precision++) {
                found f;
                const char *device = d < 0 ? "cpu" : gles[d].name;
                if (on == LARGE_KEYS && precision == GLINT_FAST) continue; /* a half-precision cache is too small */
                CU_ASSERT_EQUAL(check(m, device, (glint_precision)precision, &f), GLINT_OK);
                if (f.n) printf("\n    %s on %s: %s %s\n", shows[on].name, device, f.list[0].value, f.list[0].kind);
            }
        glint_model_close(&m);
    }
}

/* ---- Names ---- */

static void test_names(void) {
    static const struct {
        const char *device, *words;
    } wrong[] = {{"zoo", "no such device"},
                 {"zoo:F01", "FAULTS@DEVICE"},
                 {"zoo:F41@cpu", "F41"},
                 {"zoo:F01:layers.1+@cpu", NULL},
                 {"zoo:F01@tpu", "tpu"},
                 {"zoo:F22@cpu", "F22 (head h reads kv head h % n): nothing can"},
                 {"zoo:F31:layers.0.ffn@cpu", "(low and high nibbles swapped): nothing at layers.0.ffn can"},
                 {"zoo:F05:layers.9@cpu", "nothing at layers.9 can"}};
    glint_model *m = open_show(GEMMA3);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        glint_session *s = NULL;
        glint_error err = {""};
        glint_session_options o = {.device = wrong[i].device};
        glint_status status = glint_session_open(m, &o, &s, &err);
        CU_ASSERT_EQUAL(status, wrong[i].words ? GLINT_USAGE : GLINT_OK);
        CU_ASSERT(!wrong[i].words || strstr(err.message, wrong[i].words));
        glint_session_close(&s);
    }
    glint_model_close(&m);
}

int main(void) {
    const support_case list[] = {{"names", test_names},
                                 {"nothing where nothing is", test_healthy},
                                 {"in a device's path", test_devices},
                                 {"two at once", test_pairs},
                                 {"on a GPU", test_gpu},
                                 {"devices agree on a wrong tape", test_devices_agree},
                                 {"in the tape itself", test_tapes}};
    maker_folder(folder);
    int status = support_main("zoo", list, sizeof list / sizeof *list);
    maker_remove(folder);
    return status;
}
