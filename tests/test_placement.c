/* Splits as text: what they mean, and which are refused with which words. */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "core/placement/placement.h"

enum { LAYERS = 6, WIDTH = 4 };

/* A tape of the right outline: an embedding, two ops a layer, the choice of rows, a norm and logits. */
static void open_tape(tape *t) {
    tape_open(t);
    t->layers = LAYERS;
    t->vocabulary = 3;
    tape_weight table = tape_add_weight(t, "embed", 3, WIDTH, 0), w = tape_add_weight(t, "w", 1, WIDTH, 0);
    tape_value h = tape_embed(t, "embed", table, 1);
    for (int l = 0; l < LAYERS; l++) {
        tape_set_layer(t, l);
        h = tape_add(t, "out", h, tape_norm(t, "norm", h, w, 0));
    }
    tape_set_layer(t, TAPE_NONE);
    h = tape_norm(t, "norm", tape_select_rows(t, "selected", h), w, 0);
    t->logits = tape_matmul(t, "logits", h, table, TAPE_NONE);
    CU_ASSERT_EQUAL_FATAL(t->failure, GLINT_OK);
}

static void test_pieces(void) {
    tape t;
    open_tape(&t);
    CU_ASSERT_EQUAL(placement_op(&t, 0), 0);
    CU_ASSERT_EQUAL(placement_op(&t, 1), 1);
    CU_ASSERT_EQUAL(placement_op(&t, 4), 1 + 2 * 3);
    CU_ASSERT_EQUAL(placement_op(&t, LAYERS + 1), 1 + 2 * LAYERS + 1); /* the choice of rows is the last layer's */
    CU_ASSERT_EQUAL(placement_op(&t, LAYERS + 2), t.n_ops);
    char words[64];
    placement_pieces(&t, 0, LAYERS + 2, words, sizeof words);
    CU_ASSERT_STRING_EQUAL(words, "embed, layers 0 to 5, head");
    placement_pieces(&t, 3, 4, words, sizeof words);
    CU_ASSERT_STRING_EQUAL(words, "layer 2");
    tape_close(&t);
}

static void test_meaning(void) {
    static const char *const cases[][2] = {
        {"cpu=0-5", "cpu"},
        {"gles:0=0-2,cpu=3-5", "gles:0=embed,0-2,cpu=3-5,head"},
        {"cpu=3-5, gles:0=0-2", "gles:0=embed,0-2,cpu=3-5,head"},
        {"cpu=embed,gles:0=0-5,cpu=head", "cpu=embed,gles:0=0-5,cpu=head"},
        {"gles:0=0,1,2,gles:0=3-5", "gles:0=embed,0-2,gles:0=3-5,head"},
        {"gles:0=0-1,4-5,cpu=2-3", "gles:0=embed,0-1,cpu=2-3,gles:0=4-5,head"},
        {"a=embed,0,b=1,c=2,d=3,e=4,f=5,g=head", "a=embed,0,b=1,c=2,d=3,e=4,f=5,g=head"},
    };
    tape t;
    glint_error err;
    open_tape(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        placement p;
        char text[PLACEMENT_TEXT];
        SUPPORT_OK(placement_parse(&t, cases[i][0], &p, &err), &err);
        placement_text(&t, &p, text);
        CU_ASSERT_STRING_EQUAL(text, cases[i][1]);
        int next = 0;
        for (int k = 0; k < p.n; k++) {
            CU_ASSERT(p.parts[k].first == next && p.parts[k].end > next);
            next = p.parts[k].end;
        }
        CU_ASSERT_EQUAL(next, LAYERS + 2);
    }
    tape_close(&t);
}

static void test_refusals(void) {
    static const char *const cases[][2] = {
        {"", "names no device"},
        {"0-5", "names no device"},
        {"cpu=", "\"\" is not a layer"},
        {"cpu=0-5,", "\"\" is not a layer"},
        {"=0-5", "a device name of 0 characters"},
        {"cpu=0-", "is not a layer"},
        {"cpu=-3", "is not a layer"},
        {"cpu=0-5x", "is not a layer"},
        {"cpu=0-99999999999", "is not a layer"},
        {"cpu=tail,0-5", "is not a layer"},
        {"cpu=0-6", "the model has layers 0 to 5"},
        {"cpu=3-1,0-5", "\"3-1\" ends before it begins"},
        {"cpu", "\"cpu\" names no device with its layers"},
        {"cpu=0-3,gles:0=3-5", "layer 3 is named twice"},
        {"cpu=0-5,head,gles:0=head", "head is named twice"},
        {"cpu=0-1,gles:0=4-5", "layers 2 to 3 are on no device"},
        {"cpu=0-1,gles:0=3-5", "layer 2 is on no device"},
        {"cpu=embed,head", "layers 0 to 5 are on no device"},
        {"a=0,a=1,a=2,a=3,a=4,a=5,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,a=0,"
         "a=0,a=0,a=0,a=0,a=0,a=0",
         "layer 0 is named twice"},
    };
    tape t;
    open_tape(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        placement p = {.n = -1};
        glint_error err = {""};
        CU_ASSERT_EQUAL(placement_parse(&t, cases[i][0], &p, &err), GLINT_USAGE);
        bool said = strstr(err.message, cases[i][1]) != NULL;
        if (!said) printf("\n    \"%s\": %s", cases[i][0], err.message);
        CU_ASSERT(said && p.n == -1);
    }
    char many[600] = "";
    for (int i = 0; i < 120; i++) strcat(many, "abcd");
    strcat(many, "=0-5");
    glint_error err;
    CU_ASSERT_EQUAL(placement_parse(&t, many, &(placement){0}, &err), GLINT_USAGE);
    tape_close(&t);
}

int main(void) {
    const support_case cases[] = {
        {"pieces of a tape", test_pieces}, {"what a split means", test_meaning}, {"refusals", test_refusals}};
    return support_main("placement", cases, sizeof cases / sizeof *cases);
}
