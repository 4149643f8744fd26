/* EGL and OpenGL ES 3.1, opened at run time: the binary starts on machines that have neither. */
#ifndef BACKENDS_GLES_API_H
#define BACKENDS_GLES_API_H

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES3/gl31.h>
#include <GLES2/gl2ext.h>

#include "core/base/status.h"

/* X(type, name without the prefix) */
#define GLES_EGL_FUNCTIONS(X)                                                                                          \
    X(PFNEGLGETERRORPROC, GetError)                                                                                    \
    X(PFNEGLQUERYSTRINGPROC, QueryString)                                                                              \
    X(PFNEGLINITIALIZEPROC, Initialize)                                                                                \
    X(PFNEGLTERMINATEPROC, Terminate)                                                                                  \
    X(PFNEGLBINDAPIPROC, BindAPI)                                                                                      \
    X(PFNEGLCHOOSECONFIGPROC, ChooseConfig)                                                                            \
    X(PFNEGLCREATECONTEXTPROC, CreateContext)                                                                          \
    X(PFNEGLDESTROYCONTEXTPROC, DestroyContext)                                                                        \
    X(PFNEGLCREATEPBUFFERSURFACEPROC, CreatePbufferSurface)                                                            \
    X(PFNEGLDESTROYSURFACEPROC, DestroySurface)                                                                        \
    X(PFNEGLMAKECURRENTPROC, MakeCurrent)                                                                              \
    X(PFNEGLGETCURRENTCONTEXTPROC, GetCurrentContext)                                                                  \
    X(PFNEGLGETDISPLAYPROC, GetDisplay)                                                                                \
    X(PFNEGLRELEASETHREADPROC, ReleaseThread)

/* May be missing. */
#define GLES_EGL_EXTENSIONS(X)                                                                                         \
    X(PFNEGLQUERYDEVICESEXTPROC, QueryDevicesEXT)                                                                      \
    X(PFNEGLQUERYDEVICESTRINGEXTPROC, QueryDeviceStringEXT)                                                            \
    X(PFNEGLGETPLATFORMDISPLAYEXTPROC, GetPlatformDisplayEXT)

#define GLES_GL_FUNCTIONS(X)                                                                                           \
    X(PFNGLGETERRORPROC, GetError)                                                                                     \
    X(PFNGLGETSTRINGPROC, GetString)                                                                                   \
    X(PFNGLGETSTRINGIPROC, GetStringi)                                                                                 \
    X(PFNGLGETINTEGERVPROC, GetIntegerv)                                                                               \
    X(PFNGLGETINTEGER64VPROC, GetInteger64v)                                                                           \
    X(PFNGLGETINTEGERI_VPROC, GetIntegeri_v)                                                                           \
    X(PFNGLCREATESHADERPROC, CreateShader)                                                                             \
    X(PFNGLSHADERSOURCEPROC, ShaderSource)                                                                             \
    X(PFNGLCOMPILESHADERPROC, CompileShader)                                                                           \
    X(PFNGLGETSHADERIVPROC, GetShaderiv)                                                                               \
    X(PFNGLGETSHADERINFOLOGPROC, GetShaderInfoLog)                                                                     \
    X(PFNGLDELETESHADERPROC, DeleteShader)                                                                             \
    X(PFNGLCREATEPROGRAMPROC, CreateProgram)                                                                           \
    X(PFNGLATTACHSHADERPROC, AttachShader)                                                                             \
    X(PFNGLLINKPROGRAMPROC, LinkProgram)                                                                               \
    X(PFNGLPROGRAMPARAMETERIPROC, ProgramParameteri)                                                                   \
    X(PFNGLGETPROGRAMIVPROC, GetProgramiv)                                                                             \
    X(PFNGLGETPROGRAMINFOLOGPROC, GetProgramInfoLog)                                                                   \
    X(PFNGLGETPROGRAMBINARYPROC, GetProgramBinary)                                                                     \
    X(PFNGLPROGRAMBINARYPROC, ProgramBinary)                                                                           \
    X(PFNGLDELETEPROGRAMPROC, DeleteProgram)                                                                           \
    X(PFNGLUSEPROGRAMPROC, UseProgram)                                                                                 \
    X(PFNGLUNIFORM4UIPROC, Uniform4ui)                                                                                 \
    X(PFNGLGENBUFFERSPROC, GenBuffers)                                                                                 \
    X(PFNGLDELETEBUFFERSPROC, DeleteBuffers)                                                                           \
    X(PFNGLBINDBUFFERPROC, BindBuffer)                                                                                 \
    X(PFNGLBINDBUFFERBASEPROC, BindBufferBase)                                                                         \
    X(PFNGLBINDBUFFERRANGEPROC, BindBufferRange)                                                                       \
    X(PFNGLBUFFERDATAPROC, BufferData)                                                                                 \
    X(PFNGLBUFFERSUBDATAPROC, BufferSubData)                                                                           \
    X(PFNGLCOPYBUFFERSUBDATAPROC, CopyBufferSubData)                                                                   \
    X(PFNGLMAPBUFFERRANGEPROC, MapBufferRange)                                                                         \
    X(PFNGLUNMAPBUFFERPROC, UnmapBuffer)                                                                               \
    X(PFNGLDISPATCHCOMPUTEPROC, DispatchCompute)                                                                       \
    X(PFNGLMEMORYBARRIERPROC, MemoryBarrier)                                                                           \
    X(PFNGLFENCESYNCPROC, FenceSync)                                                                                   \
    X(PFNGLCLIENTWAITSYNCPROC, ClientWaitSync)                                                                         \
    X(PFNGLDELETESYNCPROC, DeleteSync)                                                                                 \
    X(PFNGLFLUSHPROC, Flush)                                                                                           \
    X(PFNGLFINISHPROC, Finish)

/* May be missing; the suffix is part of the name. */
#define GLES_GL_EXTENSIONS(X)                                                                                          \
    X(PFNGLBUFFERSTORAGEEXTPROC, BufferStorageEXT)                                                                     \
    X(PFNGLGETGRAPHICSRESETSTATUSKHRPROC, GetGraphicsResetStatusKHR)                                                   \
    X(PFNGLGENQUERIESEXTPROC, GenQueriesEXT)                                                                           \
    X(PFNGLDELETEQUERIESEXTPROC, DeleteQueriesEXT)                                                                     \
    X(PFNGLQUERYCOUNTEREXTPROC, QueryCounterEXT)                                                                       \
    X(PFNGLGETQUERYOBJECTUI64VEXTPROC, GetQueryObjectui64vEXT)

#define GLES_MEMBER(type, name) type name;

typedef struct gles_egl {
    void *library;
    GLES_EGL_FUNCTIONS(GLES_MEMBER)
    GLES_EGL_EXTENSIONS(GLES_MEMBER)
} gles_egl;

typedef struct gles_gl {
    GLES_GL_FUNCTIONS(GLES_MEMBER)
    GLES_GL_EXTENSIONS(GLES_MEMBER)
} gles_gl;

/* Opens libEGL.so.1. GLINT_DEVICE naming the library or the function that is missing. */
glint_status gles_egl_open(gles_egl *out, glint_error *err);
void gles_egl_close(gles_egl *e);
/* Functions of OpenGL ES, once a context is current. */
glint_status gles_gl_load(gles_gl *out, glint_error *err);

/* Is `name` a word of the space-separated list? */
bool gles_has_word(const char *list, const char *name);

#endif
