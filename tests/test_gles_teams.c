/* Shaders for subgroups of 32: software renderers have none, so nothing else here compiles these paths.
 * glslangValidator does, where it is installed. */
#include <stdio.h>
#include <stdlib.h>

#include "backends/gles/compose.h"
#include "tests/support/support.h"

enum { MOST = 16 };
static const char validator[] = "glslangValidator --stdin -S comp";

#define FORMS                                                                                                          \
    "DO(67588u) DO(1114116u) DO(69637u) DO(1114117u) DO(139270u) DO(98312u) DO(1212424u) DO(16u) DO(17u) DO(32u)"
#define DECODE                                                                                                         \
    {"THREADS", NULL, 512}, {"MOST_PHASES", NULL, 224}, {"X_BLOCKS", NULL, 217}, {"X_QUADS", NULL, 1736},              \
        {"QUADS_EACH", NULL, 1}, {"PARTIALS", NULL, 4096}, {"FOLD", NULL, 2}, {"EACH_FORM(DO)", FORMS, 0}, {           \
        "EACH_GATED_FORM(DO)", FORMS, 0                                                                                \
    }

static const struct {
    const char *shader;
    gles_define defines[MOST]; /* up to the first without a name */
} cases[] = {
    {"decode.comp",
     {DECODE,
      {"HEAD_DIM", NULL, 256},
      {"ROPE_DIMS", NULL, 256},
      {"GROUP", NULL, 1},
      {"CACHE_F32", NULL, 0},
      {"ACT", NULL, 1}}},
    {"decode.comp",
     {DECODE,
      {"HEAD_DIM", NULL, 80},
      {"ROPE_DIMS", NULL, 32},
      {"GROUP", NULL, 4},
      {"CACHE_F32", NULL, 1},
      {"ACT", NULL, 0}}},
    {"matvec.comp",
     {{"THREADS", NULL, 512},
      {"ROWS", NULL, 1},
      {"SIDE", NULL, 1},
      {"ONE_BLOCK", NULL, 1},
      {"ACT_QUADS", NULL, 0},
      {"X_QUADS", NULL, 520},
      {"LAYOUT", "layouts/q6.glsl", 0}}},
    {"matvec.comp",
     {{"THREADS", NULL, 512},
      {"ROWS", NULL, 4},
      {"SIDE", NULL, 2},
      {"ONE_BLOCK", NULL, 0},
      {"ACT_QUADS", NULL, 1},
      {"X_QUADS", NULL, 2080},
      {"LAYOUT", "layouts/q4m.glsl", 0}}},
    {"norm.comp", {{"THREADS", NULL, 256}}},
    {"attend.comp", {{"THREADS", NULL, 256}, {"HEAD_DIM", NULL, 64}, {"CACHE_F32", NULL, 1}}},
};

static bool compiles(const gles_composed *c) {
    FILE *pipe = popen(validator, "w");
    CU_ASSERT_FATAL(pipe != NULL);
    bool written = fwrite(c->text, 1, c->bytes, pipe) == c->bytes;
    return pclose(pipe) == 0 && written;
}

static void test_teams(void) {
    if (system("command -v glslangValidator >/dev/null") != 0) {
        support_skip("glslangValidator is not installed");
        return;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gles_define all[MOST + 1] = {{"SUBGROUP", NULL, 32}};
        gles_composed c;
        glint_error err;
        int n = 1;
        for (; n <= MOST && cases[i].defines[n - 1].name; n++) all[n] = cases[i].defines[n - 1];
        SUPPORT_OK(gles_compose(gles_sources, cases[i].shader, all, n, &c, &err), &err);
        bool good = compiles(&c);
        if (!good) printf("\n    %s, case %d", cases[i].shader, (int)i);
        CU_ASSERT(good);
        gles_composed_free(&c);
    }
}

int main(void) {
    static const support_case all[] = {{"shaders for subgroups of 32", test_teams}};
    return support_main("teams", all, sizeof all / sizeof *all);
}
