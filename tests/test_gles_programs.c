/* Shader programs: variants, what a failing one says, and the cache on disk, which may be in any state. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/gles/program_cache.h"
#include "core/base/file_map.h"
#include "tests/support/maker.h"
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
    SOURCE("layouts/twice.glsl", "uint number() { return 2u * uint(VALUE); }\n"),
    SOURCE("wrong.comp", "layout(local_size_x = 1) in;\n#include \"wrong.glsl\"\nvoid main() { }\n"),
    SOURCE("wrong.glsl", "// a comment\n\nvoid f() { int x = undeclared_word; }\n"),
    SOURCE("nomain.comp", "layout(local_size_x = 1) in;\nvoid other() { }\n"),
    SOURCE("missing.comp", "\n#include \"nowhere.glsl\"\n"),
    {0},
};

static const gles_define plain[] = {{"VALUE", NULL, 7}, {"LAYOUT", "layouts/plain.glsl", 0}};
static const gles_define twice[] = {{"VALUE", NULL, 7}, {"LAYOUT", "layouts/twice.glsl", 0}};

/* ---- A context and a folder ---- */

static gles_context context; /* of the whole run, where there is one */

static bool have_context(void) {
    gles_egl egl;
    glint_error err;
    gles_place places[GLES_MAX_DEVICES];
    bool found = context.context != NULL;
    if (!found && !gles_egl_open(&egl, &err)) {
        int n = gles_places(&egl, places);
        for (int i = 0; i < n && !found; i++) found = !gles_context_open(&egl, &places[i], &context, &err);
    }
    if (!found) support_skip(err.message);
    return found;
}

static char folder[1024];

/* Files in the folder; the name of the last one, where it is asked for. */
static int count_files(char *path, size_t room) {
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        if (path) snprintf(path, room, "%s/%s", folder, e->d_name);
        n++;
    }
    if (d) closedir(d);
    return n;
}

/* A context, binaries, and an empty folder that is the cache. */
static bool have_cache(void) {
    GLint formats = 0;
    if (!have_context()) return false;
    context.gl.GetIntegerv(GL_NUM_PROGRAM_BINARY_FORMATS, &formats);
    if (formats < 1) {
        support_skip("the driver gives no program binaries");
        return false;
    }
    maker_folder(folder);
    setenv("GLINT_CACHE_DIR", folder, 1);
    return true;
}

/* What the program stores in its buffer. */
static uint32_t run_program(GLuint program) {
    const gles_gl *gl = &context.gl;
    GLuint buffer;
    uint32_t value = 0;
    gl->GenBuffers(1, &buffer);
    gl->BindBufferBase(GL_SHADER_STORAGE_BUFFER, 0, buffer);
    gl->BufferData(GL_SHADER_STORAGE_BUFFER, sizeof value, &value, GL_DYNAMIC_READ);
    gl->UseProgram(program);
    gl->DispatchCompute(1, 1, 1);
    gl->MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT);
    const uint32_t *at = gl->MapBufferRange(GL_SHADER_STORAGE_BUFFER, 0, sizeof value, GL_MAP_READ_BIT);
    if (at) value = *at;
    gl->UnmapBuffer(GL_SHADER_STORAGE_BUFFER);
    gl->UseProgram(0);
    gl->DeleteBuffers(1, &buffer);
    return value;
}

typedef struct outcome {
    int compiled, loaded;
    char notice[600]; /* empty: none */
} outcome;

/* Opens programs over `c`, gets value.comp and runs it: it must be right whatever the folder is like. */
static outcome one_start(gles_context *c) {
    outcome o = {0};
    gles_programs *p = NULL;
    glint_error err;
    GLuint id = 0;
    SUPPORT_OK(gles_programs_open_from(c, sources, &p, &err), &err);
    SUPPORT_OK(gles_program_get(p, "value.comp", plain, 2, &id, &err), &err);
    CU_ASSERT_EQUAL(run_program(id), 7);
    gles_programs_count(p, &o.compiled, &o.loaded);
    if (gles_programs_notice(p)) snprintf(o.notice, sizeof o.notice, "%s", gles_programs_notice(p));
    gles_programs_close(&p);
    CU_ASSERT_PTR_NULL(p);
    SUPPORT_OK(gles_check(&context, "testing", &err), &err);
    return o;
}

