/* The folder of what may be forgotten: notes on devices, whatever state their file is in, and keeping it small. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backends/gles/folder.h"
#include "backends/gles/notes.h"
#include "core/base/file_map.h"
#include "tests/support/maker.h"
#include "tests/support/support.h"

static char folder[1024];

static gles_context driver(const char *version) {
    gles_context c = {.vendor = "Maker", .renderer = "Card", .limits = {.block = 1 << 27, .shared = 16384}};
    snprintf(c.version, sizeof c.version, "%s", version);
    return c;
}

static void open_folder(void) {
    maker_folder(folder);
    setenv("GLINT_CACHE_DIR", folder, 1);
}

/* What a start with this driver knows under the name; "" where it knows nothing. */
static const char *known(const gles_context *c, const char *name) {
    static char value[256];
    gles_notes n;
    gles_notes_open(c, &n);
    if (!gles_note_get(&n, name, value, sizeof value)) value[0] = 0;
    gles_notes_close(&n);
    return value;
}

static void remember(const gles_context *c, const char *name, const char *value) {
    gles_notes n;
    gles_notes_open(c, &n);
    gles_note_set(&n, name, value);
    gles_notes_close(&n);
}

static void test_notes(void) {
    gles_context a = driver("1"), b = driver("2"), lowered = driver("1");
    lowered.limits.block = 65536;
    open_folder();
    CU_ASSERT_STRING_EQUAL(known(&a, "groups"), "");
    remember(&a, "groups", "132");
    remember(&a, "test", "sound: yes");
    remember(&a, "group", "7");
    CU_ASSERT_STRING_EQUAL(known(&a, "groups"), "132");
    CU_ASSERT_STRING_EQUAL(known(&a, "group"), "7");
    CU_ASSERT_STRING_EQUAL(known(&a, "test"), "sound: yes");
    remember(&a, "groups", "1024");
    CU_ASSERT_STRING_EQUAL(known(&a, "groups"), "1024");
    CU_ASSERT_STRING_EQUAL(known(&a, "group"), "7");
    CU_ASSERT_STRING_EQUAL(known(&b, "groups"), "");
    CU_ASSERT_STRING_EQUAL(known(&lowered, "groups"), "");
    remember(&b, "groups", "5");
    CU_ASSERT_STRING_EQUAL(known(&a, "groups"), "1024");
    CU_ASSERT_STRING_EQUAL(known(&b, "groups"), "5");
    maker_remove(folder);
}

/* The file of a device: any change to its head, or an end without a newline, and nothing of it is believed. */
static void test_damaged(void) {
    gles_context a = driver("1");
    gles_notes n;
    file_map m;
    glint_error err;
    open_folder();
    remember(&a, "groups", "132");
    gles_notes_open(&a, &n);
    SUPPORT_OK(file_map_open(n.path, &m, &err), &err);
    size_t bytes = m.bytes, head = strlen(n.head);
    unsigned char *data = malloc(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    memcpy(data, m.data, bytes);
    file_map_close(&m);
    for (size_t cut = 0; cut < bytes; cut++) {
        maker_write(n.path, data, cut);
        CU_ASSERT_STRING_EQUAL(known(&a, "groups"), "");
    }
    gles_notes_close(&n);
    gles_notes_open(&a, &n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(n.notice);
    CU_ASSERT_PTR_NOT_NULL(strstr(n.notice, "is damaged"));
    for (size_t i = 0; i < head; i++) {
        data[i] ^= 1;
        maker_write(n.path, data, bytes);
        CU_ASSERT_STRING_EQUAL(known(&a, "groups"), "");
        data[i] ^= 1;
    }
    maker_write(n.path, data, bytes);
    CU_ASSERT_STRING_EQUAL(known(&a, "groups"), "132");
    CU_ASSERT(!unlink(n.path) && !mkfifo(n.path, 0600)); /* to which nobody writes */
    CU_ASSERT_STRING_EQUAL(known(&a, "groups"), "");
    gles_notes_close(&n);
    gles_notes_open(&a, &n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(n.notice);
    CU_ASSERT_PTR_NOT_NULL(strstr(n.notice, "not a regular file"));
    gles_notes_close(&n);
    free(data);
    maker_remove(folder);
}

/* Nothing can be written: what was noted is known until the end of the run. */
static void test_unwritable(void) {
    gles_context a = driver("1");
    char value[16];
    gles_notes n;
    setenv("GLINT_CACHE_DIR", "/proc/glint", 1);
    gles_notes_open(&a, &n);
    gles_note_set(&n, "groups", "132");
    CU_ASSERT(gles_note_get(&n, "groups", value, sizeof value));
    CU_ASSERT_STRING_EQUAL(value, "132");
    gles_notes_close(&n);
    CU_ASSERT_STRING_EQUAL(known(&a, "groups"), "");
}

/* ---- Keeping it small ---- */

static const char *path_of(const char *name) {
    static char path[2048];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A file of 1000 bytes, last used so many days ago. */
static void add_file(const char *name, int days) {
    static const unsigned char zeros[1000];
    time_t then = time(NULL) - days * 24 * 60 * 60;
    maker_write(path_of(name), zeros, sizeof zeros);
    struct timespec times[2] = {{.tv_sec = then}, {.tv_sec = then}};
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
}

static bool is_there(const char *name) {
    return access(path_of(name), F_OK) == 0;
}

static void test_prune(void) {
    open_folder();
    add_file("0123456789abcdef.program", 5);
    add_file("1123456789abcdef.program", 1);
    add_file("2123456789abcdef.program", 9);
    add_file("3123456789abcdef.device", 7);
    add_file("4123456789abcdef.program.q7Xy2z", 8);
    add_file("letter.program", 20);
    add_file("0123456789abcdef.txt", 20);
    gles_folder_prune(folder, 5000);
    CU_ASSERT(is_there("2123456789abcdef.program"));
    gles_folder_prune(folder, 3999);
    CU_ASSERT(!is_there("2123456789abcdef.program"));
    CU_ASSERT(!is_there("4123456789abcdef.program.q7Xy2z"));
    CU_ASSERT(is_there("3123456789abcdef.device"));
    gles_folder_touch(path_of("3123456789abcdef.device"));
    gles_folder_prune(folder, 2000);
    CU_ASSERT(!is_there("0123456789abcdef.program"));
    CU_ASSERT(is_there("1123456789abcdef.program"));
    CU_ASSERT(is_there("3123456789abcdef.device"));
    gles_folder_prune(folder, 0);
    CU_ASSERT(!is_there("1123456789abcdef.program"));
    CU_ASSERT(is_there("letter.program") && is_there("0123456789abcdef.txt"));
    maker_remove(folder);
    gles_folder_prune(folder, 0);
}

int main(void) {
    static const support_case cases[] = {{"notes are a device's own", test_notes},
                                         {"damaged notes are nothing", test_damaged},
                                         {"a folder that cannot be written", test_unwritable},
                                         {"the oldest go first", test_prune}};
    return support_main("gles notes", cases, sizeof cases / sizeof *cases);
}
