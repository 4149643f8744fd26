/* Contexts: finding devices through EGL, and making a context of OpenGL ES 3.1 without a window or a display. */
#ifndef BACKENDS_GLES_CONTEXT_H
#define BACKENDS_GLES_CONTEXT_H

#include "backends/gles/api.h"

enum { GLES_MAX_DEVICES = 16 };

/* What the driver says, possibly lowered by GLINT_GLES_LIMITS (es31, or name=value with the names below). */
typedef struct gles_limits {
    int64_t block;       /* bytes of a storage block (at most 2^31 - 256 is used) */
    int64_t shared;      /* bytes of shared memory of a group */
    int64_t invocations; /* of a group */
    int64_t groups;      /* of a dispatch, in each dimension */
    int64_t blocks;      /* storage blocks of a shader */
    int64_t align;       /* of offsets of storage and uniform blocks */
    int64_t subgroup;    /* size of a subgroup where arithmetic on it works in compute shaders; 0: not used */
    int64_t meeting;     /* work groups that may wait for one another (grid.c) */
    int64_t maps;        /* 1: buffers can stay mapped (EXT_buffer_storage); 0: they cannot */
} gles_limits;

/* One way to a display: an EGL device, Mesa's surfaceless platform, or the default display. */
typedef struct gles_place {
    EGLDeviceEXT device; /* NULL: surfaceless or default */
    EGLenum platform;    /* 0: the default display */
    bool software;       /* the driver says so */
} gles_place;

typedef struct gles_context {
    gles_egl egl;
    gles_gl gl;
    EGLDisplay display;
    EGLContext context;
    EGLSurface surface; /* EGL_NO_SURFACE where contexts work without */
    bool software;
    char renderer[128], version[128], vendor[64];
    const char *extensions; /* space-separated, owned */
    gles_limits limits;
    bool lost; /* for good, where waiting failed or the driver said so: what is read then is not to be believed */
} gles_context;

/* Places in the order of the ladder: devices, surfaceless, default; the last two may be those of a device. Those that
 * fail later are told by opening them. */
int gles_places(const gles_egl *egl, gles_place out[GLES_MAX_DEVICES]);

/* GLINT_DEVICE names the step that failed. */
glint_status gles_context_open(const gles_egl *egl, const gles_place *place, gles_context *out, glint_error *err);
void gles_context_close(gles_context *c);
/* Makes the context current on the calling thread, where it is not already. */
glint_status gles_context_use(gles_context *c, glint_error *err);

/* GLINT_DEVICE with the driver's own word where an error is pending or the context was lost; `what` was being done. */
glint_status gles_check(gles_context *c, const char *what, glint_error *err);
/* Forgets pending errors, but for that of a lost context, which has no end. */
void gles_clear_errors(gles_context *c);

#endif