static void expect(const char *what, outcome o, bool loaded, const char *notice) {
    bool right = o.loaded == loaded && o.compiled == !loaded;
    right &= notice ? strstr(o.notice, notice) != NULL : !o.notice[0];
    if (!right) printf("\n    %s: compiled %d, loaded %d, \"%s\"\n", what, o.compiled, o.loaded, o.notice);
    CU_ASSERT(right);
}

/* ---- Programs ---- */

static void test_variants(void) {
    gles_programs *p;
    glint_error err;
    GLuint a, b, again;
    int compiled, loaded;
    if (!have_cache()) return;
    SUPPORT_OK(gles_programs_open_from(&context, sources, &p, &err), &err);
    SUPPORT_OK(gles_program_get(p, "value.comp", plain, 2, &a, &err), &err);
    SUPPORT_OK(gles_program_get(p, "value.comp", twice, 2, &b, &err), &err);
    SUPPORT_OK(gles_program_get(p, "value.comp", plain, 2, &again, &err), &err);
    CU_ASSERT_EQUAL(run_program(a), 7);
    CU_ASSERT_EQUAL(run_program(b), 14);
    CU_ASSERT_EQUAL(again, a);
    gles_programs_count(p, &compiled, &loaded);
    CU_ASSERT(compiled == 2 && loaded == 0);
    gles_programs_close(&p);
    gles_programs_close(&p);
    maker_remove(folder);
}

static void fails(gles_programs *p, const char *name, const char *words) {
    glint_error err = {""};
    GLuint id = 77;
    CU_ASSERT_EQUAL(gles_program_get(p, name, NULL, 0, &id, &err), GLINT_DEVICE);
    CU_ASSERT_EQUAL(id, 77);
    if (!strstr(err.message, words)) printf("\n    %s: \"%s\" lacks \"%s\"\n", name, err.message, words);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, name));
}

static void test_broken_shader(void) {
    gles_programs *p;
    glint_error err;
    if (!have_cache()) return;
    SUPPORT_OK(gles_programs_open_from(&context, sources, &p, &err), &err);
    fails(p, "wrong.comp", "does not compile: ");
    fails(p, "wrong.comp", "undeclared_word");
    fails(p, "wrong.comp", "wrong.glsl:3");
    fails(p, "nomain.comp", "main");
    CU_ASSERT_EQUAL(gles_program_get(p, "missing.comp", NULL, 0, &(GLuint){0}, &err), GLINT_INTERNAL);
    SUPPORT_OK(gles_check(&context, "testing", &err), &err);
    CU_ASSERT_EQUAL(count_files(NULL, 0), 0);
    CU_ASSERT_PTR_NULL(gles_programs_notice(p));
    gles_programs_close(&p);
    maker_remove(folder);
}

/* ---- The cache ---- */

static void test_second_start(void) {
    char path[2048];
    struct stat st;
    if (!have_cache()) return;
    expect("first start", one_start(&context), false, NULL);
    CU_ASSERT_EQUAL(count_files(path, sizeof path), 1);
    expect("second start", one_start(&context), true, NULL);
    maker_remove(folder);
    expect("folder gone", one_start(&context), false, NULL);
    CU_ASSERT(stat(folder, &st) == 0 && (st.st_mode & 0777) == 0700);
    maker_remove(folder);
    strcat(folder, "/deep");
    setenv("GLINT_CACHE_DIR", folder, 1);
    expect("folder to be made", one_start(&context), false, NULL);
    expect("folder made", one_start(&context), true, NULL);
    maker_remove(folder);
    *strrchr(folder, '/') = 0;
    maker_remove(folder);
}

