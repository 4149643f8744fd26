/* Composing shaders: includes, what is refused, how places in a compiler's log are read; and that glsl/ is embedded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/gles/compose.h"
#include "core/base/file_map.h"
#include "tests/support/support.h"

#define SOURCE(name, text)                                                                                             \
    { name, text, sizeof text - 1 }

static const gles_source sources[] = {
    SOURCE("value.comp", "layout(local_size_x = 1) in;\n"
                         "#include \"out.glsl\"\n"
                         "  # include LAYOUT\n"
                         "#include \"out.glsl\"\n"
                         "void main() { store(number()); }\n"),
    SOURCE("out.glsl", "layout(std430, binding = 0) buffer Out { uint value; };\n"
                       "void store(uint v) { value = v; }"),
    SOURCE("layouts/plain.glsl", "uint number() { return uint(VALUE); }\n"),
    SOURCE("layouts/twice.glsl", "#include \"layouts/plain.glsl\"\n#define number() (2u * number())\n"),
    SOURCE("self.comp", "\n#include \"self.comp\"\n"),
    SOURCE("cycle.comp", "#include \"a.glsl\"\n"),
    SOURCE("a.glsl", "#include \"b.glsl\"\n"),
    SOURCE("b.glsl", "\n\n#include \"a.glsl\"\n"),
    SOURCE("missing.comp", "\n#include \"nowhere.glsl\"\n"),
    SOURCE("word.comp", "#include NOTHING\n"),
    SOURCE("open.comp", "#include \"out.glsl\n"),
    {0},
};

static const gles_define plain[] = {{"VALUE", NULL, 7}, {"LAYOUT", "layouts/plain.glsl", 0}};
static const gles_define twice[] = {{"VALUE", NULL, 7}, {"LAYOUT", "layouts/twice.glsl", 0}};

static void test_compose(void) {
    gles_composed c;
    glint_error err;
    SUPPORT_OK(gles_compose(sources, "value.comp", twice, 2, &c, &err), &err);
    CU_ASSERT_STRING_EQUAL(c.text, "#version 310 es\n"
                                   "precision highp float;\nprecision highp int;\n"
                                   "#define VALUE 7\n#define LAYOUT layouts/twice.glsl\n"
                                   "#line 4001\n"
                                   "layout(local_size_x = 1) in;\n"
                                   "#line 8001\n"
                                   "layout(std430, binding = 0) buffer Out { uint value; };\n"
                                   "void store(uint v) { value = v; }\n"
                                   "#line 4003\n"
                                   "#line 12001\n"
                                   "#line 16001\n"
                                   "uint number() { return uint(VALUE); }\n"
                                   "#line 12002\n"
                                   "#define number() (2u * number())\n"
                                   "#line 4004\n"
                                   "\n"
                                   "void main() { store(number()); }\n");
    CU_ASSERT_EQUAL(c.bytes, strlen(c.text));
    CU_ASSERT_EQUAL_FATAL(c.n_files, 4);
    CU_ASSERT_STRING_EQUAL(c.files[3], "layouts/plain.glsl");
    gles_composed_free(&c);
}

static void test_subgroup(void) {
    const gles_define defines[] = {{"SUBGROUP", NULL, 0}, plain[0], plain[1]};
    gles_define with[] = {{"SUBGROUP", NULL, 32}, plain[0], plain[1]};
    gles_composed c;
    glint_error err;
    SUPPORT_OK(gles_compose(sources, "value.comp", defines, 3, &c, &err), &err);
    CU_ASSERT_PTR_NULL(strstr(c.text, "#extension"));
    gles_composed_free(&c);
    SUPPORT_OK(gles_compose(sources, "value.comp", with, 3, &c, &err), &err);
    CU_ASSERT_PTR_NOT_NULL(strstr(c.text, "#version 310 es\n#extension GL_KHR_shader_subgroup_basic : require\n"));
    gles_composed_free(&c);
}

static void refuses(const gles_source *from, const char *name, const char *words) {
    gles_composed c;
    glint_error err = {""};
    CU_ASSERT_EQUAL(gles_compose(from, name, NULL, 0, &c, &err), GLINT_INTERNAL);
    if (!strstr(err.message, words)) printf("\n    %s: \"%s\" lacks \"%s\"\n", name, err.message, words);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
}

static void test_compose_refuses(void) {
    refuses(sources, "self.comp", "self.comp:2: including \"self.comp\" makes a cycle");
    refuses(sources, "cycle.comp", "b.glsl:3: including \"a.glsl\" makes a cycle");
    refuses(sources, "missing.comp", "missing.comp:2: there is no shader file \"nowhere.glsl\"");
    refuses(sources, "word.comp", "word.comp:1: #include NOTHING names no file");
    refuses(sources, "open.comp", "open.comp:1: #include \"out.glsl names no file");
    refuses(sources, "none.comp", "no shader file \"none.comp\"");
}

/* A chain of n files, or one file that includes n - 1 others. */
static gles_source *chain(int n, bool flat) {
    gles_source *s = calloc((size_t)n + 1, sizeof *s);
    char first[GLES_MAX_FILES * 32] = "";
    for (int i = 0; s && i < n; i++) {
        char name[16], text[32];
        snprintf(name, sizeof name, "%d.glsl", i);
        snprintf(text, sizeof text, "#include \"%d.glsl\"\n", i + 1);
        if (i + 1 < n) strcat(first, text);
        s[i] = (gles_source){strdup(name), strdup(flat || i + 1 == n ? "" : text), 0};
    }
    if (s && flat) {
        free((char *)s[0].text);
        s[0].text = strdup(first);
    }
    for (int i = 0; s && i < n; i++) s[i].bytes = strlen(s[i].text);
    return s;
}

