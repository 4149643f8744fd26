/* Reading one side of a comparison of files. */
#include "core/instruments/diff.h"

glint_status diff_no_memory(glint_error *err) {
    return base_fail(err, GLINT_INTERNAL, "out of memory for a comparison of files");
}

glint_status diff_read(const reference *r, const reference_run *run, const char *name, int first, int n, arena *a,
                       float **out, glint_error *err) {
    const reference_value *v = reference_find(run, name);
    *out = arena_array(a, (size_t)n, (size_t)v->width * sizeof **out);
    return *out ? reference_read(r, v, first - v->first_row, n, *out, err) : diff_no_memory(err);
}
