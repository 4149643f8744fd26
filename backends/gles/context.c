#include "backends/gles/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Places ---- */

int gles_places(const gles_egl *egl, gles_place out[GLES_MAX_DEVICES]) {
    const char *client = egl->QueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS);
    EGLDeviceEXT devices[GLES_MAX_DEVICES];
    EGLint n = 0;
    int count = 0;
    bool platforms = client && egl->GetPlatformDisplayEXT;
    if (platforms && egl->QueryDevicesEXT && egl->QueryDeviceStringEXT &&
        gles_has_word(client, "EGL_EXT_platform_device") &&
        egl->QueryDevicesEXT(GLES_MAX_DEVICES - 2, devices, &n) == EGL_TRUE)
        for (EGLint i = 0; i < n; i++) {
            const char *e = egl->QueryDeviceStringEXT(devices[i], EGL_EXTENSIONS);
            bool software = e && gles_has_word(e, "EGL_MESA_device_software");
            out[count++] = (gles_place){devices[i], EGL_PLATFORM_DEVICE_EXT, software};
        }
    if (platforms && gles_has_word(client, "EGL_MESA_platform_surfaceless"))
        out[count++] = (gles_place){NULL, EGL_PLATFORM_SURFACELESS_MESA, false};
    out[count++] = (gles_place){NULL, 0, false};
    return count;
}

/* ---- Limits ---- */

typedef struct limit_row {
    const char *name;
    size_t offset;
    int64_t es31;  /* the minimum that OpenGL ES 3.1 promises; for align the most it allows */
    int64_t least; /* of a mask: shaders rely on what is promised, but large weights and caches can be tried in small */
} limit_row;

static const limit_row limit_rows[] = {
    {"block", offsetof(gles_limits, block), 1 << 27, 1 << 16},
    {"shared", offsetof(gles_limits, shared), 16 << 10, 16 << 10},
    {"invocations", offsetof(gles_limits, invocations), 128, 128},
    {"groups", offsetof(gles_limits, groups), 65535, 65535},
    {"align", offsetof(gles_limits, align), 256, 256},
    {"blocks", offsetof(gles_limits, blocks), 4, 4},
    {"subgroup", offsetof(gles_limits, subgroup), 0, 0},
    {"meeting", offsetof(gles_limits, meeting), 0, 0},
    {"maps", offsetof(gles_limits, maps), 0, 0},
};
enum { LIMITS = sizeof limit_rows / sizeof *limit_rows };

static int64_t *limit(gles_limits *l, int i) {
    return (int64_t *)((char *)l + limit_rows[i].offset);
}

static void lower(gles_limits *l, int i, int64_t v) {
    bool align = !strcmp(limit_rows[i].name, "align");
    if (align ? v > *limit(l, i) : v < *limit(l, i)) *limit(l, i) = v;
}

static bool apply_word(gles_limits *l, const char *word) {
    bool es31 = !strcmp(word, "es31");
    for (int i = 0; i < LIMITS; i++) {
        const limit_row *row = &limit_rows[i];
        size_t n = strlen(row->name);
        char *end;
        if (es31) lower(l, i, row->es31);
        if (es31 || strncmp(word, row->name, n) != 0 || word[n] != '=') continue;
        long long v = strtoll(word + n + 1, &end, 10);
        if (*end || end == word + n + 1 || v < row->least) return false;
        lower(l, i, v);
        return true;
    }
    return es31;
}

