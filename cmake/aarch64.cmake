# Cross-compiling for 64-bit ARM with Debian's gcc-aarch64-linux-gnu, and with the arm64 libraries that
# cmake/aarch64_libraries.sh has unpacked into build-aarch64-libraries.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
get_filename_component(GLINT_AARCH64_ROOT ${CMAKE_CURRENT_LIST_DIR}/../build-aarch64-libraries ABSOLUTE)
set(CMAKE_FIND_ROOT_PATH ${GLINT_AARCH64_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY) # headers of this machine's own libraries would bring its C library's along
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${GLINT_AARCH64_ROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${GLINT_AARCH64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig)

find_program(GLINT_QEMU qemu-aarch64)
if(GLINT_QEMU)
  # Man pages and tests run the program; the C library is that of the cross compiler.
  set(CMAKE_CROSSCOMPILING_EMULATOR ${GLINT_QEMU} -L /usr/aarch64-linux-gnu)
endif()
