# The gles backend needs the headers of EGL and OpenGL ES to build; its libraries are opened at run time.
find_path(GLINT_EGL_HEADERS EGL/egl.h)
find_path(GLINT_GLES_HEADERS GLES3/gl31.h)
if(NOT GLINT_EGL_HEADERS OR NOT GLINT_GLES_HEADERS)
  message(FATAL_ERROR "EGL/egl.h or GLES3/gl31.h is missing (Debian: libegl-dev libgles-dev); "
    "-DGLINT_GLES=OFF builds without GPUs")
endif()

# The shaders, embedded as C: glsl/ -> gles_sources.c.
set(GLINT_GLES_SOURCES ${CMAKE_BINARY_DIR}/gles_sources.c)
file(GLOB_RECURSE GLINT_SHADERS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/glsl/*.comp ${CMAKE_SOURCE_DIR}/glsl/*.glsl)
add_custom_command(OUTPUT ${GLINT_GLES_SOURCES}
  COMMAND ${CMAKE_COMMAND} -DROOT=${CMAKE_SOURCE_DIR}/glsl -DOUT=${GLINT_GLES_SOURCES} -P ${CMAKE_CURRENT_LIST_DIR}/embed.cmake
  DEPENDS ${GLINT_SHADERS} ${CMAKE_CURRENT_LIST_DIR}/embed.cmake VERBATIM)
list(APPEND GLINT_SOURCES ${GLINT_GLES_SOURCES})
