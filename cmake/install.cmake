# Installing: the program, its default model, man pages and completions; the library, its header and glint.pc.

# ---- Pages that the program writes from its own tables. The build folder has them where an installation does. --------
set(GLINT_COMMANDS run tokenize inspect devices bench perplexity trace check diff)

function(glint_page output)
  get_filename_component(folder ${output} DIRECTORY)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/${folder})
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/${output} COMMAND glint_cli help ${ARGN} > ${output}
    WORKING_DIRECTORY ${CMAKE_BINARY_DIR} DEPENDS glint_cli VERBATIM)
  set_property(GLOBAL APPEND PROPERTY GLINT_PAGES ${CMAKE_BINARY_DIR}/${output})
endfunction()

if(NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR)
  glint_page(share/man/man1/glint.1 man)
  foreach(command ${GLINT_COMMANDS})
    glint_page(share/man/man1/glint-${command}.1 man ${command})
  endforeach()
  glint_page(share/bash-completion/completions/glint completion bash)
  glint_page(share/zsh/site-functions/_glint completion zsh)
  glint_page(share/fish/vendor_completions.d/glint.fish completion fish)
  get_property(pages GLOBAL PROPERTY GLINT_PAGES)
  add_custom_target(pages ALL DEPENDS ${pages})
  install(DIRECTORY ${CMAKE_BINARY_DIR}/share/man/ DESTINATION ${CMAKE_INSTALL_MANDIR})
  foreach(shell bash-completion zsh fish)
    install(DIRECTORY ${CMAKE_BINARY_DIR}/share/${shell} DESTINATION ${CMAKE_INSTALL_DATADIR})
  endforeach()
endif()

# ---- glint.pc: there is only a static library, so what it needs is always linked -------------------------------------
set(GLINT_PC_REQUIRES "jansson libpcre2-8 libutf8proc")
if(GLINT_BLAS)
  string(APPEND GLINT_PC_REQUIRES " openblas")
endif()
set(GLINT_PC_LIBS "-lm")
if(GLINT_OPENMP)
  foreach(name ${OpenMP_C_LIB_NAMES})
    string(APPEND GLINT_PC_LIBS " -l${name}")
  endforeach()
endif()
if(GLINT_GLES)
  foreach(name ${CMAKE_DL_LIBS})
    string(APPEND GLINT_PC_LIBS " -l${name}")
  endforeach()
endif()
# Relative to the file itself, so that an installation can be moved.
file(RELATIVE_PATH GLINT_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/glint.pc.in ${CMAKE_BINARY_DIR}/glint.pc @ONLY)

install(TARGETS glint_cli glint RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/glint.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_BINARY_DIR}/glint.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES tests/data/${GLINT_MODEL} DESTINATION ${CMAKE_INSTALL_DATADIR}/glint)