static void free_chain(gles_source *s) {
    for (gles_source *at = s; at->name; at++) {
        free((char *)at->name);
        free((char *)at->text);
    }
    free(s);
}

static void test_compose_limits(void) {
    static const struct {
        int most;
        bool flat;
    } kinds[] = {{GLES_MAX_DEPTH, false}, {GLES_MAX_FILES, true}};
    for (int i = 0; i < 2; i++) {
        gles_composed c;
        glint_error err;
        gles_source *fits = chain(kinds[i].most, kinds[i].flat), *more = chain(kinds[i].most + 1, kinds[i].flat);
        CU_ASSERT_FATAL(fits && more);
        SUPPORT_OK(gles_compose(fits, "0.glsl", NULL, 0, &c, &err), &err);
        CU_ASSERT_EQUAL(c.n_files, kinds[i].most);
        gles_composed_free(&c);
        refuses(more, "0.glsl", "is one too many");
        free_chain(fits);
        free_chain(more);
    }
}

static void test_log_lines(void) {
    static const struct {
        const char *log, *line;
    } cases[] = {
        {"0:4012(5): error: no", "x.comp:12(5): error: no"},         // Mesa
        {"0(8007) : error C1503: no", "y.glsl:7 : error C1503: no"}, // NVIDIA
        {"ERROR: 0:8012: 'x' : no", "ERROR: y.glsl:12: 'x' : no"},   // many others
        {"\n0:4001(1): warning: w\n0:8002(3): error: e\n", "y.glsl:2(3): error: e"},
        {"0:4001(1): something", "x.comp:1(1): something"},
        {"0:3(1): error: the preamble", "0:3(1): error: the preamble"},
        {"0:12001(1): error: no such file", "0:12001(1): error: no such file"},
        {"0:99999999999999999999: error", "0:99999999999999999999: error"},
        {"error: 0:", "error: 0:"},
        {"error: 0", "error: 0"},
        {"", "no reason was given"},
        {"\r\n", "no reason was given"},
    };
    const gles_composed c = {.files = {"x.comp", "y.glsl"}, .n_files = 2};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[64];
        gles_log_line(&c, cases[i].log, line, sizeof line);
        CU_ASSERT_STRING_EQUAL(line, cases[i].line);
    }
}

/* What is embedded is what lies in glsl/. */
static void test_embedded(void) {
    int n = 0;
    for (const gles_source *s = gles_sources; s->name; s++, n++) {
        char name[256], path[1024];
        glint_error err;
        file_map m;
        snprintf(name, sizeof name, "../../glsl/%s", s->name);
        SUPPORT_OK(file_map_open(support_data(path, name), &m, &err), &err);
        CU_ASSERT(m.bytes == s->bytes && !memcmp(m.data, s->text, s->bytes));
        CU_ASSERT_EQUAL(s->text[s->bytes], 0);
        file_map_close(&m);
    }
    CU_ASSERT(n > 0);
}

int main(void) {
    static const support_case cases[] = {
        {"files are composed", test_compose},
        {"subgroups are asked for", test_subgroup},
        {"cycles and missing files are refused", test_compose_refuses},
        {"depth and files are limited", test_compose_limits},
        {"a compiler's words name the file", test_log_lines},
        {"what is embedded is what lies in glsl", test_embedded},
    };
    return support_main("gles compose", cases, sizeof cases / sizeof *cases);
}
