# Cross-compiling for 64-bit ARM with Debian's gcc-aarch64-linux-gnu. The libraries are Debian's arm64 packages: those
# installed here, or those that cmake/aarch64_libraries.sh unpacked into the folder GLINT_AARCH64_ROOT (environment).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(ENV{PKG_CONFIG_SYSROOT_DIR} "$ENV{GLINT_AARCH64_ROOT}")
set(ENV{PKG_CONFIG_LIBDIR} "$ENV{GLINT_AARCH64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig")

find_program(GLINT_QEMU qemu-aarch64)
if(GLINT_QEMU)
  # Man pages and tests run the program; the C library is that of the cross compiler.
  set(CMAKE_CROSSCOMPILING_EMULATOR ${GLINT_QEMU} -L /usr/aarch64-linux-gnu)
endif()