/* The file as the first start left it, in memory; its path. */
static unsigned char *good_file(char *path, size_t room, size_t *bytes) {
    file_map m;
    glint_error err;
    expect("first start", one_start(&context), false, NULL);
    CU_ASSERT_EQUAL_FATAL(count_files(path, room), 1);
    SUPPORT_OK(file_map_open(path, &m, &err), &err);
    unsigned char *data = malloc(m.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    memcpy(data, m.data, m.bytes);
    *bytes = m.bytes;
    file_map_close(&m);
    return data;
}

/* This file in the place of the good one is noticed and replaced. */
static void is_replaced(const char *what, const char *path, const void *data, size_t n) {
    maker_write(path, data, n);
    expect(what, one_start(&context), false, "compiled instead and written anew");
    expect(what, one_start(&context), true, NULL);
    CU_ASSERT_EQUAL(count_files(NULL, 0), 1);
}

static void test_damaged(void) {
    static const char foreign[] = "This is somebody's letter, and longer than the head of a file of the cache.";
    char path[2048];
    size_t n;
    if (!have_cache()) return;
    unsigned char *data = good_file(path, sizeof path, &n);
    const size_t cuts[] = {0, 1, 31, 32, 33, n / 2, n - 1}, flips[] = {0, 8, 16, 20, 24, 28, 32, 100, n / 2, n - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) is_replaced("cut off", path, data, cuts[i]);
    for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
        data[flips[i]] ^= 0x80;
        is_replaced("a bit flipped", path, data, n);
        data[flips[i]] ^= 0x80;
    }
    is_replaced("foreign", path, foreign, sizeof foreign);
    data = realloc(data, n + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    data[n] = 0;
    is_replaced("a byte more", path, data, n + 1);
    free(data);
    maker_remove(folder);
}

/* Whole files under names that are not theirs: as if two hashes were equal. */
static void test_not_its_own(void) {
    char path[2048], other[2048] = "";
    gles_context newer = context;
    if (!have_cache()) return;
    newer = context;
    strcpy(newer.version, "OpenGL ES 3.1 of another year");
    size_t n;
    unsigned char *data = good_file(path, sizeof path, &n);
    unlink(path);
    expect("another driver", one_start(&newer), false, NULL);
    CU_ASSERT_EQUAL(count_files(other, sizeof other), 1);
    CU_ASSERT_STRING_NOT_EQUAL(path, other);
    maker_write(other, data, n);
    expect("another driver's file", one_start(&newer), false, "another driver's; compiled instead");
    unlink(other);

    gles_programs *p;
    glint_error err;
    GLuint id;
    SUPPORT_OK(gles_programs_open_from(&context, sources, &p, &err), &err);
    SUPPORT_OK(gles_program_get(p, "value.comp", twice, 2, &id, &err), &err);
    gles_programs_close(&p);
    CU_ASSERT_EQUAL(count_files(other, sizeof other), 1);
    CU_ASSERT_EQUAL(rename(other, path), 0);
    expect("another shader's file", one_start(&context), false, "another shader's; compiled instead");
    free(data);
    maker_remove(folder);
}

static void GL_APIENTRY unknown_format(GLuint program, GLsizei room, GLsizei *n, GLenum *format, void *binary) {
    context.gl.GetProgramBinary(program, room, n, format, binary);
    *format = 0; /* GL_INVALID_ENUM on loading */
}

static void GL_APIENTRY silent_refusal(GLuint program, GLenum format, const void *binary, GLsizei n) {
    (void)program, (void)format, (void)binary, (void)n;
}

static void test_driver_refuses(void) {
    if (!have_cache()) return;
    gles_context odd = context;
    odd.gl.GetProgramBinary = unknown_format;
    expect("unknown format stored", one_start(&odd), false, NULL);
    expect("unknown format", one_start(&context), false, "refused by the driver; compiled instead");
    expect("written anew", one_start(&context), true, NULL);
    odd = context;
    odd.gl.ProgramBinary = silent_refusal;
    expect("refused without an error", one_start(&odd), false, "refused by the driver; compiled instead");
    maker_remove(folder);
}

static void GL_APIENTRY no_formats(GLenum name, GLint *v) {
    context.gl.GetIntegerv(name, v);
    if (name == GL_NUM_PROGRAM_BINARY_FORMATS) *v = 0;
}

static void test_no_formats(void) {
    if (!have_cache()) return;
    gles_context plainer = context;
    plainer.gl.GetIntegerv = no_formats;
    expect("no binary formats", one_start(&plainer), false, NULL);
    CU_ASSERT_EQUAL(count_files(NULL, 0), 0);
    maker_remove(folder);
}

/* ---- Folders that cannot be written ---- */

static void test_unwritable(void) {
    char path[2048];
    if (!have_cache()) return;
    snprintf(path, sizeof path, "%s/file", folder);
    maker_write(path, "", 0);
    setenv("GLINT_CACHE_DIR", path, 1);
    expect("a file for a folder", one_start(&context), false, "program cache: ");
    strcat(path, "/below");
    setenv("GLINT_CACHE_DIR", path, 1);
    expect("a folder in a file", one_start(&context), false, "program cache: ");
    setenv("GLINT_CACHE_DIR", "/proc/glint", 1); /* not even root may */
    expect("a folder of the kernel's", one_start(&context), false, "compiled again at the next start");
    maker_remove(folder);
}

static void test_read_only(void) {
    if (!have_cache()) return;
    if (geteuid() == 0)
        support_skip("a read-only folder: root writes in any; /proc stood for it");
    else {
        chmod(folder, 0500);
        expect("read-only folder", one_start(&context), false, "compiled again at the next start");
        chmod(folder, 0700);
    }
    maker_remove(folder);
}

/* A full disk, twice: no byte more may be written to any file; and the device that is always full in the file's place.
 */
static void test_full(void) {
    char path[2048];
    size_t n;
    struct rlimit old;
    if (!have_cache()) return;
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &old), 0);
    fflush(stdout);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){64, old.rlim_max});
    outcome o = one_start(&context);
    setrlimit(RLIMIT_FSIZE, &old);
    expect("no room", o, false, "compiled again at the next start");
    CU_ASSERT_EQUAL(count_files(NULL, 0), 0);

    free(good_file(path, sizeof path, &n));
    unlink(path);
    CU_ASSERT_EQUAL(symlink("/dev/full", path), 0);
    expect("a device", one_start(&context), false, "program cache: ");
    CU_ASSERT_EQUAL(count_files(NULL, 0), 1);
    maker_remove(folder);
}

