# The page of the report, embedded as C: core/instruments/report.html -> report_page_text.c.
set(GLINT_REPORT_SOURCE ${CMAKE_BINARY_DIR}/report_page_text.c)
set(GLINT_REPORT_PAGE ${CMAKE_SOURCE_DIR}/core/instruments/report.html)
add_custom_command(OUTPUT ${GLINT_REPORT_SOURCE}
  COMMAND ${CMAKE_COMMAND} -DIN=${GLINT_REPORT_PAGE} -DOUT=${GLINT_REPORT_SOURCE} -DHEADER=core/instruments/report.h
    -DNAME=report_page_text -P ${CMAKE_CURRENT_LIST_DIR}/embed_text.cmake
  DEPENDS ${GLINT_REPORT_PAGE} ${CMAKE_CURRENT_LIST_DIR}/embed_text.cmake VERBATIM)
list(APPEND GLINT_SOURCES ${GLINT_REPORT_SOURCE})