/* "es31,block=65536": words or name=value, separated by commas; limits are only lowered. */
static glint_status apply_mask(gles_limits *l, const char *mask, glint_error *err) {
    char copy[256];
    int64_t subgroup = l->subgroup;
    snprintf(copy, sizeof copy, "%s", mask);
    for (char *save = NULL, *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
        if (!apply_word(l, word))
            return base_fail(err, GLINT_DEVICE,
                             "GLINT_GLES_LIMITS: \"%s\" is neither es31 nor a limit that can be lowered so far", word);
    if (l->subgroup < subgroup) l->subgroup = 0; /* it is as large as it is, or not used */
    return GLINT_OK;
}

/* From KHR_shader_subgroup, which the headers of OpenGL ES 3.1 lack. */
enum { SUBGROUP_SIZE = 0x9532, SUBGROUP_STAGES = 0x9533, SUBGROUP_FEATURES = 0x9534 };
enum { SUBGROUP_BASIC = 1, SUBGROUP_ARITHMETIC = 4, SUBGROUP_SHUFFLE = 16 };

static int64_t usable_subgroup(const gles_gl *gl, const char *extensions) {
    GLint size = 0, stages = 0, features = 0, want = SUBGROUP_BASIC | SUBGROUP_ARITHMETIC | SUBGROUP_SHUFFLE;
    if (!gles_has_word(extensions, "GL_KHR_shader_subgroup")) return 0;
    gl->GetIntegerv(SUBGROUP_SIZE, &size);
    gl->GetIntegerv(SUBGROUP_STAGES, &stages);
    gl->GetIntegerv(SUBGROUP_FEATURES, &features);
    return gl->GetError() == GL_NO_ERROR && (stages & GL_COMPUTE_SHADER_BIT) && (features & want) == want ? size : 0;
}

static glint_status query_limits(gles_context *c, glint_error *err) {
    const gles_gl *gl = &c->gl;
    gles_limits *l = &c->limits;
    GLint v, most = (1u << 31) - 256;
    GLint64 wide = 0;
    gl->GetInteger64v(GL_MAX_SHADER_STORAGE_BLOCK_SIZE, &wide);
    l->block = wide < most && wide > 0 ? wide : most;
    gl->GetIntegerv(GL_MAX_COMPUTE_SHARED_MEMORY_SIZE, &v);
    l->shared = v;
    gl->GetIntegerv(GL_MAX_COMPUTE_WORK_GROUP_INVOCATIONS, &v);
    l->invocations = v;
    gl->GetIntegeri_v(GL_MAX_COMPUTE_WORK_GROUP_SIZE, 0, &v);
    if (v < l->invocations) l->invocations = v;
    l->groups = INT32_MAX;
    for (GLuint i = 0; i < 3; i++) {
        gl->GetIntegeri_v(GL_MAX_COMPUTE_WORK_GROUP_COUNT, i, &v);
        if (v < l->groups) l->groups = v;
    }
    GLint bindings = 0;
    gl->GetIntegerv(GL_MAX_COMPUTE_SHADER_STORAGE_BLOCKS, &v);
    gl->GetIntegerv(GL_MAX_SHADER_STORAGE_BUFFER_BINDINGS, &bindings);
    l->blocks = v < bindings ? v : bindings;
    GLint uniform = 256;
    gl->GetIntegerv(GL_SHADER_STORAGE_BUFFER_OFFSET_ALIGNMENT, &v);
    gl->GetIntegerv(GL_UNIFORM_BUFFER_OFFSET_ALIGNMENT, &uniform);
    l->align = v > uniform ? v : uniform;
    l->subgroup = usable_subgroup(gl, c->extensions);
    l->meeting = INT32_MAX;
    l->maps = gl->BufferStorageEXT && gles_has_word(c->extensions, "GL_EXT_buffer_storage");
    const char *mask = getenv("GLINT_GLES_LIMITS");
    return mask ? apply_mask(l, mask, err) : GLINT_OK;
}

/* ---- Opening ---- */

static const char *egl_word(EGLint code) {
    static const char *const words[] = {
        [EGL_NOT_INITIALIZED - EGL_SUCCESS] = "not initialized",
        [EGL_BAD_ACCESS - EGL_SUCCESS] = "no access",
        [EGL_BAD_ALLOC - EGL_SUCCESS] = "out of memory",
        [EGL_BAD_ATTRIBUTE - EGL_SUCCESS] = "unknown attribute",
        [EGL_BAD_CONFIG - EGL_SUCCESS] = "bad configuration",
        [EGL_BAD_DISPLAY - EGL_SUCCESS] = "bad display",
        [EGL_BAD_MATCH - EGL_SUCCESS] = "the driver does not offer it",
        [EGL_BAD_PARAMETER - EGL_SUCCESS] = "bad parameter",
        [EGL_CONTEXT_LOST - EGL_SUCCESS] = "context lost",
    };
    int i = code - EGL_SUCCESS;
    bool known = i >= 0 && i < (int)(sizeof words / sizeof *words) && words[i];
    return known ? words[i] : "no reason given";
}

static glint_status egl_failed(const gles_context *c, const char *step, glint_error *err) {
    EGLint code = c->egl.GetError();
    return base_fail(err, GLINT_DEVICE, "%s failed: %s (EGL error 0x%04x)", step, egl_word(code), (unsigned)code);
}

static glint_status open_display(gles_context *c, const gles_place *p, glint_error *err) {
    EGLint major = 0, minor = 0;
    c->display = p->platform ? c->egl.GetPlatformDisplayEXT(p->platform, p->device, NULL)
                             : c->egl.GetDisplay(EGL_DEFAULT_DISPLAY);
    if (c->display == EGL_NO_DISPLAY)
        return egl_failed(c, p->device ? "opening a device's display" : "opening a display without a device", err);
    if (!c->egl.Initialize(c->display, &major, &minor)) {
        c->display = EGL_NO_DISPLAY;
        return egl_failed(c, "eglInitialize", err);
    }
    return c->egl.BindAPI(EGL_OPENGL_ES_API) ? GLINT_OK : egl_failed(c, "eglBindAPI(OpenGL ES)", err);
}

/* A context without a configuration and a surface where the driver can; else a pbuffer of one pixel. */
static glint_status make_context(gles_context *c, glint_error *err) {
    const char *e = c->egl.QueryString(c->display, EGL_EXTENSIONS);
    bool bare = gles_has_word(e, "EGL_KHR_no_config_context") && gles_has_word(e, "EGL_KHR_surfaceless_context");
    bool robust = gles_has_word(e, "EGL_EXT_create_context_robustness");
    const EGLint want[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_ES3_BIT, EGL_NONE};
    const EGLint pixel[] = {EGL_WIDTH, 1, EGL_HEIGHT, 1, EGL_NONE};
    const EGLint attributes[] = {EGL_CONTEXT_MAJOR_VERSION,
                                 3,
                                 EGL_CONTEXT_MINOR_VERSION,
                                 1,
                                 robust ? EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY_EXT : EGL_NONE,
                                 EGL_LOSE_CONTEXT_ON_RESET_EXT,
                                 EGL_NONE};
    EGLConfig config = NULL;
    EGLint n = 0;
    if (!bare && (!c->egl.ChooseConfig(c->display, want, &config, 1, &n) || n < 1))
        return egl_failed(c, "eglChooseConfig", err);
    c->context = c->egl.CreateContext(c->display, config, EGL_NO_CONTEXT, attributes);
    if (c->context == EGL_NO_CONTEXT) return egl_failed(c, "creating a context of OpenGL ES 3.1", err);
    if (!bare) c->surface = c->egl.CreatePbufferSurface(c->display, config, pixel);
    if (!bare && c->surface == EGL_NO_SURFACE) return egl_failed(c, "eglCreatePbufferSurface", err);
    return gles_context_use(c, err);
}

static void copy_text(char *out, size_t room, const GLubyte *text) {
    snprintf(out, room, "%s", text ? (const char *)text : "unknown");
}

static glint_status read_extensions(gles_context *c, glint_error *err) {
    GLint n = 0;
    size_t bytes = 1;
    c->gl.GetIntegerv(GL_NUM_EXTENSIONS, &n);
    for (GLint i = 0; i < n; i++) bytes += strlen((const char *)c->gl.GetStringi(GL_EXTENSIONS, (GLuint)i)) + 1;
    char *list = malloc(bytes), *at = list;
    if (!list) return base_fail(err, GLINT_INTERNAL, "out of memory for the extension list");
    for (GLint i = 0; i < n; i++)
        at += sprintf(at, "%s%s", i ? " " : "", (const char *)c->gl.GetStringi(GL_EXTENSIONS, (GLuint)i));
    *at = 0;
    c->extensions = list;
    return GLINT_OK;
}

static glint_status describe(gles_context *c, glint_error *err) {
    glint_status s = gles_gl_load(&c->gl, err);
    if (s) return s;
    copy_text(c->vendor, sizeof c->vendor, c->gl.GetString(GL_VENDOR));
    copy_text(c->renderer, sizeof c->renderer, c->gl.GetString(GL_RENDERER));
    copy_text(c->version, sizeof c->version, c->gl.GetString(GL_VERSION));
    int major = 0, minor = 0;
    if (sscanf(c->version, "OpenGL ES %d.%d", &major, &minor) != 2 || major < 3 || (major == 3 && minor < 1))
        return base_fail(err, GLINT_DEVICE, "%s has \"%s\"; OpenGL ES 3.1 is needed", c->renderer, c->version);
    s = read_extensions(c, err);
    if (s) return s;
    /* Without rights on the device Mesa hands out its software renderer and says nothing. */
    c->software |= strstr(c->renderer, "llvmpipe") || strstr(c->renderer, "softpipe") || strstr(c->renderer, "SWR");
    s = query_limits(c, err);
    return s ? s : gles_check(c, "asking for limits", err);
}

glint_status gles_context_open(const gles_egl *egl, const gles_place *place, gles_context *out, glint_error *err) {
    *out = (gles_context){.egl = *egl,
                          .display = EGL_NO_DISPLAY,
                          .context = EGL_NO_CONTEXT,
                          .surface = EGL_NO_SURFACE,
                          .software = place->software};
    glint_status s = open_display(out, place, err);
    if (!s) s = make_context(out, err);
    if (!s) s = describe(out, err);
    if (s) gles_context_close(out);
    return s;
}

/* eglTerminate would end the display for every other context on it; it goes with the process. */
void gles_context_close(gles_context *c) {
    if (c->display != EGL_NO_DISPLAY) {
        c->egl.MakeCurrent(c->display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
        if (c->surface != EGL_NO_SURFACE) c->egl.DestroySurface(c->display, c->surface);
        if (c->context != EGL_NO_CONTEXT) c->egl.DestroyContext(c->display, c->context);
    }
    free((char *)c->extensions);
    *c = (gles_context){.display = EGL_NO_DISPLAY};
}

glint_status gles_context_use(gles_context *c, glint_error *err) {
    if (c->egl.GetCurrentContext() == c->context) return GLINT_OK;
    if (c->egl.MakeCurrent(c->display, c->surface, c->surface, c->context)) return GLINT_OK;
    return egl_failed(c, "eglMakeCurrent", err);
}

/* ---- Errors ---- */

enum { CONTEXT_LOST = 0x0507 }; /* GL_CONTEXT_LOST of OpenGL ES 3.2 */

static const struct {
    GLenum code;
    const char *words;
} error_names[] = {
    {GL_INVALID_ENUM, "invalid enum"},
    {GL_INVALID_VALUE, "invalid value"},
    {GL_INVALID_OPERATION, "invalid operation"},
    {GL_OUT_OF_MEMORY, "out of memory"},
    {CONTEXT_LOST, "context lost"},
};

static const char *error_name(GLenum code) {
    for (size_t i = 0; i < sizeof error_names / sizeof *error_names; i++)
        if (error_names[i].code == code) return error_names[i].words;
    return "unknown error";
}

void gles_clear_errors(gles_context *c) {
    enum { KINDS = 8 }; /* one of each is kept */
    for (int i = 0; i < KINDS && c->gl.GetError() != GL_NO_ERROR; i++) continue;
}

glint_status gles_check(gles_context *c, const char *what, glint_error *err) {
    GLenum reset = c->gl.GetGraphicsResetStatusKHR ? c->gl.GetGraphicsResetStatusKHR() : GL_NO_ERROR;
    c->lost |= reset != GL_NO_ERROR;
    if (reset != GL_NO_ERROR)
        return base_fail(err, GLINT_DEVICE, "%s: the driver lost the context while %s (reset status 0x%04x)",
                         c->renderer, what, reset);
    GLenum code = c->gl.GetError();
    if (code == GL_NO_ERROR) return GLINT_OK;
    c->lost |= code == CONTEXT_LOST;
    gles_clear_errors(c);
    return base_fail(err, GLINT_DEVICE, "%s: %s (0x%04x) while %s", c->renderer, error_name(code), code, what);
}