static void folder_is(const char *own, const char *xdg, const char *home, const char *want) {
    const char *names[] = {"GLINT_CACHE_DIR", "XDG_CACHE_HOME", "HOME"}, *values[] = {own, xdg, home};
    char *old[3];
    arena memory = {0};
    for (int i = 0; i < 3; i++) {
        old[i] = getenv(names[i]) ? strdup(getenv(names[i])) : NULL;
        if (values[i])
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
    }
    const char *got = gles_cache_folder(&memory);
    CU_ASSERT(want ? got && !strcmp(got, want) : !got);
    for (int i = 0; i < 3; i++) {
        if (old[i])
            setenv(names[i], old[i], 1);
        else
            unsetenv(names[i]);
        free(old[i]);
    }
    arena_free(&memory);
}

static void test_folder(void) {
    folder_is("/own", "/xdg", "/home/x", "/own");
    folder_is("own", "/xdg", "/home/x", "own");
    folder_is("", "/xdg", "/home/x", "/xdg/glint");
    folder_is(NULL, "/xdg", "/home/x", "/xdg/glint");
    folder_is(NULL, "relative", "/home/x", "/home/x/.cache/glint");
    folder_is(NULL, NULL, "/home/x", "/home/x/.cache/glint");
    folder_is(NULL, NULL, NULL, NULL);
    folder_is(NULL, "", "", NULL);
}

int main(void) {
    static const support_case cases[] = {
        {"a variant is compiled once", test_variants},
        {"a broken shader is a status", test_broken_shader},
        {"the second start loads", test_second_start},
        {"damaged files are replaced", test_damaged},
        {"files of others are replaced", test_not_its_own},
        {"a driver may refuse a binary", test_driver_refuses},
        {"a driver may have no binaries", test_no_formats},
        {"a folder that cannot be written warns", test_unwritable},
        {"a read-only folder warns", test_read_only},
        {"a full disk warns", test_full},
        {"where the folder is", test_folder},
    };
    int failed = support_main("gles programs", cases, sizeof cases / sizeof *cases);
    if (context.context) gles_context_close(&context);
    return failed;
}
