/* JSON from mapped files, through jansson. The caller owns *out (json_decref).
 *
 * Refused with GLINT_BAD_INPUT, path and line: what is no JSON, a key given twice in one object, text that is not
 * UTF-8, a NUL in a string, integers beyond 64 bits, and nesting deeper than jansson allows (2048). */
#ifndef CORE_BASE_JSON_H
#define CORE_BASE_JSON_H

#include <jansson.h>

#include "core/base/status.h"

/* `path` is for messages. */
glint_status base_json_parse(const char *path, const void *text, size_t bytes, json_t **out, glint_error *err);
glint_status base_json_open(const char *path, json_t **out, glint_error *err);

#endif
