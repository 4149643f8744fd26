#include "backends/gles/api.h"

#include <dlfcn.h>
#include <string.h>

typedef void (*any_function)(void);

/* Data pointers and function pointers have one size on POSIX; ISO C has no cast between them. */
static any_function symbol(void *library, const char *name) {
    void *p = dlsym(library, name);
    any_function f;
    memcpy(&f, &p, sizeof f);
    return f;
}

static glint_status missing(glint_error *err, const char *name) {
    return base_fail(err, GLINT_DEVICE, "the driver has no function %s", name);
}

#define LOAD_EGL(type, name)                                                                                           \
    if (!(e.name = (type)symbol(e.library, "egl" #name))) {                                                            \
        gles_egl_close(&e);                                                                                            \
        return missing(err, "egl" #name);                                                                              \
    }
#define LOAD_EGL_EXTENSION(type, name) e.name = (type)get("egl" #name);

glint_status gles_egl_open(gles_egl *out, glint_error *err) {
    gles_egl e = {.library = dlopen("libEGL.so.1", RTLD_NOW | RTLD_LOCAL)};
    if (!e.library) return base_fail(err, GLINT_DEVICE, "EGL cannot be opened: %s", dlerror());
    GLES_EGL_FUNCTIONS(LOAD_EGL)
    PFNEGLGETPROCADDRESSPROC get = (PFNEGLGETPROCADDRESSPROC)symbol(e.library, "eglGetProcAddress");
    if (!get) {
        gles_egl_close(&e);
        return missing(err, "eglGetProcAddress");
    }
    GLES_EGL_EXTENSIONS(LOAD_EGL_EXTENSION)
    *out = e;
    return GLINT_OK;
}

/* The library stays loaded: drivers leave threads and thread-local destructors behind that would run into nothing. */
void gles_egl_close(gles_egl *e) {
    *e = (gles_egl){0};
}

#define LOAD_GL(type, name)                                                                                            \
    if (!(g.name = (type)get("gl" #name))) return missing(err, "gl" #name);
#define LOAD_GL_EXTENSION(type, name) g.name = (type)get("gl" #name);

glint_status gles_gl_load(gles_gl *out, glint_error *err) {
    gles_gl g;
    void *library = dlopen("libEGL.so.1", RTLD_NOW | RTLD_LOCAL); /* loaded already: a reference more */
    PFNEGLGETPROCADDRESSPROC get =
        library ? (PFNEGLGETPROCADDRESSPROC)symbol(library, "eglGetProcAddress") : (PFNEGLGETPROCADDRESSPROC)NULL;
    if (!get) return missing(err, "eglGetProcAddress");
    GLES_GL_FUNCTIONS(LOAD_GL)
    GLES_GL_EXTENSIONS(LOAD_GL_EXTENSION)
    *out = g;
    return GLINT_OK;
}

bool gles_has_word(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *p = list; p && (p = strstr(p, name)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}
