/* glint diff: two files of values beside each other. */
#include <string.h>

#include "cli/command.h"
#include "cli/comparison.h"
#include "cli/setup.h"

/* The verdict is part of the result where there is one, also of files that differ. */
static glint_status run(const cli_options *o, const glint_model *model, glint_error *err) {
    comparison_list list;
    glint_verdict verdict;
    comparison_open(&list, o->json, o->verbose);
    glint_diff_options options = {
        .tested = o->files[0], .reference = o->files[1], .model = model, .compared = comparison_add, .user = &list};
    glint_status s = glint_diff(&options, &verdict, err);
    if (s && s != GLINT_MISMATCH) {
        comparison_discard(&list);
        return s;
    }
    glint_error printing;
    glint_status printed = comparison_end(&list, &verdict, &printing);
    if (printed) *err = printing;
    return printed ? printed : s;
}

glint_status cli_diff(const cli_options *o, glint_error *err) {
    glint_model *model = NULL;
    if (!o->files[1]) return cli_fail(err, GLINT_USAGE, "two files are needed: what is tested, and what is right");
    glint_status s = o->model ? cli_open_model(o, &model, err) : GLINT_OK;
    if (!s) s = run(o, model, err);
    glint_model_close(&model);
    return s;
}
