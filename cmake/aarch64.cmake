# Cross-compiling for 64-bit ARM with Debian's compiler and its arm64 libraries (dpkg --add-architecture arm64).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)

find_program(GLINT_QEMU qemu-aarch64)
if(GLINT_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${GLINT_QEMU}) # tests and man pages run the program
endif()
