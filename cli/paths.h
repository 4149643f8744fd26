/* Inside glint check: --paths. */
#ifndef CLI_PATHS_H
#define CLI_PATHS_H

#include "cli/options.h"

glint_status cli_check_paths(const cli_options *o, glint_model *model, const glint_check_options *options,
                             glint_error *err);

#endif
